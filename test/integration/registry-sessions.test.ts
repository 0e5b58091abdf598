import type { AdmitSessionResult, RoomRef } from '@mediaserver/registry';
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

useRegistry('n1', 'n2');

const ask = (ref: RoomRef, session = intentOf('anna'), nodeId = 'n1'): Promise<AdmitSessionResult> =>
  registry.admitSession({ ...ref, session, candidates: [candidateOf(nodeId)], joinTimeoutMs: 60_000 });

describe('admission', () => {
  test('gives the session, the room and its nodes; the user is found by one call', async () => {
    const ref = await createRoom(registry);
    const intent = intentOf('anna', {
      deviceId: 'phone',
      displayName: 'Анна',
      metadata: { list: [], object: {} },
      permissions: { publish: false, subscribe: true },
      subscribe: 'audio',
    });
    const first = await admit(registry, ref, intent, 'n2');
    expect(first.session).toMatchObject({
      ...intent,
      roomId: ref.roomId,
      roomSessionId: ref.roomSessionId,
      nodeId: 'n2',
      bootId: 'boot-n2',
      state: 'joining',
      ordinal: 1,
      version: 1,
    });
    expect(first).toMatchObject({ memberNodeIds: ['n2'], replaces: [], room: ref });
    expect(await admit(registry, ref, intentOf('boris'))).toMatchObject({ memberNodeIds: ['n1', 'n2'] });
    expect(await registry.findSessions(ref.tenant, ref.roomId, 'anna')).toEqual({
      room: first.room,
      sessions: [first.session],
      lastSeq: 1,
    });
    expect(await registry.findSessions(ref.tenant, ref.roomId, 'nobody')).toEqual({
      room: first.room,
      sessions: [],
      lastSeq: 1,
    });
    expect(await registry.findSessions(ref.tenant, 'nothing', 'anna')).toBeNull();
    // Nothing is told of a session that has not joined.
    expect(await eventsOf(registry, ref)).toHaveLength(1);
  });

  test('repeated after a lost answer it gives the same session and reserves nothing more', async () => {
    const ref = await createRoom(registry, { maxUsers: 1 });
    const session = intentOf('anna');
    const first = await admit(registry, ref, session);
    const reserved = (await registry.listNodes())[0]?.reserved ?? 0;
    const again = await admit(registry, ref, session, 'n2');
    expect(again).toEqual(first);
    expect((await registry.listNodes())[0]?.reserved).toBeLessThanOrEqual(reserved);
    expect((await registry.getRoomPlacement(ref.tenant, ref.roomId))?.sessionsPerNode).toEqual({ n1: 1 });
  });

  test('racing joins of 60 users into a room for 25 admit exactly 25', async () => {
    const ref = await createRoom(registry, { maxUsers: 25 });
    const coordinators = await Promise.all([1, 2, 3].map(() => connect(server.url)));
    const results = await Promise.all(
      Array.from({ length: 60 }, (_, index) =>
        (coordinators[index % 3] ?? registry).admitSession({
          ...ref,
          session: intentOf(`user-${index}`),
          candidates: [candidateOf(index % 2 === 0 ? 'n1' : 'n2')],
          joinTimeoutMs: 60_000,
        }),
      ),
    );
    expect(results.filter((result) => result.status === 'admitted')).toHaveLength(25);
    expect(results.filter((result) => result.status === 'room_full')).toHaveLength(35);
    await Promise.all(coordinators.map((coordinator) => coordinator.close()));
  });

  test('users are counted, not sessions', async () => {
    const ref = await createRoom(registry, { maxUsers: 1, onSecondDevice: 'allow' });
    await join(registry, ref, intentOf('anna'));
    await join(registry, ref, intentOf('anna'));
    expect(await ask(ref, intentOf('boris'))).toEqual({ status: 'room_full' });
  });
});

