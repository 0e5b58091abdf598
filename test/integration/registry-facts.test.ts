import { factDataSchemas, type FactType } from '@mediaserver/contracts';
import type { NodeFactBody } from '@mediaserver/registry';
import { describe, expect, test } from 'vitest';
import {
  commit,
  connect,
  createRoom,
  descriptorOf,
  eventsOf,
  intentOf,
  join,
  loadOf,
  admit,
  trackOf,
  registry,
  server,
  useRegistry,
} from '../support/registry-support.ts';

useRegistry('n1', 'n2');

const isFactType = (type: string): type is FactType => Object.hasOwn(factDataSchemas, type);

describe('the life of a session', () => {
  test('is told fact by fact, each as its schema says and with nothing else in it', async () => {
    const ref = await createRoom(registry);
    const anna = await join(registry, ref, intentOf('anna', { metadata: { list: [] } }));
    const { sessionId, userId } = anna;
    const track = trackOf(anna, 'camera');
    const muted = { ...track, paused: true, mutedByUser: true };
    const facts: NodeFactBody[] = [
      { op: 'session.connected', sessionId },
      { op: 'track.created', track },
      { op: 'track.updated', track: muted },
      // Another reason, still paused: on record, no event.
      { op: 'track.updated', track: { ...muted, mutedByModerator: true } },
      { op: 'track.updated', track },
      { op: 'consumer.failed', sessionId, trackId: 'boris:camera', code: 'no_common_codec' },
      { op: 'session.disconnected', sessionId, peer: 'both' },
      { op: 'track.closed', trackId: track.trackId, producerId: track.producerId },
      { op: 'session.left', sessionId, reason: 'connection_lost' },
    ];
    for (const fact of facts) {
      expect(await commit(registry, ref, fact)).toMatchObject({ status: 'ok' });
    }
    const events = await eventsOf(registry, ref);
    const { producerId, trackId } = track;
    const { bootId, ordinal, subscribe, ...view } = anna;
    expect(events.map(({ type, data }) => [type, data])).toEqual([
      ['room.created', { nodeId: 'n1' }],
      ['user.joined', { user: view }],
      ['user.connected', { userId, sessionId }],
      ['producer.created', { track }],
      ['producer.paused', { track: muted }],
      ['producer.resumed', { track }],
      ['consumer.failed', { userId, sessionId, trackId: 'boris:camera', code: 'no_common_codec' }],
      ['user.disconnected', { userId, sessionId, peer: 'both' }],
      ['producer.closed', { trackId, producerId, userId, sessionId }],
      ['user.left', { userId, sessionId, reason: 'connection_lost' }],
    ]);
    for (const event of events) {
      expect(event).toMatchObject({ ...ref, eventEpoch: 1 });
      const schema = isFactType(event.type) ? factDataSchemas[event.type] : expect.fail(event.type);
      expect(schema.parse(event.data)).toEqual(event.data);
    }
    expect(new Set(events.map((event) => event.id)).size).toBe(events.length);
    expect(await registry.readRoom(ref.tenant, ref.roomId)).toMatchObject({ sessions: [], tracks: [], lastSeq: 10 });
    expect([bootId, ordinal, subscribe]).toEqual(['boot-n1', 1, 'all']);
  });

  test('tracks end before their user, and a republished source replaces its producer', async () => {
    const ref = await createRoom(registry);
    const anna = await join(registry, ref, intentOf('anna'));
    const first = trackOf(anna, 'camera');
    const second = trackOf(anna, 'camera');
    await commit(registry, ref, { op: 'track.created', track: first });
    await commit(registry, ref, { op: 'track.created', track: second });
    // Late words on the first producer.
    await commit(registry, ref, { op: 'track.updated', track: { ...first, paused: true } });
    await commit(registry, ref, { op: 'track.closed', trackId: first.trackId, producerId: first.producerId });
    expect((await registry.readRoom(ref.tenant, ref.roomId))?.tracks).toEqual([second]);
    await commit(registry, ref, { op: 'session.left', sessionId: anna.sessionId, reason: 'left' });
    expect((await eventsOf(registry, ref, 2)).map(({ type, data }) => [type, data['producerId']])).toEqual([
      ['producer.created', undefined],
      ['producer.closed', first.producerId],
      ['producer.created', undefined],
      ['producer.closed', second.producerId],
      ['user.left', undefined],
    ]);
  });

  test('the time is when it happened, if the node says so', async () => {
    const ref = await createRoom(registry);
    const { session } = await admit(registry, ref, intentOf('anna'));
    const at = Date.parse('2026-01-02T03:04:05.678Z');
    await registry.commitFact({
      ...ref,
      nodeId: 'n1',
      bootId: 'boot-n1',
      nodeSeq: 1_000_000,
      at,
      op: 'session.joined',
      sessionId: session.sessionId,
    });
    const [created, joined] = await eventsOf(registry, ref);
    expect(joined?.occurredAt).toBe('2026-01-02T03:04:05.678Z');
    expect(Math.abs(Date.parse(created?.occurredAt ?? '') - Date.now())).toBeLessThan(10_000);
  });
});

