import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Registry } from '@mediaserver/registry';
import {
  admit,
  candidateOf,
  commit,
  connect,
  createRoom,
  descriptorOf,
  eventsOf,
  intentOf,
  join,
  loadOf,
  trackOf,
  until,
  redis,
  registry,
  server,
  useRegistry,
} from '../support/registry-support.ts';

useRegistry();
/** A lease short enough to be waited for. */
let impatient: Registry;
beforeAll(async () => {
  impatient = await connect(server.url, { leaseMs: 150 });
});
afterAll(() => impatient.close());

const isAlive = async (nodeId: string): Promise<boolean | undefined> =>
  (await registry.listNodes()).find((node) => node.descriptor.nodeId === nodeId)?.alive;

describe('registration', () => {
  test('a node is listed with what it said of itself', async () => {
    expect(await registry.registerNode(descriptorOf('n1'), loadOf())).toBe('ok');
    expect(await registry.heartbeat('n1', 'boot-n1', loadOf({ ratio: 0.25, sessions: 3 }), 'stopping')).toBe('ok');
    expect(await registry.listNodes()).toEqual([
      {
        descriptor: descriptorOf('n1'),
        state: 'stopping',
        load: loadOf({ ratio: 0.25, sessions: 3 }),
        alive: true,
        reserved: 0,
      },
    ]);
  });

  test('a second live node of the same id is refused, the first one may repeat itself', async () => {
    await registry.registerNode(descriptorOf('n1'), loadOf());
    expect(await registry.registerNode(descriptorOf('n1', 'other'), loadOf())).toBe('duplicate');
    expect(await registry.registerNode(descriptorOf('n1'), loadOf())).toBe('ok');
    expect(await registry.heartbeat('n1', 'other', loadOf(), 'ready')).toBe('unknown');
  });

  test('a lapsed lease: dead in the list, alive again by a heartbeat, or replaced by another boot', async () => {
    await impatient.registerNode(descriptorOf('n1'), loadOf());
    await until('the lease lapses', async () => (await isAlive('n1')) === false);
    expect(await impatient.heartbeat('n1', 'boot-n1', loadOf(), 'ready')).toBe('ok');
    expect(await isAlive('n1')).toBe(true);
    await until('the lease lapses', async () => (await isAlive('n1')) === false);
    expect(await registry.registerNode(descriptorOf('n1', 'next'), loadOf())).toBe('ok');
    expect(await registry.heartbeat('n1', 'boot-n1', loadOf(), 'ready')).toBe('unknown');
  });

  test('removal is by boot, and repeatable', async () => {
    await registry.registerNode(descriptorOf('n1'), loadOf());
    await registry.removeNode('n1', 'an earlier boot');
    expect(await isAlive('n1')).toBe(true);
    await registry.removeNode('n1', 'boot-n1');
    await registry.removeNode('n1', 'boot-n1');
    expect(await registry.listNodes()).toEqual([]);
    expect(await registry.heartbeat('n1', 'boot-n1', loadOf(), 'ready')).toBe('unknown');
    expect(await redis.keys('*')).toEqual([]);
  });

  test('one record that cannot be read does not hide the others', async () => {
    await registry.registerNode(descriptorOf('n1'), loadOf());
    await registry.registerNode(descriptorOf('n2'), loadOf());
    await redis.hset('{ms}:nodes', 'n1', '{"nodeId":"n1"}');
    expect((await registry.listNodes()).map((node) => node.descriptor.nodeId)).toEqual(['n2']);
  });
});

describe('candidates', () => {
  test('each reason not to take one is named, and the next is tried', async () => {
    await registry.registerNode(descriptorOf('stopping'), loadOf(), 'stopping');
    await registry.registerNode(descriptorOf('busy'), loadOf({ ratio: 0.95 }));
    await registry.registerNode(descriptorOf('good'), loadOf());
    await impatient.registerNode(descriptorOf('lapsed'), loadOf());
    await until('the lease lapses', async () => (await isAlive('lapsed')) === false);
    const ref = await createRoom(registry, {}, { nodeId: 'good' });
    const bad = [
      candidateOf('nobody'),
      candidateOf('good', { bootId: 'another' }),
      candidateOf('lapsed'),
      candidateOf('stopping'),
      candidateOf('busy'),
    ];
    const asked = { ...ref, session: intentOf('anna'), joinTimeoutMs: 1000 };
    expect(await registry.admitSession({ ...asked, candidates: bad })).toEqual({
      status: 'no_candidate',
      refusals: {
        nobody: 'unknown_node',
        good: 'other_boot',
        lapsed: 'lease_lapsed',
        stopping: 'not_ready',
        busy: 'full',
      },
    });
    expect(await registry.admitSession({ ...asked, candidates: [...bad, candidateOf('good')] })).toMatchObject({
      status: 'admitted',
      session: { nodeId: 'good', bootId: 'boot-good' },
    });
  });

  test('reservations of racing joins keep a node under its limit', async () => {
    await registry.registerNode(descriptorOf('n1'), loadOf({ ratio: 0.4 }));
    const ref = await createRoom(registry);
    const candidates = [candidateOf('n1', { sessionCost: 0.05 })];
    const started = Date.now();
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        registry.admitSession({ ...ref, session: intentOf(`u${index}`), candidates, joinTimeoutMs: 60_000 }),
      ),
    );
    const admitted = results.filter((result) => result.status === 'admitted').length;
    // (0.9 - 0.4) / 0.05, and what faded while they ran.
    expect(admitted).toBeGreaterThanOrEqual(9);
    expect(admitted).toBeLessThanOrEqual(11 + (10 * (Date.now() - started)) / 7000);
    const reserved = async (): Promise<number> => (await registry.listNodes())[0]?.reserved ?? 0;
    expect(await reserved()).toBeGreaterThan(5);
    await until('reservations fade', async () => (await reserved()) < admitted - 0.5);
  });
});

