import { createHash, randomBytes } from 'node:crypto';
import { SetupProblem, type PortPlan, type PortUse } from './ports.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const LOOPBACK = '127.0.0.1';
const DEVELOPMENT_KEY = 'dev-key';

/** What decides a cluster's shape; tests begin without them, whatever the shell has set. */
const SHAPING_VARIABLES = new Set([
  'REDIS_URL',
  'REDIS_PORT',
  'JOBS_REDIS_URL',
  'API_HOST',
  'API_PORT',
  'API_URL',
  'API_KEY',
  'API_KEY_HASHES',
  'OPS_HOST',
  'OPS_PORT',
  'NODE_OPS_PORT',
  'NODE_ID',
  'COORDINATOR_ID',
  'CONTROL_HOST',
  'CONTROL_PORT',
  'CONTROL_URL',
  'CONTROL_TLS_CERT',
  'CONTROL_TLS_KEY',
  'CONTROL_TLS_CA',
  'MEDIA_LISTEN',
  'MEDIA_PORT_BASE',
  'ANNOUNCED',
  'PIPE_LISTEN',
  'PIPE_ANNOUNCED',
  'ALLOW_PLAINTEXT_CONTROL',
  'PIPE_PORT_MIN',
  'PIPE_PORT_MAX',
  'WORKERS',
  'REGION',
  'DEMO_HOST',
  'DEMO_PORT',
  'WEBHOOK_URL',
  'WEBHOOK_SECRET',
  'WEBHOOK_SECRETS',
  'INSPECT',
]);

export function withoutShape(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([key]) => !SHAPING_VARIABLES.has(key)));
}

/** Each process' environment, and where it can be reached. */
export interface Layout {
  readonly apiUrl: string;
  readonly apiKey: string;
  readonly demoUrl: string;
  readonly redisUrl: string;
  readonly webhookSecret: string;
  readonly coordinator: { readonly opsUrl: string; readonly env: Environment };
  readonly demo: { readonly env: Environment };
  readonly nodes: readonly {
    readonly nodeId: string;
    readonly opsUrl: string;
    readonly controlUrl: string;
    readonly pipePorts: { readonly min: number; readonly max: number };
    readonly env: Environment;
  }[];
  /** What must be free before anything is started. */
  readonly ports: readonly PortUse[];
}

/**
 * Lays out a cluster on one machine.
 * @param demo whether the demo is part of it, and so receives the webhooks.
 */
