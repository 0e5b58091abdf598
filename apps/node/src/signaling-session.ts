import { randomInt, randomUUID } from 'node:crypto';
import type { Consumer, RtpCapabilities } from 'mediasoup/types';
import {
  errorCodeOf,
  ProblemError,
  type PublishRequest,
  type PublishResult,
  type SubscribeAnswerRequest,
  type SubscribeAnswerResult,
  type SubscribeOffer,
  type SubscribeRequest,
  type TrackState,
} from '@mediaserver/contracts';
import { pause, SerialQueue } from '@mediaserver/lifecycle';
import {
  abandonPublish,
  addConsumer,
  applyAnswer,
  completePublish,
  createOffer,
  createPubState,
  createSubState,
  currentOffer,
  deviceCapabilities,
  markStalled,
  needsOffer,
  offerUrgency,
  planPublish,
  producerClosed,
  releaseSection,
  removeConsumer,
  reserveSection,
  setConsumerPaused,
  type NegotiationContext,
  type PubAction,
  type PubState,
  type SubState,
} from '@mediaserver/sdp';
import type { Logger, NodeMetrics } from '@mediaserver/telemetry';
import type { User, UserOwner } from './user.ts';

/** What changes within this time goes into one offer, ms. */
const OFFER_BATCH_MS = 100;
/** Sections that only close wait this long for company, ms. */
const CLOSE_BATCH_MS = 1_500;
/** How long a join waits for tracks of other nodes before its offer goes out without them, ms. */
const JOIN_WAIT_MS = 400;
/** A second publish waits this long for the first, ms. */
const PUBLISH_WAIT_MS = 2_000;
/** A track that could not be consumed is tried again after this, if it is still wanted, ms. */
const RETRY_MS = 1_000;
/** An unanswered offer is pushed once more after this, and counts as stalled after that, ms. */
const REPUSH_AFTER_MS = 10_000;
const STALLED_AFTER_MS = 30_000;

/** One track this session wants. */
interface Subscription {
  readonly track: TrackState;
  /** Gives the producer back; set while it is held. */
  release: (() => void) | null;
  consumer: Consumer | null;
  /** Set when the device cannot take it: not tried again. */
  failed: boolean;
  dropped: boolean;
}

/**
 * Runs the negotiation of one session: `libs/sdp` decides, this runs its actions on mediasoup.
 *
 * Invariants:
 * 1. One publish at a time; one change of the SUB state at a time.
 * 2. A publish that fails leaves no producer behind and the PUB state as it was. If it fails after
 *    `connect()`, which cannot be undone, the transport goes and the next publish starts anew.
 * 3. For each wanted track there is at most one subscription; it holds its producer until dropped.
 * 4. At most one offer is outstanding; what happens meanwhile goes into the next.
 */
export class SignalingSession {
  readonly #user: User;
  readonly #room: UserOwner;
  readonly #log: Logger;
  readonly #metrics: NodeMetrics;
  readonly #context: NegotiationContext;
  /** `o=` ids, decimal, below 2^63; one per PeerConnection. */
  readonly #sdpSessionIds = { publish: randomSdpSessionId(), subscribe: randomSdpSessionId() };

  #pub: PubState = createPubState(1);
  readonly #pubQueue = new SerialQueue();
  /** Producers that closed while a publish was applied, which builds on the state from before. */
  #closedMeanwhile: string[] = [];

