import { randomUUID } from 'node:crypto';
import { Registry, RegistryError, type AppendedEvents, type RoomRef, type Signal } from '@mediaserver/registry';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import {
  candidateOf,
  commit,
  connect,
  createRoom,
  descriptorOf,
  eventsOf,
  intentOf,
  join,
  loadOf,
  quiet,
  TENANT,
  trackOf,
  until,
  redis,
  registry,
  server,
  useRegistry,
} from '../support/registry-support.ts';
import { startRedis } from '../support/redis-server.ts';

useRegistry('n1');

/** Appends `count` facts. */
async function say(ref: RoomRef, count: number, by = registry): Promise<void> {
  const anna = await join(by, ref, intentOf(`user-${randomUUID()}`));
  for (let fact = 1; fact < count; fact += 1) {
    await commit(by, ref, { op: 'session.connected', sessionId: anna.sessionId });
  }
}

describe('the log', () => {
  test('is read in pieces, by seq', async () => {
    const ref = await createRoom(registry);
    await say(ref, 9);
    const piece = await registry.readEvents(ref, 3, 4);
    expect(piece.status === 'ok' && piece.events.map((event) => event.seq)).toEqual([4, 5, 6, 7]);
    expect(piece).toMatchObject({ lastSeq: 10 });
    expect(await registry.readEvents(ref, 10, 4)).toEqual({ status: 'ok', events: [], lastSeq: 10 });
    expect(await registry.readEvents({ tenant: TENANT, roomSessionId: 'nothing' }, 0, 4)).toEqual({
      status: 'not_found',
    });
    expect(await registry.readEvents({ ...ref, tenant: 'another' }, 0, 4)).toEqual({ status: 'not_found' });
  });

  test('keeps the newest facts only and says so', async () => {
    const small = await connect(server.url, { maxEventsPerRoom: 5 });
    const ref = await createRoom(small);
    await say(ref, 11, small);
    expect(await small.readEvents(ref, 3, 100)).toEqual({ status: 'expired', firstSeq: 8, lastSeq: 12 });
    const kept = await small.readEvents(ref, 7, 100);
    expect(kept.status === 'ok' && kept.events.map((event) => event.seq)).toEqual([8, 9, 10, 11, 12]);
    await small.close();
  });
});

describe('delivery', () => {
  test('a log is waiting while its cursor is behind, the longest waiting first', async () => {
    const first = await createRoom(registry);
    const second = await createRoom(registry);
    const life = ({ tenant, roomSessionId }: RoomRef): object => ({ tenant, roomSessionId });
    await redis.zadd('{ms}:pending', 1, `${TENANT}:${first.roomSessionId}`);
    expect(await registry.livesToDeliver()).toEqual([life(first), life(second)]);
    expect(await registry.livesToDeliver({ offset: 1, limit: 1 })).toEqual([life(second)]);
    expect(await registry.getCursor(first)).toBe(0);

    expect(await registry.advanceCursor(first, 1)).toEqual({ caughtUp: true });
    expect(await registry.livesToDeliver()).toEqual([life(second)]);
    await say(first, 3);
    expect(await registry.livesToDeliver()).toEqual([life(second), life(first)]);
    expect(await registry.advanceCursor(first, 3)).toEqual({ caughtUp: false });
    // Only forward, and not beyond what there is.
    await registry.advanceCursor(first, 2);
    expect(await registry.getCursor(first)).toBe(3);
    expect(await registry.advanceCursor(first, 99)).toEqual({ caughtUp: true });
    expect(await registry.getCursor(first)).toBe(4);
    expect(await registry.livesToDeliver()).toEqual([life(second)]);
  });

  test('a log that expired undelivered waits no longer', async () => {
    const brief = await connect(server.url, { eventRetentionMs: 20 });
    const ref = await createRoom(brief);
    await brief.closeRoom({ ...ref, reason: 'closed' });
    await until('it expires', async () => (await brief.readEvents(ref, 0, 1)).status === 'not_found');
    expect(await brief.livesToDeliver()).toHaveLength(1);
    expect(await brief.advanceCursor(ref, 0)).toEqual({ caughtUp: true });
    expect(await brief.livesToDeliver()).toEqual([]);
    expect(await redis.keys('*:t:*')).toEqual([]);
    await brief.close();
  });

  test('whoever listens is told of each append, once per command', async () => {
    const heard: AppendedEvents[] = [];
    const listener = await connect(server.url);
    const stop = listener.onEventsAppended((appended) => heard.push(appended));
    await until('the subscription stands', async () => {
      const [, count] = await redis.pubsub('NUMSUB', '{ms}:appended');
      return Number(count) === 1;
    });
    const ref = await createRoom(registry);
    const anna = await join(registry, ref, intentOf('anna'));
    await commit(registry, ref, { op: 'track.created', track: trackOf(anna, 'camera') });
    await registry.closeRoom({ ...ref, reason: 'closed' });
    await until('four were heard', async () => heard.length >= 4);
    const { tenant, roomSessionId } = ref;
    expect(heard).toEqual([1, 2, 3, 6].map((lastSeq) => ({ tenant, roomSessionId, lastSeq })));
    stop();
    await createRoom(registry);
    await registry.ping();
    await listener.ping();
    expect(heard).toHaveLength(4);
    await listener.close();
  });
});

