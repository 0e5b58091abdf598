import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NodeView, RoomRecord, SubscribeOffer } from '@mediaserver/contracts';
import { ControlClient } from '@mediaserver/control';
import { Registry } from '@mediaserver/registry';
import { startCluster, type Cluster } from '../../deploy/local/cluster.ts';
import { Api } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { nodeGauges } from '../support/node-state.ts';
import { WrtcUser } from '../support/wrtc-user.ts';

/** A pipe between two nodes after what a lost or late message leaves behind. */
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

let cluster: Cluster;
let api: Api;
let registry: Registry;
const control = new ControlClient({ tls: null });

let room: RoomRecord | null = null;
let anna: WrtcUser;
let boris: WrtcUser;
/** Asks boris for what is pushed by webhook elsewhere. */
let polling: NodeJS.Timeout;

beforeAll(async () => {
  cluster = await startCluster({ ports: 'free', env: { PIPE_LINGER_MS: '500' } });
  api = new Api(cluster);
  registry = await Registry.connect({ url: cluster.redisUrl, name: 'test', log: quiet });
});

afterAll(async () => {
  clearInterval(polling);
  anna?.disappear();
  boris?.disappear();
  await control.close();
  await registry?.close();
  await cluster?.stop();
});

beforeEach(async () => {
  clearInterval(polling);
  anna?.disappear();
  boris?.disappear();
  if (room) await api.call('DELETE', `/rooms/${room.roomId}`);
  await eventually('no pipe of an earlier room is left', async () => (await nodeGauges(cluster)).pipes === 0);
  const roomId = `room-${randomUUID().slice(0, 8)}`;
  await api.call('POST', '/rooms', { roomId, placement: { strategy: 'spread' } });
  anna = await WrtcUser.join(api, roomId, { userId: 'anna' }, ['microphone']);
  boris = await WrtcUser.join(api, roomId, { userId: 'boris' });
  expect(boris.joined.user.nodeId).not.toBe(anna.joined.user.nodeId);
  room = await registry.getRoom('default', roomId);
  polling = setInterval(() => {
    // Between two rooms there is nobody to ask for.
    void poll(boris).catch(() => undefined);
  }, 300);
  await boris.flows('anna:microphone');
});

async function poll(user: WrtcUser): Promise<void> {
  await user.apply(await api.call<SubscribeOffer | null>('GET', `${user.path}/subscribe/offer`));
}

/** The node of `user` is told that its half of the pipe to the other one is not needed; the other is not. */
async function closeHalf(user: WrtcUser, other: WrtcUser): Promise<void> {
  const { nodes } = await api.call<{ nodes: NodeView[] }>('GET', '/nodes');
  const { nodeId } = user.joined.user;
  const bootId = nodes.find((node) => node.nodeId === nodeId)?.bootId ?? '';
  const controlUrl = cluster.nodes.find((node) => node.nodeId === nodeId)?.controlUrl ?? '';
  if (!room) throw new Error('there is no room');
  const params = { roomSessionId: room.roomSessionId, nodeId: other.joined.user.nodeId };
  await control.call({ controlUrl, bootId }, 'cascade.closePipe', params, { epoch: room.epoch });
}

describe('a pipe of which one half is gone', () => {
  it('is opened anew when the receiving half went', async () => {
    await closeHalf(boris, anna);
    await eventually('there are two halves again', async () => (await nodeGauges(cluster)).pipes === 2);
    await boris.flows('anna:microphone');
  });

  it('is opened anew when the sending half went and nobody said so', async () => {
    await closeHalf(anna, boris);
    expect((await nodeGauges(cluster)).pipes).toBe(1);
    await eventually('both ends noticed', async () => (await nodeGauges(cluster)).pipes === 2, { timeoutMs: 40_000 });
    await boris.flows('anna:microphone');
  });

  it('is opened anew for a track that comes meanwhile', async () => {
    await closeHalf(anna, boris);
    await anna.publish('camera');
    await boris.flows('anna:camera');
    await boris.flows('anna:microphone');
  });
});

describe('what nobody uses', () => {
  it('stops crossing, and then the pipe closes', async () => {
    await api.call('POST', `${boris.path}/subscribe`, { remove: ['anna:microphone'] });
    await eventually('no pipe is left', async () => (await nodeGauges(cluster)).pipes === 0);
  });
});
