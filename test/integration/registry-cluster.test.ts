import { randomUUID } from 'node:crypto';
import type { Registry, RoomRef } from '@mediaserver/registry';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  admit,
  commit,
  connect,
  createRoom,
  descriptorOf,
  eventsOf,
  intentOf,
  join,
  loadOf,
  TENANT,
  trackOf,
} from '../support/registry-support.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';

/*
 * What makes the commands fit for Redis Cluster and for many rooms: every key is declared and has
 * the hash tag, and the number of Redis operations does not grow with what else there is. Watched
 * from the server's side (MONITOR) on a server in cluster mode.
 */

let server: RedisServer;
let redis: Redis;
let monitor: Redis;
let registry: Registry;

interface Call {
  readonly declared: readonly string[];
  /** What the script did, or the command itself. */
  readonly operations: string[][];
}
let calls: Call[] = [];

beforeAll(async () => {
  server = await startRedis({ cluster: true });
  redis = new Redis(server.url, { connectionName: 'observer' });
  registry = await connect(server.url);
  monitor = await redis.monitor();
  monitor.on('monitor', (_time: string, args: string[], source: string) => {
    const name = args[0]?.toLowerCase() ?? '';
    if (source === 'lua') {
      calls.at(-1)?.operations.push(args);
    } else if (name === 'eval' || name === 'evalsha') {
      calls.push({ declared: args.slice(3, 3 + Number(args[2])), operations: [] });
    } else if (!['command', 'echo'].includes(name)) {
      calls.push({ declared: [], operations: [args] });
    }
  });
  await registry.registerNode(descriptorOf('n1'), loadOf());
  await registry.registerNode(descriptorOf('n2'), loadOf());
});
afterAll(async () => {
  await registry.close();
  monitor.disconnect();
  redis.disconnect();
  await server.stop();
});

/** The calls made while `action` ran. */
async function watch(action: () => Promise<unknown>): Promise<Call[]> {
  await settle();
  calls = [];
  await action();
  await settle();
  return calls.filter((call) => call.operations.length > 0 || call.declared.length > 0);
}
/** Everything sent before has reached the monitor. */
async function settle(): Promise<void> {
  const marker = randomUUID();
  const seen = new Promise<void>((resolve) => {
    const look = (_time: string, args: string[]): void => {
      if (args[1] === marker) {
        monitor.off('monitor', look);
        resolve();
      }
    };
    monitor.on('monitor', look);
  });
  await redis.echo(marker);
  await seen;
}

const operations = async (action: () => Promise<unknown>): Promise<number> =>
  (await watch(action)).flatMap((call) => call.operations).length;

/** A room from its creation to its end, with every call the registry has. */
async function everything(): Promise<void> {
  await registry.heartbeat('n1', 'boot-n1', loadOf(), 'ready');
  await registry.listNodes();
  const ref = await createRoom(registry, { onSecondDevice: 'allow' });
  const anna = await join(registry, ref, intentOf('anna'));
  const boris = await join(registry, ref, intentOf('boris'), 'n2');
  const { session } = await admit(registry, ref, intentOf('carl'));
  await registry.withdrawSession({ ...ref, sessionId: session.sessionId });
  const track = trackOf(anna, 'camera');
  await commit(registry, ref, { op: 'session.connected', sessionId: anna.sessionId });
  await commit(registry, ref, { op: 'track.created', track });
  await commit(registry, ref, { op: 'track.updated', track: { ...track, paused: true } });
  await registry.findSessions(ref.tenant, ref.roomId, 'anna');
  await registry.readRoom(ref.tenant, ref.roomId);
  await registry.listRooms(TENANT, { limit: 10 });
  await commit(registry, ref, { op: 'track.closed', trackId: track.trackId, producerId: track.producerId });
  await commit(registry, ref, { op: 'session.left', sessionId: anna.sessionId, reason: 'left' });
  await registry.endSession({ ...ref, sessionId: boris.sessionId }, 'kicked');
  await join(registry, ref, intentOf('dora'), 'n2');
  await registry.removeNode('n2', 'boot-n2');
  await registry.findDeadHosts(0);
  await registry.reapSessions({ nodeId: 'n2', bootId: 'boot-n2' });
  await registry.registerNode(descriptorOf('n2'), loadOf());
  const late = await admit(registry, ref, intentOf('emil'));
  const member = `join:${TENANT}:${ref.roomId}:${ref.roomSessionId}:${late.session.sessionId}`;
  await redis.zadd('{ms}:due', 1, member);
  await registry.sweep();
  await redis.zadd('{ms}:due', 1, `room:${TENANT}:${ref.roomId}:${ref.roomSessionId}`);
  await registry.sweep();
  const events = await eventsOf(registry, ref);
  await registry.livesToDeliver();
  await registry.getCursor(ref);
  await registry.advanceCursor(ref, events.length);
  const second = await createRoom(registry);
  await registry.closeRoom({ ...second, reason: 'closed' });
  await registry.publishSignal({
    type: 'subscribe.offer',
    ...ref,
    userId: 'anna',
    sessionId: anna.sessionId,
    nodeId: 'n1',
    bootId: 'boot-n1',
    at: Date.now(),
  });
  expect(await registry.takeSignals(1000)).toHaveLength(1);
}

