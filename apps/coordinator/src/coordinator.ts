import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  CODEC_TABLE_VERSION,
  errorCodeOf,
  ProblemError,
  sessionSchema,
  type ConsumerSettings,
  type ConsumerView,
  type ControlCommand,
  type ControlParams,
  type ControlResult,
  type CreateRoomRequest,
  type EventList,
  type JoinRequest,
  type JoinResult,
  type LeaveReason,
  type NodeRecord,
  type NodeView,
  type OperationQuery,
  type PatchTrackRequest,
  type PublishRequest,
  type PublishResult,
  type ResumeRequest,
  type RoomList,
  type RoomMember,
  type RoomRecord,
  type RoomSpec,
  type RoomSummary,
  type RoomView,
  type SessionRecord,
  type SessionView,
  type SubscribeAnswerRequest,
  type SubscribeAnswerResult,
  type SubscribeOffer,
  type SubscribeRequest,
  type SubscribeResult,
  type TrackState,
} from '@mediaserver/contracts';
import { pause } from '@mediaserver/lifecycle';
import { chooseNodes, type PlacementDecision } from '@mediaserver/placement';
import type { AdmitSessionResult, FoundSessions, Registry, RoomPlacement, RoomSnapshot } from '@mediaserver/registry';
import type { CoordinatorMetrics, Logger } from '@mediaserver/telemetry';
import type { Background } from './background.ts';
import type { Destination, NodeClient } from './node-client.ts';
import type { NodeDirectory } from './node-directory.ts';
import type { SessionCache } from './session-cache.ts';

/** A session that its node has not confirmed by then is taken back. Longer than two tries of the command. */
const JOIN_TIMEOUT_MS = 15_000;
/** Rounds of place → admit → create before a join is answered with an error. */
const JOIN_ROUNDS = 3;
/** How long a join waits for the sessions it replaces to be closed; they are closed in any case. */
const REPLACE_WAIT_MS = 500;
/** How many nodes a refusal names. */
const NAMED_NODES = 10;

export interface UserRef {
  readonly tenant: string;
  readonly roomId: string;
  readonly userId: string;
}
export interface SessionChoice extends UserRef {
  /** Only this session; without it, the user's newest. */
  readonly sessionId?: string | undefined;
}

/** The part of the registry that calls need. */
export type CallRegistry = Pick<
  Registry,
  | 'listNodes'
  | 'createRoom'
  | 'getRoom'
  | 'getRoomPlacement'
  | 'listRooms'
  | 'readRoom'
  | 'closeRoom'
  | 'admitSession'
  | 'withdrawSession'
  | 'findSessions'
  | 'endSession'
  | 'readEvents'
>;

export interface CoordinatorParts {
  readonly registry: CallRegistry;
  readonly nodes: NodeDirectory;
  readonly client: NodeClient;
  readonly cache: SessionCache;
  readonly background: Background;
  readonly metrics: CoordinatorMetrics;
  readonly log: Logger;
  readonly random?: () => number;
}

/** Why each node was not taken: by the policy, or by the registry. */
type NodeReasons = Readonly<Record<string, string>>;
type Admitted = Extract<AdmitSessionResult, { status: 'admitted' }>;

/**
 * The calls of the API, as orchestration: the registry holds the state, `libs/placement` decides,
 * nodes carry it out.
 *
 * Invariants:
 * 1. A call that is refused leaves no session behind (a room made by a join stays as an empty one).
 * 2. Nothing here would be missed after a restart, nor contradicts another replica.
 * 3. A session is admitted in the registry before its node hears of it.
 */
export class Coordinator {
  readonly #parts: CoordinatorParts;
  readonly #random: () => number;

  constructor(parts: CoordinatorParts) {
    this.#parts = parts;
    this.#random = parts.random ?? Math.random;
  }

  // --- Rooms

