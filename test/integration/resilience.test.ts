import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import wrtc from '@roamhq/wrtc';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EventEnvelope, NodeView, PublishResult, RoomView } from '@mediaserver/contracts';
import { startCluster, type Cluster } from '../../deploy/local/cluster.ts';
import { Api } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { processTree } from '../support/processes.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';
import { WrtcUser } from '../support/wrtc-user.ts';

/** What races and what fails, and what those who call see of it. */
const SECRET = `whsec_${Buffer.from(randomUUID()).toString('base64')}`;
/** Longer than the lease of a node. */
const OUTAGE_MS = 6_000;

let cluster: Cluster;
let api: Api;
let webhooks: WebhookReceiver;
let redis: Redis;
const users: WrtcUser[] = [];
const rooms: string[] = [];

beforeAll(async () => {
  webhooks = await WebhookReceiver.start(SECRET);
  cluster = await startCluster({
    ports: 'free',
    env: { WEBHOOK_URL: webhooks.url, WEBHOOK_SECRETS: SECRET, LOG_LEVEL: 'debug' },
  });
  api = new Api(cluster);
  redis = new Redis(cluster.redisUrl);
});

afterEach(async () => {
  for (const user of users.splice(0)) user.disappear();
  webhooks.listeners.clear();
  for (const roomId of rooms.splice(0)) await api.call('DELETE', `/rooms/${roomId}`).catch(() => undefined);
});

afterAll(async () => {
  redis?.disconnect();
  await cluster?.stop();
  await webhooks?.stop();
});

/** @returns the id of a room whose users are on different nodes */
async function newRoom(): Promise<string> {
  const roomId = `room-${randomUUID().slice(0, 8)}`;
  await api.call('POST', '/rooms', { roomId, placement: { strategy: 'spread' } });
  rooms.push(roomId);
  return roomId;
}

type Sources = Parameters<typeof WrtcUser.join>[3] & {};

/** Joins; an offer that is told before the join is answered waits for that. */
async function join(roomId: string, userId: string, ...sources: Sources): Promise<WrtcUser> {
  const early: EventEnvelope[] = [];
  const prepare = (user: WrtcUser) => {
    users.push(user);
    webhooks.listeners.add((event) => (user.sessionId === '' ? void early.push(event) : user.handleEvent(event)));
  };
  const user = await WrtcUser.join(api, roomId, { userId }, sources, { prepare });
  for (const event of early) user.handleEvent(event);
  return user;
}

/** The code of a refusal, or `ok`. */
const outcome = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'ok',
    (error: unknown) => / \d{3} (\w+) /.exec(String(error))?.[1] ?? String(error),
  );

interface Offer {
  readonly sdp: string;
  readonly tracks: readonly { readonly mid: string; readonly source: string }[];
}

/** The offer of a user who sends a microphone and one more picture than in the offer before. */
async function offerOneMore({ pub }: WrtcUser): Promise<Offer> {
  const track = new wrtc.nonstandard.RTCVideoSource().createTrack();
  pub.addTransceiver(track, { direction: 'sendonly' });
  await pub.setLocalDescription(await pub.createOffer());
  const mids = pub.getTransceivers().map(({ mid }) => mid ?? '');
  const tracks = mids.map((mid, index) => ({ mid, source: index === 0 ? 'microphone' : `picture-${index}` }));
  return { sdp: pub.localDescription?.sdp ?? '', tracks };
}

const publish = (user: WrtcUser, offer: Offer) => api.call<PublishResult>('PUT', `${user.path}/publish`, offer);

const readRoom = (roomId: string) => api.call<RoomView>('GET', `/rooms/${roomId}`);

async function isAlive(nodeId: string): Promise<boolean> {
  const { nodes } = await api.call<{ nodes: NodeView[] }>('GET', '/nodes');
  return nodes.find((node) => node.nodeId === nodeId)?.alive ?? false;
}

/** A node starts nothing but its Workers, whatever their file is called. */
function workerPids(nodeId: string): number[] {
  const root = cluster.pid(nodeId);
  if (root === undefined) throw new Error(`${nodeId} is not running`);
  return processTree(root)
    .filter(({ parent, state }) => parent === root && state !== 'Z')
    .map(({ pid }) => pid);
}

