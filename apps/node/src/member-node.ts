import { randomUUID } from 'node:crypto';
import type { Producer, Router } from 'mediasoup/types';
import { planPipe, type PipeStep, type PipeView } from '@mediaserver/cascade';
import {
  errorCodeOf,
  ProblemError,
  type ControlCommand,
  type ControlParams,
  type ControlResult,
  type MemberState,
  type PipeEnd,
  type PipeState,
  type RoomMember,
  type TrackState,
} from '@mediaserver/contracts';
import type { ControlClient } from '@mediaserver/control';
import { Backoff, pause, Wakeup } from '@mediaserver/lifecycle';
import type { Logger, NodeMetrics } from '@mediaserver/telemetry';
import type { NodeConfig } from './config.ts';
import { MessageOutbox } from './message-outbox.ts';
import type { CascadedMessage } from './message-queue.ts';
import { PipeEndpoint, type PipedParameters } from './pipe-endpoint.ts';

/** Both sides say their state at least this often, ms: mends whatever a lost message left. */
const RESYNC_MS = 10_000;
/** A node that does not answer for this long has its tracks withdrawn, ms. */
const LOST_AFTER_MS = 15_000;
/** A node that does not answer for this long is forgotten, ms. */
const FORGET_AFTER_MS = 10 * 60_000;
const CALL_TIMEOUT_MS = 3_000;
/** A difference between both sides' views of the Pipe is acted on once it lasts this long: longer than any call. */
const DOUBT_MS = 5_000;

/** What a MemberNode needs of its Room. */
export interface MemberNodeOwner {
  readonly roomSessionId: string;
  readonly epoch: number;
  readonly router: Router;
  readonly self: RoomMember;
  /** This node's own tracks, with a version that rises at each change. */
  memberState(): MemberState;
  /** The other node's tracks changed. */
  remoteTracksChanged(): void;
  /** The other node left the room or is gone. */
  forgetMember(other: MemberNode): void;
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
 * 2. The Pipe opens before and closes after what runs through it; whatever fails is planned again after a while.
 * 3. The node with the lower id opens the Pipe, the other asks it to: there is never more than one.
 * 4. A track is piped only while a user here wants it, and `PIPE_LINGER_MS` longer.
 * 5. After `close()` nothing of it is left: no Pipe half, no timer, no waiting promise, no message.
 * 6. A message of the other node is taken once, however often it is sent.
 */
export class MemberNode {
  readonly member: RoomMember;
  /** Messages of users here for users there. */
  readonly outbox: MessageOutbox;
  readonly #room: MemberNodeOwner;
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
  /** What differs from the other side's view, and since when, Unix ms. */
  readonly #doubts = new Map<string, number>();
  /** `seq` of the newest message it sent. */
  #messageSeq = -1;
  /** Whether it knows this node, and so takes its messages. */
  #known = false;

  constructor(options: {
    member: RoomMember;
    room: MemberNodeOwner;
    control: ControlClient;
    pipe: NodeConfig['pipe'];
    log: Logger;
    metrics: NodeMetrics;
  }) {
    this.member = options.member;
    this.#room = options.room;
    this.#control = options.control;
    this.#pipeConfig = options.pipe;
    this.#log = options.log.child({ otherNodeId: options.member.nodeId, roomSessionId: options.room.roomSessionId });
    this.outbox = new MessageOutbox((messages) => this.#sendMessages(messages), this.#log, options.metrics);
    void this.#syncLoop();
    void this.#planLoop();
  }

  get closed(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Version of the newest state it told. */
  get remoteVersion(): number {
    return this.#remoteVersion;
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
      this.#noteUnreachable(error);
      this.#syncWakeup.notify();
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
    while (!this.closed) {
      const lostInMs = this.#unreachableSince === null ? 0 : this.#unreachableSince + LOST_AFTER_MS - Date.now();
      const calmMs = this.#doubts.size > 0 ? DOUBT_MS : RESYNC_MS;
      const waitMs = this.#unreachableSince === null ? calmMs : backoff.next();
      const retryMs = lostInMs > 0 ? Math.min(waitMs, lostInMs) : waitMs;
      await this.#syncWakeup.wait(retryMs, this.#stop.signal);
      if (this.closed) return;
      try {
        await this.#sync();
        backoff.reset();
      } catch (error) {
        this.#noteUnreachable(error);
      }
    }
  }

  async #sync(): Promise<void> {
    const state = this.#room.memberState();
    const { roomSessionId } = this.#room;
    const answer = await this.#call('cascade.sync', { roomSessionId, state, pipe: this.pipeState() });
    const wasLost = this.#lost;
    this.#lost = false;
    this.#unreachableSince = null;
    this.#known = true;
    this.receive(answer.state);
    this.comparePipe(answer.pipe);
    if (wasLost && !this.closed) this.#room.remoteTracksChanged();
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
      this.#room.forgetMember(this);
    } else if (!this.#lost && since >= LOST_AFTER_MS) {
      this.#lost = true;
      this.#log.warn({ code }, 'a node of the room does not answer; its tracks are withdrawn');
      this.#room.remoteTracksChanged();
    }
  }

