import type {
  LeaveReason,
  LoadReport,
  NodeDescriptor,
  NodeRecord,
  NodeState,
  RoomRecord,
} from '@mediaserver/contracts';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import { Commands, type CommandName } from './commands.ts';
import { openConnection, type ConnectionOptions } from './connection.ts';
import { RegistryError, toRegistryError } from './errors.ts';
import { hostedRange, Keys, parseDueMember, parseHostedMember, parsePendingMember } from './keys.ts';
import {
  flatSchema,
  parseAs,
  parseFact,
  parseJson,
  parseNode,
  parseRoom,
  parseSession,
  parseTrack,
  roomBody,
  sessionBody,
  signalSchema,
} from './records.ts';
import {
  refusalReasons,
  type AdmitSessionInput,
  type AdmitSessionResult,
  type AppendedEvents,
  type CloseRoomInput,
  type CloseRoomResult,
  type CommitFactResult,
  type CreateRoomInput,
  type CreateRoomResult,
  type DeadHost,
  type FoundSessions,
  type HeartbeatResult,
  type LifeRef,
  type ListedRoom,
  type NodeFact,
  type NodeFactBody,
  type ReadEventsResult,
  type ReapResult,
  type RefusalReason,
  type RegisterResult,
  type RoomNode,
  type RoomPage,
  type RoomPlacement,
  type RoomRef,
  type RoomSnapshot,
  type SessionRef,
  type Signal,
  type Swept,
} from './types.ts';

/** What the registry logs with; pino fits. */
export interface RegistryLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface RegistryOptions {
  /** `redis://…` or `rediss://…`. */
  readonly url: string;
  /** Shown in `CLIENT LIST`. */
  readonly name: string;
  readonly log: RegistryLog;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** How long a node counts as alive after a heartbeat. Default 4000. */
  readonly leaseMs?: number;
  /** How long an answer is waited for. Default 2000. */
  readonly commandTimeoutMs?: number;
  /** How long the log of a closed room is kept. Default 24 h. */
  readonly eventRetentionMs?: number;
  /** How many facts of one room are kept. Default 10,000. */
  readonly maxEventsPerRoom?: number;
  /** Separates deployments that share one Redis. Default `ms`. */
  readonly namespace?: string;
}

const DAY_MS = 86_400_000;
const SIGNAL_TTL_MS = 30_000;

const statusReply = z.tuple([z.string()]);
const nodesReply = z.array(z.string());
const refusedReply = z.tuple([z.literal('refused'), z.enum(refusalReasons)]);
const createReply = z.union([
  z.tuple([z.enum(['created', 'exists']), flatSchema]),
  z.tuple([z.literal('life_is_over')]),
  refusedReply,
]);
const placementReply = z.union([z.tuple([]), z.tuple([flatSchema, flatSchema])]);
const snapshotReply = z.union([
  z.tuple([]),
  z.tuple([flatSchema, flatSchema, z.array(z.string()), z.array(z.string())]),
]);
const closeReply = z.union([
  z.tuple([z.literal('closed'), flatSchema, z.array(z.string())]),
  z.tuple([z.literal('other_life'), flatSchema]),
]);
const admitReply = z.union([
  z.tuple([z.literal('admitted'), flatSchema, z.string(), z.array(z.string()), z.array(z.string())]),
  z.tuple([z.enum(['room_not_found', 'room_full', 'second_device_refused'])]),
  refusedReply,
]);
const foundReply = z.union([z.tuple([]), z.tuple([flatSchema, z.array(z.string())])]);
const factReply = z.union([z.tuple([z.literal('ok'), z.number().int()]), z.tuple([z.literal('fenced')])]);
const expireRoomReply = z.union([z.tuple([z.enum(['gone', 'not_due'])]), z.tuple([z.literal('closed'), flatSchema])]);
const expireJoinReply = z.union([
  z.tuple([z.enum(['gone', 'not_due'])]),
  z.tuple([z.literal('withdrawn'), flatSchema, z.string()]),
]);
const eventsReply = z.union([
  z.tuple([]),
  z.tuple([z.string(), z.string(), z.array(z.tuple([z.string(), flatSchema]))]),
]);
const causeSchema = z.enum(['lease_lapsed', 'other_boot', 'unknown_node']);

