/*
 * Measures what data channels cost a node that nobody sends by: memory and CPU per session, with and without them.
 *
 *   node test/bench/data-cost.ts [sessions]
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster, type Cluster } from '../../deploy/local/cluster.ts';
import { Api } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { processTree } from '../support/processes.ts';
import { WrtcUser } from '../support/wrtc-user.ts';
import { markdownTable } from './statistics.ts';

const sessions = Number(process.argv[2] ?? 100);
const USERS_PER_ROOM = 10;
const IDLE_SECONDS = 30;

interface Usage {
  /** Resident memory, KiB. */
  readonly memory: number;
  readonly cpuSeconds: number;
}

/** Of all nodes' JavaScript, and of all their Workers. */
function usage(cluster: Cluster): { readonly javascript: Usage; readonly workers: Usage } {
  const trees = cluster.nodes.map(({ nodeId }) => processTree(cluster.pid(nodeId) ?? 0));
  const sum = (processes: { pid: number; cpuSeconds: number }[]): Usage => ({
    memory: processes.reduce((total, { pid }) => total + residentKiB(pid), 0),
    cpuSeconds: processes.reduce((total, { cpuSeconds }) => total + cpuSeconds, 0),
  });
  return {
    javascript: sum(trees.flatMap(([node]) => node ?? [])),
    workers: sum(trees.flatMap((tree) => tree.slice(1))),
  };
}

function residentKiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

async function measure(data: boolean): Promise<string[]> {
  const cluster = await startCluster({ ports: 'free' });
  const users: WrtcUser[] = [];
  try {
    const api = new Api(cluster);
    // What the first session of all makes is not of each.
    await api.call('POST', '/rooms', { roomId: 'warm' });
    users.push(await WrtcUser.join(api, 'warm', { userId: 'first', data }));
    const before = usage(cluster);
    for (let index = 0; index < sessions; index += 1) {
      const roomId = `room-${Math.floor(index / USERS_PER_ROOM)}`;
      if (index % USERS_PER_ROOM === 0) await api.call('POST', '/rooms', { roomId });
      users.push(await WrtcUser.join(api, roomId, { userId: `user-${index}`, data }));
    }
    const isUp = ({ sub, channels }: WrtcUser) =>
      sub.connectionState === 'connected' && [...channels.values()].every(({ readyState }) => readyState === 'open');
    await eventually('all are connected', () => users.every(isUp), { timeoutMs: 120_000 });
    const joined = usage(cluster);
    await sleep(IDLE_SECONDS * 1000);
    const idle = usage(cluster);
    const perSession = (pick: (of: ReturnType<typeof usage>) => Usage) => [
      `${((pick(joined).memory - pick(before).memory) / sessions).toFixed(0)} KiB`,
      `${(((pick(joined).cpuSeconds - pick(before).cpuSeconds) / sessions) * 1000).toFixed(1)} ms`,
      `${(((pick(idle).cpuSeconds - pick(joined).cpuSeconds) / IDLE_SECONDS / sessions) * 1e6).toFixed(0)} µs`,
    ];
    const [what, ...columns] = [data ? 'with' : 'without', perSession(({ workers }) => workers)];
    return [what, ...columns.flat(), ...perSession(({ javascript }) => javascript)];
  } finally {
    for (const user of users) user.disappear();
    await cluster.stop();
  }
}

const columns = ['memory', 'CPU of the join', 'CPU per idle second'];
const rows = [await measure(false), await measure(true)];
const head = [
  'data channels',
  ...columns.map((name) => `Worker: ${name}`),
  ...columns.map((name) => `JavaScript: ${name}`),
];
process.stdout.write(`Per session, of ${sessions}:\n\n${markdownTable(head, rows)}\n`);
// libwebrtc's threads would keep the process.
process.exit(0);
