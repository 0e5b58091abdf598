import type { Producer, Router } from 'mediasoup/types';
import { planLink, type LinkStep, type LinkView } from '@mediaserver/cascade';
import {
  ProblemError,
  type ControlCommand,
  type ControlParams,
  type ControlResult,
  type MemberState,
  type PipeEnd,
  type RoomMember,
  type TrackState,
} from '@mediaserver/contracts';
import type { ControlClient } from '@mediaserver/control';
import { Backoff, Wakeup } from '@mediaserver/lifecycle';
import type { Logger } from '@mediaserver/telemetry';
import type { NodeConfig } from './config.ts';
import { PipeEndpoint, type PipedParameters } from './pipe-endpoint.ts';

/** Both sides say their state at least this often, ms: mends whatever a lost message left. */
const RESYNC_MS = 10_000;
/** A node that does not answer for this long has its tracks withdrawn, ms. */
const LOST_AFTER_MS = 15_000;
/** A node that does not answer for this long is forgotten, ms. */
const FORGET_AFTER_MS = 10 * 60_000;
/** Pipes and piped producers nobody uses are kept this long, ms. */
const LINGER_MS = 10_000;
const CALL_TIMEOUT_MS = 3_000;

/** What a link needs of its Room. */
export interface LinkOwner {
  readonly roomSessionId: string;
  readonly epoch: number;
  readonly router: Router;
  readonly self: RoomMember;
  /** This node's own tracks, with a version that rises at each change. */
  memberState(): MemberState;
  /** The other node's tracks changed. */
  remoteTracksChanged(): void;
  /** The other node left the room or is gone. */
  forgetLink(link: NodeLink): void;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * What one Room knows of, and shares with, one other node: that node's tracks, and the one Pipe
 * between the two. Both sides exchange state, never changes, so any message may be lost or doubled.
 *
 * Invariants:
 * 1. The other node's tracks are those of its newest state; an older state is ignored.
 * 2. Steps of a plan run one after the other; whatever fails is planned again after a while.
 * 3. The node with the lower id opens the Pipe, the other asks it to: there is never more than one.
 * 4. A track is piped only while a user here wants it, and `LINGER_MS` longer.
 * 5. After `close()` nothing of it is left: no Pipe half, no timer, no waiting promise.
 */
export class NodeLink {
  readonly member: RoomMember;
  readonly #room: LinkOwner;
  readonly #control: ControlClient;
  readonly #pipeConfig: NodeConfig['pipe'];
  readonly #log: Logger;
  readonly #stop = new AbortController();

  readonly #tracks = new Map<string, TrackState>();
  #remoteVersion = -1;
  #unreachableSince: number | null = null;
  /** Silent for so long that its tracks are withdrawn. */
  #lost = false;
  readonly #syncWakeup = new Wakeup();

  #endpoint: PipeEndpoint | null = null;
  #opening: Promise<void> | null = null;
  #pipeIdleSince: number | null = null;
  readonly #users = new Map<string, number>();
  readonly #unusedSince = new Map<string, number>();
  readonly #waiters = new Map<string, Waiter[]>();
  readonly #planWakeup = new Wakeup();

  constructor(options: {
    member: RoomMember;
    room: LinkOwner;
    control: ControlClient;
    pipe: NodeConfig['pipe'];
    log: Logger;
  }) {
    this.member = options.member;
    this.#room = options.room;
    this.#control = options.control;
    this.#pipeConfig = options.pipe;
    this.#log = options.log.child({ peerNodeId: options.member.nodeId, roomSessionId: options.room.roomSessionId });
    void this.#syncLoop();
    void this.#planLoop();
  }