/**
 * The shared state of the cluster in Redis.
 *
 * Invariants:
 * 1. Each call is one command (one script, or one read) of constant cost; exceptions say so. No
 *    script chooses: it checks what the caller chose, commits it or says why not.
 * 2. State and the events that tell of it change in one script.
 * 3. Every call may be repeated after `registry_unavailable`: a second run of what already happened
 *    answers the same and has no second effect.
 * 4. What comes out of Redis is parsed by its schema before anybody sees it.
 */
export class Registry {
  readonly #options: ConnectionOptions;
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #commands: Commands;
  readonly #log: RegistryLog;
  readonly #appendedListeners = new Set<(appended: AppendedEvents) => void>();
  #blocking: Redis | null = null;
  #subscriber: Redis | null = null;
  #closed = false;

  private constructor(options: RegistryOptions) {
    const leaseMs = options.leaseMs ?? 4000;
    this.#log = options.log;
    this.#options = {
      url: options.url,
      name: options.name,
      log: options.log,
      tls: options.tls,
      commandTimeoutMs: options.commandTimeoutMs ?? 2000,
    };
    this.#keys = new Keys(options.namespace ?? 'ms');
    this.#redis = openConnection(this.#options, 'commands');
    this.#commands = new Commands(this.#redis, this.#keys, {
      channel: this.#keys.appendedChannel,
      leaseMs,
      rampMs: 7000,
      retentionMs: options.eventRetentionMs ?? DAY_MS,
      maxEvents: options.maxEventsPerRoom ?? 10_000,
      watchGapMs: Math.max(3000, leaseMs),
      forgetNodeMs: 3_600_000,
      maxSignals: 10_000,
      signalTtlMs: SIGNAL_TTL_MS,
    });
  }

  /** Connects in the background and keeps reconnecting; calls fail fast with `registry_unavailable` meanwhile. */
  static open(options: RegistryOptions): Registry {
    return new Registry(options);
  }

  /** `open`, then waits for the connection; rejects with `registry_unavailable` after `timeoutMs` (default 5000). */
  static async connect(options: RegistryOptions & { readonly timeoutMs?: number }): Promise<Registry> {
    const registry = new Registry(options);
    if (!(await untilReady(registry.#redis, options.timeoutMs ?? 5000))) {
      await registry.close();
      throw new RegistryError('registry_unavailable', 'Redis did not answer in time');
    }
    return registry;
  }

  get connected(): boolean {
    return this.#redis.status === 'ready';
  }

  /** Called each time the connection (again) stands, and at once if it does. Returns the way to stop it. */
  onConnected(listener: () => void): () => void {
    this.#redis.on('ready', listener);
    if (this.connected) {
      listener();
    }
    return () => {
      this.#redis.off('ready', listener);
    };
  }

  /** Round trip in ms. */
  async ping(): Promise<number> {
    const start = performance.now();
    await this.#call('ping', () => this.#redis.ping());
    return performance.now() - start;
  }

  /** Idempotent. Waits for the answers to what was sent, not longer than the command timeout. */
  async close(): Promise<void> {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    this.#appendedListeners.clear();
    this.#blocking?.disconnect();
    this.#subscriber?.disconnect();
    if (this.connected) {
      await this.#redis.quit().catch(() => undefined);
    }
    this.#redis.disconnect();
  }

  // ── nodes ────────────────────────────────────────────────────────────────────────────────────

  /** Refuses a second live node of the same id. */
  async registerNode(
    descriptor: NodeDescriptor,
    load: LoadReport,
    state: NodeState = 'ready',
  ): Promise<RegisterResult> {
    const { nodeId, bootId } = descriptor;
    const reply = await this.#run('register_node', statusReply, {
      nodeId,
      bootId,
      descriptor: JSON.stringify(descriptor),
      statusText: JSON.stringify({ bootId, state, load }),
    });
    return reply[0] === 'duplicate' ? 'duplicate' : 'ok';
  }

  /** Renews the lease. `unknown`: this boot is not registered (any more); register again. */
  async heartbeat(nodeId: string, bootId: string, load: LoadReport, state: NodeState): Promise<HeartbeatResult> {
    const statusText = JSON.stringify({ bootId, state, load });
    const reply = await this.#run('heartbeat', statusReply, { nodeId, bootId, statusText });
    return reply[0] === 'ok' ? 'ok' : 'unknown';
  }

  async removeNode(nodeId: string, bootId: string): Promise<void> {
    await this.#run('remove_node', statusReply, { nodeId, bootId });
  }

  /** Dead ones too, for an hour. A record that cannot be read is logged and left out. */
  async listNodes(): Promise<NodeRecord[]> {
    const flat = await this.#run('list_nodes', nodesReply, {});
    const nodes: NodeRecord[] = [];
    for (let index = 0; index + 3 < flat.length; index += 4) {
      const [descriptor = '', status = '', alive, reserved] = flat.slice(index, index + 4);
      try {
        nodes.push(parseNode(descriptor, status, alive === '1', Number(reserved)));
      } catch (error) {
        this.#log.error({ err: error, descriptor }, 'a node record cannot be read');
      }
    }
    return nodes;
  }

  // ── rooms ────────────────────────────────────────────────────────────────────────────────────

  /** One command per candidate tried. Repeated with the same `roomSessionId` it answers `created` again. */
  async createRoom(input: CreateRoomInput): Promise<CreateRoomResult> {
    const ref = refOf(input);
    const { spec } = input;
    const args = {
      ...ref,
      body: roomBody(ref, spec, new Date().toISOString()),
      emptyMs: spec.emptyTimeoutSeconds * 1000,
      maxUsers: spec.maxUsers,
      onSecondDevice: spec.onSecondDevice,
    };
    const refusals: Record<string, RefusalReason> = {};
    for (const candidate of input.candidates) {
      const reply = await this.#run('create_room', createReply, { ...args, candidate });
      switch (reply[0]) {
        case 'created':
        case 'exists':
          return { status: reply[0], room: parseRoom(reply[1]) };
        case 'life_is_over':
          throw new RegistryError('registry_refused', `roomSessionId ${ref.roomSessionId} belongs to a closed room`);
        case 'refused':
          refusals[candidate.nodeId] = reply[1];
      }
    }
    const room = input.candidates.length === 0 ? await this.getRoom(ref.tenant, ref.roomId) : null;
    return room === null ? { status: 'no_candidate', refusals } : { status: 'exists', room };
  }

  async getRoom(tenant: string, roomId: string): Promise<RoomRecord | null> {
    return (await this.getRoomPlacement(tenant, roomId))?.room ?? null;
  }

  /** What placing one more session needs to know of a room. */
  async getRoomPlacement(tenant: string, roomId: string): Promise<RoomPlacement | null> {
    const [room, members] = await this.#run('read_room', placementReply, { tenant, roomId });
    return room === undefined || members === undefined
      ? null
      : { room: parseRoom(room), sessionsPerNode: parseCounts(members) };
  }

  /** Rooms in the order of their ids. Two round trips; costs what the page has. */
  async listRooms(tenant: string, page: { cursor?: string; limit: number }): Promise<RoomPage> {
    const after = page.cursor === undefined ? '-' : `(${Buffer.from(page.cursor, 'base64url').toString()}`;
    const found = await this.#call('list rooms', () =>
      this.#redis.zrangebylex(this.#keys.rooms(tenant), after, '+', 'LIMIT', 0, page.limit + 1),
    );
    const roomIds = found.slice(0, page.limit);
    const pipeline = this.#redis.pipeline();
    for (const roomId of roomIds) {
      const keys = this.#keys.room(tenant, roomId);
      pipeline.hgetall(keys.room).hlen(keys.users);
    }
    const replies = roomIds.length === 0 ? [] : ((await this.#call('list rooms', () => pipeline.exec())) ?? []);
    const rooms: ListedRoom[] = [];
    for (let index = 0; index + 1 < replies.length; index += 2) {
      const [roomError, fields] = replies[index] ?? [null, null];
      const [countError, userCount] = replies[index + 1] ?? [null, null];
      if (roomError !== null || countError !== null) {
        throw toRegistryError(roomError ?? countError, 'list rooms');
      }
      const record = parseAs(z.record(z.string(), z.string()), fields, 'room');
      // It may have been closed since the first round trip.
      if (record['life'] !== undefined) {
        rooms.push({ room: parseRoom(record), userCount: parseAs(z.number(), userCount, 'user count') });
      }
    }
    const last = roomIds.at(-1);
    const nextCursor = found.length > page.limit && last !== undefined ? Buffer.from(last).toString('base64url') : null;
    return { rooms, nextCursor };
  }

  /** Everything of one room at one moment; costs what the room has. */
  async readRoom(tenant: string, roomId: string): Promise<RoomSnapshot | null> {
    const [fields, members, sessions, tracks] = await this.#run('read_room', snapshotReply, {
      tenant,
      roomId,
      everything: true,
    });
    if (fields === undefined || members === undefined || sessions === undefined || tracks === undefined) {
      return null;
    }
    const room = parseRoom(fields);
    const nodes: RoomNode[] = [{ nodeId: room.homeNodeId, role: 'home' }];
    for (const nodeId of Object.keys(members).sort()) {
      if (nodeId !== room.homeNodeId) {
        nodes.push({ nodeId, role: 'edge' });
      }
    }
    return {
      room,
      sessions: sessions.map(parseSession).sort((a, b) => compare(a.joinedAt, b.joinedAt)),
      tracks: tracks.map(parseTrack).sort((a, b) => compare(a.trackId, b.trackId)),
      nodes,
      lastSeq: Number(fields['seq']),
    };
  }

  /** Two commands; costs what the room has. */
  async closeRoom(input: CloseRoomInput): Promise<CloseRoomResult> {
    const { tenant, roomId, reason } = input;
    // The room may end and begin again between the two commands.
    for (;;) {
      const room = await this.getRoom(tenant, roomId);
      if (room === null) {
        return { status: 'not_found' };
      }
      const { roomSessionId } = room;
      if (input.roomSessionId !== undefined && input.roomSessionId !== roomSessionId) {
        return { status: 'mismatch', room };
      }
      const reply = await this.#run('close_room', closeReply, { tenant, roomId, roomSessionId, reason });
      if (reply[0] === 'closed') {
        return { status: 'closed', room: parseRoom(reply[1]), nodeIds: reply[2] };
      }
    }
  }

  // ── sessions ─────────────────────────────────────────────────────────────────────────────────

  /** One command per candidate tried. Repeated with the same `sessionId` it answers the same admission. */
  async admitSession(input: AdmitSessionInput): Promise<AdmitSessionResult> {
    const ref = refOf(input);
    const { session } = input;
    const args = {
      ...ref,
      sessionId: session.sessionId,
      userId: session.userId,
      ...(session.deviceId === null ? {} : { deviceId: session.deviceId }),
      subscribe: session.subscribe,
      joinedAt: new Date().toISOString(),
      body: sessionBody(ref, session),
      joinTimeoutMs: input.joinTimeoutMs,
    };
    const refusals: Record<string, RefusalReason> = {};
    for (const candidate of input.candidates) {
      const reply = await this.#run('admit_session', admitReply, { ...args, candidate });
      switch (reply[0]) {
        case 'admitted':
          return {
            status: 'admitted',
            room: parseRoom(reply[1]),
            session: parseSession(reply[2]),
            memberNodeIds: reply[3].toSorted(),
            replaces: reply[4].map(parseSession),
          };
        case 'refused':
          refusals[candidate.nodeId] = reply[1];
          break;
        case 'room_not_found':
        case 'room_full':
        case 'second_device_refused':
          return { status: reply[0] };
      }
    }
    return { status: 'no_candidate', refusals };
  }

  /** Takes back an admission whose node did not create the session. Without effect once it joined. No event. */
  async withdrawSession(ref: SessionRef): Promise<void> {
    await this.#run('withdraw_session', z.unknown(), { ...refOf(ref), sessionId: ref.sessionId });
  }

  /** Ends a session whose node does not answer, with its facts; the node is fenced. Without effect once it is gone. */
  async endSession(ref: SessionRef, reason: LeaveReason): Promise<void> {
    await this.#run('end_session', z.unknown(), { ...refOf(ref), sessionId: ref.sessionId, reason });
  }

  /** The sessions of one user, joining ones too; costs what the user has. Null: no such room. */
  async findSessions(tenant: string, roomId: string, userId: string): Promise<FoundSessions | null> {
    const [room, sessions] = await this.#run('find_sessions', foundReply, { tenant, roomId, userId });
    return room === undefined || sessions === undefined
      ? null
      : { room: parseRoom(room), sessions: sessions.map(parseSession), lastSeq: Number(room['seq']) };
  }

  // ── facts ────────────────────────────────────────────────────────────────────────────────────

  async commitFact(fact: NodeFact): Promise<CommitFactResult> {
    const { nodeId, bootId, nodeSeq, at } = fact;
    const [command, args] = factCommand(fact);
    const by = { ...refOf(fact), nodeId, bootId, nodeSeq, ...(at === undefined ? {} : { at }) };
    const reply = await this.#run(command, factReply, { ...by, ...args });
    return reply[0] === 'ok' ? { status: 'ok', lastSeq: reply[1] } : { status: 'fenced' };
  }

  // ── what is due, and who is dead ─────────────────────────────────────────────────────────────

  /**
   * Closes rooms past their empty timeout, withdraws sessions that never joined. To be called about
   * once a second, by any number of callers: after a pause of 3 s or more (Redis or all coordinators
   * were away) nothing is due for two lease periods, so that nodes can commit what they held back.
   */
  async sweep(limit = 100): Promise<Swept[]> {
    const members = await this.#run('list_due', z.array(z.string()), { limit });
    const swept: Swept[] = [];
    for (const member of members) {
      const due = parseDueMember(member);
      if (due === null) {
        this.#log.error({ member }, 'an unreadable entry of the due set was dropped');
        await this.#call('sweep', () => this.#redis.zrem(this.#keys.index.due, member));
      } else if (due.kind === 'room') {
        const reply = await this.#run('expire_room', expireRoomReply, refOf(due));
        if (reply[0] === 'closed') {
          swept.push({ kind: 'room.closed', room: parseRoom(reply[1]) });
        }
      } else {
        const reply = await this.#run('expire_join', expireJoinReply, { ...refOf(due), sessionId: due.sessionId });
        if (reply[0] === 'withdrawn') {
          swept.push({ kind: 'session.withdrawn', ref: refOf(due), session: parseSession(reply[2]) });
        }
      }
    }
    return swept;
  }

  /**
   * Hosts of sessions on record whose lease lapsed more than `graceMs` ago, or whose process was
   * replaced. To be called about once a second: after a pause of 3 s or more (Redis or all
   * coordinators were away) it names nobody for two lease periods. Costs O(nodes).
   */
  async findDeadHosts(graceMs: number): Promise<DeadHost[]> {
    const flat = await this.#run('find_dead_hosts', z.array(z.string()), { graceMs });
    const hosts: DeadHost[] = [];
    for (let index = 0; index + 2 < flat.length; index += 3) {
      const [nodeId = '', bootId = '', cause] = flat.slice(index, index + 3);
      hosts.push({ nodeId, bootId, cause: parseAs(causeSchema, cause, 'cause') });
    }
    return hosts;
  }

  /** Ids of the sessions on record (joining ones too) for one process. */
  async hostedSessions(nodeId: string, bootId: string): Promise<ReadonlySet<string>> {
    const [from, to] = hostedRange(nodeId, bootId);
    const members = await this.#call('hosted sessions', () =>
      this.#redis.zrangebylex(this.#keys.index.hosted, from, to),
    );
    return new Set(members.map(parseHostedMember).flatMap((hosted) => (hosted ? [hosted.sessionId] : [])));
  }

  /** Ends up to `limit` sessions of a dead host (`user.left {node_lost}`), one command each; none while it is alive. */
  async reapSessions(host: { nodeId: string; bootId: string }, limit = 100): Promise<ReapResult> {
    const { nodeId, bootId } = host;
    const [from, to] = hostedRange(nodeId, bootId);
    const members = await this.#call('reap', () =>
      this.#redis.zrangebylex(this.#keys.index.hosted, from, to, 'LIMIT', 0, limit),
    );
    const reaped: SessionRef[] = [];
    for (const member of members) {
      const hosted = parseHostedMember(member);
      if (hosted === null) {
        this.#log.error({ member }, 'an unreadable entry of the hosted set was dropped');
        await this.#call('reap', () => this.#redis.zrem(this.#keys.index.hosted, member));
        continue;
      }
      const ref = { ...refOf(hosted), sessionId: hosted.sessionId };
      const reply = await this.#run('reap_session', z.tuple([z.string()]), { ...ref, nodeId, bootId, hosted: member });
      if (reply[0] === 'alive') {
        return { reaped, more: false };
      }
      if (reply[0] === 'reaped') {
        reaped.push(ref);
      }
    }
    return { reaped, more: members.length === limit };
  }

  // ── events ───────────────────────────────────────────────────────────────────────────────────

  /** Facts after `afterSeq` in order. Works until the log expires, also after the room closed. */
  async readEvents(life: LifeRef, afterSeq: number, limit: number): Promise<ReadEventsResult> {
    const { tenant, roomSessionId } = life;
    const [first, last, entries] = await this.#run('read_events', eventsReply, {
      tenant,
      roomSessionId,
      after: afterSeq,
      limit,
    });
    if (first === undefined || last === undefined || entries === undefined) {
      return { status: 'not_found' };
    }
    const firstSeq = Number.parseInt(first, 10);
    const lastSeq = Number.parseInt(last, 10);
    return afterSeq + 1 < firstSeq
      ? { status: 'expired', firstSeq, lastSeq }
      : { status: 'ok', events: entries.map(([id, fields]) => parseFact(life, id, fields)), lastSeq };
  }

  /** Logs with facts behind their delivery cursor, longest waiting first. */
  async livesToDeliver(page: { offset?: number; limit?: number } = {}): Promise<LifeRef[]> {
    const { offset = 0, limit = 1000 } = page;
    const members = await this.#call('pending', () =>
      this.#redis.zrange(this.#keys.index.pending, String(offset), String(offset + limit - 1)),
    );
    return members.map(parsePendingMember).filter((life) => life !== null);
  }

  /** `seq` of the last delivered fact; 0 at first. */
  async getCursor(life: LifeRef): Promise<number> {
    const { cursor } = this.#keys.log(life.tenant, life.roomSessionId);
    const text = await this.#call('cursor', () => this.#redis.get(cursor));
    return text === null ? 0 : parseAs(z.coerce.number().int(), text, 'cursor');
  }

  /** Only forward. `caughtUp`: nothing is waiting any more (or the log is gone). */
  async advanceCursor(life: LifeRef, seq: number): Promise<{ caughtUp: boolean }> {
    const { tenant, roomSessionId } = life;
    const reply = await this.#run('advance_cursor', z.tuple([z.string()]), { tenant, roomSessionId, seq });
    return { caughtUp: reply[0] === 'caught_up' };
  }

  /** At most once per append; pair it with `livesToDeliver` for what was missed. Returns the way to stop it. */
  onEventsAppended(listener: (appended: AppendedEvents) => void): () => void {
    this.#subscriber ??= this.#openSubscriber();
    this.#appendedListeners.add(listener);
    return () => {
      this.#appendedListeners.delete(listener);
    };
  }

  #openSubscriber(): Redis {
    const subscriber = openConnection(this.#options, 'subscriber');
    subscriber.on('message', (_channel: string, message: string) => {
      const life = parsePendingMember(message);
      const lastSeq = Number(message.split(':')[2]);
      if (life !== null && Number.isInteger(lastSeq)) {
        for (const listener of this.#appendedListeners) {
          listener({ ...life, lastSeq });
        }
      }
    });
    subscriber.subscribe(this.#keys.appendedChannel).catch((error: unknown) => {
      if (!this.#closed) {
        this.#log.error({ err: error }, 'cannot subscribe to appended events; deliveries wait for the sweep');
      }
    });
    return subscriber;
  }

  // ── signals ──────────────────────────────────────────────────────────────────────────────────

  async publishSignal(signal: Signal): Promise<void> {
    await this.#run('push_signal', z.unknown(), { signal: JSON.stringify(signal) });
  }

  /**
   * Each signal goes to one taker. Waits up to `blockMs`; the newest per session and type, none
   * older than 30 s. One caller at a time per Registry. Empty after `close()`.
   */
  async takeSignals(blockMs: number, limit = 100): Promise<Signal[]> {
    if (this.#closed) {
      return [];
    }
    this.#blocking ??= openConnection(this.#options, 'blocking');
    const blocking = this.#blocking;
    if (!(await untilReady(blocking, blockMs))) {
      if (this.#isClosed()) {
        return [];
      }
      throw new RegistryError('registry_unavailable', 'take signals: not connected');
    }
    let taken: [string, string[]] | null;
    try {
      const seconds = Math.max(blockMs, 1) / 1000;
      taken = await blocking.blmpop(seconds, 1, this.#keys.signals, 'LEFT', 'COUNT', limit);
    } catch (error) {
      if (this.#isClosed()) {
        return [];
      }
      throw toRegistryError(error, 'take signals');
    }
    const oldest = Date.now() - SIGNAL_TTL_MS;
    const newest = new Map<string, Signal>();
    for (const text of taken?.[1] ?? []) {
      const signal = parseAs(signalSchema, parseJson(text, 'signal'), 'signal');
      if (signal.at >= oldest) {
        newest.set(`${signal.type}:${signal.sessionId}`, signal);
      }
    }
    return [...newest.values()];
  }

  // ── calls ────────────────────────────────────────────────────────────────────────────────────

  /** `#closed` as it is now, after an await. */
  #isClosed(): boolean {
    return this.#closed;
  }

  async #run<T>(name: CommandName, schema: z.ZodType<T>, args: object): Promise<T> {
    return parseAs(schema, await this.#call(name, () => this.#commands.run(name, { ...args })), name);
  }

  async #call<T>(what: string, command: () => Promise<T>): Promise<T> {
    if (this.#closed) {
      throw new RegistryError('registry_closed', `${what}: the registry is closed`);
    }
    try {
      return await command();
    } catch (error) {
      throw toRegistryError(error, what);
    }
  }
}

