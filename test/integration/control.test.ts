import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JoinResult, NodeView, RoomRecord } from '@mediaserver/contracts';
import { ControlClient, loadControlTls } from '@mediaserver/control';
import { Registry } from '@mediaserver/registry';
import { startCluster, type Cluster } from '../../deploy/local/cluster.ts';
import { Api } from '../support/api.ts';
import { makeCertificates, type Certificates } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { nodeGauges } from '../support/node-state.ts';
import { capabilitiesSdp, WrtcUser } from '../support/wrtc-user.ts';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

let certificates: Certificates;
let cluster: Cluster;
let api: Api;
let registry: Registry;
let control: ControlClient;

beforeAll(async () => {
  certificates = makeCertificates();
  const { cert, key, ca } = certificates;
  cluster = await startCluster({
    ports: 'free',
    env: { CONTROL_TLS_CERT: cert, CONTROL_TLS_KEY: key, CONTROL_TLS_CA: ca },
  });
  api = new Api(cluster);
  registry = await Registry.connect({ url: cluster.redisUrl, name: 'test', log: quiet });
  control = new ControlClient({ tls: loadControlTls({ cert, key, ca }) });
});

afterAll(async () => {
  await control?.close();
  await registry?.close();
  await cluster?.stop();
  certificates?.remove();
});

/** A room with one session in it, and the node that carries it. */
async function joined(): Promise<{ room: RoomRecord; target: NodeView & { controlUrl: string }; join: JoinResult }> {
  const roomId = `room-${randomUUID().slice(0, 8)}`;
  const join = await api.call<JoinResult>('POST', `/rooms/${roomId}/users`, {
    userId: 'anna',
    room: {},
    capabilitiesSdp: await capabilitiesSdp(),
  });
  const room = await registry.getRoom('default', roomId);
  const { nodes } = await api.call<{ nodes: NodeView[] }>('GET', '/nodes');
  const node = nodes.find(({ nodeId }) => nodeId === join.user.nodeId);
  const controlUrl = cluster.nodes.find(({ nodeId }) => nodeId === node?.nodeId)?.controlUrl;
  if (!room || !node || controlUrl === undefined) throw new Error('the room or its node is not there');
  return { room, target: { ...node, controlUrl }, join };
}

describe('the control API of a node', () => {
  it('lets only certificates of its authority in', async () => {
    const { target, room } = await joined();
    const { ca } = certificates;
    const { roomSessionId } = room;
    const stranger = new ControlClient({ tls: { ca: loadControlTls(certificates)?.ca ?? ca, cert: '', key: '' } });
    await expect(
      stranger.call(target, 'room.close', { roomSessionId, reason: 'test' }, { epoch: room.epoch }),
    ).rejects.toMatchObject({ code: 'node_unavailable' });
    await stranger.close();
    const plain = fetch(target.controlUrl.replace('https', 'http'));
    await expect(plain).rejects.toThrow();
  });

  it('carries calls between nodes over mutual TLS', async () => {
    const roomId = `room-${randomUUID().slice(0, 8)}`;
    await api.call('POST', '/rooms', { roomId, placement: { strategy: 'spread' } });
    const anna = await WrtcUser.join(api, roomId, { userId: 'anna' }, ['microphone']);
    const boris = await WrtcUser.join(api, roomId, { userId: 'boris' });
    expect(boris.joined.user.nodeId).not.toBe(anna.joined.user.nodeId);
    await boris.flows('anna:microphone');
    await anna.leave();
    await boris.leave();
  });

  it('refuses a command for an earlier process, and one that is too late', async () => {
    const { target, room } = await joined();
    const params = { roomSessionId: room.roomSessionId, reason: 'test' };
    await expect(
      control.call({ ...target, bootId: 'earlier' }, 'room.close', params, { epoch: room.epoch }),
    ).rejects.toMatchObject({ code: 'wrong_boot' });
    const response = control.call(target, 'room.close', params, { epoch: room.epoch, timeoutMs: 0 });
    await expect(response).rejects.toMatchObject({ code: 'deadline_exceeded' });
    const { users } = await api.call<{ users: unknown[] }>('GET', `/rooms/${room.roomId}`);
    expect(users).toHaveLength(1);
  });

  it('refuses an old epoch with no effect', async () => {
    const { target, room, join } = await joined();
    const { roomSessionId } = room;
    const { sessionId } = join.user;
    const params = { roomSessionId, sessionId };
    await control.call(target, 'session.offer', params, { epoch: room.epoch + 1 });
    await expect(
      control.call(target, 'session.close', { ...params, reason: 'left' }, { epoch: room.epoch }),
    ).rejects.toMatchObject({ code: 'stale_epoch' });
    const { offer } = await control.call(target, 'session.offer', params, { epoch: room.epoch + 1 });
    expect(offer?.negotiationId).toBe(join.subscribe?.negotiationId);
    await control.call(target, 'room.close', { roomSessionId, reason: 'test' }, { epoch: room.epoch + 1 });
  });

  it('adopts the effect of a repeated command, also of one under way', async () => {
    const { target, room, join } = await joined();
    const { roomSessionId } = room;
    const { sessionId } = join.user;
    const options = { epoch: room.epoch, idempotencyKey: randomUUID() };
    const close = () => control.call(target, 'session.close', { roomSessionId, sessionId, reason: 'left' }, options);
    await expect(Promise.all([close(), close(), close()])).resolves.toEqual([{}, {}, {}]);
    await expect(close()).resolves.toEqual({});
    await expect(
      control.call(target, 'session.close', { roomSessionId, sessionId, reason: 'left' }, { epoch: room.epoch }),
    ).rejects.toMatchObject({ code: 'session_gone' });
  });

  it('refuses what it does not know', async () => {
    const { target, room } = await joined();
    const unknown = { roomSessionId: randomUUID(), sessionId: randomUUID() };
    await expect(control.call(target, 'session.offer', unknown, { epoch: room.epoch })).rejects.toMatchObject({
      code: 'session_gone',
    });
    await expect(
      control.call(target, 'room.close', { roomSessionId: randomUUID(), reason: 'test' }, { epoch: room.epoch }),
    ).rejects.toMatchObject({ code: 'room_not_hosted' });
  });

  it('holds nothing once the rooms are closed', async () => {
    const { rooms } = await api.call<{ rooms: { roomId: string }[] }>('GET', '/rooms');
    for (const { roomId } of rooms) await api.call('DELETE', `/rooms/${roomId}`);
    await eventually('both nodes are empty', async () =>
      Object.values(await nodeGauges(cluster)).every((value) => value === 0),
    );
  });
});
