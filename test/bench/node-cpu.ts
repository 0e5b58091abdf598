import { setTimeout as sleep } from 'node:timers/promises';
import wrtc from '@roamhq/wrtc';
import type { Cluster } from '../../deploy/local/cluster.ts';
import type { WebhookReceiver } from '../support/webhook-receiver.ts';
import { Api } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { nodeGauges } from '../support/node-state.ts';
import { processStat, processTree } from '../support/processes.ts';
import { WrtcUser } from '../support/wrtc-user.ts';
import { machineCpuSeconds } from './machine.ts';

const USERS = 10;
const VIDEO = { width: 320, height: 180, framesPerSecond: 10, patch: 40 };
const SECONDS = 30;

/** CPU time as a share of one core. */
export interface NodeCpu {
  readonly nodeId: string;
  readonly users: number;
  readonly javascript: number;
  readonly worker: number;
  /** Seconds of the node's JavaScript over the joins of its users. */
  readonly joiningSeconds: number;
}

export interface CallCpu {
  readonly seconds: number;
  readonly users: number;
  readonly nodes: NodeCpu[];
  /** Of one user, in kbit/s. */
  readonly sent: number;
  readonly received: number;
  readonly framesPerSecond: number;
  /** Share of one core: the clients, and whatever else ran on the machine. */
  readonly clients: number;
  readonly others: number;
}

/** Ten users of one room over two nodes, everybody sending and receiving everybody. */
export async function cpuOfCall(cluster: Cluster, webhooks: WebhookReceiver): Promise<CallCpu> {
  const api = new Api(cluster);
  const roomId = 'ten-users';
  await api.call('POST', '/rooms', { roomId, placement: { strategy: 'spread' } });
  const camera = noisyCamera();
  const users: WrtcUser[] = [];

  const beforeJoins = cpuNow(cluster);
  for (let index = 0; index < USERS; index += 1) {
    const user = await WrtcUser.join(api, roomId, { userId: `user-${index}` }, ['microphone', 'camera'], {
      feeds: { camera: () => ({ track: camera.track, stop: () => undefined }) },
      prepare: (user) => webhooks.listeners.add(user.handleEvent),
    });
    users.push(user);
  }
  const pairs = USERS * (USERS - 1);
  const everybodySees = async () => (await mediaOf(users)).moving === pairs;
  await eventually('everybody sees everybody', everybodySees, { timeoutMs: 120_000, everyMs: 500 });
  const afterJoins = cpuNow(cluster);
  const { consumers } = await nodeGauges(cluster);
  if (consumers !== pairs * 2) throw new Error(`${consumers} consumers instead of ${pairs * 2}`);

  const [mediaBefore, begin, machineBefore] = [await mediaOf(users), performance.now(), machineCpuSeconds()];
  const before = cpuNow(cluster);
  await sleep(SECONDS * 1000);
  const after = cpuNow(cluster);
  const seconds = (performance.now() - begin) / 1000;
  const machine = (machineCpuSeconds() - machineBefore) / seconds;
  const mediaAfter = await mediaOf(users);

  for (const user of users) await user.leave();
  camera.stop();
  await api.call('DELETE', `/rooms/${roomId}`);
  await eventually('the nodes are empty', async () => (await nodeGauges(cluster)).sessions === 0);

  const share = (pick: (cpu: CpuTimes) => number) => (pick(after) - pick(before)) / seconds;
  const nodes = cluster.nodes.map(({ nodeId }): NodeCpu => {
    const of = (times: CpuTimes) => times.nodes.get(nodeId) ?? { javascript: 0, worker: 0 };
    return {
      nodeId,
      users: users.filter(({ joined }) => joined.user.nodeId === nodeId).length,
      javascript: share((times) => of(times).javascript),
      worker: share((times) => of(times).worker),
      joiningSeconds: of(afterJoins).javascript - of(beforeJoins).javascript,
    };
  });
  const clients = share((times) => times.clients);
  const ours = nodes.reduce((sum, { javascript, worker }) => sum + javascript + worker, clients);
  const rate = (pick: (media: Media) => number) => (pick(mediaAfter) - pick(mediaBefore)) / seconds / USERS;
  return {
    seconds,
    users: USERS,
    nodes,
    sent: (rate(({ sentBytes }) => sentBytes) * 8) / 1000,
    received: (rate(({ receivedBytes }) => receivedBytes) * 8) / 1000,
    framesPerSecond: rate(({ frames }) => frames) / (USERS - 1),
    clients,
    others: Math.max(0, machine - ours),
  };
}

interface CpuTimes {
  readonly nodes: ReadonlyMap<string, { readonly javascript: number; readonly worker: number }>;
  readonly clients: number;
}

/** Workers are processes of their own, children of their node. */
function cpuNow(cluster: Cluster): CpuTimes {
  const nodes = cluster.nodes.map(({ nodeId }) => {
    const [node, ...workers] = processTree(cluster.pid(nodeId) ?? 0);
    const worker = workers.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
    return [nodeId, { javascript: node?.cpuSeconds ?? 0, worker }] as const;
  });
  return { nodes: new Map(nodes), clients: processStat(process.pid)?.cpuSeconds ?? 0 };
}

interface Media {
  sentBytes: number;
  receivedBytes: number;
  frames: number;
  /** Pictures of which more than a first frame has come. */
  moving: number;
}

async function mediaOf(users: readonly WrtcUser[]): Promise<Media> {
  const media: Media = { sentBytes: 0, receivedBytes: 0, frames: 0, moving: 0 };
  for (const user of users) {
    for (const report of (await user.pub.getStats()).values()) {
      if (report.type === 'outbound-rtp') media.sentBytes += report.bytesSent ?? 0;
    }
    for (const report of (await user.sub.getStats()).values()) {
      if (report.type !== 'inbound-rtp') continue;
      media.receivedBytes += report.bytesReceived ?? 0;
      media.frames += report.framesDecoded ?? 0;
      if ((report.framesDecoded ?? 0) > 3) media.moving += 1;
    }
  }
  return media;
}

/** A grey picture with a patch that is never still: its size decides the bitrate. */
function noisyCamera(): { readonly track: MediaStreamTrack; readonly stop: () => void } {
  const { width, height, patch, framesPerSecond } = VIDEO;
  const source = new wrtc.nonstandard.RTCVideoSource();
  const track = source.createTrack();
  const data = new Uint8Array(width * height * 1.5).fill(128);
  const timer = setInterval(() => {
    for (let row = 0; row < patch; row += 1) {
      for (let column = 0; column < patch; column += 1) data[row * width + column] = 96 + Math.random() * 64;
    }
    source.onFrame({ width, height, data });
  }, 1000 / framesPerSecond);
  return { track, stop: () => (clearInterval(timer), track.stop()) };
}
