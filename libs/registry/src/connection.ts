import { Redis, type RedisOptions } from 'ioredis';
import type { RegistryLog } from './registry.ts';

export interface ConnectionOptions {
  readonly url: string;
  readonly name: string;
  readonly log: RegistryLog;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string } | undefined;
  readonly commandTimeoutMs: number;
}

/**
 * `commands`: fails fast instead of queueing, never sends a command twice by itself (the registry's
 * calls may be repeated, but whether to do so is the caller's decision).
 * `blocking`: the same without a time limit on the answer.
 * `subscriber`: waits for the server as long as it takes and subscribes again by itself.
 */
export type ConnectionKind = 'commands' | 'blocking' | 'subscriber';

export function openConnection(options: ConnectionOptions, kind: ConnectionKind): Redis {
  const { log } = options;
  const redisOptions = {
    connectionName: kind === 'commands' ? options.name : `${options.name}-${kind}`,
    connectTimeout: 3000,
    // Known to the server again within about a second of its return.
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times - 1, 10), 1000) * (0.8 + 0.4 * Math.random()),
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: kind === 'subscriber',
    maxRetriesPerRequest: kind === 'subscriber' ? null : 0,
    ...(kind === 'commands' ? { commandTimeout: options.commandTimeoutMs } : {}),
    ...(options.tls === undefined ? {} : { tls: { ...options.tls } }),
  } satisfies RedisOptions;
  const redis = new Redis(options.url, redisOptions);
  let complained = false;
  redis.on('error', (error) => {
    // Once per outage: it repeats at each attempt.
    if (!complained) {
      complained = true;
      // Not the error itself: it carries the command that failed, and that of AUTH holds the password.
      log.warn({ reason: reasonOf(error), connection: kind }, 'Redis is not reachable');
    }
  });
  redis.on('ready', () => {
    complained = false;
    log.info({ connection: kind }, 'connected to Redis');
  });
  return redis;
}

/** One that stands for several attempts (an address per family) has a code and no message. */
function reasonOf(error: Error): string {
  if (error.message !== '') return error.message;
  return 'code' in error ? String(error.code) : error.name;
}