test('every key is declared by the call that touches it, and has the hash tag', async () => {
  // Loads the scripts, so that both EVAL and EVALSHA are seen.
  await everything();
  const seen = await watch(everything);
  const stray: string[] = [];
  const keyless = new Set(['time', 'publish', 'client', 'hello', 'info', 'ping', 'quit', 'cluster']);
  const names = new Set<string>();
  for (const { declared, operations } of seen) {
    expect(declared.filter((key) => !key.startsWith('{ms}:'))).toEqual([]);
    for (const operation of operations) {
      const [command = '', ...args] = operation;
      const name = command.toLowerCase();
      names.add(name);
      if (keyless.has(name)) {
        continue;
      }
      for (const key of (await redis.command('GETKEYS', command, ...args)).map(String)) {
        if (!key.startsWith('{ms}:') || (declared.length > 0 && !declared.includes(key))) {
          stray.push(`${operation.join(' ')}: ${key}`);
        }
      }
    }
  }
  expect(stray).toEqual([]);
  expect(names.size).toBeGreaterThan(20);
});

test('a join costs the same number of operations whatever else there is', async () => {
  const measure = async (label: string): Promise<Record<string, number>> => {
    const ref = await createRoom(registry, { maxUsers: 1000 }, { roomId: `measured-${label}` });
    for (let user = 0; user < 5; user += 1) {
      await join(registry, ref, intentOf(`user-${user}`));
    }
    return measureIn(ref);
  };
  const measureIn = async (ref: RoomRef): Promise<Record<string, number>> => {
    const intent = intentOf(`user-${randomUUID()}`);
    const { sessionId, userId } = intent;
    const { tenant, roomId } = ref;
    const track = trackOf({ sessionId, userId, nodeId: 'n1' }, 'camera');
    return {
      placement: await operations(() => registry.getRoomPlacement(tenant, roomId)),
      admit: await operations(() => admit(registry, ref, intent)),
      joined: await operations(() => commit(registry, ref, { op: 'session.joined', sessionId })),
      track: await operations(() => commit(registry, ref, { op: 'track.created', track })),
      find: await operations(() => registry.findSessions(tenant, roomId, userId)),
      left: await operations(() => commit(registry, ref, { op: 'session.left', sessionId, reason: 'left' })),
    };
  };

  const alone = await measure('alone');
  const crowded = await createRoom(registry, { maxUsers: 1000 }, { roomId: 'crowded' });
  for (let index = 0; index < 100; index += 1) {
    await join(registry, crowded, intentOf(`u${index}`));
  }
  for (let index = 0; index < 300; index += 1) {
    await createRoom(registry);
  }
  expect(await measure('among-many')).toEqual(alone);
  expect(await measureIn(crowded)).toEqual(alone);
  // One round trip each.
  const { tenant, roomId } = crowded;
  expect(await watch(() => registry.findSessions(tenant, roomId, 'u7'))).toHaveLength(1);
  expect(await watch(() => admit(registry, crowded, intentOf('one-more')))).toHaveLength(1);
  expect(alone).toMatchInlineSnapshot(`
    {
      "admit": 18,
      "find": 4,
      "joined": 11,
      "left": 23,
      "placement": 3,
      "track": 12,
    }
  `);
});
