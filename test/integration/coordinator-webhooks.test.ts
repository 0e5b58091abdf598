import type { EventEnvelope } from '@mediaserver/contracts';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { TestCoordinator } from '../support/coordinator-harness.ts';
import { FakeNode } from '../support/fake-node.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';

const OLD_SECRET = 'whsec_b2xkLXNlY3JldC1vbGQtc2VjcmV0LW9sZC0xMjM0';
const SECRET = 'whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0LW5ldy0xMjM0';
const PATIENT = { timeout: 20_000, interval: 20 };

let redis: RedisServer;
let node: FakeNode;
let receiver: WebhookReceiver;
let replicas: TestCoordinator[];

beforeAll(async () => {
  redis = await startRedis();
  node = await FakeNode.start('node-1', redis.url);
  receiver = await WebhookReceiver.start(SECRET);
  const environment = {
    REDIS_URL: redis.url,
    WEBHOOK_URL: receiver.url,
    WEBHOOK_SECRETS: `${OLD_SECRET},${SECRET}`,
    WEBHOOK_TIMEOUT_MS: '2000',
  };
  replicas = await Promise.all([1, 2].map((n) => TestCoordinator.start({ ...environment, COORDINATOR_ID: `c-${n}` })));
});
afterEach(() => {
  receiver.refuse = () => undefined;
});
afterAll(async () => {
  await Promise.all(replicas.map(({ service }) => service.close()));
  await node.stop();
  await receiver.stop();
  await redis.stop();
});

function api(): TestCoordinator {
  const [first] = replicas;
  if (!first) throw new Error('no coordinator');
  return first;
}

function expectInOrder(events: readonly EventEnvelope[]): void {
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_event, index) => index + 1));
}

/** Joins and leaves, several at a time. */
async function liven(roomId: string, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    const users = [1, 2, 3].map((n) => `user-${round}-${n}`);
    await Promise.all(users.map((userId) => api().join(roomId, userId, { room: {} })));
    await Promise.all(users.map((userId) => api().call('DELETE', `/v1/rooms/${roomId}/users/${userId}`)));
  }
}

describe('facts', () => {
  it('come in order, signed with every secret, in batches of at most 100', async () => {
    await liven('in-order', 3);
    await vi.waitFor(() => expect(receiver.facts('in-order')).toHaveLength(19), PATIENT);
    expectInOrder(receiver.facts('in-order'));
    expect(receiver.facts('in-order')[1]).toMatchObject({
      type: 'user.joined',
      tenant: 'default',
      roomId: 'in-order',
      eventEpoch: 1,
      data: { user: { userId: expect.stringMatching(/^user-0-/) } },
    });
    expect(receiver.badSignatures).toBe(0);
    expect(receiver.taken.every(({ events }) => events.length <= 100)).toBe(true);
  });

  it('survive a receiver that fails: none lost, none reordered, other rooms not held back', async () => {
    let requests = 0;
    receiver.refuse = ({ events }) => {
      if (events[0]?.roomId !== 'failing') return undefined;
      requests += 1;
      return requests <= 3 ? 500 : undefined;
    };
    await liven('failing', 2);
    const startedAt = Date.now();
    await liven('healthy', 1);
    await vi.waitFor(() => expect(receiver.facts('healthy')).toHaveLength(7), PATIENT);
    expect(Date.now() - startedAt).toBeLessThan(3_000);
    await vi.waitFor(() => expect(receiver.facts('failing')).toHaveLength(13), PATIENT);
    expectInOrder(receiver.facts('failing'));
    expect(receiver.refused.length).toBeGreaterThanOrEqual(3);
  });

  it('are not held back by a receiver that hangs on another room', async () => {
    receiver.refuse = async ({ events }) => {
      if (events[0]?.roomId === 'hanging') await new Promise((resolve) => setTimeout(resolve, 10_000));
      return undefined;
    };
    await liven('hanging', 1);
    await liven('swift', 1);
    await vi.waitFor(() => expect(receiver.facts('swift')).toHaveLength(7), { timeout: 3_000, interval: 20 });
    receiver.refuse = () => undefined;
    await vi.waitFor(() => expect(receiver.facts('hanging')).toHaveLength(7), PATIENT);
  });

  it('do not follow a redirect', async () => {
    let redirects = 0;
    receiver.refuse = ({ events }) => {
      if (events[0]?.roomId !== 'redirected' || redirects > 0) return undefined;
      redirects += 1;
      return 302;
    };
    await liven('redirected', 1);
    await vi.waitFor(() => expect(receiver.facts('redirected')).toHaveLength(7), PATIENT);
    expectInOrder(receiver.facts('redirected'));
    expect(redirects).toBe(1);
  });

  it('are continued by another replica when one stops in between', async () => {
    receiver.refuse = ({ events }) => (events[0]?.roomId === 'handed-over' ? 503 : undefined);
    await liven('handed-over', 2);
    const [, second] = replicas;
    await second?.service.close();
    receiver.refuse = () => undefined;
    await vi.waitFor(() => expect(receiver.facts('handed-over')).toHaveLength(13), PATIENT);
    expectInOrder(receiver.facts('handed-over'));
  });

  it('a life whose job was lost is found by the sweep', async () => {
    receiver.refuse = ({ events }) => (events[0]?.roomId === 'forgotten' ? 500 : undefined);
    await liven('forgotten', 1);
    await vi.waitFor(() => expect(receiver.refused.at(-1)?.events[0]?.roomId).toBe('forgotten'), PATIENT);
    const { Redis } = await import('ioredis');
    const client = new Redis(redis.url);
    const jobs = await client.keys('{ms-jobs}:webhooks:*');
    if (jobs.length > 0) await client.del(jobs);
    client.disconnect();
    receiver.refuse = () => undefined;
    await vi.waitFor(() => expect(receiver.facts('forgotten')).toHaveLength(7), PATIENT);
    expectInOrder(receiver.facts('forgotten'));
  });
});

