import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';

export interface PortUse {
  /** What listens there, for people: "the API". */
  readonly what: string;
  readonly host: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
  /** The environment variable that moves it. */
  readonly variable: string;
}

/** Where every process of a cluster listens. */
export interface PortPlan {
  readonly api: number;
  readonly ops: number;
  readonly demo: number;
  readonly redis: number;
  readonly nodes: readonly NodePorts[];
}
export interface NodePorts {
  readonly control: number;
  readonly ops: number;
  /** First of one UDP and TCP port per Worker. */
  readonly mediaBase: number;
  readonly pipeMin: number;
  readonly pipeMax: number;
}

/** A person can do something about it; its message is one line and needs no stack. */
export class SetupProblem extends Error {
  override name = 'SetupProblem';
}

type Environment = Readonly<Record<string, string | undefined>>;

function portFrom(env: Environment, variable: string, standard: number): number {
  const text = env[variable];
  if (text === undefined || text === '') return standard;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new SetupProblem(`${variable}=${text} is not a port number (1 to 65535)`);
  }
  return port;
}

const MEDIA_PORTS_PER_NODE = 100;
const PIPE_PORTS_PER_NODE = 500;

/** The fixed development ports, each movable by its variable; a node's are counted up from the first's. */
export function defaultPorts(env: Environment, nodes: number): PortPlan {
  const control = portFrom(env, 'CONTROL_PORT', 4001);
  const nodeOps = portFrom(env, 'NODE_OPS_PORT', 4101);
  const mediaBase = portFrom(env, 'MEDIA_PORT_BASE', 44_400);
  const pipeMin = portFrom(env, 'PIPE_PORT_MIN', 45_000);
  return {
    api: portFrom(env, 'API_PORT', 3000),
    ops: portFrom(env, 'OPS_PORT', 3001),
    demo: portFrom(env, 'DEMO_PORT', 3010),
    redis: portFrom(env, 'REDIS_PORT', 6399),
    nodes: Array.from({ length: nodes }, (_, index) => ({
      control: control + index,
      ops: nodeOps + index,
      mediaBase: mediaBase + index * MEDIA_PORTS_PER_NODE,
      pipeMin: pipeMin + index * PIPE_PORTS_PER_NODE,
      pipeMax: pipeMin + (index + 1) * PIPE_PORTS_PER_NODE - 1,
    })),
  };
}

/** Below the range the kernel hands out to outgoing connections, so nobody takes one by chance. */
const FREE_FIRST = 12_000;
const BLOCK_SIZE = 200;
const BLOCKS = 100;
/** Inside a block: 0 the claim, 1 to 4 single ports, then per node. */
const FIRST_NODE_OFFSET = 10;
const PORTS_PER_NODE = 60;
const PIPE_OFFSET = 20;
const MAX_FREE_NODES = Math.floor((BLOCK_SIZE - FIRST_NODE_OFFSET) / PORTS_PER_NODE);

export interface PortClaim {
  readonly ports: PortPlan;
  /** Gives the block back. */
  release(): void;
}

/**
 * A block of ports nobody else uses. Its first port is held open for as long as the claim lives, so
 * that clusters started at the same moment by other processes get other blocks.
 */
export async function claimFreePorts(nodes: number): Promise<PortClaim> {
  if (nodes > MAX_FREE_NODES) throw new RangeError(`at most ${MAX_FREE_NODES} nodes, not ${nodes}`);
  const start = Math.floor(Math.random() * BLOCKS);
  for (let turn = 0; turn < BLOCKS; turn += 1) {
    const base = FREE_FIRST + ((start + turn) % BLOCKS) * BLOCK_SIZE;
    const claim = await listen('127.0.0.1', base).catch(() => undefined);
    if (!claim) continue;
    claim.unref();
    const ports: PortPlan = {
      api: base + 1,
      ops: base + 2,
      demo: base + 3,
      redis: base + 4,
      nodes: Array.from({ length: nodes }, (_, index) => {
        const first = base + FIRST_NODE_OFFSET + index * PORTS_PER_NODE;
        return {
          control: first,
          ops: first + 1,
          mediaBase: first + 2,
          pipeMin: first + PIPE_OFFSET,
          pipeMax: first + PORTS_PER_NODE - 1,
        };
      }),
    };
    const single = [ports.api, ports.ops, ports.demo, ports.redis, ...ports.nodes.flatMap((n) => [n.control, n.ops])];
    const media = ports.nodes.map((node) => node.mediaBase);
    const checks = [
      ...[...single, ...media].map((port) => tryPort({ host: '0.0.0.0', port, protocol: 'tcp' })),
      ...media.map((port) => tryPort({ host: '0.0.0.0', port, protocol: 'udp' })),
    ];
    const problems = await Promise.all(checks);
    if (problems.every((problem) => problem === undefined)) return { ports, release: () => claim.close() };
    claim.close();
  }
  throw new SetupProblem(`no free block of ports between ${FREE_FIRST} and ${FREE_FIRST + BLOCKS * BLOCK_SIZE}`);
}

