import { randomUUID } from 'node:crypto';
import { roomSpecSchema } from '@mediaserver/contracts';
import { describe, expect, test } from 'vitest';
import {
  admit,
  candidateOf,
  commit,
  connect,
  createRoom,
  eventsOf,
  intentOf,
  join,
  TENANT,
  trackOf,
  redis,
  registry,
  server,
  useRegistry,
} from '../support/registry-support.ts';

useRegistry('n1', 'n2', 'n3', 'n4');

const spec = roomSpecSchema.parse({});

describe('creating', () => {
  test('what the caller wrote comes back as it was', async () => {
    const wanted = roomSpecSchema.parse({
      maxUsers: 7,
      metadata: { none: [], nothing: {}, text: 'строка\n"\u2028', deep: [[], [{}]], number: 1.5e300, null: null },
    });
    const ref = { tenant: TENANT, roomId: 'standup', roomSessionId: randomUUID() };
    const created = await registry.createRoom({ ...ref, spec: wanted, candidates: [candidateOf('n2')] });
    expect(created).toMatchObject({
      status: 'created',
      room: { ...ref, homeNodeId: 'n2', epoch: 1, eventEpoch: 1, version: 1 },
    });
    const room = await registry.getRoom(TENANT, 'standup');
    expect(room).toEqual(created.status === 'created' && created.room);
    expect(room?.spec).toEqual(wanted);
    expect(await registry.getRoom('another', 'standup')).toBeNull();
    expect(await eventsOf(registry, ref)).toMatchObject([
      { seq: 1, type: 'room.created', ...ref, eventEpoch: 1, data: { nodeId: 'n2' } },
    ]);
  });

  test('racing creates of four coordinators give each room one home, and each life its own epoch', async () => {
    const coordinators = await Promise.all([1, 2, 3, 4].map(() => connect(server.url)));
    const rooms = Array.from({ length: 50 }, (_, index) => `room-${index}`);
    const results = await Promise.all(
      rooms.flatMap((roomId) =>
        coordinators.map((coordinator, index) =>
          coordinator.createRoom({
            tenant: TENANT,
            roomId,
            roomSessionId: randomUUID(),
            spec,
            candidates: [candidateOf(`n${index + 1}`, { weight: 0 })],
          }),
        ),
      ),
    );
    const homes = new Map<string, Set<string>>();
    for (const result of results) {
      if (result.status === 'no_candidate') {
        throw new Error('refused');
      }
      const { roomId, roomSessionId, homeNodeId, epoch } = result.room;
      homes.set(roomId, (homes.get(roomId) ?? new Set()).add(`${roomSessionId} ${homeNodeId} ${epoch}`));
    }
    expect(homes.size).toBe(50);
    expect([...homes.values()].filter((homes) => homes.size !== 1)).toEqual([]);
    expect(results.filter((result) => result.status === 'created')).toHaveLength(50);
    expect(new Set([...homes.values()].map((lives) => [...lives].join(','))).size).toBe(50);
    await Promise.all(coordinators.map((coordinator) => coordinator.close()));
  });

  test('repeated after a lost answer it says created again and adds nothing', async () => {
    const input = { tenant: TENANT, roomId: 'r', roomSessionId: randomUUID(), spec, candidates: [candidateOf('n1')] };
    const first = await registry.createRoom(input);
    expect(await registry.createRoom(input)).toEqual(first);
    expect(await eventsOf(registry, input)).toHaveLength(1);
    expect(await registry.createRoom({ ...input, roomSessionId: randomUUID() })).toEqual({
      ...first,
      status: 'exists',
    });
  });

  test('without a usable candidate nothing is left behind, but an existing room is still found', async () => {
    const input = { tenant: TENANT, roomId: 'r', roomSessionId: randomUUID(), spec };
    const keys = await redis.dbsize();
    expect(await registry.createRoom({ ...input, candidates: [candidateOf('n9')] })).toEqual({
      status: 'no_candidate',
      refusals: { n9: 'unknown_node' },
    });
    expect(await registry.createRoom({ ...input, candidates: [] })).toEqual({ status: 'no_candidate', refusals: {} });
    expect(await redis.dbsize()).toBe(keys);
    await registry.createRoom({ ...input, candidates: [candidateOf('n1')] });
    expect(await registry.createRoom({ ...input, candidates: [] })).toMatchObject({ status: 'exists' });
  });

  test('epochs rise over the lives of one room', async () => {
    const epochs: number[] = [];
    for (let life = 0; life < 3; life += 1) {
      await createRoom(registry, {}, { roomId: 'again' });
      epochs.push((await registry.getRoom(TENANT, 'again'))?.epoch ?? 0);
      await registry.closeRoom({ tenant: TENANT, roomId: 'again', reason: 'closed' });
    }
    expect(epochs).toEqual([1, 2, 3]);
  });
});