describe('signals', () => {
  it('carry the offer that holds when they are sent, and do not wait for facts', async () => {
    receiver.refuse = ({ events }) => (events[0]?.seq === undefined ? undefined : 500);
    const sessionId = await api().join('signals', 'anna', { room: {} });
    await node.offer(sessionId, 1);
    await vi.waitFor(() => expect(receiver.signals('signals')).toHaveLength(1), PATIENT);
    expect(receiver.signals('signals')[0]).toMatchObject({
      type: 'subscribe.offer',
      data: { userId: 'anna', sessionId, subscribe: { revision: 1, sdp: 'v=0 offer 1' } },
    });
    expect(receiver.facts('signals')).toEqual([]);
  });

  it('the latest wins while the receiver is slow or fails', async () => {
    const sessionId = await api().join('latest', 'anna', { room: {} });
    let failures = 0;
    receiver.refuse = async ({ events }) => {
      if (events[0]?.roomId !== 'latest' || events[0].seq !== undefined || failures > 0) return undefined;
      failures += 1;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return 500;
    };
    await node.offer(sessionId, 1);
    await vi.waitFor(() => expect(failures).toBe(1), PATIENT);
    for (const revision of [2, 3, 4]) await node.offer(sessionId, revision);
    await vi.waitFor(() => expect(receiver.signals('latest').length).toBeGreaterThan(0), PATIENT);
    const revisions = receiver.signals('latest').map(({ data }) => data['subscribe']);
    for (const revision of revisions) expect(revision).toMatchObject({ revision: 4 });
  });

  it('are dropped when no offer waits any more', async () => {
    const sessionId = await api().join('dropped', 'anna', { room: {} });
    const asked = node.count('session.offer');
    const offering = node.offer(sessionId, 1);
    node.offers.delete(sessionId);
    await offering;
    await vi.waitFor(() => expect(node.count('session.offer')).toBeGreaterThan(asked), PATIENT);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(receiver.signals('dropped')).toEqual([]);
  });
});

it('never logs a secret', () => {
  for (const { log } of replicas) expect(log.join('')).not.toMatch(/whsec_|bmV3LXNlY3JldC|b2xkLXNlY3JldC/);
});
