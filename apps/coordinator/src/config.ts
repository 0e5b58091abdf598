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

/** Every setting of the coordinator, with its default. Documented in docs/configuration.md. */
export const coordinatorEnvironmentSchema = z.object({
  REDIS_URL: redisUrl.default('redis://127.0.0.1:6379').describe('The registry: nodes, rooms, sessions, events'),
  JOBS_REDIS_URL: redisUrl
    .optional()
    .describe(
      'The job queues: webhooks and clean-up. Default: REDIS_URL. While unreachable, calls go on and /readyz says so in `jobs`',
    ),
  API_HOST: host.default('127.0.0.1').describe('Where the API listens'),
  API_PORT: port.default(3000).describe('Port of the API, its documentation (/docs) and its OpenAPI document'),
  OPS_HOST: host.default('127.0.0.1').describe('Where /livez, /readyz and /metrics listen'),
  OPS_PORT: port.default(3001).describe('Port of /livez, /readyz and /metrics'),
  API_KEY_HASHES: list(z.string().regex(/^[0-9a-fA-F]{64}$/, 'must be SHA-256 hashes in hex'))
    .optional()
    .describe('SHA-256 (hex) of each valid API key, comma separated. Default: of `dev-key`, on loopback only'),
  WEBHOOK_URL: z
    .url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' })
    .optional()
    .describe('Where events are sent. Default: nowhere; the API has them'),
  WEBHOOK_SECRETS: list(z.string().regex(/^whsec_[A-Za-z0-9+/]{32,}={0,2}$/, 'must be whsec_ and base64'))
    .default([])
    .describe('`whsec_…` each, comma separated. Every one signs, so that a receiver can change over'),
  WEBHOOK_TIMEOUT_MS: milliseconds.default(10_000).describe('How long the receiver may take to answer one request, ms'),
  WEBHOOK_CONCURRENCY: z.coerce
    .number()
    .int()
    .min(1)
    .max(1000)
    .default(20)
    .describe('Rooms whose events are being sent at the same time'),
  COORDINATOR_ID: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,63}$/)
    .optional()
    .describe("Name of this replica in logs and in Redis' client list. Default: a random one"),
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('Least serious log level that is written'),
  CONTROL_TLS_CERT: z.string().optional().describe('File with this coordinator’s certificate towards nodes (PEM)'),
  CONTROL_TLS_KEY: z.string().optional().describe('File with its private key (PEM)'),
  CONTROL_TLS_CA: z.string().optional().describe('File with the authority that signs coordinators and nodes (PEM)'),
  SHUTDOWN_TIMEOUT_MS: milliseconds
    .default(5_000)
    .describe('How long calls under way may take to finish at shutdown, ms'),
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
  const parsed = coordinatorEnvironmentSchema.safeParse(set);
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

function readControlTls(env: z.infer<typeof coordinatorEnvironmentSchema>): ControlTls | null {
  try {
    return loadControlTls({ cert: env.CONTROL_TLS_CERT, key: env.CONTROL_TLS_KEY, ca: env.CONTROL_TLS_CA });
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : 'CONTROL_TLS_*: cannot be read');
  }
}