describe('exactly once', () => {
  test('a repeated fact is answered as the first time and has no second effect', async () => {
    const ref = await createRoom(registry);
    const { session } = await admit(registry, ref, intentOf('anna'));
    const joined = { op: 'session.joined', sessionId: session.sessionId } as const;
    const track = trackOf(session, 'camera');
    const first = await commit(registry, ref, joined, { seq: 10_001 });
    expect(await commit(registry, ref, joined, { seq: 10_001 })).toEqual(first);
    await commit(registry, ref, { op: 'track.created', track }, { seq: 10_002 });
    const left = { op: 'session.left', sessionId: session.sessionId, reason: 'left' } as const;
    const end = await commit(registry, ref, left, { seq: 10_003 });
    expect(end).toEqual({ status: 'ok', lastSeq: 5 });
    expect(await commit(registry, ref, left, { seq: 10_003 })).toEqual(end);
    // An older one too: it was taken before the newer.
    expect(await commit(registry, ref, joined, { seq: 10_001 })).toMatchObject({ status: 'ok' });
    expect(await eventsOf(registry, ref)).toHaveLength(5);
  });

  test('the numbers of another boot start anew', async () => {
    const ref = await createRoom(registry);
    await join(registry, ref, intentOf('anna'));
    await registry.removeNode('n1', 'boot-n1');
    await registry.registerNode(descriptorOf('n1', 'next'), loadOf());
    const result = await registry.admitSession({
      ...ref,
      session: intentOf('boris'),
      candidates: [{ nodeId: 'n1', bootId: 'next', weight: 1, sessionCost: 0, maxLoad: 1 }],
      joinTimeoutMs: 1000,
    });
    const sessionId = result.status === 'admitted' ? result.session.sessionId : expect.fail(result.status);
    const joined = { op: 'session.joined', sessionId } as const;
    expect(await commit(registry, ref, joined, { bootId: 'next', seq: 1 })).toEqual({ status: 'ok', lastSeq: 3 });
  });
});

describe('fencing', () => {
  test('no other node, boot or life speaks for a session', async () => {
    const ref = await createRoom(registry);
    const anna = await join(registry, ref, intentOf('anna'));
    const { sessionId } = anna;
    const track = trackOf(anna, 'camera');
    await commit(registry, ref, { op: 'track.created', track });
    const before = await registry.readRoom(ref.tenant, ref.roomId);
    const facts: NodeFactBody[] = [
      { op: 'session.joined', sessionId },
      { op: 'session.left', sessionId, reason: 'left' },
      { op: 'session.connected', sessionId },
      { op: 'track.created', track },
      { op: 'track.updated', track: { ...track, paused: true } },
      { op: 'track.closed', trackId: track.trackId, producerId: track.producerId },
      { op: 'consumer.failed', sessionId, trackId: 'x:y', code: 'z' },
    ];
    for (const fact of facts) {
      const fenced = { status: 'fenced' };
      expect(await commit(registry, ref, fact, { nodeId: 'n2' })).toEqual(fenced);
      expect(await commit(registry, ref, fact, { bootId: 'another' })).toEqual(fenced);
      expect(await commit(registry, { ...ref, roomSessionId: 'another' }, fact)).toEqual(fenced);
      expect(await commit(registry, { ...ref, roomId: 'another' }, fact)).toEqual(fenced);
      expect(await commit(registry, { ...ref, tenant: 'another' }, fact)).toEqual(fenced);
    }
    expect(await registry.readRoom(ref.tenant, ref.roomId)).toEqual(before);
  });

  test('nothing is told of a session that has not joined', async () => {
    const ref = await createRoom(registry);
    const { session } = await admit(registry, ref, intentOf('anna'));
    const { sessionId } = session;
    const fenced = { status: 'fenced' };
    expect(await commit(registry, ref, { op: 'track.created', track: trackOf(session, 'camera') })).toEqual(fenced);
    expect(await commit(registry, ref, { op: 'session.connected', sessionId })).toEqual(fenced);
    expect(await commit(registry, ref, { op: 'session.left', sessionId, reason: 'left' })).toMatchObject({
      status: 'ok',
      lastSeq: 1,
    });
    expect(await eventsOf(registry, ref)).toHaveLength(1);
  });
});

test('seq has no gap and no double while nodes and coordinators write at once', async () => {
  const ref = await createRoom(registry, { maxUsers: 1000 });
  const nodeIds = ['n1', 'n2', 'n3', 'n4'];
  await Promise.all(
    nodeIds.map(async (nodeId) => {
      const writer = await connect(server.url);
      await writer.registerNode(descriptorOf(nodeId), loadOf());
      for (let round = 0; round < 25; round += 1) {
        const { session } = await admit(writer, ref, intentOf(`user-${nodeId}-${round}`), nodeId);
        const { sessionId } = session;
        await commit(writer, ref, { op: 'session.joined', sessionId }, { nodeId });
        await commit(writer, ref, { op: 'track.created', track: trackOf(session, 'camera') }, { nodeId });
        await commit(writer, ref, { op: 'session.left', sessionId, reason: 'left' }, { nodeId });
      }
      await writer.close();
    }),
  );
  const events = await eventsOf(registry, ref);
  expect(events.map((event) => event.seq)).toEqual(Array.from({ length: 1 + 4 * 25 * 4 }, (_, index) => index + 1));
  const times = events.map((event) => Date.parse(event.occurredAt));
  expect(times).toEqual(times.toSorted((a, b) => a - b));
});