  get closed(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Whether it answered when it was last asked. */
  get reachable(): boolean {
    return this.#unreachableSince === null;
  }

  get hasPipe(): boolean {
    return this.#endpoint !== null;
  }

  /** Tracks on the other node; none while it has not answered for long. */
  get tracks(): readonly TrackState[] {
    return this.#lost ? [] : [...this.#tracks.values()];
  }

  // ── State ────────────────────────────────────────────────────────────────────────────────────

  /** This node's own tracks changed. */
  announce(): void {
    this.#syncWakeup.notify();
  }

  /** Says hello and learns the other node's tracks; what fails is tried again by the loop. */
  async hello(): Promise<void> {
    try {
      await this.#sync();
    } catch (error) {
      this.#log.info({ err: error }, 'a node of the room does not answer yet');
    }
  }

  /** The other node's state, sent by it or answered by it. */
  receive(state: MemberState): void {
    if (this.closed || state.version <= this.#remoteVersion) return;
    this.#remoteVersion = state.version;
    this.#tracks.clear();
    for (const track of state.tracks) this.#tracks.set(track.trackId, track);
    this.#failWaitersOfMissingTracks();
    this.#planWakeup.notify();
    this.#room.remoteTracksChanged();
  }

  async #syncLoop(): Promise<void> {
    const backoff = new Backoff({ initialMs: 100, maxMs: RESYNC_MS });
    let told = this.#room.memberState().version;
    while (!this.closed) {
      const lostInMs = this.#unreachableSince === null ? 0 : this.#unreachableSince + LOST_AFTER_MS - Date.now();
      const waitMs = this.#unreachableSince === null ? RESYNC_MS : backoff.next();
      const retryMs = lostInMs > 0 ? Math.min(waitMs, lostInMs) : waitMs;
      await this.#syncWakeup.wait(retryMs, this.#stop.signal);
      if (this.closed) return;
      try {
        const version = await this.#sync();
        if (version !== told) this.#log.debug({ version }, 'told the tracks of this node');
        told = version;
        backoff.reset();
      } catch (error) {
        this.#noteUnreachable(error);
      }
    }
  }

  /** @returns the version the other node now knows. */
  async #sync(): Promise<number> {
    const state = this.#room.memberState();
    const answer = await this.#call('cascade.sync', { roomSessionId: this.#room.roomSessionId, state });
    const wasLost = this.#lost;
    this.#lost = false;
    this.#unreachableSince = null;
    this.receive(answer.state);
    if (wasLost && !this.closed) this.#room.remoteTracksChanged();
    return state.version;
  }

  #noteUnreachable(error: unknown): void {
    if (this.closed) return;
    const now = Date.now();
    this.#unreachableSince ??= now;
    const code = error instanceof ProblemError ? error.code : 'internal_error';
    const since = now - this.#unreachableSince;
    // The peer's room may not be made yet when we say hello, so its absence is believed only after a while.
    const gone = code === 'wrong_boot' || (code === 'room_not_hosted' && since >= LOST_AFTER_MS);
    if (gone || since >= FORGET_AFTER_MS) {
      this.#log.info({ code }, 'a node left the room without a word');
      this.#room.forgetLink(this);
    } else if (!this.#lost && since >= LOST_AFTER_MS) {
      this.#lost = true;
      this.#log.warn({ code }, 'a node of the room does not answer; its tracks are withdrawn');
      this.#room.remoteTracksChanged();
    }
  }

  // ── Pulling media ────────────────────────────────────────────────────────────────────────────