describe('signals', () => {
  const signalOf = (sessionId: string, changes: Partial<Signal> = {}): Signal => ({
    type: 'subscribe.offer',
    tenant: TENANT,
    roomId: 'room',
    roomSessionId: 'life',
    userId: 'anna',
    sessionId,
    nodeId: 'n1',
    bootId: 'boot-n1',
    at: Date.now(),
    ...changes,
  });

  test('a waiting taker gets one as soon as it is there', async () => {
    const taken = registry.takeSignals(20_000);
    const signal = signalOf('a');
    await registry.publishSignal(signal);
    expect(await taken).toEqual([signal]);
    expect(await registry.takeSignals(1)).toEqual([]);
  });

  test('each goes to one taker, the newest of a session stands for the older ones', async () => {
    const other = await connect(server.url);
    const sent = Array.from({ length: 30 }, (_, index) => signalOf(`s${index}`));
    for (const signal of sent) {
      await registry.publishSignal(signal);
    }
    const newest = signalOf('s0', { at: Date.now() + 1 });
    await registry.publishSignal(signalOf('s0'));
    await registry.publishSignal(newest);
    const mine = await registry.takeSignals(1000, 16);
    const theirs = await other.takeSignals(1000, 16);
    expect(mine.map((signal) => signal.sessionId)).toEqual(sent.slice(0, 16).map((signal) => signal.sessionId));
    expect(theirs.map((signal) => signal.sessionId)).toEqual([
      ...sent.slice(16).map((signal) => signal.sessionId),
      's0',
    ]);
    expect(theirs.at(-1)).toEqual(newest);
    await other.close();
  });

  test('old ones are not given out, and the queue does not grow without end', async () => {
    await registry.publishSignal(signalOf('old', { at: Date.now() - 31_000 }));
    await registry.publishSignal(signalOf('new'));
    expect((await registry.takeSignals(1000)).map((signal) => signal.sessionId)).toEqual(['new']);
    await redis.rpush('{ms}:signals', ...Array.from({ length: 10_100 }, () => 'x'));
    await registry.publishSignal(signalOf('last'));
    expect(await redis.llen('{ms}:signals')).toBe(10_000);
    expect(await redis.pttl('{ms}:signals')).toBeGreaterThan(0);
  });

  test('closing ends the wait', async () => {
    const other = await connect(server.url);
    const taken = other.takeSignals(20_000);
    await until('it waits', async () => String(await redis.client('LIST')).includes('cmd=blmpop'));
    await other.close();
    expect(await taken).toEqual([]);
    await expect(other.ping()).rejects.toMatchObject({ code: 'registry_closed' });
    await other.close();
  });
});

