import { randomUUID } from 'node:crypto';
import {
  roomSpecSchema,
  type Candidate,
  type LoadReport,
  type NodeDescriptor,
  type SessionRecord,
  type TrackRecord,
} from '@mediaserver/contracts';
import {
  Registry,
  type AdmitSessionResult,
  type CommitFactResult,
  type FactEnvelope,
  type LifeRef,
  type NodeFactBody,
  type RegistryOptions,
  type RoomRef,
  type SessionIntent,
} from '@mediaserver/registry';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { startRedis, type RedisServer } from './redis-server.ts';

/* What the registry's tests are written with. */

export const TENANT = 'default';
export const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Patient: a busy machine must not look like a dead node or a Redis that is away. */
export function connect(
  url: string,
  options: Partial<RegistryOptions> & { timeoutMs?: number } = {},
): Promise<Registry> {
  return Registry.connect({
    url,
    name: 'test',
    log: quiet,
    commandTimeoutMs: 20_000,
    leaseMs: 60_000,
    timeoutMs: 20_000,
    ...options,
  });
}

/** A Redis of the test file's own and a registry on it; there from the first test on. */
export let server: RedisServer;
export let redis: Redis;
export let registry: Registry;

/** Called once at the top of a test file: each test begins with an empty Redis and these live nodes. */
export function useRegistry(...nodeIds: string[]): void {
  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis(server.url);
    registry = await connect(server.url);
  });
  afterAll(async () => {
    await registry.close();
    redis.disconnect();
    await server.stop();
  });
  beforeEach(async () => {
    await redis.flushall();
    for (const nodeId of nodeIds) await registry.registerNode(descriptorOf(nodeId), loadOf());
  });
}

export function loadOf(changes: Partial<LoadReport> = {}): LoadReport {
  return { ratio: 0, rooms: 0, sessions: 0, producers: 0, consumers: 0, ...changes };
}

export function descriptorOf(nodeId: string, bootId = `boot-${nodeId}`): NodeDescriptor {
  return {
    nodeId,
    bootId,
    controlUrl: 'http://127.0.0.1:4001',
    region: null,
    version: '0.1.0',
    codecTableVersion: 1,
    workers: 2,
  };
}

export function candidateOf(nodeId: string, changes: Partial<Candidate> = {}): Candidate {
  return { nodeId, bootId: `boot-${nodeId}`, weight: 1, sessionCost: 0.0001, maxLoad: 0.9, ...changes };
}

export function intentOf(userId: string, changes: Partial<SessionIntent> = {}): SessionIntent {
  return {
    userId,
    sessionId: randomUUID(),
    deviceId: null,
    displayName: null,
    metadata: {},
    permissions: { publish: true, subscribe: true },
    subscribe: 'all',
    ...changes,
  };
}

export function trackOf(
  session: Pick<SessionRecord, 'userId' | 'sessionId' | 'nodeId'>,
  source: string,
  changes: Partial<TrackRecord> = {},
): TrackRecord {
  return {
    trackId: `${session.userId}:${source}`,
    producerId: randomUUID(),
    userId: session.userId,
    sessionId: session.sessionId,
    nodeId: session.nodeId,
    kind: 'video',
    source,
    paused: false,
    mutedByUser: false,
    mutedByModerator: false,
    ...changes,
  };
}

/** Creates a room on the node and returns which life of which room it is. */
export async function createRoom(
  registry: Registry,
  spec: object = {},
  { nodeId = 'n1', roomId = `room-${randomUUID()}` } = {},
): Promise<RoomRef> {
  const ref = { tenant: TENANT, roomId, roomSessionId: randomUUID() };
  const candidates = [candidateOf(nodeId, { weight: 0 })];
  const result = await registry.createRoom({ ...ref, spec: roomSpecSchema.parse(spec), candidates });
  expect(result.status).toBe('created');
  return ref;
}

type Admitted = Extract<AdmitSessionResult, { status: 'admitted' }>;
export async function admit(
  registry: Registry,
  ref: RoomRef,
  session: SessionIntent,
  nodeId = 'n1',
  joinTimeoutMs = 60_000,
): Promise<Admitted> {
  const result = await registry.admitSession({ ...ref, session, candidates: [candidateOf(nodeId)], joinTimeoutMs });
  if (result.status !== 'admitted') {
    throw new Error(`not admitted: ${JSON.stringify(result)}`);
  }
  return result;
}

let nodeSeq = 0;
/** Commits one fact as the given node, with the next `nodeSeq`. */
export function commit(
  registry: Registry,
  ref: RoomRef,
  body: NodeFactBody,
  by: { nodeId?: string; bootId?: string; seq?: number } = {},
): Promise<CommitFactResult> {
  const { nodeId = 'n1', seq = ++nodeSeq } = by;
  const { bootId = `boot-${nodeId}` } = by;
  return registry.commitFact({ ...ref, nodeId, bootId, nodeSeq: seq, ...body });
}

export async function join(
  registry: Registry,
  ref: RoomRef,
  session: SessionIntent,
  nodeId = 'n1',
): Promise<SessionRecord> {
  const admitted = await admit(registry, ref, session, nodeId);
  const { sessionId } = admitted.session;
  expect(await commit(registry, ref, { op: 'session.joined', sessionId }, { nodeId })).toMatchObject({ status: 'ok' });
  return { ...admitted.session, state: 'joined' };
}

export async function eventsOf(registry: Registry, life: LifeRef, after = 0): Promise<readonly FactEnvelope[]> {
  const result = await registry.readEvents(life, after, 20_000);
  if (result.status !== 'ok') {
    throw new Error(`no events: ${JSON.stringify(result)}`);
  }
  return result.events;
}

export async function until<T>(
  what: string,
  check: () => Promise<T | null | undefined | false>,
  timeoutMs = 20_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await check();
    if (found !== null && found !== undefined && found !== false) {
      return found;
    }
    if (Date.now() > deadline) {
      throw new Error(`waited in vain for: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}