describe('reservations are given back', () => {
  const reserved = async (): Promise<number> => (await registry.listNodes())[0]?.reserved ?? 0;

  test.each(['withdrawn', 'left', 'ended', 'closed'] as const)('by sessions that are %s, each once', async (how) => {
    await registry.registerNode(descriptorOf('n1'), loadOf());
    const ref = await createRoom(registry);
    await join(registry, ref, intentOf('stays'));
    const other = await createRoom(registry);
    const { tenant, roomId, roomSessionId } = other;
    for (let user = 0; user < 20; user += 1) {
      if (how === 'withdrawn') {
        const { session } = await admit(registry, other, intentOf(`u${user}`));
        for (let time = 0; time < 2; time += 1) {
          await registry.withdrawSession({ ...other, sessionId: session.sessionId });
        }
        continue;
      }
      const { sessionId } = await join(registry, other, intentOf(`u${user}`));
      if (how === 'left') await commit(registry, other, { op: 'session.left', sessionId, reason: 'left' });
      if (how === 'ended') await registry.endSession({ ...other, sessionId }, 'connection_lost');
    }
    if (how === 'closed') await registry.closeRoom({ tenant, roomId, roomSessionId, reason: 'closed' });
    // What is left is of the one that stays, and fades.
    expect(await reserved()).toBeLessThanOrEqual(1.01);
    expect(await reserved()).toBeGreaterThan(0.01);
  });
});

describe('dead hosts', () => {
  test('the sessions of a lapsed or replaced process are named, then ended with their facts', async () => {
    await registry.registerNode(descriptorOf('n1'), loadOf());
    await registry.registerNode(descriptorOf('n2'), loadOf());
    const ref = await createRoom(registry, {}, { nodeId: 'n2' });
    const anna = await join(registry, ref, intentOf('anna'));
    const camera = trackOf(anna, 'camera');
    await commit(registry, ref, { op: 'track.created', track: camera });
    await admit(registry, ref, intentOf('carl'));
    const boris = await join(registry, ref, intentOf('boris'), 'n2');
    const host = { nodeId: 'n1', bootId: 'boot-n1' };

    expect(await registry.findDeadHosts(0)).toEqual([]);
    await redis.zadd('{ms}:nodes:leases', Date.now() - 1000, 'n1');
    expect(await registry.findDeadHosts(60_000)).toEqual([]);
    expect(await registry.findDeadHosts(0)).toEqual([{ ...host, cause: 'lease_lapsed' }]);

    // Back in time: not reaped after all.
    await registry.heartbeat('n1', 'boot-n1', loadOf(), 'ready');
    expect(await registry.reapSessions(host)).toEqual({ reaped: [], more: false });
    await registry.removeNode('n1', 'boot-n1');
    await registry.registerNode(descriptorOf('n1', 'next'), loadOf());
    expect(await registry.findDeadHosts(0)).toEqual([{ ...host, cause: 'other_boot' }]);

    const before = (await eventsOf(registry, ref)).length;
    const first = await registry.reapSessions(host, 1);
    expect(first.more).toBe(true);
    const second = await registry.reapSessions(host, 10);
    expect(second.more).toBe(false);
    expect([...first.reaped, ...second.reaped]).toHaveLength(2);
    const { sessionId, userId } = anna;
    const facts = await eventsOf(registry, ref, before);
    expect(facts.map(({ type, data }) => ({ type, data }))).toEqual([
      { type: 'producer.closed', data: { trackId: camera.trackId, producerId: camera.producerId, userId, sessionId } },
      { type: 'user.left', data: { userId, sessionId, reason: 'node_lost' } },
    ]);
    const room = await registry.readRoom(ref.tenant, ref.roomId);
    expect(room?.sessions.map((session) => session.sessionId)).toEqual([boris.sessionId]);
    expect(await registry.findDeadHosts(0)).toEqual([]);
  });

  test('after a pause in looking nobody is dead for two lease periods', async () => {
    await registry.registerNode(descriptorOf('n1'), loadOf());
    const ref = await createRoom(registry);
    await join(registry, ref, intentOf('anna'));
    expect(await registry.findDeadHosts(0)).toEqual([]);
    await redis.zadd('{ms}:nodes:leases', 1, 'n1');
    expect(await registry.findDeadHosts(0)).toHaveLength(1);
    // As if the last look had been long ago.
    await redis.hset('{ms}:watch', 'hosts:last', Date.now() - 600_000);
    expect(await registry.findDeadHosts(0)).toEqual([]);
    expect(await registry.findDeadHosts(0)).toEqual([]);
    await redis.hset('{ms}:watch', 'hosts:until', 0);
    expect(await registry.findDeadHosts(0)).toHaveLength(1);
  });
});