export function layOut(env: Environment, ports: PortPlan, { demo }: { readonly demo: boolean }): Layout {
  const host = (variable: string) => env[variable] || LOOPBACK;
  const apiHost = host('API_HOST');
  const opsHost = host('OPS_HOST');
  const demoHost = host('DEMO_HOST');
  const controlHost = host('CONTROL_HOST');
  // Unset, media listens on several addresses; the wildcard collides with each.
  const mediaHosts = (env['MEDIA_LISTEN'] || '0.0.0.0').split(',').map((address) => address.trim());

  const { apiKey, hashes } = apiKeys(env);
  const ownRedis = !env['REDIS_URL'];
  const redisUrl = env['REDIS_URL'] || `redis://${LOOPBACK}:${ports.redis}`;
  const apiUrl = `http://${reachable(apiHost)}:${ports.api}`;
  const demoUrl = `http://${reachable(demoHost)}:${ports.demo}`;
  const webhookSecret = env['WEBHOOK_SECRET'] || `whsec_${randomBytes(24).toString('base64')}`;

  return {
    apiUrl,
    apiKey,
    demoUrl,
    redisUrl,
    webhookSecret,
    coordinator: {
      opsUrl: `http://${reachable(opsHost)}:${ports.ops}`,
      env: {
        ...env,
        REDIS_URL: redisUrl,
        API_HOST: apiHost,
        API_PORT: String(ports.api),
        OPS_HOST: opsHost,
        OPS_PORT: String(ports.ops),
        API_KEY_HASHES: hashes,
        COORDINATOR_ID: env['COORDINATOR_ID'] || 'coordinator-1',
        WEBHOOK_URL: env['WEBHOOK_URL'] || (demo ? `${demoUrl}/webhooks` : undefined),
        WEBHOOK_SECRETS: env['WEBHOOK_SECRETS'] || webhookSecret,
      },
    },
    demo: {
      env: {
        ...env,
        DEMO_HOST: demoHost,
        DEMO_PORT: String(ports.demo),
        API_URL: apiUrl,
        API_KEY: apiKey,
        WEBHOOK_SECRET: webhookSecret,
      },
    },
    nodes: ports.nodes.map((node, index) => {
      const nodeId = `node-${index + 1}`;
      const scheme = env['CONTROL_TLS_CERT'] ? 'https' : 'http';
      const controlUrl = `${scheme}://${reachable(controlHost)}:${node.control}`;
      return {
        nodeId,
        opsUrl: `http://${reachable(opsHost)}:${node.ops}`,
        controlUrl,
        pipePorts: { min: node.pipeMin, max: node.pipeMax },
        env: {
          ...env,
          NODE_ID: nodeId,
          REDIS_URL: redisUrl,
          CONTROL_HOST: controlHost,
          CONTROL_PORT: String(node.control),
          CONTROL_URL: controlUrl,
          OPS_HOST: opsHost,
          OPS_PORT: String(node.ops),
          MEDIA_PORT_BASE: String(node.mediaBase),
          PIPE_PORT_MIN: String(node.pipeMin),
          PIPE_PORT_MAX: String(node.pipeMax),
          // Two nodes share this machine's cores with browsers and Redis.
          WORKERS: env['WORKERS'] || '1',
        },
      };
    }),
    ports: [
      ...(ownRedis
        ? [{ what: 'Redis', host: LOOPBACK, port: ports.redis, protocol: 'tcp', variable: 'REDIS_PORT' } as const]
        : []),
      { what: 'the API', host: apiHost, port: ports.api, protocol: 'tcp', variable: 'API_PORT' },
      { what: "the coordinator's health", host: opsHost, port: ports.ops, protocol: 'tcp', variable: 'OPS_PORT' },
      ...(demo
        ? [{ what: 'the demo', host: demoHost, port: ports.demo, protocol: 'tcp', variable: 'DEMO_PORT' } as const]
        : []),
      ...ports.nodes.flatMap((node, index): PortUse[] => {
        const of = `of node-${index + 1}`;
        return [
          {
            what: `control ${of}`,
            host: controlHost,
            port: node.control,
            protocol: 'tcp',
            variable: 'CONTROL_PORT',
          },
          { what: `health ${of}`, host: opsHost, port: node.ops, protocol: 'tcp', variable: 'NODE_OPS_PORT' },
          ...mediaHosts.flatMap((address): PortUse[] => {
            const use = { what: `media ${of}`, host: address, port: node.mediaBase, variable: 'MEDIA_PORT_BASE' };
            return [
              { ...use, protocol: 'udp' },
              { ...use, protocol: 'tcp' },
            ];
          }),
        ];
      }),
    ],
  };
}

/** The coordinator is told hashes, the demo the key itself. */
function apiKeys(env: Environment): { readonly apiKey: string; readonly hashes: string | undefined } {
  const apiKey = env['API_KEY'];
  const hashes = env['API_KEY_HASHES'];
  if (hashes && !apiKey)
    throw new SetupProblem('API_KEY_HASHES is set; set API_KEY too, the demo needs the key itself');
  if (hashes || !apiKey) return { apiKey: apiKey || DEVELOPMENT_KEY, hashes };
  return { apiKey, hashes: createHash('sha256').update(apiKey).digest('hex') };
}

/** An address to connect to for one that was listened on. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return LOOPBACK;
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}