describe('listing', () => {
  test('pages through all rooms of the tenant and no others', async () => {
    for (let index = 0; index < 25; index += 1) {
      await createRoom(registry, {}, { roomId: `room-${String(index).padStart(2, '0')}` });
    }
    await registry.createRoom({
      tenant: 'another',
      roomId: 'room-00a',
      roomSessionId: randomUUID(),
      spec,
      candidates: [candidateOf('n1')],
    });
    const ref = await registry.getRoom(TENANT, 'room-03');
    await join(registry, ref ?? expect.fail('no room'), intentOf('anna'));
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await registry.listRooms(TENANT, cursor === null ? { limit: 10 } : { limit: 10, cursor });
      seen.push(...page.rooms.map(({ room, userCount }) => `${room.roomId} ${userCount}`));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(
      Array.from({ length: 25 }, (_, index) => `room-${String(index).padStart(2, '0')} ${index === 3 ? 1 : 0}`),
    );
    expect(await registry.listRooms('nobody', { limit: 10 })).toEqual({ rooms: [], nextCursor: null });
  });
});

describe('reading', () => {
  test('sessions, tracks, nodes and the last seq of one moment', async () => {
    const ref = await createRoom(registry, {}, { nodeId: 'n2' });
    const anna = await join(registry, ref, intentOf('anna', { metadata: { list: [] } }), 'n1');
    const track = trackOf(anna, 'camera');
    await commit(registry, ref, { op: 'track.created', track });
    const boris = await admit(registry, ref, intentOf('boris'), 'n3');
    const snapshot = await registry.readRoom(ref.tenant, ref.roomId);
    expect(snapshot).toEqual({
      room: await registry.getRoom(ref.tenant, ref.roomId),
      sessions: [anna, boris.session],
      tracks: [track],
      nodes: [
        { nodeId: 'n2', role: 'home' },
        { nodeId: 'n1', role: 'edge' },
        { nodeId: 'n3', role: 'edge' },
      ],
      lastSeq: 3,
    });
    expect(await registry.getRoomPlacement(ref.tenant, ref.roomId)).toEqual({
      room: snapshot?.room,
      sessionsPerNode: { n1: 1, n3: 1 },
    });
    expect(await registry.readRoom(TENANT, 'nothing')).toBeNull();
  });
});

describe('closing', () => {
  test('everybody is told in order, and after it only the log remains, for a limited time', async () => {
    const before = new Set(await redis.keys('*'));
    const ref = await createRoom(registry);
    const anna = await join(registry, ref, intentOf('anna'));
    const boris = await join(registry, ref, intentOf('boris'), 'n2');
    await admit(registry, ref, intentOf('carl'), 'n3');
    const camera = trackOf(anna, 'camera');
    await commit(registry, ref, { op: 'track.created', track: camera });
    const seen = (await eventsOf(registry, ref)).length;
    await registry.advanceCursor(ref, 1);

    const room = await registry.getRoom(ref.tenant, ref.roomId);
    const closed = await registry.closeRoom({ ...ref, reason: 'deleted' });
    expect(closed).toMatchObject({ status: 'closed', room });
    expect(closed.status === 'closed' && [...closed.nodeIds].sort()).toEqual(['n1', 'n2', 'n3']);
    const facts = await eventsOf(registry, ref, seen);
    expect(facts.map(({ type, data }) => [type, data['userId'], data['reason']])).toEqual([
      ['producer.closed', 'anna', undefined],
      ['user.left', 'anna', 'room_closed'],
      ['user.left', 'boris', 'room_closed'],
      ['room.closed', undefined, 'deleted'],
    ]);

    // The nodes' own ends come late and have no effect.
    for (const [session, nodeId] of [
      [anna, 'n1'],
      [boris, 'n2'],
    ] as const) {
      const left = { op: 'session.left', sessionId: session.sessionId, reason: 'room_closed' } as const;
      expect(await commit(registry, ref, left, { nodeId })).toEqual({ status: 'fenced' });
    }
    const log = [`{ms}:t:default:events:${ref.roomSessionId}`, `{ms}:t:default:cursor:${ref.roomSessionId}`];
    const added = async (): Promise<string[]> =>
      (await redis.keys('*')).filter(
        (key) => !before.has(key) && key !== '{ms}:epoch' && key !== '{ms}:nodes:reserved',
      );
    expect((await added()).sort()).toEqual([...log, '{ms}:pending'].sort());
    for (const key of log) {
      const ttl = await redis.pttl(key);
      expect(ttl).toBeGreaterThan(86_000_000);
      expect(ttl).toBeLessThanOrEqual(86_400_000);
    }
    await registry.advanceCursor(ref, facts.at(-1)?.seq ?? 0);
    expect((await added()).sort()).toEqual([...log].sort());

    expect(await registry.getRoom(ref.tenant, ref.roomId)).toBeNull();
    expect(await registry.closeRoom({ ...ref, reason: 'deleted' })).toEqual({ status: 'not_found' });
  });

  test('only the life that is named', async () => {
    const first = await createRoom(registry, {}, { roomId: 'again' });
    await registry.closeRoom({ tenant: TENANT, roomId: 'again', reason: 'closed' });
    const second = await createRoom(registry, {}, { roomId: 'again' });
    expect(await registry.closeRoom({ ...first, reason: 'late' })).toMatchObject({
      status: 'mismatch',
      room: { roomSessionId: second.roomSessionId },
    });
    expect(await registry.getRoom(TENANT, 'again')).toMatchObject(second);
    // Nothing of the first life touches the second.
    const session = intentOf('anna');
    const candidates = [candidateOf('n1')];
    expect(await registry.admitSession({ ...first, session, candidates, joinTimeoutMs: 1000 })).toEqual({
      status: 'room_not_found',
    });
    await expect(registry.createRoom({ ...first, roomId: 'other', spec, candidates })).rejects.toMatchObject({
      code: 'registry_refused',
    });
    expect(await registry.closeRoom({ tenant: TENANT, roomId: 'again', reason: 'closed' })).toMatchObject({
      status: 'closed',
      room: { roomSessionId: second.roomSessionId },
    });
  });
});