  // ── Messages ─────────────────────────────────────────────────────────────────────────────────

  async #sendMessages(messages: CascadedMessage[]): Promise<void> {
    if (!this.#known) await this.#sync();
    const { roomSessionId, self } = this.#room;
    try {
      await this.#call('cascade.messages', { roomSessionId, from: self, messages });
    } catch (error) {
      if (errorCodeOf(error) !== 'room_not_hosted') throw error;
      // It may have the room and have forgotten this node; the hello before the next try tells.
      this.#known = false;
      throw new ProblemError('node_unavailable', 'the other node does not know this one');
    }
  }

  /** Of messages the other node sent, those it did not send before; it repeats a call whose answer it did not get. */
  takeNew(messages: readonly CascadedMessage[]): CascadedMessage[] {
    const fresh = messages.filter(({ seq }) => seq > this.#messageSeq);
    this.#messageSeq = fresh.at(-1)?.seq ?? this.#messageSeq;
    return fresh;
  }

  // ── Pulling media ────────────────────────────────────────────────────────────────────────────

  /**
   * Makes a producer of the other node available on this Router and keeps it while it is used.
   * Each successful or failed call must be followed by one `release`.
   * @throws Error if the track ends or the other node leaves first.
   */
  async acquire(producerId: string): Promise<void> {
    if (this.closed) throw new Error('the other node left the room');
    this.#users.set(producerId, (this.#users.get(producerId) ?? 0) + 1);
    this.#unusedSince.delete(producerId);
    if (this.#endpoint?.received.has(producerId)) return;
    const piped = new Promise<void>((resolve, reject) => {
      this.#waiters.set(producerId, [...(this.#waiters.get(producerId) ?? []), { resolve, reject }]);
    });
    this.#planWakeup.notify();
    await piped;
  }

  /** Whether a producer of the other node is on this Router. */
  has(producerId: string): boolean {
    return this.#endpoint?.received.has(producerId) ?? false;
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

  #view(): PipeView {
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
    const sending = endpoint.sending.size;
    const busy = piped.size > 0 || sending > 0;
    this.#pipeIdleSince = busy ? null : (this.#pipeIdleSince ?? Date.now());
    return { offered, wanted, pipe: { piped, sending, idleSince: this.#pipeIdleSince } };
  }

  async #planLoop(): Promise<void> {
    const backoff = new Backoff({ initialMs: 50, maxMs: 2_000 });
    while (!this.closed) {
      const now = Date.now();
      const { steps, wakeAt } = planPipe(this.#view(), now, this.#pipeConfig.lingerMs);
      if (steps.length === 0) {
        backoff.reset();
        await this.#planWakeup.wait(wakeAt === null ? null : Math.max(0, wakeAt - now), this.#stop.signal);
        continue;
      }
      try {
        await this.#runAll(steps);
      } catch (error) {
        if (this.closed) return;
        const delayMs = backoff.next();
        this.#log.warn({ err: error, delayMs }, 'a step of the cascade failed; planning again');
        await pause(delayMs, this.#stop.signal);
      }
    }
  }

  /** The Pipe opens first and closes last; between, what happens to one producer does not wait for another. */
  async #runAll(steps: readonly PipeStep[]): Promise<void> {
    const isPipeStep = ({ type }: PipeStep) => type === 'openPipe' || type === 'closePipe';
    for (const step of steps.filter(({ type }) => type === 'openPipe')) await this.#run(step);
    const results = await Promise.allSettled(steps.filter((step) => !isPipeStep(step)).map((step) => this.#run(step)));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    for (const step of steps.filter(({ type }) => type === 'closePipe')) await this.#run(step);
  }

  async #run(step: PipeStep): Promise<void> {
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
    const endpoint = this.#endpoint;
    let parameters: PipedParameters;
    try {
      parameters = await this.#call('cascade.pipeProducer', { ...this.#ref, producerId });
    } catch (error) {
      // The other half is gone: this one is of no use, and the next plan opens a new Pipe.
      if (error instanceof ProblemError && error.code === 'no_pipe') endpoint?.close();
      throw error;
    }
    if (!endpoint || endpoint !== this.#endpoint) throw new Error('the pipe closed meanwhile');
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
    const pipeId = randomUUID();
    const endpoint = await this.#createEndpoint(pipeId);
    try {
      const { roomSessionId, self } = this.#room;
      const end = endpoint.describe(this.#pipeConfig.announced);
      const answer = await this.#call('cascade.connectPipe', { roomSessionId, from: self, pipeId, end });
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

  async #createEndpoint(pipeId: string): Promise<PipeEndpoint> {
    const endpoint = await PipeEndpoint.create(pipeId, this.#room.router, this.#pipeConfig);
    if (this.closed) {
      endpoint.close();
      throw new Error('the other node left the room');
    }
    return endpoint;
  }

  #use(endpoint: PipeEndpoint): void {
    if (this.closed || endpoint.closed) {
      endpoint.close();
      throw new Error('the other node left the room');
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
  async acceptPipe(pipeId: string, end: PipeEnd): Promise<PipeEnd> {
    const endpoint = await this.#createEndpoint(pipeId);
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
  async openPipeOnRequest(): Promise<void> {
    if (!this.#opensPipes) throw new ProblemError('invalid_request', 'the node with the lower id opens the pipe');
    await this.#openPipe();
  }

  /** It found the Pipe idle. If this side has begun to use it, its next plan opens another. */
  dropPipe(): void {
    this.#endpoint?.close();
  }

  /** @throws ProblemError `no_pipe` if this side has no half of the Pipe. */
  async send(producerId: string): Promise<PipedParameters> {
    const endpoint = this.#endpoint;
    if (!endpoint) throw new ProblemError('no_pipe');
    const parameters = await endpoint.send(producerId);
    this.#pipeIdleSince = null;
    return parameters;
  }

  stopSending(producerId: string): void {
    void this.#endpoint?.stopSending(producerId).finally(() => this.#planWakeup.notify());
  }

  // ── Both sides' views of the Pipe ────────────────────────────────────────────────────────────

  pipeState(): PipeState | null {
    const endpoint = this.#endpoint;
    return (
      endpoint && { pipeId: endpoint.pipeId, receiving: [...endpoint.received.keys()], sending: [...endpoint.sending] }
    );
  }

  /**
   * Mends what a lost message left: a half whose other half is gone is closed, what the other side
   * does not receive is not sent, and what it does not send is asked for anew. Differences that are
   * only under way settle before `DOUBT_MS`.
   */
  comparePipe(theirs: PipeState | null): void {
    const endpoint = this.#endpoint;
    const mends = new Map<string, () => void>();
    if (endpoint && theirs?.pipeId !== endpoint.pipeId) mends.set(`pipe ${endpoint.pipeId}`, () => endpoint.close());
    else if (endpoint && theirs) {
      const unreceived = [...endpoint.sending].filter((id) => !theirs.receiving.includes(id));
      for (const id of unreceived) mends.set(`sent ${id}`, () => this.stopSending(id));
      const unsent = [...endpoint.received].filter(([id]) => !theirs.sending.includes(id));
      for (const [id, producer] of unsent) mends.set(`received ${id}`, () => producer.close());
    }
    for (const what of this.#doubts.keys()) if (!mends.has(what)) this.#doubts.delete(what);
    for (const [what, mend] of mends) {
      const since = this.#doubts.get(what);
      if (since === undefined) {
        this.#doubts.set(what, Date.now());
        this.#syncWakeup.notify();
      } else if (Date.now() - since >= DOUBT_MS) {
        this.#doubts.delete(what);
        this.#log.warn({ what }, 'the two ends of a pipe differ; mending it');
        mend();
      }
    }
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
    const { version } = this.#room.memberState();
    this.close();
    try {
      await this.#call('cascade.leave', { ...this.#ref, version });
    } catch (error) {
      this.#log.info({ err: error }, 'could not say goodbye to a node of the room');
    }
  }

  /** Idempotent. The other node is not told. */
  close(): void {
    if (this.closed) return;
    this.#stop.abort();
    this.outbox.close();
    this.#endpoint?.close();
    this.#endpoint = null;
    for (const waiters of this.#waiters.values()) {
      for (const waiter of waiters) waiter.reject(new Error('the other node left the room'));
    }
    this.#waiters.clear();
  }
}
