import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RoomView } from '@mediaserver/contracts';
import { startCluster, type Cluster } from '../../deploy/local/cluster.ts';
import { Api } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { nodeGauges, openUdpPorts } from '../support/node-state.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';
import { WrtcUser } from '../support/wrtc-user.ts';

const SECRET = `whsec_${Buffer.from(randomUUID()).toString('base64')}`;
/** Users of one room on different nodes, so that every track crosses a pipe. */
const spread = { placement: { strategy: 'spread' as const } };

let cluster: Cluster;
let api: Api;
let webhooks: WebhookReceiver;
let redis: Redis;
const users: WrtcUser[] = [];
let roomId = '';

beforeAll(async () => {
  webhooks = await WebhookReceiver.start(SECRET);
  cluster = await startCluster({ ports: 'free', env: { WEBHOOK_URL: webhooks.url, WEBHOOK_SECRETS: SECRET } });
  api = new Api(cluster);
  redis = new Redis(cluster.redisUrl);
});

afterEach(async () => {
  for (const user of users.splice(0)) user.disappear();
  await api.call('DELETE', `/rooms/${roomId}`).catch(() => undefined);
});

afterAll(async () => {
  redis?.disconnect();
  await cluster?.stop();
  await webhooks?.stop();
});

async function newRoom(spec: object = spread): Promise<string> {
  roomId = `room-${randomUUID().slice(0, 8)}`;
  await api.call('POST', '/rooms', { roomId, ...spec });
  return roomId;
}

async function join(userId: string, ...sources: Parameters<typeof WrtcUser.join>[3] & {}): Promise<WrtcUser> {
  const user = await WrtcUser.join(api, roomId, { userId }, sources);
  users.push(user);
  webhooks.listeners.add(user.handleEvent);
  return user;
}

const readRoom = () => api.call<RoomView>('GET', `/rooms/${roomId}`);