describe('the empty timeout', () => {
  /** Moves everything that is due later to long ago. */
  async function makeDue(): Promise<void> {
    for (const member of await redis.zrange('{ms}:due', '0', '-1')) {
      await redis.zadd('{ms}:due', 1, member);
    }
  }

  test('closes a room nobody came to, and one that everybody left, but none with somebody in it', async () => {
    const never = await createRoom(registry, { emptyTimeoutSeconds: 60 }, { roomId: 'never' });
    const [, due] = await redis.zrange('{ms}:due', '0', '0', 'WITHSCORES');
    expect(Math.abs(Number(due) - Date.now() - 60_000)).toBeLessThan(10_000);
    const left = await createRoom(registry, {}, { roomId: 'left' });
    const used = await createRoom(registry, {}, { roomId: 'used' });
    const anna = await join(registry, left, intentOf('anna'));
    await join(registry, used, intentOf('boris'));
    await commit(registry, left, { op: 'session.left', sessionId: anna.sessionId, reason: 'left' });
    expect(await registry.sweep()).toEqual([]);

    await makeDue();
    // Somebody comes while it is due: it stays.
    const awaited = await createRoom(registry, {}, { roomId: 'awaited' });
    await admit(registry, awaited, intentOf('carl'));
    const swept = await registry.sweep();
    expect(swept.map((one) => (one.kind === 'room.closed' ? one.room.roomId : one.kind)).sort()).toEqual([
      'left',
      'never',
    ]);
    expect((await eventsOf(registry, never)).at(-1)).toMatchObject({ type: 'room.closed', data: { reason: 'empty' } });
    expect(await registry.getRoom(TENANT, 'used')).not.toBeNull();
    expect(await registry.getRoom(TENANT, 'awaited')).not.toBeNull();
    expect(await redis.zrange('{ms}:due', '0', '-1')).toEqual([expect.stringMatching(/^join:/)]);
  });

  test('several sweepers close a room once', async () => {
    const ref = await createRoom(registry);
    await makeDue();
    const swept = await Promise.all([1, 2, 3, 4].map(() => registry.sweep()));
    expect(swept.flat()).toHaveLength(1);
    expect((await eventsOf(registry, ref)).filter((event) => event.type === 'room.closed')).toHaveLength(1);
  });

  test('after a pause in sweeping nothing is due for two lease periods', async () => {
    await createRoom(registry);
    expect(await registry.sweep()).toEqual([]);
    await makeDue();
    await redis.hset('{ms}:watch', 'due:last', Date.now() - 600_000);
    expect(await registry.sweep()).toEqual([]);
    expect(await registry.sweep()).toEqual([]);
    await redis.hset('{ms}:watch', 'due:until', 0);
    expect(await registry.sweep()).toHaveLength(1);
  });
});