  #sub: SubState | null = null;
  readonly #subQueue = new SerialQueue();
  readonly #subscriptions = new Map<string, Subscription>();
  /** Tracks on their way; none of these promises rejects. */
  readonly #acquiring = new Set<Promise<void>>();
  readonly #added = new Set<string>();
  readonly #removed = new Set<string>();
  #offerTimer: { readonly timer: NodeJS.Timeout; readonly urgency: 'now' | 'later' } | null = null;
  #answerTimer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(user: User, room: UserOwner, log: Logger, metrics: NodeMetrics) {
    this.#user = user;
    this.#room = room;
    this.#log = log;
    this.#metrics = metrics;
    this.#context = { routerRtpCapabilities: room.router.rtpCapabilities, codecs: room.codecs };
  }

  // ── PUB: the client offers ───────────────────────────────────────────────────────────────────

  /** @throws SdpError or ProblemError; then nothing has changed. */
  async publish(request: PublishRequest): Promise<PublishResult> {
    if (!this.#user.session.permissions.publish) throw new ProblemError('not_permitted', 'the user may not publish');
    let turn: 'waiting' | 'running' | 'late' = 'waiting';
    const work = this.#pubQueue.run(() => {
      if (turn === 'late') throw new ProblemError('negotiation_in_progress');
      turn = 'running';
      return this.#counted(() => this.#applyPublish(request));
    });
    const late = pause(PUBLISH_WAIT_MS).then(() => {
      if (turn !== 'waiting') return work;
      turn = 'late';
      throw new ProblemError('negotiation_in_progress');
    });
    return Promise.race([work, late]);
  }

  async #applyPublish(request: PublishRequest): Promise<PublishResult> {
    const plan = planPublish(this.#pub, { ...this.#context, ...request });
    if (plan.type === 'replay') return this.#publishResult(plan.sdp, plan.sections);
    for (const { code, mid } of plan.warnings) this.#log.info({ code, mid }, 'publish offer taken with a warning');

    this.#closedMeanwhile = [];
    let transport = await this.#user.transport('publish');
    const producerIds = new Map<string, string>();
    const done: PubAction[] = [];
    try {
      for (const action of plan.actions) {
        switch (action.type) {
          case 'connect':
            await transport.connect({ dtlsParameters: action.dtlsParameters });
            break;
          case 'restartIce':
            await transport.restartIce();
            break;
          case 'replaceTransport':
            transport.close();
            transport = await this.#user.transport('publish');
            break;
          case 'produce':
            producerIds.set(action.mid, await this.#user.produce(transport, action));
            break;
          case 'closeProducer':
            this.#user.closeProducer(action.producerId);
            break;
          case 'pauseProducer':
          case 'resumeProducer':
            await this.#user.setSending(action.producerId, action.type === 'resumeProducer');
            break;
        }
        done.push(action);
      }
    } catch (error) {
      for (const producerId of producerIds.values()) this.#user.closeProducer(producerId);
      if (plan.actions.some(({ type }) => type === 'connect')) {
        transport.close();
        this.#sdpSessionIds.publish = randomSdpSessionId();
        this.#pub = createPubState(this.#pub.generation + 1);
      } else {
        this.#pub = abandonPublish(plan, done);
      }
      throw error;
    }
    const { state, sdp, sections } = completePublish(plan, {
      transport: this.#user.describe(transport),
      producerIds,
      sdpSessionId: this.#sdpSessionIds.publish,
    });
    this.#pub = this.#closedMeanwhile.reduce(producerClosed, state);
    return this.#publishResult(sdp, sections);
  }

  #publishResult(sdp: string, sections: ReturnType<typeof completePublish>['sections']): PublishResult {
    return {
      generation: this.#pub.generation,
      sdp,
      sections: sections.map((section) => ({
        ...section,
        trackId: section.producerId === null ? null : this.#user.trackIdOf(section.producerId),
      })),
    };
  }

  /** A producer ended for another reason than a publish. */
  producerClosed(producerId: string): void {
    this.#closedMeanwhile.push(producerId);
    this.#pub = producerClosed(this.#pub, producerId);
  }

  // ── SUB: the server offers ───────────────────────────────────────────────────────────────────

  /** Starts to subscribe; the first offer comes from `takeOffer()`. @throws SdpError for bad capabilities. */
  startSubscribing(capabilitiesSdp: string | undefined): void {
    const { permissions, subscribe } = this.#user.session;
    if (!permissions.subscribe || subscribe === 'none') return;
    const capabilities =
      capabilitiesSdp === undefined ? null : this.#count(() => deviceCapabilities(capabilitiesSdp, this.#context));
    this.#sub = createSubState({ generation: 1, data: false, capabilities, profile: null });
    this.tracksChanged();
  }

  /** The first offer: with everything that is consumable within a moment. */
  async firstOffer(): Promise<SubscribeOffer | null> {
    if (!this.#sub) return null;
    await Promise.race([Promise.all(this.#acquiring), pause(JOIN_WAIT_MS)]);
    return this.takeOffer();
  }

  async subscribe({ add, remove }: SubscribeRequest): Promise<SubscribeOffer | null> {
    if (!this.#user.session.permissions.subscribe) throw new ProblemError('subscribe_disabled');
    const known = new Set(this.#room.tracks().map(({ trackId }) => trackId));
    const unknown = add.find((trackId) => !known.has(trackId));
    if (unknown !== undefined) throw new ProblemError('track_not_found', `there is no track ${unknown}`);
    for (const trackId of add) {
      this.#added.add(trackId);
      this.#removed.delete(trackId);
    }
    // What ended meanwhile is not received anyway.
    for (const trackId of remove.filter((id) => known.has(id))) {
      this.#removed.add(trackId);
      this.#added.delete(trackId);
    }
    if (!this.#sub) this.#sub = createSubState({ generation: 1, data: false, capabilities: null, profile: null });
    this.tracksChanged();
    return this.firstOffer();
  }

  /** Brings the subscriptions in line with the tracks there are. Cheap; called at every change. */
  tracksChanged(): void {
    if (this.#closed || !this.#sub) return;
    const wanted = new Map<string, TrackState>();
    for (const track of this.#room.tracks()) if (this.#wants(track)) wanted.set(track.trackId, track);
    for (const [trackId, subscription] of this.#subscriptions) {
      if (wanted.get(trackId)?.producerId !== subscription.track.producerId) this.#drop(subscription);
    }
    for (const [trackId, track] of wanted) {
      if (this.#subscriptions.has(trackId)) continue;
      const subscription: Subscription = { track, release: null, consumer: null, failed: false, dropped: false };
      this.#subscriptions.set(trackId, subscription);
      const acquiring = this.#acquire(subscription).finally(() => this.#acquiring.delete(acquiring));
      this.#acquiring.add(acquiring);
    }
  }

  #wants({ trackId, userId, kind }: TrackState): boolean {
    if (this.#removed.has(trackId)) return false;
    if (this.#added.has(trackId)) return true;
    const { subscribe, userId: self } = this.#user.session;
    if (userId === self) return false;
    return subscribe === 'all' || (subscribe === 'audio' && kind === 'audio');
  }

  #acquire(subscription: Subscription): Promise<void> {
    return this.#orRetry(subscription, async () => {
      const { release } = await this.#room.acquire(subscription.track);
      if (subscription.dropped) {
        release();
        return;
      }
      subscription.release = release;
      await this.#subQueue.run(() => this.#consume(subscription));
    });
  }

  /** Never rejects: what fails for one track is tried again a little later, and holds up no other. */
  async #orRetry(subscription: Subscription, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (subscription.dropped || this.#closed) return;
      const { trackId } = subscription.track;
      this.#log.info({ err: error, trackId }, 'a track could not be subscribed; trying again');
      this.#drop(subscription);
      setTimeout(() => this.tracksChanged(), RETRY_MS).unref();
    }
  }

  /** The device cannot take it, or the client refused it: not tried again, and not kept on this node for it. */
  #fail(subscription: Subscription): void {
    subscription.failed = true;
    subscription.release?.();
    subscription.release = null;
  }

  /** Runs in the SUB queue. Without the device's capabilities it waits for the answer to the probe. */
  async #consume(subscription: Subscription): Promise<void> {
    const { track } = subscription;
    if (!this.#sub?.capabilities || subscription.dropped || subscription.consumer || subscription.failed) return;
    const rtpCapabilities: RtpCapabilities = this.#sub.capabilities;
    if (!this.#room.holds(track)) throw new Error('the producer is not on this Router any more');
    if (!this.#user.canConsume(track.producerId, rtpCapabilities)) {
      this.#fail(subscription);
      this.#user.reportFailedConsumer(track.trackId, 'no_common_codec');
      return;
    }
    const transport = await this.#user.transport('subscribe');
    const reserved = reserveSection(this.#sub, track);
    this.#sub = reserved.state;
    const { mid } = reserved;
    let consumer: Consumer;
    try {
      consumer = await this.#user.consume(transport, { producerId: track.producerId, rtpCapabilities, mid });
    } catch (error) {
      this.#sub = releaseSection(this.#sub, mid);
      throw error;
    }
    this.#sub = addConsumer(this.#sub, {
      mid,
      consumerId: consumer.id,
      producerId: track.producerId,
      rtpParameters: consumer.rtpParameters,
      paused: consumer.producerPaused,
      replaces: null,
    });
    subscription.consumer = consumer;
    consumer.on('producerpause', () => this.#setPaused(consumer.id, true));
    consumer.on('producerresume', () => this.#setPaused(consumer.id, false));
    // The producer is gone from this Router, be it for good or because its Pipe is made anew.
    consumer.once('producerclose', () => {
      this.#drop(subscription);
      this.tracksChanged();
    });
    this.#scheduleOffer();
  }

  #setPaused(consumerId: string, paused: boolean): void {
    void this.#change(() => {
      if (this.#sub) this.#sub = setConsumerPaused(this.#sub, consumerId, paused);
    });
  }

  #drop(subscription: Subscription): void {
    if (subscription.dropped) return;
    subscription.dropped = true;
    if (this.#subscriptions.get(subscription.track.trackId) === subscription) {
      this.#subscriptions.delete(subscription.track.trackId);
    }
    subscription.release?.();
    void this.#change(() => {
      const { consumer } = subscription;
      if (!consumer || !this.#sub) return;
      consumer.close();
      this.#sub = removeConsumer(this.#sub, consumer.id);
      this.#scheduleOffer();
    });
  }

  // ── Offers and answers ───────────────────────────────────────────────────────────────────────

  /** Something new to receive goes out soon; one timer, and the earlier of two times wins. */
  #scheduleOffer(): void {
    if (this.#closed || !this.#sub) return;
    const urgency = offerUrgency(this.#sub);
    if (urgency === 'none' || (this.#offerTimer && (urgency === 'later' || this.#offerTimer.urgency === 'now'))) return;
    if (this.#offerTimer) clearTimeout(this.#offerTimer.timer);
    const timer = setTimeout(
      () => {
        this.#offerTimer = null;
        void this.#change(async () => {
          if (await this.#makeOffer()) this.#room.signalOffer(this.#user);
        });
      },
      urgency === 'now' ? OFFER_BATCH_MS : CLOSE_BATCH_MS,
    );
    this.#offerTimer = { timer, urgency };
  }

  /** A new offer if there is something to tell and none is outstanding; it is not pushed. */
  takeOffer(): Promise<SubscribeOffer | null> {
    return this.#subQueue.run(() => this.#makeOffer());
  }

  async #makeOffer(): Promise<SubscribeOffer | null> {
    if (!this.#sub || this.#closed || !needsOffer(this.#sub)) return null;
    const transport = await this.#user.transport('subscribe');
    const { state, offer } = createOffer(this.#sub, {
      ...this.#context,
      transport: this.#user.describe(transport),
      sdpSessionId: this.#sdpSessionIds.subscribe,
      negotiationId: randomUUID(),
    });
    this.#sub = state;
    this.#awaitAnswer(offer.negotiationId, REPUSH_AFTER_MS);
    return offer;
  }

  /** The offer that waits for an answer. */
  outstandingOffer(): SubscribeOffer | null {
    return this.#sub && currentOffer(this.#sub);
  }

  #awaitAnswer(negotiationId: string, waitMs: number): void {
    if (this.#answerTimer) clearTimeout(this.#answerTimer);
    this.#answerTimer = setTimeout(() => {
      this.#answerTimer = null;
      if (!this.#sub || this.outstandingOffer()?.negotiationId !== negotiationId) return;
      if (waitMs === REPUSH_AFTER_MS) {
        this.#room.signalOffer(this.#user);
        this.#awaitAnswer(negotiationId, STALLED_AFTER_MS - REPUSH_AFTER_MS);
      } else {
        this.#log.info({ negotiationId }, 'an offer was not answered');
        void this.#change(() => {
          if (this.#sub) this.#sub = markStalled(this.#sub, negotiationId);
        });
      }
    }, waitMs);
    this.#answerTimer.unref();
  }

  /** @throws SdpError; then nothing has changed. */
  answer(request: SubscribeAnswerRequest): Promise<SubscribeAnswerResult> {
    return this.#subQueue.run(() => this.#counted(() => this.#applyAnswer(request)));
  }

  async #applyAnswer({ negotiationId, sdp }: SubscribeAnswerRequest): Promise<SubscribeAnswerResult> {
    if (!this.#sub) throw new ProblemError('no_negotiation');
    const applied = applyAnswer(this.#sub, { ...this.#context, negotiationId, sdp });
    const transport = await this.#user.transport('subscribe');
    const consumers = new Map(
      [...this.#subscriptions.values()].flatMap((subscription) =>
        subscription.consumer ? [[subscription.consumer.id, { subscription, consumer: subscription.consumer }]] : [],
      ),
    );
    for (const action of applied.actions) {
      switch (action.type) {
        case 'connect':
          await transport.connect({ dtlsParameters: action.dtlsParameters });
          break;
        case 'openData':
          throw new TypeError('the session was made without data channels');
        case 'resumeConsumer':
          await setFlow(consumers.get(action.consumerId)?.consumer, true);
          break;
        case 'pauseConsumer':
          await setFlow(consumers.get(action.consumerId)?.consumer, false);
          break;
        case 'closeConsumer': {
          const entry = consumers.get(action.consumerId);
          entry?.consumer.close();
          if (entry) this.#fail(entry.subscription);
          this.#user.reportFailedConsumer(action.trackId, action.code);
          break;
        }
      }
    }
    const probed = !this.#sub.capabilities && applied.capabilities;
    this.#sub = applied.state;
    // Those still on their way are consumed when they arrive.
    const arrived = probed ? [...this.#subscriptions.values()].filter(({ release }) => release !== null) : [];
    for (const subscription of arrived) await this.#orRetry(subscription, () => this.#consume(subscription));
    const next = await this.#makeOffer();
    return {
      next,
      sections: applied.sections.map(({ mid, status, code, trackId }) => ({ mid, status, code, trackId })),
    };
  }

  // ── Shared ───────────────────────────────────────────────────────────────────────────────────

  /** A change of the SUB state that nobody waits for the result of. */
  async #change(work: () => Promise<void> | void): Promise<void> {
    try {
      await this.#subQueue.run(work);
    } catch (error) {
      if (!this.#closed) this.#log.error({ err: error }, 'a change of the subscription failed');
    }
  }

  async #counted<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.#metrics.negotiationFailures.inc({ code: errorCodeOf(error) });
      throw error;
    }
  }

  #count<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.#metrics.negotiationFailures.inc({ code: errorCodeOf(error) });
      throw error;
    }
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#offerTimer) clearTimeout(this.#offerTimer.timer);
    if (this.#answerTimer) clearTimeout(this.#answerTimer);
    for (const subscription of this.#subscriptions.values()) {
      subscription.dropped = true;
      subscription.release?.();
    }
    this.#subscriptions.clear();
    this.#pubQueue.close();
    this.#subQueue.close();
  }
}

/** A consumer may close under way, because its producer did: that is no fault of the answer. */
async function setFlow(consumer: Consumer | undefined, flows: boolean): Promise<void> {
  try {
    await (flows ? consumer?.resume() : consumer?.pause());
  } catch (error) {
    if (!consumer?.closed) throw error;
  }
}

function randomSdpSessionId(): string {
  return randomInt(1, 2 ** 47).toString();
}
