import { readFile } from 'node:fs/promises';
import type { Cluster } from '../../deploy/local/cluster.ts';

/** What the nodes say they hold, summed over the cluster. */
export async function nodeGauges(
  cluster: Cluster,
): Promise<Record<'rooms' | 'sessions' | 'producers' | 'consumers' | 'pipes', number>> {
  const texts = await Promise.all(
    cluster.nodes.map(async ({ opsUrl }) => (await fetch(new URL('/metrics', opsUrl))).text()),
  );
  const sum = (name: string) =>
    texts.reduce((total, text) => {
      const value = new RegExp(`^mediaserver_node_${name} (\\S+)$`, 'm').exec(text)?.[1];
      if (value === undefined) throw new Error(`no gauge mediaserver_node_${name}`);
      return total + Number(value);
    }, 0);
  return {
    rooms: sum('rooms'),
    sessions: sum('sessions'),
    producers: sum('producers'),
    consumers: sum('consumers'),
    pipes: sum('pipes'),
  };
}

/** UDP sockets the kernel has open in the nodes' pipe ranges. */
export async function openUdpPorts(cluster: Cluster): Promise<{ pipes: number }> {
  const table = await readFile('/proc/net/udp', 'utf8');
  const ports = table
    .split('\n')
    .slice(1)
    .map((line) => /^\s*\d+: [0-9A-F]+:([0-9A-F]{4})/.exec(line)?.[1])
    .filter((hex) => hex !== undefined)
    .map((hex) => Number.parseInt(hex, 16));
  const inRange = (port: number) =>
    cluster.nodes.some(({ pipePorts }) => port >= pipePorts.min && port <= pipePorts.max);
  return { pipes: ports.filter(inRange).length };
}
