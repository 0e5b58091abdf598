import type { Router, WebRtcTransport } from 'mediasoup/types';
import {
  ProblemError,
  type ControlParams,
  type ControlResult,
  type LeaveReason,
  type MemberState,
  type PipeEnd,
  type PipeState,
  type RoomMember,
  type RoomRecord,
  type SessionRecord,
  type TrackState,
} from '@mediaserver/contracts';
import type { ControlClient } from '@mediaserver/control';
import { pause } from '@mediaserver/lifecycle';
import type { NodeFactBody, Registry } from '@mediaserver/registry';
import type { Logger, NodeMetrics } from '@mediaserver/telemetry';
import type { NodeConfig } from './config.ts';
import { DataChannels, type RoutedMessage } from './data-channels.ts';
import type { FactOutbox, FactResult } from './fact-outbox.ts';
import { MemberNode, type MemberNodeOwner } from './member-node.ts';
import type { CascadedMessage } from './message-queue.ts';
import type { PipedParameters } from './pipe-endpoint.ts';
import { User, type UserOwner } from './user.ts';
import type { PooledWorker, WorkerPool } from './worker-pool.ts';

/** A join waits this long for what the room's other nodes have; the rest comes with the next offer, ms. */
const MEET_WAIT_MS = 500;

/** What every Room of this node is made with. */
export interface RoomEnvironment {
  readonly config: NodeConfig;
  readonly pool: WorkerPool;
  readonly registry: Registry;
  readonly outbox: FactOutbox;
  readonly control: ControlClient;
  readonly metrics: NodeMetrics;
  readonly log: Logger;
  /** Whether the registry's memory reaches back to `since`, Unix ms; if not, the node is right and not Redis. */
  readonly isRemembered: (since: number) => Promise<boolean>;
  /** Rises with every call, over all Rooms of this process: a Room made anew is never older. */
  nextVersion(): number;
}

/**
 * One room as far as this node carries it: its Router, its Users here, and a MemberNode for each other
 * node that carries it too.
 *
 * Invariants:
 * 1. It lives exactly while it has Users, or joins under way (`hold`).
 * 2. `epoch` never falls.
 * 3. Every change of this node's own tracks raises `version` and is told to every MemberNode and User.
 * 4. A User sees each track of the room once: its own node's, or another node's through its MemberNode.
 * 5. `close()` happens once and ends Users, MemberNodes and Router, in this order.
 */
export class Room implements UserOwner, MemberNodeOwner {
  readonly record: RoomRecord;
  readonly router: Router;
  readonly pooled: PooledWorker;
  readonly #environment: RoomEnvironment;
  readonly #log: Logger;
  readonly #onClose: (room: Room) => void;
  readonly #users = new Map<string, User>();
  readonly #others = new Map<string, MemberNode>();
  readonly #data: DataChannels;
  #epoch: number;
  #version: number;
  #holds = 0;
  #closed = false;

  private constructor(
    record: RoomRecord,
    made: { router: Router; pooled: PooledWorker },
    environment: RoomEnvironment,
    onClose: (room: Room) => void,
  ) {
    this.record = record;
    this.router = made.router;
    this.pooled = made.pooled;
    this.#environment = environment;
    this.#onClose = onClose;
    this.#epoch = record.epoch;
    this.#version = environment.nextVersion();
    this.#log = environment.log.child({ roomId: record.roomId, roomSessionId: record.roomSessionId });
    const forward = (routed: RoutedMessage) => this.#forwardMessage(routed);
    this.#data = new DataChannels({ router: made.router, metrics: environment.metrics, forward });
    // mediasoup closes a Router unasked only when its Worker died.
    this.router.once('workerclose', () => this.close('node_lost'));
  }

  /**
   * @param onClose called once, at the end of `close()`.
   * @throws Error if no Worker is up.
   */
  static async create(record: RoomRecord, environment: RoomEnvironment, onClose: (room: Room) => void): Promise<Room> {
    return new Room(record, await environment.pool.createRouter(), environment, onClose);
  }

  get closed(): boolean {
    return this.#closed;
  }
  get roomSessionId(): string {
    return this.record.roomSessionId;
  }
  get epoch(): number {
    return this.#epoch;
  }
  get codecs(): RoomRecord['spec']['media']['codecs'] {
    return this.record.spec.media.codecs;
  }
  get graceMs(): number {
    return this.record.spec.graceSeconds * 1000;
  }
  get self(): RoomMember {
    const { nodeId, bootId, control } = this.#environment.config;
    return { nodeId, bootId, controlUrl: control.url };
  }
  get users(): Iterable<User> {
    return this.#users.values();
  }
  user(sessionId: string): User | undefined {
    return this.#users.get(sessionId);
  }
  get pipeCount(): number {
    return this.#others.values().reduce((count, other) => count + (other.hasPipe ? 1 : 0), 0);
  }