describe('a second device', () => {
  test('allow: ordinals count from the lowest that is free', async () => {
    const ref = await createRoom(registry, { onSecondDevice: 'allow' });
    const sessions = [];
    for (let device = 0; device < 3; device += 1) {
      const { session, replaces } = await admit(registry, ref, intentOf('anna'));
      expect(replaces).toEqual([]);
      await commit(registry, ref, { op: 'session.joined', sessionId: session.sessionId });
      sessions.push(session);
    }
    expect(sessions.map((session) => session.ordinal)).toEqual([1, 2, 3]);
    const middle = sessions[1]?.sessionId ?? '';
    await commit(registry, ref, { op: 'session.left', sessionId: middle, reason: 'left' });
    expect((await admit(registry, ref, intentOf('anna'))).session.ordinal).toBe(2);
    expect((await registry.findSessions(ref.tenant, ref.roomId, 'anna'))?.sessions).toHaveLength(3);
  });

  test('refuse: also while the first one is still joining; other users are not concerned', async () => {
    const ref = await createRoom(registry, { onSecondDevice: 'refuse' });
    await admit(registry, ref, intentOf('anna'));
    expect(await ask(ref)).toEqual({ status: 'second_device_refused' });
    expect(await ask(ref, intentOf('boris'))).toMatchObject({ status: 'admitted' });
  });

  test('racing joins of one user where others are refused: one is admitted', async () => {
    const ref = await createRoom(registry, { onSecondDevice: 'refuse' });
    const results = await Promise.all(Array.from({ length: 20 }, () => ask(ref)));
    expect(results.filter((result) => result.status === 'admitted')).toHaveLength(1);
  });

  test('the same device takes its own place in every policy', async () => {
    for (const onSecondDevice of ['refuse', 'allow', 'replace']) {
      const ref = await createRoom(registry, { onSecondDevice });
      const first = await join(registry, ref, intentOf('anna', { deviceId: 'phone' }));
      const again = await admit(registry, ref, intentOf('anna', { deviceId: 'phone' }));
      expect(again.replaces.map((session) => session.sessionId)).toEqual([first.sessionId]);
      expect(again.session.ordinal).toBe(1);
    }
  });

  test('replace: names the sessions to close; the new one takes their track over, then the old one leaves', async () => {
    const ref = await createRoom(registry);
    const old = await join(registry, ref, intentOf('anna'));
    const oldCamera = trackOf(old, 'camera');
    const oldScreen = trackOf(old, 'screen');
    await commit(registry, ref, { op: 'track.created', track: oldCamera });
    await commit(registry, ref, { op: 'track.created', track: oldScreen });
    const admitted = await admit(registry, ref, intentOf('anna'), 'n2');
    expect(admitted.replaces).toEqual([old]);
    expect(admitted.session.ordinal).toBe(1);
    const { sessionId } = admitted.session;
    const seen = (await eventsOf(registry, ref)).length;

    await commit(registry, ref, { op: 'session.joined', sessionId }, { nodeId: 'n2' });
    const camera = trackOf(admitted.session, 'camera');
    await commit(registry, ref, { op: 'track.created', track: camera }, { nodeId: 'n2' });
    // The old node's word on a track it has no more.
    const late = { op: 'track.closed', trackId: oldCamera.trackId, producerId: oldCamera.producerId } as const;
    expect(await commit(registry, ref, late)).toMatchObject({ status: 'ok' });
    await commit(registry, ref, { op: 'session.left', sessionId: old.sessionId, reason: 'replaced' });

    const facts = (await eventsOf(registry, ref, seen)).map(({ type, data }) => ({ type, data }));
    expect(facts).toMatchObject([
      { type: 'user.joined', data: { user: { sessionId } } },
      { type: 'producer.closed', data: { producerId: oldCamera.producerId, sessionId: old.sessionId } },
      { type: 'producer.created', data: { track: camera } },
      { type: 'producer.closed', data: { producerId: oldScreen.producerId, sessionId: old.sessionId } },
      { type: 'user.left', data: { sessionId: old.sessionId, reason: 'replaced' } },
    ]);
    const room = await registry.readRoom(ref.tenant, ref.roomId);
    expect(room?.tracks).toEqual([camera]);
    expect(room?.sessions.map((session) => session.sessionId)).toEqual([sessionId]);
  });
});

describe('joins that do not stand', () => {
  test('withdrawn: no trace and no event; a session that joined is not withdrawn', async () => {
    const ref = await createRoom(registry);
    const before = await redis.keys('*');
    const { session } = await admit(registry, ref, intentOf('anna'));
    await registry.withdrawSession({ ...ref, sessionId: session.sessionId });
    await registry.withdrawSession({ ...ref, sessionId: session.sessionId });
    await redis.del('{ms}:nodes:reserved');
    expect((await redis.keys('*')).sort()).toEqual(before.sort());
    expect(await eventsOf(registry, ref)).toHaveLength(1);

    const boris = await join(registry, ref, intentOf('boris'));
    await registry.withdrawSession({ ...ref, sessionId: boris.sessionId });
    expect((await registry.findSessions(ref.tenant, ref.roomId, 'boris'))?.sessions).toEqual([boris]);
    // The empty timeout is armed exactly while nobody is there.
    expect(await redis.zrange('{ms}:due', '0', '-1')).toEqual([]);
  });

  test('never committed: swept after its time, and the node that comes late is fenced', async () => {
    const ref = await createRoom(registry);
    const { session } = await admit(registry, ref, intentOf('anna'));
    const patient = await admit(registry, ref, intentOf('boris'));
    const due = (sessionId: string): string => `join:${TENANT}:${ref.roomId}:${ref.roomSessionId}:${sessionId}`;
    expect(await registry.sweep()).toEqual([]);
    await redis.zadd('{ms}:due', 1, due(session.sessionId));
    const { tenant, roomId, roomSessionId } = ref;
    expect(await registry.sweep()).toEqual([
      { kind: 'session.withdrawn', ref: { tenant, roomId, roomSessionId }, session },
    ]);
    expect(await commit(registry, ref, { op: 'session.joined', sessionId: session.sessionId })).toEqual({
      status: 'fenced',
    });
    expect(await redis.zrange('{ms}:due', '0', '-1')).toEqual([due(patient.session.sessionId)]);
    await commit(registry, ref, { op: 'session.joined', sessionId: patient.session.sessionId });
    expect(await redis.zrange('{ms}:due', '0', '-1')).toEqual([]);
  });

  test('ended without its node: told as usual, the node is fenced, twice is once', async () => {
    const ref = await createRoom(registry);
    const anna = await join(registry, ref, intentOf('anna'));
    const { sessionId } = anna;
    await registry.endSession({ ...ref, sessionId }, 'kicked');
    await registry.endSession({ ...ref, sessionId }, 'kicked');
    const facts = await eventsOf(registry, ref);
    expect(facts.filter((fact) => fact.type === 'user.left')).toMatchObject([
      { data: { sessionId, reason: 'kicked' } },
    ]);
    expect(await commit(registry, ref, { op: 'session.left', sessionId, reason: 'left' })).toEqual({
      status: 'fenced',
    });
  });
});
