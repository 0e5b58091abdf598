import { randomUUID } from 'node:crypto';
import type { Consumer, RtpCapabilities, WebRtcTransport } from 'mediasoup/types';
import {
  errorCodeOf,
  ProblemError,
  type ClientProfileName,
  type ConsumerSettings,
  type ConsumerView,
  type SubscribeAnswerRequest,
  type SubscribeAnswerResult,
  type SubscribeOffer,
  type SubscribeRequest,
  type TrackState,
} from '@mediaserver/contracts';
import { pause, SerialQueue } from '@mediaserver/lifecycle';
import {
  addConsumer,
  applyAnswer,
  canRestartIce,
  clientProfile,
  clientProfiles,
  createOffer,
  createSubState,
  currentOffer,
  deviceCapabilities,
  hasRoomFor,
  markStalled,
  needsOffer,
  offerUrgency,
  releaseSection,
  removeConsumer,
  renewOffer,
  reserveSection,
  restartIce,
  setConsumerPaused,
  type ClientProfile,
  type NegotiationContext,
  type SubState,
} from '@mediaserver/sdp';
import type { Logger } from '@mediaserver/telemetry';
import { randomSdpSessionId } from './publishing.ts';
import type { TransportOptions, User, UserOwner } from './user.ts';

/** What changes within this time goes into one offer, ms. */
const OFFER_BATCH_MS = 100;
/** Sections that only close wait this long for company, ms. */
const CLOSE_BATCH_MS = 1_500;
/** How long a join waits for tracks of other nodes before its offer goes out without them, ms. */
const JOIN_WAIT_MS = 400;
/** A track that could not be consumed is tried again after this, if it is still wanted, ms. */
const RETRY_MS = 1_000;
/** An unanswered offer is pushed once more after this, and counts as stalled after that, ms. */
const REPUSH_AFTER_MS = 10_000;
const STALLED_AFTER_MS = 30_000;
/** What a client without feedback receives is looked after so often, ms: a packet or a request may have been lost. */
const UNASKED_MS = 3_000;
/** Choices of so many tracks are kept, also while those are absent. */
const KEPT_CHOICES = 256;
/** An offer that is full is begun anew, on another PeerConnection, if so many of its sections are done with. */
const WASTED_SECTIONS = 40;
/** Over every layer there is; mediasoup takes the highest for it. */
const HIGHEST_LAYERS = { spatialLayer: 7, temporalLayer: 7 };

/** What the client said of itself, at the join or later. */
export interface SubscriberClient {
  /** Null: its first answer tells. */
  readonly capabilities: RtpCapabilities | null;
  readonly profile: ClientProfile | null;
  /** The caller named the profile: no SDP overrules it. */
  readonly chosen: ClientProfile | null;
}

/** One track this session wants. */
interface Subscription {
  readonly track: TrackState;
  /** Gives the producer back; set while it is held. */
  release: (() => void) | null;
  consumer: Consumer | null;
  /** Whether the client takes it, by its last answer. */
  taken: boolean;
  /** Set when the device cannot take it: not tried again. */
  failed: boolean;
  /** Set when the offer had no room for it, and that was told. */
  crowdedOut: boolean;
  dropped: boolean;
}

/**
 * The SUB PeerConnection of one session, on which this side offers: `libs/sdp` decides, this runs its actions.
 *
 * Invariants:
 * 1. One change of the state at a time.
 * 2. For each wanted track there is at most one subscription; it holds its producer until dropped, also while the
 *    PeerConnection is replaced by another.
 * 3. At most one offer is outstanding; what happens meanwhile goes into the next.
 * 4. A consumer flows exactly while the client takes it and no call paused it.
 * 5. What was chosen by call (tracks, pauses, layers, priorities) is kept by track, for the life of the session;
 *    of tracks that are not there, only while there are few.
 */
