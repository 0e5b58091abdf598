import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Guard } from '../../deploy/local/guard.ts';
import { ManagedProcess } from '../../deploy/local/managed-process.ts';
import { claimFreePorts } from '../../deploy/local/ports.ts';
import { privateRedis } from '../../deploy/local/redis.ts';

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** The server's process, for tests that stop or kill it. */
  readonly process: { kill(signal: NodeJS.Signals): void };
  stop(): Promise<void>;
}

export interface RedisServerOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** One master that owns all slots: declared keys of one call must hash to one slot. */
  readonly cluster?: boolean;
  /** Asked of every client; not part of `url`. */
  readonly password?: string;
  /** More of redis.conf, as on the command line. */
  readonly args?: readonly string[];
}

/** A real redis-server of its own, in memory, with a free port and a temporary folder. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const { cluster = false, password, args = [] } = options;
  const claim = options.port === undefined ? await claimFreePorts(0) : undefined;
  const port = claim?.ports.redis ?? options.port ?? 0;
  const folder = await mkdtemp(join(tmpdir(), 'mediaserver-redis-'));
  // The bus' own choice, port + 10000, may be somebody's; the next port is nobody's.
  const clusterArgs = cluster ? ['--cluster-enabled', 'yes', '--cluster-port', String(port + 1)] : [];
  const passwordArgs = password === undefined ? [] : ['--requirepass', password];
  const allArgs = [...clusterArgs, ...passwordArgs, ...args];
  const spec = privateRedis({ port, folder, durable: false, env: process.env, args: allArgs });
  const guard = new Guard(folder);
  const child = new ManagedProcess(spec, () => undefined);
  if (child.pid !== undefined) guard.watch([child.pid]);
  const stop = async (): Promise<void> => {
    child.kill();
    await child.exited;
    await guard.close();
    claim?.release();
  };
  try {
    await untilServing(port, child, { cluster, password });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `redis://127.0.0.1:${port}`, port, process: { kill: (signal) => child.signal(signal) }, stop };
}

async function untilServing(
  port: number,
  child: ManagedProcess,
  { cluster, password }: { cluster: boolean; password: string | undefined },
): Promise<void> {
  const redis = new Redis(port, '127.0.0.1', {
    retryStrategy: () => 10,
    maxRetriesPerRequest: null,
    ...(password === undefined ? {} : { password }),
  });
  redis.on('error', () => undefined);
  const failed = child.exited.then(() => {
    throw new Error(`redis-server ended: ${child.lines.slice(-3).join(' ')}`);
  });
  try {
    await Promise.race([redis.ping(), failed]);
    if (cluster) {
      await redis.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
      while (!String(await redis.call('CLUSTER', 'INFO')).includes('cluster_state:ok')) await delay(20);
    }
  } finally {
    failed.catch(() => undefined);
    redis.disconnect();
  }
}