describe('calls of one session at the same time', () => {
  it('equal publishes are all answered, and a later one works', async () => {
    const roomId = await newRoom();
    const anna = await join(roomId, 'anna', 'microphone');
    const offer = await offerOneMore(anna);
    const results = await Promise.all(Array.from({ length: 4 }, () => publish(anna, offer)));
    for (const { sections } of results) {
      expect(sections.map(({ trackId, status }) => ({ trackId, status }))).toEqual([
        { trackId: 'anna:microphone', status: 'live' },
        { trackId: 'anna:picture-1', status: 'live' },
      ]);
    }
    expect(new Set(results.map(({ sections }) => sections[1]?.producerId)).size).toBe(1);
    await anna.pub.setRemoteDescription({ type: 'answer', sdp: results[0]?.sdp ?? '' });
    const later = await publish(anna, await offerOneMore(anna));
    await anna.pub.setRemoteDescription({ type: 'answer', sdp: later.sdp });
    expect((await readRoom(roomId)).tracks).toHaveLength(3);
  });

  it('different publishes are applied or refused for their order, and a later one works', async () => {
    const roomId = await newRoom();
    const anna = await join(roomId, 'anna', 'microphone');
    const offers = [await offerOneMore(anna), await offerOneMore(anna), await offerOneMore(anna)];
    const outcomes = await Promise.all(offers.map((offer) => outcome(publish(anna, offer))));
    for (const code of outcomes) {
      expect(['ok', 'stale_offer', 'mline_count_shrunk', 'negotiation_in_progress']).toContain(code);
    }
    expect(outcomes).toContain('ok');
    const later = await publish(anna, await offerOneMore(anna));
    await anna.pub.setRemoteDescription({ type: 'answer', sdp: later.sdp });
    expect(later.sections.map(({ status }) => status)).toEqual(['live', 'live', 'live', 'live', 'live']);
    expect((await readRoom(roomId)).tracks).toHaveLength(5);
  });

  it('a leave is clean, whatever else is under way', async () => {
    const roomId = await newRoom();
    await join(roomId, 'anna', 'microphone', 'camera');
    const gone = ['session_gone', 'user_not_found', 'stale_session'];
    for (let round = 0; round < 6; round += 1) {
      const boris = await join(roomId, 'boris', 'microphone');
      const offer = await offerOneMore(boris);
      const answer = {
        negotiationId: boris.joined.subscribe?.negotiationId ?? 'none',
        sdp: boris.sub.localDescription?.sdp ?? 'v=0',
      };
      const publishing = outcome(publish(boris, offer));
      const answering = outcome(api.call('PUT', `${boris.path}/subscribe/answer`, answer));
      const leaving = outcome(boris.leave());
      const late = outcome(publish(boris, offer));
      expect(await leaving).toBe('ok');
      for (const code of [await publishing, await late]) expect(['ok', ...gone]).toContain(code);
      expect(['ok', 'stale_negotiation', 'no_negotiation', ...gone]).toContain(await answering);
      const { users: left, tracks } = await readRoom(roomId);
      expect(left.map(({ userId }) => userId)).toEqual(['anna']);
      expect(new Set(tracks.map(({ userId }) => userId))).toEqual(new Set(['anna']));
    }
  });
});

it('who joins a fresh room at the same moment gets what the others publish', async () => {
  // Each of the three may be placed before the others are known, and then all on one node.
  let across = 0;
  for (let round = 0; round < 8; round += 1) {
    const roomId = await newRoom();
    const [anna, boris, clara] = await Promise.all([
      join(roomId, 'anna', 'microphone', 'camera'),
      join(roomId, 'boris', 'microphone'),
      join(roomId, 'clara'),
    ]);
    const nodes = new Set([anna, boris, clara].map(({ joined }) => joined.user.nodeId));
    if (nodes.size > 1) across += 1;
    await Promise.all([
      anna.flows('boris:microphone'),
      boris.flows('anna:microphone'),
      boris.flows('anna:camera'),
      clara.flows('anna:microphone'),
      clara.flows('anna:camera'),
      clara.flows('boris:microphone'),
    ]);
    for (const user of [anna, boris, clara]) await user.leave();
  }
  expect(across).toBeGreaterThan(0);
}, 120_000);