export class Subscribing {
  readonly #user: User;
  readonly #room: UserOwner;
  readonly #context: NegotiationContext;
  readonly #log: Logger;
  readonly #queue = new SerialQueue();
  #state: SubState | null = null;
  #client: SubscriberClient = { capabilities: null, profile: null, chosen: null };
  /** Whether the session shall have data channels. */
  #data = false;
  #sdpSessionId = randomSdpSessionId();
  /** The transport that `connect()` was called on. */
  #connected: WebRtcTransport | null = null;
  readonly #subscriptions = new Map<string, Subscription>();
  /** Tracks on their way; none of these promises rejects. */
  readonly #acquiring = new Set<Promise<void>>();
  readonly #added = new Set<string>();
  readonly #removed = new Set<string>();
  readonly #settings = new Map<string, ConsumerSettings>();
  #offerTimer: { readonly timer: NodeJS.Timeout; readonly urgency: 'now' | 'later' } | null = null;
  #answerTimer: NodeJS.Timeout | null = null;
  #unaskedTimer: NodeJS.Timeout | null = null;
  /** Calls that wait for what goes into the offer they will answer with. */
  #collecting = 0;
  #closed = false;

  constructor(user: User, room: UserOwner, context: NegotiationContext, log: Logger) {
    this.#user = user;
    this.#room = room;
    this.#context = context;
    this.#log = log;
  }

  // ── Begin, and begin again ───────────────────────────────────────────────────────────────────

