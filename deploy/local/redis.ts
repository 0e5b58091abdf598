import { connect } from 'node:net';
import type { ProcessSpec } from './managed-process.ts';

export interface PrivateRedisOptions {
  readonly port: number;
  /** Where it keeps its data; must exist. */
  readonly folder: string;
  /** Whether what is written survives a restart. */
  readonly durable: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** More of redis.conf, as on the command line. */
  readonly args?: readonly string[];
}

/** The command line of a Redis on loopback that belongs to us alone. */
export function privateRedis({ port, folder, durable, env, args = [] }: PrivateRedisOptions): ProcessSpec {
  const settings = {
    bind: '127.0.0.1',
    port: String(port),
    dir: folder,
    appendonly: durable ? 'yes' : 'no',
    // Snapshots besides the append-only file would only cost a fork.
    save: '',
    // The registry must be refused a write rather than lose a key.
    'maxmemory-policy': 'noeviction',
    daemonize: 'no',
    logfile: '',
  };
  return {
    name: 'redis',
    command: 'redis-server',
    args: [...Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value]), ...args],
    env,
    cwd: folder,
  };
}

/**
 * Whether a Redis answers there. One that asks for a password does answer; one that is still loading
 * its data does not yet.
 */
export function pingRedis(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2000 }, () => socket.write('PING\r\n'));
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('data', (data) => finish(/^(\+PONG|-NOAUTH)/.test(data.toString())));
    socket.once('timeout', () => finish(false));
    socket.once('error', () => finish(false));
    socket.once('close', () => finish(false));
  });
}