  /** @throws ProblemError `stale_epoch` if the command comes from before the last change of assignment. */
  checkEpoch(epoch: number): void {
    if (epoch < this.#epoch) throw new ProblemError('stale_epoch', `the room is at epoch ${this.#epoch}`);
    this.#epoch = epoch;
  }

  /** Keeps the Room alive over a join; the returned function ends that, once. */
  hold(): () => void {
    this.#holds += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#holds -= 1;
      this.#closeIfEmpty();
    };
  }

  // ── Users ────────────────────────────────────────────────────────────────────────────────────

  /** Makes a User, publishes and subscribes for it. On failure nothing of it is left and nobody was told. */
  async addUser(params: ControlParams<'session.create'>, deadline: number): Promise<ControlResult<'session.create'>> {
    const { session } = params;
    if (this.#closed) throw new ProblemError('session_gone', 'the room closed while the session was made');
    const user = new User(session, this, this.#log, this.#environment.metrics);
    this.#users.set(session.sessionId, user);
    try {
      const negotiated = await user.signaling.join(params);
      if (user.closed || this.#closed) throw new ProblemError('session_gone', 'the session ended while it was made');
      // Without Redis there is no join; nobody waits for it after the deadline (Unix ms).
      const joined = await Promise.race([user.announce(), pause(deadline - Date.now())]);
      if (!joined) throw new ProblemError('registry_unavailable', 'the registry did not take the join in time');
      if (joined.status !== 'ok') throw new ProblemError('session_gone', 'the session was ended while it was made');
      const { userId, sessionId } = session;
      this.#log.info({ userId, sessionId, tracks: user.tracks.length }, 'session joined');
      return { ...negotiated, lastSeq: joined.lastSeq };
    } catch (error) {
      const ended = user.closed || this.#closed;
      user.close('connection_lost');
      if (ended) throw new ProblemError('session_gone', 'the session ended while it was made');
      throw error;
    }
  }

  tracks(): readonly TrackState[] {
    const others = [...this.#others.values()].toSorted((a, b) => Number(b.reachable) - Number(a.reachable));
    const known = new Map<string, TrackState>();
    // A user who came back through another node is first here: what a dead node said last does not hide them.
    for (const track of [...this.#localTracks(), ...others.flatMap((other) => other.tracks)]) {
      if (!known.has(track.trackId)) known.set(track.trackId, track);
    }
    return [...known.values()];
  }

  #localTracks(): TrackState[] {
    return [...this.#users.values()].flatMap((user) => user.tracks);
  }

  holds(track: TrackState): boolean {
    if (track.nodeId !== this.self.nodeId) return this.#others.get(track.nodeId)?.has(track.producerId) ?? false;
    return this.#localTracks().some(({ producerId }) => producerId === track.producerId);
  }

  isFenced(since: number): Promise<boolean> {
    return this.#environment.isRemembered(since);
  }

  async acquire(track: TrackState): Promise<{ readonly release: () => void }> {
    if (track.nodeId === this.self.nodeId) return { release: () => undefined };
    const other = this.#others.get(track.nodeId);
    if (!other) throw new ProblemError('track_not_found', 'the node of the track left');
    let held = true;
    const release = () => {
      if (held) other.release(track.producerId);
      held = false;
    };
    try {
      await other.acquire(track.producerId);
    } catch (error) {
      release();
      throw error;
    }
    return { release };
  }

  localTracksChanged(): void {
    this.#version = this.#environment.nextVersion();
    for (const other of this.#others.values()) other.announce();
    this.remoteTracksChanged();
  }

  remoteTracksChanged(): void {
    for (const user of this.#users.values()) user.signaling.subscribing.tracksChanged();
  }

  commit(body: NodeFactBody): Promise<FactResult> {
    return this.#environment.outbox.commit(this.record, body);
  }

  signalOffer(user: User): void {
    const { tenant, roomId, roomSessionId } = this.record;
    const { nodeId, bootId } = this.self;
    const { userId, sessionId } = user.session;
    const signal = { tenant, roomId, roomSessionId, userId, sessionId, nodeId, bootId, at: Date.now() };
    this.#environment.registry.publishSignal({ type: 'subscribe.offer', ...signal }).catch((error: unknown) => {
      // Safe to lose: it is pushed once more, and the next answer or read carries the offer too.
      this.#log.warn({ err: error, userId, sessionId }, 'a signal did not reach Redis');
    });
  }

  userClosed(user: User): void {
    this.#users.delete(user.session.sessionId);
    this.#closeIfEmpty();
  }

  #closeIfEmpty(): void {
    if (this.#users.size === 0 && this.#holds === 0) this.close(null);
  }

  // ── Messages ─────────────────────────────────────────────────────────────────────────────────

  /** Makes a session's data channels, for as long as the transport lives. */
  openData(session: SessionRecord, transport: WebRtcTransport, log: Logger): Promise<void> {
    return this.#data.open(session, transport, log);
  }

  /** Which node has a session of whom is known to the registry only, so all of them get it. */
  #forwardMessage(routed: RoutedMessage): void {
    if (this.#others.size === 0) return;
    const { reliable, to, message } = routed;
    const cascaded = { seq: this.#environment.nextVersion(), reliable, to: to && [...to], message };
    const bytes = Buffer.byteLength(JSON.stringify(cascaded));
    for (const other of this.#others.values()) other.outbox.add(cascaded, bytes);
  }

  /**
   * Messages that users of another node sent; they go to users here only.
   *
   * @throws ProblemError `room_not_hosted` for a node that said no hello or left, and for another process of it
   */
  receiveMessages(from: RoomMember, messages: readonly CascadedMessage[]): void {
    const other = this.#others.get(from.nodeId);
    if (other?.member.bootId !== from.bootId) throw new ProblemError('room_not_hosted', 'the node is not of this room');
    for (const { reliable, to, message } of other.takeNew(messages)) {
      if (message) this.#data.deliver({ reliable, to, message });
      else this.#data.closeAll('messages of another node were lost on their way here');
    }
  }

  // ── Other nodes ──────────────────────────────────────────────────────────────────────────────

  memberState(): MemberState {
    return { member: this.self, version: this.#version, tracks: this.#closed ? [] : this.#localTracks() };
  }

  /** Learns of nodes that carry the room, as the registry knows them, and says hello to the new ones. */
  async meet(members: readonly RoomMember[]): Promise<void> {
    const fresh = members.filter(({ nodeId, bootId }) => this.#others.get(nodeId)?.member.bootId !== bootId);
    const others = fresh.map((member) => this.#other(member)).filter((other) => other !== null);
    await Promise.race([Promise.all(others.map((other) => other.hello())), pause(MEET_WAIT_MS)]);
  }

  /** A node says hello or tells its tracks. */
  sync(state: MemberState, pipe: PipeState | null): ControlResult<'cascade.sync'> {
    const other = this.#other(state.member);
    other?.receive(state);
    other?.comparePipe(pipe);
    return { state: this.memberState(), pipe: other?.pipeState() ?? null };
  }

  #other(member: RoomMember): MemberNode | null {
    if (member.nodeId === this.self.nodeId || this.#closed) return null;
    const known = this.#others.get(member.nodeId);
    if (known?.member.bootId === member.bootId) return known;
    known?.close();
    const { control, config, metrics } = this.#environment;
    const other = new MemberNode({ member, room: this, control, pipe: config.pipe, log: this.#log, metrics });
    this.#others.set(member.nodeId, other);
    return other;
  }

  /** Another node left this room. */
  forgetNode(nodeId: string, version: number): void {
    const other = this.#others.get(nodeId);
    if (other && version >= other.remoteVersion) this.forgetMember(other);
  }

  forgetMember(other: MemberNode): void {
    other.close();
    if (this.#others.get(other.member.nodeId) !== other) return;
    this.#others.delete(other.member.nodeId);
    this.remoteTracksChanged();
  }

  acceptPipe(from: RoomMember, pipeId: string, end: PipeEnd): Promise<PipeEnd> {
    return this.#otherOf(from).acceptPipe(pipeId, end);
  }

  openPipe(from: RoomMember): Promise<void> {
    return this.#otherOf(from).openPipeOnRequest();
  }

  dropPipe(nodeId: string): void {
    this.#others.get(nodeId)?.dropPipe();
  }

  /** @throws ProblemError `track_not_found` */
  async pipeProducer(nodeId: string, producerId: string): Promise<PipedParameters> {
    const other = this.#others.get(nodeId);
    const own = this.#localTracks().some((track) => track.producerId === producerId);
    if (!other || !own) throw new ProblemError('track_not_found');
    return other.send(producerId);
  }

  unpipeProducer(nodeId: string, producerId: string): void {
    this.#others.get(nodeId)?.stopSending(producerId);
  }

  #otherOf(member: RoomMember): MemberNode {
    const other = this.#other(member);
    if (!other) throw new ProblemError('room_not_hosted');
    return other;
  }

  // ── End ──────────────────────────────────────────────────────────────────────────────────────

  /**
   * Idempotent.
   * @param reason why its Users end; null if Redis knows already or there are none.
   */
  close(reason: LeaveReason | null): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const user of this.#users.values()) user.close(reason);
    for (const other of this.#others.values()) void other.leave();
    this.#others.clear();
    this.router.close();
    this.#log.info({ reason }, 'room closed on this node');
    this.#onClose(this);
  }
}