describe('when Redis is not well', () => {
  test('away: calls fail fast, and work again when it is back', async () => {
    const own = await startRedis();
    const client = await connect(own.url);
    const taken = client.takeSignals(30_000);
    taken.catch(() => undefined);
    const admin = new Redis(own.url, { retryStrategy: () => null });
    admin.on('error', () => undefined);
    await until('it waits', async () => String(await admin.client('LIST')).includes('cmd=blmpop'));
    const { port } = own;
    await own.stop();
    await until('the loss is seen', async () => !client.connected);
    const started = performance.now();
    await expect(client.listNodes()).rejects.toMatchObject({ code: 'registry_unavailable' });
    await expect(client.getRoom(TENANT, 'room')).rejects.toBeInstanceOf(RegistryError);
    await expect(client.listRooms(TENANT, { limit: 1 })).rejects.toMatchObject({ code: 'registry_unavailable' });
    expect(performance.now() - started).toBeLessThan(1000);
    await expect(taken).rejects.toMatchObject({ code: 'registry_unavailable' });
    let returned = 0;
    client.onConnected(() => (returned += 1));
    expect(returned).toBe(0);

    const again = await startRedis({ port });
    await until('it is back', async () => client.connected);
    expect(returned).toBe(1);
    // Nothing of the scripts is left in the new server.
    expect(await client.registerNode(descriptorOf('n1'), loadOf())).toBe('ok');
    expect(await client.listNodes()).toHaveLength(1);
    await client.close();
    await again.stop();
  });

  test('silent: calls end after the command timeout', async () => {
    const own = await startRedis();
    const client = await connect(own.url, { commandTimeoutMs: 200 });
    own.process.kill('SIGSTOP');
    await expect(client.listNodes()).rejects.toMatchObject({ code: 'registry_unavailable' });
    own.process.kill('SIGCONT');
    await until('it answers', async () => client.listNodes().catch(() => null));
    await client.close();
    await own.stop();
  });

  test('not there at the start: said in time, and open() waits in the background', async () => {
    const url = 'redis://127.0.0.1:1';
    await expect(connect(url, { timeoutMs: 300 })).rejects.toMatchObject({ code: 'registry_unavailable' });
    const open = Registry.open({ url, name: 'test', log: quiet });
    await expect(open.ping()).rejects.toMatchObject({ code: 'registry_unavailable' });
    await open.close();
  });

  test('scripts forgotten: sent again unseen', async () => {
    const ref = await createRoom(registry);
    await redis.script('FLUSH');
    expect(await registry.getRoom(ref.tenant, ref.roomId)).toMatchObject(ref);
  });

  test('out of memory: new things are refused whole, leaving and closing still work', async () => {
    const own = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] });
    const admin = new Redis(own.url);
    const client = await connect(own.url);
    await client.registerNode(descriptorOf('n1'), loadOf());
    const ref = await createRoom(client);
    const anna = await join(client, ref, intentOf('anna'));
    await join(client, ref, intentOf('boris'));
    await admin.config('SET', 'maxmemory', '1');
    const keys = (await admin.keys('*')).sort();
    const state = await client.readRoom(ref.tenant, ref.roomId);

    const refused = { code: 'registry_refused' };
    const asked = { ...ref, candidates: [candidateOf('n1')] };
    await expect(client.admitSession({ ...asked, session: intentOf('carl'), joinTimeoutMs: 1 })).rejects.toMatchObject(
      refused,
    );
    await expect(createRoom(client)).rejects.toMatchObject(refused);
    const track = trackOf(anna, 'camera');
    await expect(commit(client, ref, { op: 'track.created', track })).rejects.toMatchObject(refused);
    expect((await admin.keys('*')).sort()).toEqual(keys);
    expect(await client.readRoom(ref.tenant, ref.roomId)).toEqual(state);

    const left = await commit(client, ref, { op: 'session.left', sessionId: anna.sessionId, reason: 'left' });
    expect(left).toEqual({ status: 'ok', lastSeq: 4 });
    expect(await client.closeRoom({ ...ref, reason: 'closed' })).toMatchObject({ status: 'closed' });
    expect((await eventsOf(client, ref)).map((event) => event.type)).toEqual([
      'room.created',
      'user.joined',
      'user.joined',
      'user.left',
      'user.left',
      'room.closed',
    ]);
    admin.disconnect();
    await client.close();
    await own.stop();
  });

  test('what does not fit its schema is an error, not a guess', async () => {
    const ref = await createRoom(registry);
    await redis.hset(`{ms}:t:default:room:${ref.roomId}`, 'epoch', 'many');
    await expect(registry.getRoom(ref.tenant, ref.roomId)).rejects.toMatchObject({ code: 'registry_corrupt' });
  });
});