/** Only the three ids, whatever else the object has. */
function refOf(ref: RoomRef): RoomRef {
  return { tenant: ref.tenant, roomId: ref.roomId, roomSessionId: ref.roomSessionId };
}

/** The command that commits a fact, and what it needs beside who says so. */
function factCommand(fact: NodeFactBody): readonly [CommandName, object] {
  let command: readonly [CommandName, object];
  switch (fact.op) {
    case 'session.joined':
      command = ['session_joined', { sessionId: fact.sessionId }];
      break;
    case 'session.left':
      command = ['session_left', { sessionId: fact.sessionId, reason: fact.reason }];
      break;
    case 'session.connected':
      command = ['session_event', { sessionId: fact.sessionId, type: 'user.connected', data: {} }];
      break;
    case 'session.disconnected':
      command = ['session_event', { sessionId: fact.sessionId, type: 'user.disconnected', data: { peer: fact.peer } }];
      break;
    case 'consumer.failed': {
      const data = { trackId: fact.trackId, code: fact.code };
      command = ['session_event', { sessionId: fact.sessionId, type: 'consumer.failed', data }];
      break;
    }
    case 'track.created':
      command = ['track_created', { track: JSON.stringify(fact.track) }];
      break;
    case 'track.updated':
      command = ['track_updated', { track: JSON.stringify(fact.track) }];
      break;
    case 'track.closed':
      command = ['track_closed', { trackId: fact.trackId, producerId: fact.producerId }];
      break;
  }
  return command;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function parseCounts(fields: Record<string, string>): Record<string, number> {
  return Object.fromEntries(Object.entries(fields).map(([nodeId, count]) => [nodeId, Number(count)]));
}

async function untilReady(redis: Redis, timeoutMs: number): Promise<boolean> {
  if (redis.status === 'ready') {
    return true;
  }
  if (redis.status === 'end') {
    return false;
  }
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      redis.off('ready', done);
      redis.off('end', done);
      resolve(redis.status === 'ready');
    };
    const timer = setTimeout(done, timeoutMs);
    redis.on('ready', done);
    redis.on('end', done);
  });
}
