import { isDeepStrictEqual } from 'node:util';
import type { Consumer, Producer, Router, RtpCapabilities, WebRtcTransport } from 'mediasoup/types';
import {
  makeTrackId,
  ProblemError,
  type CodecName,
  type LeaveReason,
  type PatchTrackRequest,
  type SessionRecord,
  type TrackState,
} from '@mediaserver/contracts';
import type { NodeFactBody } from '@mediaserver/registry';
import type { LocalTransportDescription, ProduceAction } from '@mediaserver/sdp';
import type { Logger, NodeMetrics } from '@mediaserver/telemetry';
import {
  connectivityChange,
  isAwaited,
  isGone,
  isLost,
  NOT_CONNECTED,
  type Connectivity,
  type Peer,
  type PeerState,
} from './connectivity.ts';
import { SCTP_OPTIONS } from './data-channels.ts';
import type { FactResult } from './fact-outbox.ts';
import type { PooledWorker } from './worker-pool.ts';
import { SignalingSession } from './signaling-session.ts';
import { SilenceWatch } from './silence-watch.ts';

/** ICE consent is lost after this long without an answer from the client, s (RFC 7675). */
const ICE_CONSENT_TIMEOUT_S = 15;
/** A client whose ICE does not tell is looked at so often, and gone after so long without a packet, ms. */
const SILENCE_CHECK_MS = 10_000;
const SILENCE_LIMIT_MS = 60_000;
/** First guess of what a client can receive, bits/s; congestion control moves it within a second. */
const INITIAL_OUTGOING_BITRATE = 1_000_000;
/**
 * libwebrtc ignores a key frame request that comes within 300 ms of another, and mediasoup repeats
 * an ignored one only after a second. So one that comes too soon is held back for so long, ms.
 */
const KEY_FRAME_INTERVAL_MS = 400;
/** A client that was answered and does not connect is given up after this, ms. */
const FIRST_CONNECTION_MS = 60_000;

export interface TransportOptions {
  /** Whether it carries data channels. */
  readonly data: boolean;
  /** Whether the client goes on with ICE checks; otherwise its silence is what tells that it is gone. */
  readonly checksConsent: boolean;
}

/** What a User needs of its Room. */
export interface UserOwner {
  readonly router: Router;
  readonly pooled: PooledWorker;
  readonly graceMs: number;
  /** Allowed codecs, preferred first. */
  readonly codecs: readonly CodecName[];
  /** Every track of the room, on any node. */
  tracks(): readonly TrackState[];
  /** Whether the track's producer is on this Router now. */
  holds(track: TrackState): boolean;
  /** Whether Redis, having refused a fact of a session that joined at `since` (Unix ms), is to be believed. */
  isFenced(since: number): Promise<boolean>;
  /** Makes a track consumable on this Router; `release` once it is not used any more. */
  acquire(track: TrackState): Promise<{ readonly release: () => void }>;
  /** A track of this User appeared, changed or ended. */
  localTracksChanged(): void;
  commit(body: NodeFactBody): Promise<FactResult>;
  /** Tells the backend that a new SUB offer waits. */
  signalOffer(user: User): void;
  /** Makes a session's data channels, for as long as the transport lives. */
  openData(session: SessionRecord, transport: WebRtcTransport, log: Logger): Promise<void>;
  userClosed(user: User): void;
}

type MuteCaller = PatchTrackRequest['by'];
/** Why a track is paused: the client's SDP, the client's call, a moderator's call. */
type MuteReason = 'direction' | MuteCaller;

interface LocalTrack {
  readonly producer: Producer;
  readonly mutes: Set<MuteReason>;
  state: TrackState;
}

/**
 * One session of a user on this node: its two transports, its producers and consumers. What is
 * negotiated when is decided by its SignalingSession.
 *
 * Invariants:
 * 1. At most one transport per PeerConnection (`publish`, `subscribe`), made when first needed.
 * 2. A track is known to the room from `announce()` on, exactly while its producer is open.
 * 3. A producer is paused exactly while there is a reason to mute it.
 * 4. `close()` happens once; it ends everything above and tells the Room and Redis once.
 */
export class User {
  readonly session: SessionRecord;
  readonly signaling: SignalingSession;
  readonly #room: UserOwner;
  readonly #log: Logger;
  readonly #transports = new Map<Peer, Promise<WebRtcTransport>>();
  readonly #tracks = new Map<string, LocalTrack>();
  readonly #consumers = new Set<Consumer>();
  /** Who muted a track by call; publishing it anew does not free it. */
  readonly #mutedByCall = new Map<string, ReadonlySet<MuteCaller>>();
  #connectivity: Connectivity = NOT_CONNECTED;
  #toldConnected = false;
  #deadline: NodeJS.Timeout | null = null;
  /** Until then a client that is about to connect is waited for, Unix ms. */
  #awaitUntil = 0;
  #left: Promise<unknown> = Promise.resolve();
  #announced = false;
  /** Consumers that failed before the session was told. */
  readonly #failedAtJoin: NodeFactBody[] = [];
  #joined = false;
  #joinedAt = 0;
  #closed = false;