  /**
   * What is known of a client from what it sends. What it leaves out is as it was.
   *
   * @param told `capabilitiesSdp` shows both; an offer to publish shows what the client needs, but not its decoders
   * @param name chosen by the caller; otherwise the SDP shows it
   * @throws SdpError; nothing has changed in any case
   */
  readClient(
    { capabilitiesSdp, publishSdp }: { readonly capabilitiesSdp?: string | undefined; readonly publishSdp?: string },
    name?: ClientProfileName,
  ): SubscriberClient {
    const chosen = name === undefined ? this.#client.chosen : clientProfiles[name];
    if (capabilitiesSdp === undefined) {
      // An answer may have told it since.
      const capabilities = this.#client.capabilities ?? this.#state?.capabilities ?? null;
      const shown = publishSdp === undefined ? null : clientProfile(publishSdp);
      return { capabilities, profile: chosen ?? this.#client.profile ?? this.#state?.profile ?? shown, chosen };
    }
    const capabilities = deviceCapabilities(capabilitiesSdp, this.#context);
    return { capabilities, profile: chosen ?? clientProfile(capabilitiesSdp), chosen };
  }

  /** Starts to subscribe if the session does so from the join on; `firstOffer()` gives the offer. */
  start(client: SubscriberClient, data: boolean): void {
    this.#client = client;
    this.#data = data;
    const { permissions, subscribe } = this.#user.session;
    if (!permissions.subscribe || subscribe === 'none') return;
    this.#state = this.#newState(1);
    this.tracksChanged();
  }

  #newState(generation: number): SubState {
    const { capabilities, profile } = this.#client;
    return createSubState({ generation, data: this.#data, capabilities, profile });
  }

  /** An offer with everything that is consumable within a moment; null if the session does not subscribe. */
  async firstOffer(): Promise<SubscribeOffer | null> {
    return (await this.#collectOffer()) ?? this.outstandingOffer();
  }

  /** Waits a moment for tracks on their way; meanwhile no offer is pushed. */
  async #collectOffer(): Promise<SubscribeOffer | null> {
    this.#collecting += 1;
    try {
      await Promise.race([Promise.all(this.#acquiring), pause(JOIN_WAIT_MS)]);
    } finally {
      this.#collecting -= 1;
    }
    try {
      return await this.#queue.run(() => this.#makeOffer());
    } finally {
      this.#scheduleOffer();
    }
  }

  /**
   * For a client that may have lost the last offer, or its answer, or its network: always an offer.
   * What is new about the client counts from the next PeerConnection on.
   *
   * @returns null if the session does not subscribe
   */
  async renew(client: SubscriberClient, reset: 'none' | 'ice' | 'all'): Promise<SubscribeOffer | null> {
    this.#client = client;
    const offer = await this.#queue.run(async () => {
      if (!this.#state) return null;
      if (reset === 'all' || (reset === 'ice' && !canRestartIce({ ...this.#state, profile: client.profile }))) {
        await this.#replace(this.#state.generation + 1);
        return null;
      }
      if (reset === 'ice') await (await this.#transport()).restartIce();
      this.#state = reset === 'ice' ? restartIce(this.#state) : renewOffer(this.#state);
      return this.#makeOffer();
    });
    return offer ?? this.firstOffer();
  }

  /** Runs in the queue. Another PeerConnection, with the same tracks under new consumers. */
  async #replace(generation: number): Promise<void> {
    if (this.#offerTimer) clearTimeout(this.#offerTimer.timer);
    this.#offerTimer = null;
    this.#client = this.readClient({});
    // First, so that whatever fails leaves a negotiation that has not begun, and not one on a transport that is gone.
    this.#state = this.#newState(generation);
    this.#sdpSessionId = randomSdpSessionId();
    for (const subscription of this.#subscriptions.values()) {
      Object.assign(subscription, { consumer: null, taken: false, crowdedOut: false });
    }
    await this.#user.replaceTransport('subscribe', this.#transportOptions);
    for (const subscription of this.#subscriptions.values()) {
      // The new client may take what the one before could not.
      if (subscription.failed) this.#drop(subscription);
      else if (subscription.release) this.#keep(this.#orRetry(subscription, () => this.#consumeInTurn(subscription)));
    }
    this.tracksChanged();
  }

  // ── Which tracks ─────────────────────────────────────────────────────────────────────────────

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
    this.#forgetAbsent();
    this.#state ??= this.#newState(1);
    this.tracksChanged();
    return this.firstOffer();
  }

  /** A room may live for weeks: what was chosen of tracks long gone does not pile up. */
  #forgetAbsent(): void {
    const choices = [this.#added, this.#removed, this.#settings];
    if (choices.every(({ size }) => size <= KEPT_CHOICES)) return;
    const present = new Set(this.#room.tracks().map(({ trackId }) => trackId));
    for (const choice of choices) for (const id of choice.keys()) if (!present.has(id)) choice.delete(id);
  }

  /** Brings the subscriptions in line with the tracks there are. Cheap; called at every change. */
  tracksChanged(): void {
    if (this.#closed || !this.#state) return;
    const wanted = new Map<string, TrackState>();
    for (const track of this.#room.tracks()) if (this.#wants(track)) wanted.set(track.trackId, track);
    for (const [trackId, subscription] of this.#subscriptions) {
      if (wanted.get(trackId)?.producerId !== subscription.track.producerId) this.#drop(subscription);
    }
    for (const [trackId, track] of wanted) {
      if (this.#subscriptions.has(trackId)) continue;
      const subscription: Subscription = {
        track,
        release: null,
        consumer: null,
        taken: false,
        failed: false,
        crowdedOut: false,
        dropped: false,
      };
      this.#subscriptions.set(trackId, subscription);
      this.#keep(this.#acquire(subscription));
    }
  }

  #wants({ trackId, userId, kind }: TrackState): boolean {
    if (this.#removed.has(trackId)) return false;
    if (this.#added.has(trackId)) return true;
    const { subscribe, userId: self } = this.#user.session;
    if (userId === self) return false;
    return subscribe === 'all' || (subscribe === 'audio' && kind === 'audio');
  }

  #keep(work: Promise<void>): void {
    const acquiring = work.finally(() => this.#acquiring.delete(acquiring));
    this.#acquiring.add(acquiring);
  }

  #acquire(subscription: Subscription): Promise<void> {
    return this.#orRetry(subscription, async () => {
      const { release } = await this.#room.acquire(subscription.track);
      if (subscription.dropped) {
        release();
        return;
      }
      subscription.release = release;
      await this.#consumeInTurn(subscription);
    });
  }

  #consumeInTurn(subscription: Subscription): Promise<void> {
    return this.#queue.run(() => this.#consume(subscription));
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
    subscription.consumer?.close();
    subscription.consumer = null;
    subscription.release?.();
    subscription.release = null;
  }

  /** Runs in the queue. Without the device's capabilities it waits for the answer to the probe. */
  async #consume(subscription: Subscription): Promise<void> {
    const { track } = subscription;
    if (!this.#state?.capabilities || subscription.dropped || subscription.consumer || subscription.failed) return;
    const rtpCapabilities: RtpCapabilities = this.#state.capabilities;
    if (!this.#room.holds(track)) throw new Error('the producer is not on this Router any more');
    if (!this.#user.canConsume(track.producerId, rtpCapabilities)) {
      this.#fail(subscription);
      this.#user.reportFailedConsumer(track.trackId, 'no_common_codec');
      return;
    }
    if (!hasRoomFor(this.#state, track.kind)) return this.#makeRoom(this.#state, subscription);
    const transport = await this.#transport();
    const reserved = reserveSection(this.#state, track);
    this.#state = reserved.state;
    const { mid } = reserved;
    let consumer: Consumer;
    try {
      consumer = await this.#user.consume(transport, { producerId: track.producerId, rtpCapabilities, mid });
    } catch (error) {
      this.#state = releaseSection(this.#state, mid);
      throw error;
    }
    this.#state = addConsumer(this.#state, {
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
    await unlessClosed(consumer, () => applySettings(consumer, this.#settings.get(track.trackId) ?? {}));
    this.#scheduleOffer();
  }

  /** The track waits: it is tried again after each answer, and on a new PeerConnection. */
  async #makeRoom(state: SubState, subscription: Subscription): Promise<void> {
    if (state.lines.filter(({ phase }) => phase === 'free').length < WASTED_SECTIONS) {
      if (!subscription.crowdedOut) this.#user.reportFailedConsumer(subscription.track.trackId, 'too_many_sections');
      subscription.crowdedOut = true;
      return;
    }
    this.#log.info(
      { generation: state.generation },
      'the offer is full of sections that are done with; beginning anew',
    );
    await this.#replace(state.generation + 1);
    this.#scheduleOffer();
  }

  #setPaused(consumerId: string, paused: boolean): void {
    void this.#change(() => {
      if (this.#state) this.#state = setConsumerPaused(this.#state, consumerId, paused);
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
      if (!consumer || !this.#state) return;
      consumer.close();
      this.#state = removeConsumer(this.#state, consumer.id);
      this.#scheduleOffer();
    });
  }

  // ── How a track is received ──────────────────────────────────────────────────────────────────

  /** Choices for one track, in effect as soon as it is received. @throws ProblemError */
  patchConsumer(trackId: string, change: ConsumerSettings): Promise<ConsumerView> {
    return this.#queue.run(async () => {
      if (!this.#user.session.permissions.subscribe) throw new ProblemError('subscribe_disabled');
      if (!this.#room.tracks().some((track) => track.trackId === trackId)) throw new ProblemError('track_not_found');
      const settings = { ...this.#settings.get(trackId), ...change };
      this.#settings.set(trackId, settings);
      this.#forgetAbsent();
      const subscription = this.#subscriptions.get(trackId);
      const consumer = subscription?.consumer ?? null;
      if (subscription && consumer) {
        await unlessClosed(consumer, () => applySettings(consumer, change));
        await this.#applyFlow(subscription);
      }
      return {
        trackId,
        consumerId: consumer?.id ?? null,
        paused: settings.paused ?? false,
        preferredLayers: settings.preferredLayers
          ? (viewOf(consumer?.preferredLayers) ?? settings.preferredLayers)
          : null,
        currentLayers: viewOf(consumer?.currentLayers),
        priority: settings.priority ?? 1,
      };
    });
  }

  /** Invariant 4. */
  async #applyFlow({ track, consumer, taken }: Subscription): Promise<void> {
    if (!consumer) return;
    const flows = taken && this.#settings.get(track.trackId)?.paused !== true;
    await unlessClosed(consumer, () => (flows ? consumer.resume() : consumer.pause()));
  }

  // ── Offers and answers ───────────────────────────────────────────────────────────────────────

  #transport(): Promise<WebRtcTransport> {
    return this.#user.transport('subscribe', this.#transportOptions);
  }

  /** Of a client that has shown nothing of itself yet, nothing is expected: it would be lost for it. */
  get #transportOptions(): TransportOptions {
    const profile = this.#client.profile ?? this.#state?.profile;
    return { data: this.#data, checksConsent: profile?.checksConsent ?? false };
  }

  /** Something new to receive goes out soon; one timer, and the earlier of two times wins. */
  #scheduleOffer(): void {
    if (this.#closed || !this.#state || this.#collecting > 0) return;
    const urgency = offerUrgency(this.#state);
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

  /** For a client that does not ask for key frames and layers by its feedback. */
  #lookAfter(): void {
    const profile = this.#client.profile ?? this.#state?.profile;
    if (this.#unaskedTimer || (profile?.givesFeedback ?? true)) return;
    this.#unaskedTimer = setInterval(() => {
      for (const { consumer } of this.#subscriptions.values()) {
        if (consumer?.kind !== 'video' || consumer.paused || consumer.producerPaused) continue;
        void this.#change(() => unlessClosed(consumer, () => refresh(consumer)));
      }
    }, UNASKED_MS);
    this.#unaskedTimer.unref();
  }

  /** A new offer if there is something to tell and none is outstanding. */
  async #makeOffer(): Promise<SubscribeOffer | null> {
    if (!this.#state || this.#closed || !needsOffer(this.#state)) return null;
    const transport = await this.#transport();
    if (this.#closed) return null;
    const { state, offer } = createOffer(this.#state, {
      ...this.#context,
      transport: this.#user.describe(transport),
      sdpSessionId: this.#sdpSessionId,
      negotiationId: randomUUID(),
    });
    this.#state = state;
    this.#awaitAnswer(offer.negotiationId, REPUSH_AFTER_MS);
    return offer;
  }

  /** The offer that waits for an answer. */
  outstandingOffer(): SubscribeOffer | null {
    return this.#state && currentOffer(this.#state);
  }

  #awaitAnswer(negotiationId: string, waitMs: number): void {
    if (this.#answerTimer) clearTimeout(this.#answerTimer);
    this.#answerTimer = setTimeout(() => {
      this.#answerTimer = null;
      if (!this.#state || this.outstandingOffer()?.negotiationId !== negotiationId) return;
      if (waitMs === REPUSH_AFTER_MS) {
        this.#room.signalOffer(this.#user);
        this.#awaitAnswer(negotiationId, STALLED_AFTER_MS - REPUSH_AFTER_MS);
      } else {
        this.#log.info({ negotiationId }, 'an offer was not answered');
        void this.#change(() => {
          if (this.#state) this.#state = markStalled(this.#state, negotiationId);
        });
      }
    }, waitMs);
    this.#answerTimer.unref();
  }

  /** @throws SdpError or ProblemError; then nothing has changed. */
  answer(request: SubscribeAnswerRequest): Promise<SubscribeAnswerResult> {
    return this.#queue.run(() => this.#applyAnswer(request));
  }

  async #applyAnswer({ negotiationId, sdp }: SubscribeAnswerRequest): Promise<SubscribeAnswerResult> {
    if (!this.#state) throw new ProblemError('no_negotiation');
    const applied = this.#read(this.#state, negotiationId, sdp);
    const transport = await this.#transport();
    const subscriptions = new Map([...this.#subscriptions.values()].map((one) => [one.consumer?.id, one]));
    for (const action of applied.actions) {
      switch (action.type) {
        case 'connect':
          // An answer that failed half-way comes again; connecting cannot be repeated.
          if (this.#connected !== transport) await transport.connect({ dtlsParameters: action.dtlsParameters });
          this.#connected = transport;
          break;
        case 'openData':
          await this.#user.openData(transport);
          break;
        case 'resumeConsumer':
        case 'pauseConsumer': {
          // It may be gone, because its producer closed.
          const subscription = subscriptions.get(action.consumerId);
          if (!subscription) break;
          subscription.taken = action.type === 'resumeConsumer';
          await this.#applyFlow(subscription);
          break;
        }
        case 'closeConsumer': {
          const subscription = subscriptions.get(action.consumerId);
          if (subscription) this.#fail(subscription);
          this.#user.reportFailedConsumer(action.trackId, action.code);
          break;
        }
      }
    }
    this.#state = applied.state;
    this.#lookAfter();
    // What waited for the device's capabilities, or for room; those still on their way are consumed when they arrive.
    const waiting = [...this.#subscriptions.values()].filter(({ release, consumer }) => release && !consumer);
    for (const subscription of waiting) await this.#orRetry(subscription, () => this.#consume(subscription));
    // The response to this very answer may have been lost, and the offer with it.
    const next = (await this.#makeOffer()) ?? this.outstandingOffer();
    return {
      next,
      sections: applied.sections.map(({ mid, status, code, trackId }) => ({ mid, status, code, trackId })),
    };
  }

  #read(state: SubState, negotiationId: string, sdp: string): ReturnType<typeof applyAnswer> {
    try {
      return applyAnswer(state, { ...this.#context, negotiationId, sdp });
    } catch (error) {
      if (errorCodeOf(error) !== 'stale_negotiation') throw error;
      const current = currentOffer(state);
      const remedy = current
        ? `revision ${current.revision} of generation ${current.generation} waits: get it with GET …/subscribe/offer`
        : 'no offer waits for an answer; POST …/resume makes one';
      throw new ProblemError('stale_negotiation', `The offer this answers is not current; ${remedy}`, undefined, {
        cause: error,
      });
    }
  }

  /** A change of the state that nobody waits for the result of. */
  async #change(work: () => Promise<void> | void): Promise<void> {
    try {
      await this.#queue.run(work);
    } catch (error) {
      if (!this.#closed) this.#log.error({ err: error }, 'a change of the subscription failed');
    }
  }

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#offerTimer) clearTimeout(this.#offerTimer.timer);
    if (this.#answerTimer) clearTimeout(this.#answerTimer);
    if (this.#unaskedTimer) clearInterval(this.#unaskedTimer);
    for (const subscription of this.#subscriptions.values()) {
      subscription.dropped = true;
      subscription.release?.();
    }
    this.#subscriptions.clear();
    this.#queue.close();
  }
}

/** What of the settings mediasoup knows; a track without layers takes any of them and stays as it is. */
async function applySettings(consumer: Consumer, { preferredLayers, priority }: ConsumerSettings): Promise<void> {
  if (preferredLayers !== undefined) {
    const { spatial, temporal } = preferredLayers ?? {};
    await consumer.setPreferredLayers(
      spatial === undefined
        ? HIGHEST_LAYERS
        : { spatialLayer: spatial, ...(temporal === undefined ? {} : { temporalLayer: temporal }) },
    );
  }
  if (priority !== undefined) await consumer.setPriority(priority);
}

/** mediasoup chooses the layer again when a client's bandwidth changes, or when told. */
async function refresh(consumer: Consumer): Promise<void> {
  if (consumer.preferredLayers) await consumer.setPreferredLayers(consumer.preferredLayers);
  await consumer.requestKeyFrame();
}

function viewOf(layers: Consumer['currentLayers']): ConsumerView['currentLayers'] {
  if (!layers) return null;
  const { spatialLayer, temporalLayer } = layers;
  return { spatial: spatialLayer, ...(temporalLayer === undefined ? {} : { temporal: temporalLayer }) };
}

/** A consumer may close under way, because its producer did: that is no fault of the call. */
async function unlessClosed(consumer: Consumer, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!consumer.closed) throw error;
  }
}