  async createRoom(tenant: string, request: CreateRoomRequest): Promise<{ created: boolean; room: RoomView }> {
    const { roomId = randomUUID(), ...spec } = request;
    for (let round = 1; ; round += 1) {
      const { created, room } = await this.#createRoom(tenant, roomId, spec);
      const different = created ? [] : differingFields(room.spec, spec);
      if (different.length > 0) {
        throw new ProblemError('room_spec_conflict', `the room exists with another ${different.join(', ')}`);
      }
      const snapshot = await this.#parts.registry.readRoom(tenant, roomId);
      if (snapshot?.room.roomSessionId === room.roomSessionId) return { created, room: toRoomView(snapshot) };
      // Closed by somebody in between; the caller wants it open.
      if (round === JOIN_ROUNDS) throw new ProblemError('room_not_found', 'the room keeps being closed');
    }
  }

  async #createRoom(tenant: string, roomId: string, spec: RoomSpec): Promise<{ created: boolean; room: RoomRecord }> {
    let reasons: NodeReasons = {};
    for (const nodes of [() => this.#parts.nodes.current(), () => this.#parts.nodes.refresh()]) {
      const { candidates, excluded } = this.#choose(await nodes(), spec, 0);
      const result = await this.#parts.registry.createRoom({
        tenant,
        roomId,
        roomSessionId: randomUUID(),
        spec,
        candidates,
      });
      if (result.status !== 'no_candidate') return { created: result.status === 'created', room: result.room };
      reasons = { ...excluded, ...result.refusals };
    }
    throw this.#noCapacity('room', reasons);
  }

  async listRooms(tenant: string, query: OperationQuery<'listRooms'>): Promise<RoomList> {
    const { limit, cursor } = query;
    const page = await this.#parts.registry.listRooms(tenant, cursor === undefined ? { limit } : { limit, cursor });
    return {
      rooms: page.rooms.map(({ room, userCount }) => toRoomSummary(room, userCount)),
      nextCursor: page.nextCursor,
    };
  }

  async readRoom(tenant: string, roomId: string): Promise<RoomView> {
    const snapshot = await this.#parts.registry.readRoom(tenant, roomId);
    if (!snapshot) throw new ProblemError('room_not_found');
    return toRoomView(snapshot);
  }

  async closeRoom(tenant: string, roomId: string, roomSessionId: string | undefined): Promise<void> {
    const result = await this.#parts.registry.closeRoom({
      tenant,
      roomId,
      reason: 'closed',
      ...(roomSessionId === undefined ? {} : { roomSessionId }),
    });
    switch (result.status) {
      case 'not_found':
        throw new ProblemError('room_not_found');
      case 'mismatch':
        throw new ProblemError('room_session_mismatch', `the room's current life is ${result.room.roomSessionId}`);
      case 'closed':
        this.tellRoomClosed(result.room, result.nodeIds, 'closed');
    }
  }

  /** Nodes also find out by being fenced; telling them frees the media at once. */
  tellRoomClosed(room: RoomRecord, nodeIds: readonly string[], reason: string): void {
    const { background, nodes, client } = this.#parts;
    for (const nodeId of nodeIds) {
      void background.run('room.close', async () => {
        const bootId = (await nodes.current()).find((node) => node.descriptor.nodeId === nodeId)?.descriptor.bootId;
        if (bootId === undefined) return;
        await ignoringGone(
          client.send({ nodeId, bootId, epoch: room.epoch }, 'room.close', {
            roomSessionId: room.roomSessionId,
            reason,
          }),
        );
      });
    }
  }

  async listEvents(tenant: string, roomId: string, query: OperationQuery<'listEvents'>): Promise<EventList> {
    const { registry } = this.#parts;
    const roomSessionId = query.roomSessionId ?? (await registry.getRoom(tenant, roomId))?.roomSessionId;
    if (roomSessionId === undefined) throw new ProblemError('room_not_found');
    const result = await registry.readEvents({ tenant, roomSessionId }, query.after, query.limit);
    if (result.status === 'expired') {
      throw new ProblemError('events_expired', `the oldest event kept has seq ${result.firstSeq}`);
    }
    if (result.status === 'not_found' || result.events.some((event) => event.roomId !== roomId)) {
      throw new ProblemError('room_not_found', 'no events are kept of this life of the room');
    }
    return { roomSessionId, events: [...result.events], lastSeq: result.lastSeq };
  }

  // --- Users

  async join(tenant: string, roomId: string, request: JoinRequest): Promise<JoinResult> {
    if (request.publish && !request.permissions.publish) {
      throw new ProblemError('not_permitted', 'publish is given, but permissions.publish is false');
    }
    let reasons: NodeReasons = {};
    const avoided = new Set<string>();
    for (let round = 1; round <= JOIN_ROUNDS; round += 1) {
      const placement = await this.#placementFor(tenant, roomId, request.room);
      // A refusal means that the picture of the nodes was too old.
      const nodes = await (round === 1 ? this.#parts.nodes.current() : this.#parts.nodes.refresh());
      const usable = nodes.filter((node) => !avoided.has(node.descriptor.nodeId));
      const { candidates, excluded } = this.#choose(usable, placement.room.spec, 1, placement);
      const admission = await this.#parts.registry.admitSession({
        tenant,
        roomId,
        roomSessionId: placement.room.roomSessionId,
        session: toIntent(request),
        candidates,
        joinTimeoutMs: JOIN_TIMEOUT_MS,
      });
      switch (admission.status) {
        case 'room_not_found':
          // Closed in between. With `room` in the request the next round makes it anew.
          break;
        case 'room_full':
        case 'second_device_refused':
          throw new ProblemError(admission.status);
        case 'no_candidate':
          reasons = { ...excluded, ...admission.refusals };
          break;
        case 'admitted': {
          try {
            return await this.#createSession(admission, request);
          } catch (error) {
            await this.#takeBack(admission, error);
            if (!isNodeTrouble(error) || round === JOIN_ROUNDS) throw error;
            avoided.add(admission.session.nodeId);
          }
        }
      }
    }
    if (avoided.size > 0) throw new ProblemError('node_unavailable');
    throw this.#noCapacity('session', reasons);
  }

  async #placementFor(tenant: string, roomId: string, spec: RoomSpec | undefined): Promise<RoomPlacement> {
    const placement = await this.#parts.registry.getRoomPlacement(tenant, roomId);
    if (placement) return placement;
    if (!spec) throw new ProblemError('room_not_found');
    const { room } = await this.#createRoom(tenant, roomId, spec);
    return { room, sessionsPerNode: {} };
  }

  async #createSession(admission: Admitted, request: JoinRequest): Promise<JoinResult> {
    const { room, session, replaces } = admission;
    const { capabilitiesSdp, publish, data, clientProfile } = request;
    const result = await this.#parts.client.send(destination(room, session), 'session.create', {
      room,
      members: await this.#members(admission),
      session,
      data,
      ...(clientProfile === undefined ? {} : { clientProfile }),
      ...(capabilitiesSdp === undefined ? {} : { capabilitiesSdp }),
      ...(publish === undefined ? {} : { publish }),
    });
    await this.#closeReplaced(room, replaces);
    const joined: SessionRecord = { ...session, state: 'joined' };
    this.#parts.cache.put(room.tenant, room.roomId, session.userId, {
      room,
      sessions: [joined],
      lastSeq: result.lastSeq,
    });
    return joinResult(joined, result);
  }

  /**
   * `lastSeq` is read before the node is asked, so that a replay from it misses nothing. While the registry does not
   * answer it is the last one seen: the replay then repeats facts, which is allowed.
   */
  async resume(ref: UserRef, request: ResumeRequest): Promise<JoinResult> {
    const found = await this.#find(ref);
    if (found && joinedSessions(found).length === 0) {
      throw new ProblemError('session_gone', 'the session has ended: join again');
    }
    const { room, session } = pickSession(found, request.sessionId);
    const { roomSessionId } = session;
    const params = { ...request, roomSessionId };
    const result = await this.#parts.client.send(destination(room, session), 'session.resume', params);
    return joinResult(session, { ...result, lastSeq: found?.lastSeq ?? 0 });
  }

  /** How the node finds the room's other nodes. */
  async #members({ memberNodeIds, session }: Admitted): Promise<RoomMember[]> {
    const others = memberNodeIds.filter((nodeId) => nodeId !== session.nodeId);
    const missing = (known: readonly NodeRecord[]) =>
      others.some((nodeId) => !known.some((node) => node.descriptor.nodeId === nodeId));
    let known = await this.#parts.nodes.current();
    if (missing(known)) known = await this.#parts.nodes.refresh();
    return known
      .filter((node) => others.includes(node.descriptor.nodeId))
      .map(({ descriptor: { nodeId, bootId, controlUrl } }) => ({ nodeId, bootId, controlUrl }));
  }

  async #closeReplaced(room: RoomRecord, replaced: readonly SessionRecord[]): Promise<void> {
    if (replaced.length === 0) return;
    const closed = replaced.map((session) =>
      this.#parts.background.run('session.close', () => this.#closeSession(room, session, 'replaced')),
    );
    await Promise.race([Promise.all(closed), pause(REPLACE_WAIT_MS)]);
  }

  /** Undoes an admission. What fails here is swept later, when the join has timed out. */
  async #takeBack(admission: Admitted, cause: unknown): Promise<void> {
    const { registry, background, log } = this.#parts;
    const { room, session } = admission;
    const { tenant, roomId, roomSessionId } = room;
    try {
      await registry.withdrawSession({ tenant, roomId, roomSessionId, sessionId: session.sessionId });
    } catch (error) {
      log.warn({ roomId, sessionId: session.sessionId, reason: String(error) }, 'an admission could not be withdrawn');
    }
    // The node may have made the session without our hearing of it.
    if (isNodeTrouble(cause)) {
      void background.run('session.close', () => this.#closeSession(room, session, 'connection_lost'));
    }
  }

  async readUser(ref: UserRef): Promise<{ userId: string; sessions: SessionView[] }> {
    const found = await this.#parts.registry.findSessions(ref.tenant, ref.roomId, ref.userId);
    const sessions = joinedSessions(found);
    if (sessions.length === 0) throw new ProblemError('user_not_found');
    return { userId: ref.userId, sessions: sessions.map(toSessionView) };
  }

  /** Works for a user on a dead node as well. */
  async leave(choice: SessionChoice, reason: LeaveReason): Promise<void> {
    const { room, session } = await this.#session(choice);
    await this.#closeSession(room, session, reason);
  }

  async #closeSession(room: RoomRecord, session: SessionRecord, reason: LeaveReason): Promise<void> {
    const { sessionId, roomSessionId } = session;
    const { client, registry } = this.#parts;
    try {
      await client.send(destination(room, session), 'session.close', { roomSessionId, sessionId, reason });
    } catch (error) {
      // Whatever the node cannot or need not end any more ends on record; without effect if that happened already.
      if (!isNodeTrouble(error) && errorCodeOf(error) !== 'session_gone') throw error;
      await registry.endSession({ tenant: room.tenant, roomId: room.roomId, roomSessionId, sessionId }, reason);
    }
  }

  // --- Media

  publish(choice: SessionChoice, request: PublishRequest): Promise<PublishResult> {
    return this.#onSession(choice, 'session.publish', (ref) => ({ ...request, ...ref }));
  }

  subscribe(choice: SessionChoice, request: SubscribeRequest): Promise<SubscribeResult> {
    return this.#onSession(choice, 'session.subscribe', (ref) => ({ ...request, ...ref }));
  }

  async currentOffer(choice: SessionChoice): Promise<SubscribeOffer | null> {
    const { offer } = await this.#onSession(choice, 'session.offer', (ref) => ref);
    return offer;
  }

  restartSubscribe(choice: SessionChoice): Promise<SubscribeOffer> {
    return this.#onSession(choice, 'session.restartSubscribe', (ref) => ref);
  }

  patchConsumer(choice: SessionChoice & { trackId: string }, request: ConsumerSettings): Promise<ConsumerView> {
    const { trackId } = choice;
    return this.#onSession(choice, 'session.patchConsumer', (ref) => ({ ...request, ...ref, trackId }));
  }

  answer(choice: SessionChoice, request: SubscribeAnswerRequest): Promise<SubscribeAnswerResult> {
    return this.#onSession(choice, 'session.answer', (ref) => ({ ...request, ...ref }));
  }

  async patchTrack(
    ref: { tenant: string; roomId: string; trackId: string },
    request: PatchTrackRequest,
  ): Promise<TrackState> {
    const { tenant, roomId, trackId } = ref;
    // `userId:source` or `userId:source:ordinal`: the track says whose it is.
    const [userId = '', , ordinal = '1'] = trackId.split(':');
    const found = await this.#find({ tenant, roomId, userId });
    const session = joinedSessions(found).findLast((session) => String(session.ordinal) === ordinal);
    if (!found || !session) throw new ProblemError('track_not_found');
    const { roomSessionId, sessionId } = session;
    return this.#parts.client.send(destination(found.room, session), 'session.patchTrack', {
      ...request,
      roomSessionId,
      sessionId,
      trackId,
    });
  }

  async #onSession<C extends ControlCommand>(
    choice: SessionChoice,
    command: C,
    params: (ref: { roomSessionId: string; sessionId: string }) => ControlParams<C>,
  ): Promise<ControlResult<C>> {
    const { room, session } = await this.#session(choice);
    const { roomSessionId, sessionId } = session;
    return this.#parts.client.send(destination(room, session), command, params({ roomSessionId, sessionId }));
  }

  /** The session a call is about. */
  async #session(choice: SessionChoice): Promise<{ room: RoomRecord; session: SessionRecord }> {
    return pickSession(await this.#find(choice), choice.sessionId);
  }

  /**
   * Falls back to where the user was last seen while the registry does not answer: media calls of
   * users who are in must go on.
   */
  async #find({ tenant, roomId, userId }: UserRef): Promise<FoundSessions | null> {
    const { registry, cache } = this.#parts;
    try {
      const found = await registry.findSessions(tenant, roomId, userId);
      cache.put(tenant, roomId, userId, found);
      return found;
    } catch (error) {
      const cached = errorCodeOf(error) === 'registry_unavailable' ? cache.get(tenant, roomId, userId) : undefined;
      if (!cached) throw error;
      return cached;
    }
  }

  // --- Nodes

  async listNodes(): Promise<{ nodes: NodeView[] }> {
    const nodes = (await this.#parts.nodes.current()).map(toNodeView);
    return { nodes: nodes.toSorted((a, b) => a.nodeId.localeCompare(b.nodeId)) };
  }

  #choose(nodes: readonly NodeRecord[], spec: RoomSpec, weight: number, placement?: RoomPlacement): PlacementDecision {
    return chooseNodes({
      nodes,
      strategy: spec.placement.strategy,
      region: spec.region,
      codecTableVersion: CODEC_TABLE_VERSION,
      weight,
      random: this.#random,
      ...(placement
        ? { room: { homeNodeId: placement.room.homeNodeId, sessionsPerNode: placement.sessionsPerNode } }
        : {}),
    });
  }

  #noCapacity(kind: 'room' | 'session', reasons: NodeReasons): ProblemError {
    this.#parts.metrics.placementRefusals.inc({ kind });
    const named = Object.entries(reasons).map(([nodeId, reason]) => `${nodeId} ${reason}`);
    const more = named.length > NAMED_NODES ? [`and ${named.length - NAMED_NODES} more`] : [];
    const detail = [...named.slice(0, NAMED_NODES), ...more].join(', ');
    return new ProblemError('no_capacity', detail === '' ? 'no node is registered' : detail);
  }
}