  constructor(session: SessionRecord, room: UserOwner, log: Logger, metrics: NodeMetrics) {
    this.session = session;
    this.#room = room;
    this.#log = log.child({ userId: session.userId, sessionId: session.sessionId });
    this.signaling = new SignalingSession(this, room, this.#log, metrics);
  }

  get closed(): boolean {
    return this.#closed;
  }

  get tracks(): readonly TrackState[] {
    return this.#announced ? [...this.#tracks.values()].map(({ state }) => state) : [];
  }

  /** When it was told to Redis, Unix ms. */
  get joinedAt(): number {
    return this.#joinedAt;
  }

  /** Whether Redis has it as joined. */
  get joined(): boolean {
    return this.#joined;
  }

  /** Settles once Redis was told of the end. */
  get left(): Promise<unknown> {
    return this.#left;
  }

  get counts(): { producers: number; consumers: number } {
    return { producers: this.#tracks.size, consumers: this.#consumers.size };
  }

  /** The session stands: from now on its tracks are told to Redis and to the room. */
  async announce(): Promise<FactResult> {
    this.#announced = true;
    this.#joinedAt = Date.now();
    this.#armDeadline();
    const joined = this.#commit({ op: 'session.joined', sessionId: this.session.sessionId });
    for (const { state } of this.#tracks.values()) void this.#commit({ op: 'track.created', track: state });
    for (const body of this.#failedAtJoin.splice(0)) void this.#commit(body);
    if (this.#tracks.size > 0) this.#room.localTracksChanged();
    const result = await joined;
    this.#joined = result.status === 'ok';
    return result;
  }

  async #commit(body: NodeFactBody): Promise<FactResult> {
    const result = await this.#room.commit(body);
    // Redis says this session lives elsewhere or nowhere: what is left of it here ends.
    if (result.status === 'fenced' && !this.#closed && (await this.#room.isFenced(this.#joinedAt))) {
      this.#log.warn({ op: body.op }, 'the session is not on this node any more; closing it');
      this.close(null);
    }
    return result;
  }

  // ── Transports ───────────────────────────────────────────────────────────────────────────────

  /**
   * The transport of one PeerConnection, made if it is not there.
   * @param options of one that is made
   */
  transport(peer: Peer, options: TransportOptions): Promise<WebRtcTransport> {
    const known = this.#transports.get(peer);
    if (known) return known;
    const made = this.#createTransport(peer, options);
    this.#transports.set(peer, made);
    made.catch(() => this.#transports.delete(peer));
    return made;
  }

  async #createTransport(peer: Peer, { data, checksConsent }: TransportOptions): Promise<WebRtcTransport> {
    const transport = await this.#room.router.createWebRtcTransport({
      webRtcServer: this.#room.pooled.webRtcServer,
      enableUdp: true,
      enableTcp: true,
      preferUdp: true,
      iceConsentTimeout: checksConsent ? ICE_CONSENT_TIMEOUT_S : 0,
      initialAvailableOutgoingBitrate: INITIAL_OUTGOING_BITRATE,
      ...(data ? SCTP_OPTIONS : {}),
    });
    if (this.#closed) {
      transport.close();
      throw new ProblemError('session_gone');
    }
    const wasLost = () => this.#connectivity[peer] === 'lost';
    let silent = false;
    const update = () => {
      if (transport.closed) return;
      const up =
        !silent &&
        (transport.iceState === 'connected' || transport.iceState === 'completed') &&
        transport.dtlsState === 'connected';
      this.#setConnectivity(
        peer,
        up ? 'connected' : wasLost() || this.#connectivity[peer] === 'connected' ? 'lost' : 'new',
      );
    };
    transport.on('icestatechange', update);
    transport.on('dtlsstatechange', update);
    const stopWatching = checksConsent
      ? () => undefined
      : this.#watchSilence(peer, transport, (isSilent) => {
          silent = isSilent;
          update();
        });
    transport.observer.once('close', () => {
      stopWatching();
      this.#transports.delete(peer);
      if (!wasLost()) this.#setConnectivity(peer, null);
    });
    if (!wasLost()) this.#setConnectivity(peer, 'new');
    return transport;
  }

  /** @returns what ends it. */
  #watchSilence(peer: Peer, transport: WebRtcTransport, onChange: (silent: boolean) => void): () => void {
    const watch = new SilenceWatch(SILENCE_LIMIT_MS);
    const check = async () => {
      try {
        const [stats] = await transport.getStats();
        onChange(watch.observe(stats?.bytesReceived ?? 0, this.#isHeard(peer), performance.now()));
      } catch (error) {
        if (!transport.closed) this.#log.error({ err: error, peer }, 'a transport could not be looked at');
      }
    };
    const timer = setInterval(() => void check(), SILENCE_CHECK_MS);
    timer.unref();
    return () => clearInterval(timer);
  }

  /** Whether a client that is there sends packets: of its media, or reports of what it receives. */
  #isHeard(peer: Peer): boolean {
    if (peer === 'publish') return this.#tracks.values().some(({ producer }) => !producer.paused);
    return this.#consumers.values().some((consumer) => !consumer.paused && !consumer.producerPaused);
  }

  /** A PeerConnection of the client takes the place of another, which is gone with its producers or consumers. */
  async replaceTransport(peer: Peer, options: TransportOptions): Promise<WebRtcTransport> {
    const before = await this.#transports.get(peer);
    before?.close();
    return this.transport(peer, options);
  }

  /** A PeerConnection of the client is gone for good. */
  async closeTransport(peer: Peer): Promise<void> {
    const transport = await this.#transports.get(peer);
    transport?.close();
    this.#setConnectivity(peer, null);
  }

  /** The client is there and about to connect what was lost: its time for that begins now. */
  awaitConnection(): void {
    if (!isLost(this.#connectivity)) return;
    this.#awaitUntil = Date.now() + FIRST_CONNECTION_MS;
    this.#armDeadline();
  }

  /** What SDP says of a transport: its own ICE and DTLS parameters, this node's announced addresses. */
  describe(transport: WebRtcTransport): LocalTransportDescription {
    const { iceParameters, dtlsParameters } = transport;
    return { iceParameters, dtlsParameters, iceCandidates: this.#room.pooled.candidates };
  }

  #setConnectivity(peer: Peer, state: PeerState | null): void {
    if (this.#closed || this.#connectivity[peer] === state) return;
    const before = this.#connectivity;
    this.#connectivity = { ...before, [peer]: state };
    if (state === 'connected') this.#awaitUntil = 0;
    const { sessionId } = this.session;
    const change = connectivityChange(before, this.#connectivity);
    // A transport that replaces another connects anew; the user was connected all along.
    if (change?.type === 'connected' && !this.#toldConnected) {
      this.#toldConnected = true;
      void this.#commit({ op: 'session.connected', sessionId });
    }
    if (change?.type === 'disconnected') {
      this.#toldConnected = false;
      void this.#commit({ op: 'session.disconnected', sessionId, peer: change.peer });
    }
    this.#armDeadline();
  }

  /** One timer: for a connection that is to come, or for the grace time after the last one was lost. */
  #armDeadline(): void {
    if (this.#deadline) clearTimeout(this.#deadline);
    this.#deadline = null;
    const waitMs = isGone(this.#connectivity)
      ? Math.max(this.#room.graceMs, this.#awaitUntil - Date.now())
      : isAwaited(this.#connectivity)
        ? FIRST_CONNECTION_MS
        : null;
    if (waitMs === null) return;
    this.#deadline = setTimeout(() => this.close('connection_lost'), waitMs);
    this.#deadline.unref();
  }

  // ── Producers ────────────────────────────────────────────────────────────────────────────────

  /** Makes a producer for one media section. @returns its id. */
  async produce(transport: WebRtcTransport, action: ProduceAction): Promise<string> {
    const { kind, source, rtpParameters } = action;
    const { userId, sessionId, nodeId, ordinal } = this.session;
    const trackId = makeTrackId(userId, source, ordinal);
    const mutes = new Set<MuteReason>(this.#mutedByCall.get(trackId));
    if (action.paused) mutes.add('direction');
    const producer = await transport.produce({
      kind,
      rtpParameters,
      paused: mutes.size > 0,
      keyFrameRequestDelay: KEY_FRAME_INTERVAL_MS,
    });
    const state: TrackState = {
      trackId,
      producerId: producer.id,
      userId,
      sessionId,
      nodeId,
      kind,
      source,
      ...muteState(mutes),
    };
    this.#tracks.set(trackId, { producer, mutes, state });
    producer.observer.once('close', () => {
      if (this.#tracks.get(trackId)?.producer !== producer) return;
      this.#tracks.delete(trackId);
      this.signaling.publishing.producerClosed(producer.id);
      if (!this.#announced || this.#closed) return;
      void this.#commit({ op: 'track.closed', trackId, producerId: producer.id });
      this.#room.localTracksChanged();
    });
    if (this.#announced) {
      void this.#commit({ op: 'track.created', track: state });
      this.#room.localTracksChanged();
    }
    return producer.id;
  }

  closeProducer(producerId: string): void {
    this.#trackOf(producerId)?.producer.close();
  }

  trackIdOf(producerId: string): string | null {
    return this.#trackOf(producerId)?.state.trackId ?? null;
  }

  #trackOf(producerId: string): LocalTrack | undefined {
    return this.#tracks.values().find(({ producer }) => producer.id === producerId);
  }

  /** The client offers the section as sending or not; says nothing of mutes by call. */
  setSending(producerId: string, sending: boolean): Promise<TrackState> {
    return this.#mute(this.#trackOf(producerId), 'direction', !sending);
  }

  /** A call of the user, or of a moderator. @throws ProblemError `track_not_found` */
  muteTrack(trackId: string, { muted, by }: PatchTrackRequest): Promise<TrackState> {
    return this.#mute(this.#tracks.get(trackId), by, muted);
  }

  async #mute(track: LocalTrack | undefined, reason: MuteReason, muted: boolean): Promise<TrackState> {
    if (!track) throw new ProblemError('track_not_found');
    const { trackId } = track.state;
    if (muted) track.mutes.add(reason);
    else track.mutes.delete(reason);
    const callers = [...track.mutes].filter((by) => by !== 'direction');
    if (callers.length > 0) this.#mutedByCall.set(trackId, new Set(callers));
    else this.#mutedByCall.delete(trackId);
    const before = track.state;
    track.state = { ...before, ...muteState(track.mutes) };
    if (isDeepStrictEqual(before, track.state)) return before;
    if (this.#announced) {
      void this.#commit({ op: 'track.updated', track: track.state });
      this.#room.localTracksChanged();
    }
    await (track.state.paused ? track.producer.pause() : track.producer.resume());
    return track.state;
  }

  // ── Consumers ────────────────────────────────────────────────────────────────────────────────

  /** Makes a paused consumer in section `mid`; the answer to its offer resumes it. */
  async consume(
    transport: WebRtcTransport,
    request: { producerId: string; rtpCapabilities: RtpCapabilities; mid: string },
  ): Promise<Consumer> {
    const consumer = await transport.consume({ ...request, paused: true });
    this.#consumers.add(consumer);
    consumer.observer.once('close', () => this.#consumers.delete(consumer));
    return consumer;
  }

  canConsume(producerId: string, rtpCapabilities: RtpCapabilities): boolean {
    return this.#room.router.canConsume({ producerId, rtpCapabilities });
  }

  /** Makes both data channels on the subscribing transport. @throws Error if it closes meanwhile. */
  openData(transport: WebRtcTransport): Promise<void> {
    return this.#room.openData(this.session, transport, this.#log);
  }

  /** Told once the session is: to Redis a session that has not joined yet is none. */
  reportFailedConsumer(trackId: string, code: string): void {
    const body = { op: 'consumer.failed', sessionId: this.session.sessionId, trackId, code } as const;
    if (this.#announced) void this.#commit(body);
    else this.#failedAtJoin.push(body);
  }

  // ── End ──────────────────────────────────────────────────────────────────────────────────────

  /**
   * Idempotent.
   * @param reason told to Redis in `user.left`; null if Redis knows already.
   */
  close(reason: LeaveReason | null): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#deadline) clearTimeout(this.#deadline);
    this.signaling.close();
    for (const transport of this.#transports.values()) {
      // One that could not be made has nothing to close; its maker was told.
      transport.then(
        (made) => made.close(),
        () => undefined,
      );
    }
    const hadTracks = this.#announced && this.#tracks.size > 0;
    this.#tracks.clear();
    if (reason !== null && this.#announced) {
      this.#left = this.#room.commit({ op: 'session.left', sessionId: this.session.sessionId, reason });
    }
    this.#log.info({ reason }, 'session closed');
    if (hadTracks) this.#room.localTracksChanged();
    this.#room.userClosed(this);
  }
}

function muteState(mutes: ReadonlySet<MuteReason>): Pick<TrackState, 'paused' | 'mutedByUser' | 'mutedByModerator'> {
  return {
    paused: mutes.size > 0,
    mutedByUser: mutes.has('direction') || mutes.has('user'),
    mutedByModerator: mutes.has('moderator'),
  };
}
