import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** The server's process, for tests that stop or kill it. */
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

export interface RedisServerOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** One master that owns all slots: declared keys of one call must hash to one slot. */
  readonly cluster?: boolean;
  /** More of redis.conf, as on the command line. */
  readonly args?: readonly string[];
}

/** A real redis-server of its own, in memory, with a free port and a temporary folder. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'mediaserver-redis-'));
  const port = options.port ?? (await freePort());
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'];
  if (options.cluster === true) {
    // The bus port would be port + 10000, which may not exist.
    args.push('--cluster-enabled', 'yes', '--cluster-port', String(await freePort()));
  }
  const child = spawn('redis-server', [...args, ...(options.args ?? [])], { stdio: 'ignore' });
  const exited = once(child, 'exit').catch(() => undefined);
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await exited;
    }
    await rm(folder, { recursive: true, force: true });
  };
  // A test process that is killed must not leave servers behind.
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));

  try {
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('spawn', resolve);
    });
    await untilServing(port, child, options.cluster === true);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `redis://127.0.0.1:${port}`, port, process: child, stop };
}

async function untilServing(port: number, child: ChildProcess, cluster: boolean): Promise<void> {
  const redis = new Redis(port, '127.0.0.1', { retryStrategy: () => 10, maxRetriesPerRequest: null });
  redis.on('error', () => undefined);
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`redis-server ended with ${String(code)}`);
  });
  try {
    await Promise.race([redis.ping(), failed]);
    if (cluster) {
      await redis.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
      while (!String(await redis.call('CLUSTER', 'INFO')).includes('cluster_state:ok')) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  } finally {
    failed.catch(() => undefined);
    redis.disconnect();
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') {
    throw new Error('no free port');
  }
  return address.port;
}
