import { randomUUID } from 'node:crypto';
import { isLoopback, loadControlTls, type ControlTls } from '@mediaserver/control';
import { z } from 'zod';
import { DEVELOPMENT_KEY, hashKey } from './http/auth.ts';

/** A setting is missing, malformed or unsafe; the message is one line for the operator. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

const host = z.string().min(1).max(255);
const port = z.coerce.number().int().min(0).max(65_535);
const redisUrl = z.url({ protocol: /^rediss?$/, error: 'must be a redis:// or rediss:// URL' });
const milliseconds = z.coerce.number().int().min(1).max(3_600_000);

/** A comma-separated list; empty entries are dropped. */
function list<T extends z.ZodType<unknown, string>>(item: T) {
  return z
    .string()
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
    .pipe(z.array(item));
}

/** Every setting of the coordinator with its default. */
const environmentSchema = z.object({
  /** The registry: nodes, rooms, sessions, events. */
  REDIS_URL: redisUrl.default('redis://127.0.0.1:6379'),
  /** The job queues; the registry's server unless set. */
  JOBS_REDIS_URL: redisUrl.optional(),
  /** Where the API listens. */
  API_HOST: host.default('127.0.0.1'),
  API_PORT: port.default(3000),
  /** Where /livez, /readyz and /metrics listen. */
  OPS_HOST: host.default('127.0.0.1'),
  OPS_PORT: port.default(3001),
  /** SHA-256 (hex) of each valid API key. Unset: the key `dev-key`, on loopback only. */
  API_KEY_HASHES: list(z.string().regex(/^[0-9a-fA-F]{64}$/, 'must be SHA-256 hashes in hex')).optional(),
  /** Where events are sent; unset: nowhere (they can be read by the API). */
  WEBHOOK_URL: z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' }).optional(),
  /** `whsec_…` each; every one signs, so that a receiver can change over from one to the next. */
  WEBHOOK_SECRETS: list(z.string().regex(/^whsec_[A-Za-z0-9+/]{32,}={0,2}$/, 'must be whsec_ and base64')).default([]),
  /** How long the receiver may take to answer one request, ms. */
  WEBHOOK_TIMEOUT_MS: milliseconds.default(10_000),
  /** Rooms whose events are being sent at the same time. */
  WEBHOOK_CONCURRENCY: z.coerce.number().int().min(1).max(1000).default(20),
  /** Name of this replica in logs and in Redis' client list. */
  COORDINATOR_ID: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,63}$/)
    .optional(),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  /** PEM files of the mutual TLS towards nodes; all three or none. */
  CONTROL_TLS_CERT: z.string().optional(),
  CONTROL_TLS_KEY: z.string().optional(),
  CONTROL_TLS_CA: z.string().optional(),
  /** How long calls under way may take to finish at shutdown, ms. */
  SHUTDOWN_TIMEOUT_MS: milliseconds.default(5_000),
});

export interface Config {
  readonly coordinatorId: string;
  readonly logLevel: string;
  readonly redisUrl: string;
  readonly jobsRedisUrl: string;
  readonly api: { readonly host: string; readonly port: number };
  readonly ops: { readonly host: string; readonly port: number };
  /** SHA-256 of each valid key. */
  readonly keyHashes: readonly Buffer[];
  readonly webhook: {
    readonly url: string;
    readonly secrets: readonly string[];
    readonly timeoutMs: number;
    readonly concurrency: number;
  } | null;
  readonly controlTls: ControlTls | null;
  readonly shutdownTimeoutMs: number;
}

/**
 * @param environment such as `process.env`; empty values count as unset.
 * @throws ConfigError naming every bad setting.
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const set = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = environmentSchema.safeParse(set);
  if (!parsed.success) {
    // Values are left out: some of them are secrets.
    throw new ConfigError(parsed.error.issues.map((issue) => `${String(issue.path[0])}: ${issue.message}`).join('; '));
  }
  const env = parsed.data;
  const keyHashes = acceptedKeys(env.API_KEY_HASHES, [env.API_HOST, env.OPS_HOST]);
  if (env.WEBHOOK_URL !== undefined && env.WEBHOOK_SECRETS.length === 0) {
    throw new ConfigError('WEBHOOK_SECRETS: needed with WEBHOOK_URL; events are always signed');
  }
  return Object.freeze({
    coordinatorId: env.COORDINATOR_ID ?? `coordinator-${randomUUID().slice(0, 8)}`,
    logLevel: env.LOG_LEVEL,
    redisUrl: env.REDIS_URL,
    jobsRedisUrl: env.JOBS_REDIS_URL ?? env.REDIS_URL,
    api: Object.freeze({ host: env.API_HOST, port: env.API_PORT }),
    ops: Object.freeze({ host: env.OPS_HOST, port: env.OPS_PORT }),
    keyHashes: Object.freeze(keyHashes),
    webhook:
      env.WEBHOOK_URL === undefined
        ? null
        : Object.freeze({
            url: env.WEBHOOK_URL,
            secrets: Object.freeze(env.WEBHOOK_SECRETS),
            timeoutMs: env.WEBHOOK_TIMEOUT_MS,
            concurrency: env.WEBHOOK_CONCURRENCY,
          }),
    controlTls: readControlTls(env),
    shutdownTimeoutMs: env.SHUTDOWN_TIMEOUT_MS,
  });
}

/** The development key opens the API only while nobody but this host can reach it. */
function acceptedKeys(hashes: readonly string[] | undefined, listeners: readonly string[]): Buffer[] {
  const developmentHash = hashKey(DEVELOPMENT_KEY);
  const keys = hashes === undefined ? [developmentHash] : hashes.map((hash) => Buffer.from(hash, 'hex'));
  if (keys.length === 0) throw new ConfigError('API_KEY_HASHES: is set but holds no hash');
  const exposed = listeners.filter((listener) => !isLoopback(listener));
  if (exposed.length > 0 && keys.some((key) => key.equals(developmentHash))) {
    throw new ConfigError(
      `API_KEY_HASHES: the development key is refused while listening on ${exposed.join(', ')}; set the SHA-256 of a key of your own`,
    );
  }
  return keys;
}

function readControlTls(env: z.infer<typeof environmentSchema>): ControlTls | null {
  try {
    return loadControlTls({ cert: env.CONTROL_TLS_CERT, key: env.CONTROL_TLS_KEY, ca: env.CONTROL_TLS_CA });
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : 'CONTROL_TLS_*: cannot be read');
  }
}