/** @throws ProblemError if the user has no session there, or the one named is not current. */
export function pickSession(
  found: Omit<FoundSessions, 'lastSeq'> | null,
  sessionId: string | undefined,
): { room: RoomRecord; session: SessionRecord } {
  const sessions = joinedSessions(found);
  const newest = sessions.at(-1);
  if (!found || !newest) throw new ProblemError('user_not_found');
  const { room } = found;
  // One that is being replaced may still be on record for a moment; it is not current any more.
  const current = room.spec.onSecondDevice === 'allow' ? sessions : [newest];
  const session = sessionId === undefined ? newest : current.find((session) => session.sessionId === sessionId);
  if (!session && room.spec.onSecondDevice === 'allow') throw new ProblemError('session_gone');
  if (!session) throw new ProblemError('stale_session', 'the user is in with another session');
  return { room, session };
}

function joinedSessions(found: Omit<FoundSessions, 'lastSeq'> | null): SessionRecord[] {
  if (!found) throw new ProblemError('room_not_found');
  return found.sessions.filter((session) => session.state === 'joined');
}

/** @returns the names of the fields in which two specifications differ. */
function differingFields(a: RoomSpec, b: RoomSpec): string[] {
  const left = new Map<string, unknown>(Object.entries(a));
  return Object.entries(b)
    .filter(([name, value]) => !isDeepStrictEqual(left.get(name), value))
    .map(([name]) => name);
}