describe('a call of libwebrtc clients', () => {
  it('three users on two nodes see and hear each other, whoever comes late', async () => {
    await newRoom();
    const anna = await join('anna', 'microphone', 'camera');
    const boris = await join('boris', 'microphone', 'camera');
    const clara = await join('clara', 'microphone', 'camera');
    const room = await readRoom();
    expect(new Set(room.users.map(({ nodeId }) => nodeId)).size).toBe(2);
    expect(room.tracks).toHaveLength(6);

    for (const user of [anna, boris, clara]) {
      for (const other of ['anna', 'boris', 'clara'].filter((id) => id !== user.userId)) {
        await user.flows(`${other}:microphone`);
        await user.flows(`${other}:camera`);
      }
    }
  });

  it('a screen share starts and stops next to the camera', async () => {
    await newRoom();
    const anna = await join('anna', 'camera');
    const boris = await join('boris');
    await boris.flows('anna:camera');
    const shared = await anna.publish('screen');
    expect(shared.sections.map(({ trackId, status }) => ({ trackId, status }))).toEqual([
      { trackId: 'anna:camera', status: 'live' },
      { trackId: 'anna:screen', status: 'live' },
    ]);
    await boris.flows('anna:screen');
    await anna.unpublish('screen');
    await eventually('the screen is gone', () => !boris.tracks.some(({ trackId }) => trackId === 'anna:screen'));
    await boris.flows('anna:camera');
  });

  it('who leaves disappears for the others, and may come back', async () => {
    await newRoom();
    const anna = await join('anna', 'microphone');
    const boris = await join('boris', 'microphone');
    await anna.flows('boris:microphone');
    await boris.leave();
    await eventually('boris is gone', () => anna.tracks.length === 0);
    const again = await join('boris', 'microphone');
    await anna.flows('boris:microphone');
    await again.flows('anna:microphone');
  });

  it('muting pauses the track for everybody and is told', async () => {
    await newRoom();
    await join('anna', 'microphone');
    const boris = await join('boris');
    await boris.flows('anna:microphone');
    await api.call('PATCH', `/rooms/${roomId}/tracks/anna:microphone`, { muted: true });
    await eventually('the pause is told', () => webhooks.facts(roomId).some(({ type }) => type === 'producer.paused'));
    // A microphone sends fifty packets a second: none of five polls in a row can be between two.
    let last = { packets: -1, polls: 0 };
    const isQuiet = async () => {
      const { packets } = await boris.received('anna:microphone');
      last = { packets, polls: packets === last.packets ? last.polls + 1 : 0 };
      return last.polls >= 5;
    };
    await eventually('packets stop', isQuiet);
    await api.call('PATCH', `/rooms/${roomId}/tracks/anna:microphone`, { muted: false });
    await boris.flows('anna:microphone');
  });

  it('a user may stop what they published first, and the rest goes on', async () => {
    await newRoom();
    const anna = await join('anna', 'microphone', 'camera');
    const boris = await join('boris');
    await boris.flows('anna:microphone');
    await anna.unpublish('microphone');
    await eventually('the microphone is gone', () => !boris.tracks.some(({ source }) => source === 'microphone'));
    await boris.flows('anna:camera');
    await anna.publish('microphone');
    await boris.flows('anna:microphone');
    await boris.flows('anna:camera');
  });

  it('a track a moderator muted stays muted when it is published anew', async () => {
    await newRoom();
    const anna = await join('anna', 'camera', 'microphone');
    await api.call('PATCH', `/rooms/${roomId}/tracks/anna:microphone`, { muted: true, by: 'moderator' });
    await anna.unpublish('microphone');
    await anna.publish('microphone');
    const { tracks } = await readRoom();
    expect(tracks.find(({ source }) => source === 'microphone')).toMatchObject({
      paused: true,
      mutedByUser: false,
      mutedByModerator: true,
    });
  });

  it('tells the facts in order, without a gap', async () => {
    await newRoom();
    const anna = await join('anna', 'microphone');
    const boris = await join('boris');
    await boris.flows('anna:microphone');
    await anna.leave();
    await boris.leave();
    await api.call('DELETE', `/rooms/${roomId}`);
    const closed = () => webhooks.facts(roomId).some(({ type }) => type === 'room.closed');
    await eventually('room.closed is told', closed);
    const facts = webhooks.facts(roomId);
    expect(facts.map(({ seq }) => seq)).toEqual(facts.map((_, index) => index + 1));
    const types = facts.map(({ type }) => type).filter((type) => !type.endsWith('connected'));
    expect(types).toEqual([
      'room.created',
      'user.joined',
      'producer.created',
      'user.joined',
      'producer.closed',
      'user.left',
      'user.left',
      'room.closed',
    ]);
  });

  it('a client that vanishes is given up after the grace time', async () => {
    await newRoom({ ...spread, graceSeconds: 1 });
    const anna = await join('anna', 'microphone');
    const boris = await join('boris', 'microphone');
    await anna.flows('boris:microphone');
    boris.disappear();
    await eventually('boris is given up', async () => (await readRoom()).users.length === 1, { timeoutMs: 40_000 });
    await eventually('his track is gone', () => anna.tracks.length === 0);
  });

  it('a user who comes back through another node is seen, whatever the old node said last', async () => {
    await newRoom();
    const anna = await join('anna', 'microphone');
    const boris = await join('boris', 'microphone');
    await anna.flows('boris:microphone');
    const { nodeId } = boris.joined.user;
    await cluster.kill(nodeId, 'SIGKILL');
    boris.disappear();
    const again = await eventually('boris is back', () => join('boris', 'microphone'), { timeoutMs: 40_000 });
    expect(again.joined.user.nodeId).not.toBe(nodeId);
    await anna.flows('boris:microphone');
    await again.flows('anna:microphone');
    await cluster.start(nodeId);
  });

  it('leaves nothing behind after the room closes', async () => {
    const keysBefore = new Set(await redis.keys('*'));
    await newRoom();
    const anna = await join('anna', 'microphone', 'camera');
    const boris = await join('boris', 'microphone', 'camera');
    await anna.flows('boris:camera');
    await boris.flows('anna:camera');
    const busy = await nodeGauges(cluster);
    expect(busy.pipes).toBe(2);
    expect((await openUdpPorts(cluster)).pipes).toBeGreaterThan(0);

    await api.call('DELETE', `/rooms/${roomId}`);
    await eventually('both nodes are empty', async () => {
      const gauges = await nodeGauges(cluster);
      return Object.values(gauges).every((value) => value === 0);
    });
    expect(await openUdpPorts(cluster)).toEqual({ pipes: 0 });
    await expect(api.refusal('GET', `/rooms/${roomId}`)).resolves.toMatchObject({ code: 'room_not_found' });

    const { roomSessionId } = anna.joined.user;
    await eventually('only the event log stays, and will expire', async () => {
      const keys = (await redis.keys('*')).filter((key) => key.includes(roomSessionId) || key.includes(roomId));
      const ttls = await Promise.all(keys.map((key) => redis.pttl(key)));
      return ttls.every((ttl) => ttl > 0) && keys.every((key) => !keysBefore.has(key));
    });
    // What the rooms share is not cleared with a key, but member by member.
    const namespace = '{ms}';
    expect(keysBefore).toContain(`${namespace}:nodes`);
    for (const shared of ['due', 'hosted', 'pending']) {
      await eventually(`${shared} holds nothing of the room`, async () => {
        const members = await redis.zrange(`${namespace}:${shared}`, '0', '-1');
        return members.every((member) => !member.includes(roomSessionId) && !member.split(':').includes(roomId));
      });
    }
  });
});