  /**
   * Makes a producer of the other node available on this Router and keeps it while it is used.
   * Each successful or failed call must be followed by one `release`.
   * @throws Error if the track ends or the link closes first.
   */
  async acquire(producerId: string): Promise<void> {
    if (this.closed) throw new Error('the link is closed');
    this.#users.set(producerId, (this.#users.get(producerId) ?? 0) + 1);
    this.#unusedSince.delete(producerId);
    if (this.#endpoint?.received.has(producerId)) return;
    const piped = new Promise<void>((resolve, reject) => {
      this.#waiters.set(producerId, [...(this.#waiters.get(producerId) ?? []), { resolve, reject }]);
    });
    this.#planWakeup.notify();
    await piped;
  }

  release(producerId: string): void {
    const users = (this.#users.get(producerId) ?? 0) - 1;
    if (users > 0) {
      this.#users.set(producerId, users);
      return;
    }
    this.#users.delete(producerId);
    if (this.#received(producerId)) this.#unusedSince.set(producerId, Date.now());
    this.#planWakeup.notify();
  }

  #view(): LinkView {
    const offered = new Map([...this.#tracks.values()].map(({ producerId, paused }) => [producerId, { paused }]));
    const wanted = new Set(this.#users.keys());
    const endpoint = this.#endpoint;
    if (!endpoint) return { offered, wanted, pipe: null };
    const piped = new Map(
      [...endpoint.received].map(([producerId, producer]) => [
        producerId,
        { paused: producer.paused, unusedSince: this.#unusedSince.get(producerId) ?? null },
      ]),
    );
    const busy = piped.size > 0 || endpoint.sending > 0;
    this.#pipeIdleSince = busy ? null : (this.#pipeIdleSince ?? Date.now());
    return { offered, wanted, pipe: { piped, sending: endpoint.sending, idleSince: this.#pipeIdleSince } };
  }

  async #planLoop(): Promise<void> {
    const backoff = new Backoff({ initialMs: 50, maxMs: 2_000 });
    while (!this.closed) {
      const now = Date.now();
      const { steps, wakeAt } = planLink(this.#view(), now, LINGER_MS);
      if (steps.length === 0) {
        backoff.reset();
        await this.#planWakeup.wait(wakeAt === null ? null : Math.max(0, wakeAt - now), this.#stop.signal);
        continue;
      }
      try {
        for (const step of steps) await this.#run(step);
      } catch (error) {
        if (this.closed) return;
        const delayMs = backoff.next();
        this.#log.warn({ err: error, delayMs }, 'a step of the cascade failed; planning again');
        await this.#planWakeup.wait(delayMs, this.#stop.signal);
      }
    }
  }

  async #run(step: LinkStep): Promise<void> {
    switch (step.type) {
      case 'openPipe':
        await (this.#opensPipes ? this.#openPipe() : this.#askForPipe());
        return;
      case 'closePipe':
        await this.#closePipe();
        return;
      case 'pipe':
        await this.#pipe(step.producerId);
        return;
      case 'pause':
        await this.#received(step.producerId)?.pause();
        return;
      case 'resume':
        await this.#received(step.producerId)?.resume();
        return;
      case 'drop':
        this.#received(step.producerId)?.close();
        this.#unusedSince.delete(step.producerId);
        return;
      case 'unpipe':
        this.#received(step.producerId)?.close();
        this.#unusedSince.delete(step.producerId);
        await this.#call('cascade.unpipeProducer', { ...this.#ref, producerId: step.producerId });
        return;
    }
  }

  #received(producerId: string): Producer | undefined {
    return this.#endpoint?.received.get(producerId);
  }

  async #pipe(producerId: string): Promise<void> {
    const parameters = await this.#call('cascade.pipeProducer', { ...this.#ref, producerId });
    const endpoint = this.#endpoint;
    if (!endpoint) throw new Error('the pipe closed meanwhile');
    await endpoint.receive(producerId, parameters);
    if (!this.#users.has(producerId)) this.#unusedSince.set(producerId, Date.now());
    for (const waiter of this.#waiters.get(producerId) ?? []) waiter.resolve();
    this.#waiters.delete(producerId);
  }

  #failWaitersOfMissingTracks(): void {
    const offered = new Set([...this.#tracks.values()].map(({ producerId }) => producerId));
    for (const [producerId, waiters] of this.#waiters) {
      if (offered.has(producerId)) continue;
      this.#waiters.delete(producerId);
      for (const waiter of waiters) waiter.reject(new Error('the track ended'));
    }
  }

  // ── The Pipe ─────────────────────────────────────────────────────────────────────────────────

  get #opensPipes(): boolean {
    return this.#room.self.nodeId < this.member.nodeId;
  }

  /** Opens the Pipe from this side; a second call while one runs waits for the first. */
  #openPipe(): Promise<void> {
    this.#opening ??= this.#connectHalves().finally(() => (this.#opening = null));
    return this.#opening;
  }

  async #connectHalves(): Promise<void> {
    const endpoint = await this.#createEndpoint();
    try {
      const { roomSessionId, self } = this.#room;
      const end = endpoint.describe(this.#pipeConfig.announced);
      const answer = await this.#call('cascade.connectPipe', { roomSessionId, from: self, end });
      await endpoint.connect(answer.end);
    } catch (error) {
      endpoint.close();
      throw error;
    }
    this.#use(endpoint);
  }

  async #askForPipe(): Promise<void> {
    const { roomSessionId, self } = this.#room;
    await this.#call('cascade.openPipe', { roomSessionId, from: self });
    if (!this.#endpoint) throw new Error('the other node opened no pipe');
  }

  async #createEndpoint(): Promise<PipeEndpoint> {
    const endpoint = await PipeEndpoint.create(this.#room.router, this.#pipeConfig);
    if (this.closed) {
      endpoint.close();
      throw new Error('the link is closed');
    }
    return endpoint;
  }

  #use(endpoint: PipeEndpoint): void {
    if (this.closed || endpoint.closed) {
      endpoint.close();
      throw new Error('the link is closed');
    }
    this.#endpoint?.close();
    this.#endpoint = endpoint;
    this.#pipeIdleSince = null;
    endpoint.onClose(() => {
      if (this.#endpoint === endpoint) this.#endpoint = null;
      this.#planWakeup.notify();
    });
  }

  async #closePipe(): Promise<void> {
    this.#endpoint?.close();
    await this.#call('cascade.closePipe', this.#ref);
  }

  // ── Asked by the other node ──────────────────────────────────────────────────────────────────

  /** It made its half: make the other one, in place of any earlier. */
  async acceptPipe(end: PipeEnd): Promise<PipeEnd> {
    const endpoint = await this.#createEndpoint();
    try {
      await endpoint.connect(end);
    } catch (error) {
      endpoint.close();
      throw error;
    }
    this.#use(endpoint);
    return endpoint.describe(this.#pipeConfig.announced);
  }

  /** It has no half and must not open one: open the Pipe, in place of any earlier. */
  async openPipeForPeer(): Promise<void> {
    if (!this.#opensPipes) throw new ProblemError('invalid_request', 'the node with the lower id opens the pipe');
    await this.#openPipe();
  }

  /** It found the Pipe idle. If this side has begun to use it, its next plan opens another. */
  dropPipe(): void {
    this.#endpoint?.close();
  }

  /** @throws ProblemError `track_not_found` if there is no such producer or no Pipe. */
  async send(producerId: string): Promise<PipedParameters> {
    const endpoint = this.#endpoint;
    if (!endpoint) throw new ProblemError('track_not_found', 'there is no pipe to send it through');
    const parameters = await endpoint.send(producerId);
    this.#pipeIdleSince = null;
    return parameters;
  }

  stopSending(producerId: string): void {
    this.#endpoint?.stopSending(producerId);
    this.#planWakeup.notify();
  }

  // ── End ──────────────────────────────────────────────────────────────────────────────────────

  get #ref() {
    return { roomSessionId: this.#room.roomSessionId, nodeId: this.#room.self.nodeId };
  }

  #call<C extends ControlCommand>(command: C, params: ControlParams<C>): Promise<ControlResult<C>> {
    return this.#control.call(this.member, command, params, { epoch: this.#room.epoch, timeoutMs: CALL_TIMEOUT_MS });
  }

  /** Tells the other node that this one leaves the room, then closes. */
  async leave(): Promise<void> {
    if (this.closed) return;
    this.close();
    try {
      await this.#call('cascade.leave', this.#ref);
    } catch (error) {
      this.#log.info({ err: error }, 'could not say goodbye to a node of the room');
    }
  }

  /** Idempotent. The other node is not told. */
  close(): void {
    if (this.closed) return;
    this.#stop.abort();
    this.#endpoint?.close();
    this.#endpoint = null;
    for (const waiters of this.#waiters.values()) {
      for (const waiter of waiters) waiter.reject(new Error('the link is closed'));
    }
    this.#waiters.clear();
  }
}