async function listen(host: string, port: number): Promise<Server> {
  const server = createServer();
  server.listen({ host, port, exclusive: true });
  await once(server, 'listening');
  return server;
}

/** @returns the error code if the port cannot be bound now. */
async function tryPort({ host, port, protocol }: Pick<PortUse, 'host' | 'port' | 'protocol'>) {
  try {
    if (protocol === 'tcp') {
      const server = await listen(host, port);
      server.close();
      await once(server, 'close');
    } else {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
      socket.bind({ address: host, port, exclusive: true });
      await once(socket, 'listening').finally(() => socket.close());
    }
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

/** @throws SetupProblem saying in one line which ports cannot be used, by whom, and what moves them. */
export async function requirePorts(uses: readonly PortUse[]): Promise<void> {
  const results = await Promise.all(uses.map(async (use) => ({ use, problem: await tryPort(use) })));
  const failed = results.filter(({ problem }) => problem !== undefined);
  if (failed.length === 0) return;
  const taken = failed.filter(({ problem }) => problem === 'EADDRINUSE').map(({ use }) => use);
  if (taken.length > 3) {
    const ports = [...new Set(taken.map(({ port }) => port))].join(', ');
    const variables = [...new Set(taken.map(({ variable }) => variable))].join(', ');
    throw new SetupProblem(
      `ports ${ports} are already in use; is this already running? Stop it, or move this one with ${variables}`,
    );
  }
  const sentences = failed.map(async ({ use, problem }) => {
    const where = `${use.host}:${use.port} (${use.protocol})`;
    if (problem === 'EADDRINUSE') {
      const owner = await portOwner(use.port, use.protocol);
      return `port ${use.port} (${use.protocol}), wanted for ${use.what}, is already in use${owner ? ` by ${owner}` : ''}; set ${use.variable} to another port`;
    }
    if (problem === 'EACCES') return `${use.what} may not listen on ${where}; set ${use.variable} to a port above 1023`;
    if (problem === 'EADDRNOTAVAIL' || problem === 'ENOTFOUND') {
      return `${use.what} cannot listen on ${where}: ${use.host} is not an address of this machine`;
    }
    return `${use.what} cannot listen on ${where}: ${problem}; ${use.variable} moves it`;
  });
  throw new SetupProblem((await Promise.all(sentences)).join('\n'));
}

/** @returns "node server.js (pid 42)", or undefined where that cannot be seen (another user's, not Linux). */
async function portOwner(port: number, protocol: 'tcp' | 'udp'): Promise<string | undefined> {
  const tables = await Promise.all(
    [protocol, `${protocol}6`].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')),
  );
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const LISTEN = '0A';
  const inodes = new Set(
    tables
      .flatMap((table) => table.split('\n').slice(1))
      .map((row) => row.trim().split(/\s+/))
      .filter((row) => row[1]?.endsWith(suffix) && (protocol === 'udp' || row[3] === LISTEN))
      .map((row) => `socket:[${row[9]}]`),
  );
  if (inodes.size === 0) return undefined;
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    const files = await readdir(`/proc/${pid}/fd`).catch(() => []);
    const targets = await Promise.all(files.map((file) => readlink(`/proc/${pid}/fd/${file}`).catch(() => '')));
    if (!targets.some((target) => inodes.has(target))) continue;
    const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ').trim();
    return `${command.length > 80 ? `${command.slice(0, 79)}…` : command} (pid ${pid})`;
  }
  return undefined;
}