it('what is secret is neither in a log nor kept in Redis', async () => {
  const roomId = await newRoom();
  const anna = await join(roomId, 'anna', 'microphone');
  const boris = await join(roomId, 'boris', 'camera');
  await anna.flows('boris:camera');
  await boris.flows('anna:microphone');
  const passwords = [anna, boris].flatMap(({ pub, sub }) =>
    [pub.localDescription, pub.remoteDescription, sub.localDescription, sub.remoteDescription].flatMap((description) =>
      [...(description?.sdp ?? '').matchAll(/^a=ice-pwd:(\S+)/gm)].map(([, password]) => password ?? ''),
    ),
  );
  expect(new Set(passwords).size).toBeGreaterThanOrEqual(8);
  const secrets = [...new Set(passwords), cluster.apiKey, SECRET];
  const told = (text: string) =>
    secrets.some((secret) => text.includes(secret)) || /keyBase64\\?["']?: ?\\?["'](?!\[redacted\])/.test(text);

  for (const name of ['redis', 'coordinator', ...cluster.nodes.map(({ nodeId }) => nodeId)]) {
    expect(cluster.logs(name).filter(told)).toEqual([]);
  }
  expect(cluster.logs('coordinator').some((line) => line.includes(roomId))).toBe(true);
  // Offers pass through Redis on their way to the backend, and are gone once they are delivered.
  await eventually('Redis keeps no secret', async () => {
    const values = await redisContents();
    expect(values.some((value) => value.includes(roomId))).toBe(true);
    expect(values.filter(told).map((value) => value.slice(0, 200))).toEqual([]);
    return true;
  });
});

/** Each key with what it holds, as text. */
async function redisContents(): Promise<string[]> {
  const read = async (key: string): Promise<unknown> => {
    switch (await redis.type(key)) {
      case 'string':
        return redis.get(key);
      case 'hash':
        return redis.hgetall(key);
      case 'list':
        return redis.lrange(key, 0, -1);
      case 'set':
        return redis.smembers(key);
      case 'zset':
        return redis.zrange(key, '0', '-1');
      case 'stream':
        return redis.xrange(key, '-', '+');
      default:
        return null;
    }
  };
  const keys = await redis.keys('*');
  return Promise.all(keys.map(async (key) => `${key} ${JSON.stringify(await read(key))}`));
}

describe('a mediasoup Worker', () => {
  it('that dies takes its users along, who are told so, and is replaced', async () => {
    const roomId = await newRoom();
    const anna = await join(roomId, 'anna', 'microphone');
    const boris = await join(roomId, 'boris', 'microphone');
    await anna.flows('boris:microphone');
    const { nodeId } = boris.joined.user;
    expect(nodeId).not.toBe(anna.joined.user.nodeId);
    const pids = workerPids(nodeId);
    expect(pids).toHaveLength(1);
    for (const pid of pids) process.kill(pid, 'SIGKILL');

    const left = await eventually('boris is told to be lost', () =>
      webhooks.facts(roomId).find(({ type, data }) => type === 'user.left' && data['userId'] === 'boris'),
    );
    expect(left.data).toMatchObject({ sessionId: boris.sessionId, reason: 'node_lost' });
    await eventually('his track is gone', () => anna.tracks.length === 0);
    await eventually('a new Worker is up', () => workerPids(nodeId).some((pid) => !pids.includes(pid)));

    const again = await eventually('two users of a new room are on two nodes', async () => {
      const fresh = await newRoom();
      const both = [await join(fresh, 'clara', 'microphone'), await join(fresh, 'dora', 'microphone')];
      return both.some(({ joined }) => joined.user.nodeId === nodeId) ? both : null;
    });
    await again[0]?.flows('dora:microphone');
    await again[1]?.flows('clara:microphone');
    expect(await isAlive(nodeId)).toBe(true);
  });

  it('that stands still for a while does not make its node look dead', async () => {
    const roomId = await newRoom();
    const anna = await join(roomId, 'anna', 'microphone');
    const boris = await join(roomId, 'boris', 'microphone');
    await anna.flows('boris:microphone');
    const { nodeId } = boris.joined.user;
    const pids = workerPids(nodeId);
    expect(pids).toHaveLength(1);
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    try {
      // A fault of this length is what is tested.
      const end = performance.now() + OUTAGE_MS;
      while (performance.now() < end) {
        expect(await isAlive(nodeId)).toBe(true);
        await sleep(200);
      }
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    }
    await anna.flows('boris:microphone');
    await boris.flows('anna:microphone');
    expect((await readRoom(roomId)).users).toHaveLength(2);
  });
});

it('a call goes on while Redis stands still, and is told of afterwards', async () => {
  const roomId = await newRoom();
  const anna = await join(roomId, 'anna', 'camera', 'microphone');
  const boris = await join(roomId, 'boris');
  await boris.flows('anna:camera');
  await boris.flows('anna:microphone');
  const begin = performance.now();
  await cluster.kill('redis', 'SIGSTOP');
  try {
    await anna.publish('screen');
    await api.call('PATCH', `/rooms/${roomId}/tracks/anna:microphone`, { muted: true });
    while (performance.now() - begin < OUTAGE_MS) await boris.flows('anna:camera');
  } finally {
    await cluster.kill('redis', 'SIGCONT');
  }
  await boris.flows('anna:screen');
  await eventually('Redis knows of both', async () => {
    const { users: present, tracks } = await readRoom(roomId);
    const muted = tracks.find(({ trackId }) => trackId === 'anna:microphone')?.paused;
    return present.length === 2 && muted && tracks.some(({ trackId }) => trackId === 'anna:screen');
  });
});

it('a call goes on when Redis has lost its memory, whatever it then refuses', async () => {
  const roomId = await newRoom();
  await join(roomId, 'anna', 'microphone');
  const boris = await join(roomId, 'boris', 'microphone');
  await boris.flows('anna:microphone');
  await redis.flushall();
  // A lost connection is a fact, and a Redis that knows nothing of the session refuses it.
  boris.pub.close();
  const node = boris.joined.user.nodeId;
  await eventually('the node was told that it is not known', () =>
    cluster.logs(node).some((line) => line.includes('does not know this node any more')),
  );
  await eventually('both nodes are known again', async () => {
    const { nodes } = await api.call<{ nodes: NodeView[] }>('GET', '/nodes');
    return nodes.filter(({ alive }) => alive).length === 2;
  });
  await boris.flows('anna:microphone');
});