function destination(room: RoomRecord, session: SessionRecord): Destination {
  return { nodeId: session.nodeId, bootId: session.bootId, epoch: room.epoch };
}

/** Another node may take what this one cannot. */
function isNodeTrouble(error: unknown): boolean {
  const code = errorCodeOf(error);
  return code === 'node_unavailable' || code === 'draining';
}

/** For closing: what is gone already is as it should be. */
async function ignoringGone(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (errorCodeOf(error) !== 'session_gone') throw error;
  }
}

function toIntent(request: JoinRequest) {
  return {
    userId: request.userId,
    sessionId: randomUUID(),
    deviceId: request.deviceId ?? null,
    displayName: request.displayName ?? null,
    metadata: request.metadata,
    permissions: request.permissions,
    subscribe: request.subscribe,
  };
}

function joinResult(
  session: SessionRecord,
  { publish, subscribe, lastSeq }: Pick<JoinResult, 'publish' | 'subscribe' | 'lastSeq'>,
): JoinResult {
  return { user: toSessionView(session), publish, subscribe, iceServers: [], iceServersExpireAt: null, lastSeq };
}

/** Leaves out what is not the caller's business. */
function toSessionView(session: SessionRecord): SessionView {
  return sessionSchema.parse(session);
}

function toRoomSummary(room: RoomRecord, userCount: number): RoomSummary {
  const { roomId, roomSessionId, createdAt, version, spec } = room;
  return { roomId, roomSessionId, state: 'open', createdAt, version, spec, userCount };
}

function toRoomView({ room, sessions, tracks, nodes, lastSeq }: RoomSnapshot): RoomView {
  const users = sessions.filter((session) => session.state === 'joined').map(toSessionView);
  const userCount = new Set(users.map((user) => user.userId)).size;
  return { ...toRoomSummary(room, userCount), users, tracks: [...tracks], nodes: [...nodes], lastSeq };
}

function toNodeView({ descriptor, state, alive, load }: NodeRecord): NodeView {
  const { nodeId, bootId, region, version, workers } = descriptor;
  return { nodeId, bootId, region, version, state: alive ? state : 'lost', alive, load: { ...load, workers } };
}
