import {
  errorCodeOf,
  ProblemError,
  type ControlParams,
  type ControlResult,
  type PatchTrackRequest,
  type PublishRequest,
  type PublishResult,
  type ResumeRequest,
  type SubscribeAnswerRequest,
  type SubscribeAnswerResult,
  type SubscribeOffer,
  type TrackState,
} from '@mediaserver/contracts';
import { pause, SerialQueue } from '@mediaserver/lifecycle';
import type { Logger, NodeMetrics } from '@mediaserver/telemetry';
import { Publishing } from './publishing.ts';
import { Subscribing } from './subscribing.ts';
import type { User, UserOwner } from './user.ts';

/** A call that needs its turn waits this long for the one before, ms. */
const TURN_WAIT_MS = 2_000;

type Negotiated = ControlResult<'session.resume'>;

/**
 * The calls of one session that negotiate: both of its PeerConnections, and what is done to them together.
 *
 * Invariants:
 * 1. Publish, resume and restart run one after the other; each is taken or refused as a whole.
 * 2. Every call that is refused is counted by its code.
 */
export class SignalingSession {
  readonly publishing: Publishing;
  readonly subscribing: Subscribing;
  readonly #user: User;
  readonly #metrics: NodeMetrics;
  readonly #turns = new SerialQueue();

  constructor(user: User, room: UserOwner, log: Logger, metrics: NodeMetrics) {
    const context = { routerRtpCapabilities: room.router.rtpCapabilities, codecs: room.codecs };
    this.#user = user;
    this.#metrics = metrics;
    this.publishing = new Publishing(user, context, log);
    this.subscribing = new Subscribing(user, room, context, log);
  }

  /** @throws SdpError, ProblemError */
  join({ publish, capabilitiesSdp, clientProfile, data }: ControlParams<'session.create'>): Promise<Negotiated> {
    return this.#inTurn(async () => {
      const client = this.subscribing.readClient({ capabilitiesSdp, ...shownBy(publish) }, clientProfile);
      // A first PeerConnection has none before it.
      const apply =
        publish && this.publishing.prepare({ sdp: publish.sdp, tracks: publish.tracks, reset: false }, client.chosen);
      this.subscribing.start(client, data);
      return { publish: (await apply?.()) ?? null, subscribe: await this.subscribing.firstOffer() };
    });
  }

  /** @throws SdpError or ProblemError; then nothing has changed. */
  publish(request: PublishRequest): Promise<PublishResult> {
    return this.#inTurn(async () => {
      const { chosen } = this.subscribing.readClient({});
      const apply = this.publishing.prepare(request, chosen);
      this.#user.awaitConnection();
      return apply();
    });
  }

  /**
   * Goes on after the client lost something. What can be refused is decided before anything is touched.
   *
   * @throws SdpError or ProblemError; then nothing has changed.
   */
  resume({ reset, publish, capabilitiesSdp, clientProfile }: Omit<ResumeRequest, 'sessionId'>): Promise<Negotiated> {
    return this.#inTurn(async () => {
      const client = this.subscribing.readClient({ capabilitiesSdp, ...shownBy(publish) }, clientProfile);
      const apply = publish && this.publishing.prepare({ ...publish, reset: reset === 'all' }, client.chosen);
      this.#user.awaitConnection();
      if (!apply && reset === 'all') await this.publishing.reset();
      return { publish: (await apply?.()) ?? null, subscribe: await this.subscribing.renew(client, reset) };
    });
  }

  /** @throws ProblemError `subscribe_disabled` */
  restartSubscribe(): Promise<SubscribeOffer> {
    return this.#inTurn(async () => {
      const client = this.subscribing.readClient({});
      this.#user.awaitConnection();
      const offer = await this.subscribing.renew(client, 'ice');
      if (!offer) throw new ProblemError('subscribe_disabled');
      return offer;
    });
  }

  /** Between publishing and resuming, so that a track that is being made anew is not missed. */
  muteTrack(trackId: string, request: PatchTrackRequest): Promise<TrackState> {
    return this.#turns.run(() => this.#user.muteTrack(trackId, request));
  }

  /** @throws SdpError or ProblemError; then nothing has changed. */
  answer(request: SubscribeAnswerRequest): Promise<SubscribeAnswerResult> {
    return this.#counted(() => this.subscribing.answer(request));
  }

  /** @throws ProblemError `negotiation_in_progress` if its turn does not come soon. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    let turn: 'waiting' | 'running' | 'late' = 'waiting';
    const result = this.#turns.run(() => {
      if (turn === 'late') throw new ProblemError('negotiation_in_progress');
      turn = 'running';
      return this.#counted(work);
    });
    const settled = new AbortController();
    const late = pause(TURN_WAIT_MS, settled.signal).then(() => {
      if (turn !== 'waiting') return result;
      turn = 'late';
      throw new ProblemError('negotiation_in_progress');
    });
    return Promise.race([result, late]).finally(() => settled.abort());
  }

  async #counted<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.#metrics.negotiationFailures.inc({ code: errorCodeOf(error) });
      throw error;
    }
  }

  /** Idempotent. */
  close(): void {
    this.subscribing.close();
    this.#turns.close();
  }
}

/** An offer to publish shows whose SDP it is. */
function shownBy(publish: { readonly sdp: string } | undefined): { readonly publishSdp?: string } {
  return publish ? { publishSdp: publish.sdp } : {};
}
