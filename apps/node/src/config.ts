import { randomUUID } from 'node:crypto';
import { availableParallelism, hostname, networkInterfaces } from 'node:os';
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { z } from 'zod';
import { nodeIdSchema } from '@mediaserver/contracts';
import { isLoopback, loadControlTls, type ControlTls } from '@mediaserver/control';

const port = z.coerce.number().int().min(1).max(65_535);
const optionalText = z.string().min(1).optional();

/** Every setting of a node, with its default. Documented in docs/configuration.md. */
export const nodeEnvironmentSchema = z.object({
  NODE_ID: nodeIdSchema.optional().describe('Name of this node, unique in the cluster. Default: the host name'),
  REDIS_URL: z.url().default('redis://127.0.0.1:6379').describe('The registry'),
  CONTROL_HOST: z.string().default('127.0.0.1').describe('Where the control API listens'),
  CONTROL_PORT: port.default(4001).describe('Port of the control API'),
  CONTROL_URL: z
    .url()
    .optional()
    .describe('How coordinators and other nodes reach the control API. Default: from host and port'),
  CONTROL_TLS_CERT: optionalText.describe('File with this node’s certificate (PEM)'),
  CONTROL_TLS_KEY: optionalText.describe('File with its private key (PEM)'),
  CONTROL_TLS_CA: optionalText.describe('File with the authority that signs coordinators and nodes (PEM)'),
  ALLOW_PLAINTEXT_CONTROL: z
    .enum(['0', '1'])
    .default('0')
    .describe('1 lets the control API listen off loopback without TLS. Pipe keys then cross the network readable'),
  OPS_HOST: z.string().default('127.0.0.1').describe('Where /livez, /readyz and /metrics listen'),
  OPS_PORT: port.default(4101).describe('Port of /livez, /readyz and /metrics'),
  MEDIA_LISTEN: optionalText.describe('Addresses media listens on, comma separated. Default: the announced ones'),
  ANNOUNCED: optionalText.describe(
    'ip[:udpPort[:tcpPort]],… told to clients, preferred first. Default: the first LAN address, then 127.0.0.1',
  ),
  MEDIA_PORT_BASE: port.default(44_400).describe('UDP and TCP port of the first Worker; each further Worker adds one'),
  PIPE_LISTEN: z.string().default('127.0.0.1').describe('Address pipes to other nodes listen on'),
  PIPE_ANNOUNCED: optionalText.describe('Address other nodes send to. Default: PIPE_LISTEN'),
  PIPE_PORT_MIN: port.default(45_000).describe('First UDP port of pipes'),
  PIPE_PORT_MAX: port.default(45_499).describe('Last UDP port of pipes'),
  PIPE_LINGER_MS: z.coerce
    .number()
    .int()
    .min(0)
    .default(10_000)
    .describe('How long a pipe, or a track in it, is kept after its last use, ms'),
  WORKERS: z.coerce.number().int().min(1).max(256).optional().describe('mediasoup Workers. Default: one per core'),
  REGION: z
    .string()
    .regex(/^[a-z0-9-]+$/)
    .optional()
    .describe('Region, matched against a room’s region'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace']).default('info').describe('Log level'),
});

export interface AnnouncedAddress {
  readonly ip: string;
  /** Null: the port the Worker listens on. */
  readonly udpPort: number | null;
  readonly tcpPort: number | null;
}

export interface NodeConfig {
  readonly nodeId: string;
  /** New with each start; tells this process from an earlier one of the same name. */
  readonly bootId: string;
  readonly redisUrl: string;
  readonly region: string | null;
  readonly logLevel: string;
  readonly control: {
    readonly host: string;
    readonly port: number;
    readonly url: string;
    readonly tls: ControlTls | null;
  };
  readonly ops: { readonly host: string; readonly port: number };
  readonly media: {
    readonly listen: readonly string[];
    readonly announced: readonly AnnouncedAddress[];
    readonly portBase: number;
  };
  readonly pipe: {
    readonly listen: string;
    readonly announced: string;
    readonly portMin: number;
    readonly portMax: number;
    readonly lingerMs: number;
  };
  readonly workers: number;
}

/**
 * @param environment variables; an empty one is unset.
 * @returns the frozen configuration.
 * @throws Error with one readable line for the first setting that is wrong.
 */
export function loadConfig(environment: Record<string, string | undefined>): NodeConfig {
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = nodeEnvironmentSchema.safeParse(set);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new Error(`${issue?.path.join('.') ?? 'environment'}: ${issue?.message ?? 'not usable'}`);
  }
  const env = parsed.data;
  const tls = loadControlTls({ cert: env.CONTROL_TLS_CERT, key: env.CONTROL_TLS_KEY, ca: env.CONTROL_TLS_CA });
  const development = isLoopback(env.CONTROL_HOST);
  if (!development && !tls && env.ALLOW_PLAINTEXT_CONTROL === '0') {
    throw new Error(
      `CONTROL_HOST ${env.CONTROL_HOST} is not loopback: set CONTROL_TLS_CERT, CONTROL_TLS_KEY and CONTROL_TLS_CA, ` +
        'or ALLOW_PLAINTEXT_CONTROL=1',
    );
  }
  const workers = env.WORKERS ?? availableParallelism();
  if (env.MEDIA_PORT_BASE + workers - 1 > 65_535) throw new Error('MEDIA_PORT_BASE: not enough ports for the Workers');
  if (env.PIPE_PORT_MIN > env.PIPE_PORT_MAX) throw new Error('PIPE_PORT_MIN is above PIPE_PORT_MAX');
  const announced =
    env.ANNOUNCED === undefined ? defaultAnnounced(development) : env.ANNOUNCED.split(',').map(parseAnnounced);
  if (!development) {
    const bad = announced.find(({ ip }) => isUnroutable(ip));
    if (bad) throw new Error(`ANNOUNCED: clients cannot reach ${bad.ip}`);
  }
  return Object.freeze({
    nodeId: env.NODE_ID ?? hostNodeId(),
    bootId: randomUUID(),
    redisUrl: env.REDIS_URL,
    region: env.REGION ?? null,
    logLevel: env.LOG_LEVEL,
    control: {
      host: env.CONTROL_HOST,
      port: env.CONTROL_PORT,
      url: env.CONTROL_URL ?? controlUrl(env.CONTROL_HOST, env.CONTROL_PORT, tls !== null),
      tls,
    },
    ops: { host: env.OPS_HOST, port: env.OPS_PORT },
    media: {
      listen: env.MEDIA_LISTEN?.split(',').map(parseListen) ?? [...new Set(announced.map(({ ip }) => ip))],
      announced,
      portBase: env.MEDIA_PORT_BASE,
    },
    pipe: {
      listen: env.PIPE_LISTEN,
      announced: env.PIPE_ANNOUNCED ?? env.PIPE_LISTEN,
      portMin: env.PIPE_PORT_MIN,
      portMax: env.PIPE_PORT_MAX,
      lingerMs: env.PIPE_LINGER_MS,
    },
    workers,
  });
}

function hostNodeId(): string {
  const parsed = nodeIdSchema.safeParse(hostname().toLowerCase());
  if (!parsed.success) throw new Error(`NODE_ID: the host name ${hostname()} is not usable as one; set it`);
  return parsed.data;
}

function controlUrl(host: string, port: number, secure: boolean): string {
  if (host === '0.0.0.0' || host === '::') throw new Error('CONTROL_URL: must be set when CONTROL_HOST is any address');
  return `${secure ? 'https' : 'http'}://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

function parseListen(text: string): string {
  const ip = text.trim();
  if (isIP(ip) === 0) throw new Error(`MEDIA_LISTEN: "${text}" is not an address`);
  return ip;
}

/** Some browsers reach only the LAN address of their own machine, others only loopback: tell both. */
function defaultAnnounced(development: boolean): AnnouncedAddress[] {
  const lan = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .find((entry) => !entry.internal && entry.family === 'IPv4' && !isUnroutable(entry.address));
  const ips = [...(lan ? [lan.address] : []), ...(development ? ['127.0.0.1'] : [])];
  if (ips.length === 0) throw new Error('ANNOUNCED: this host has no address to announce');
  return ips.map((ip) => ({ ip, udpPort: null, tcpPort: null }));
}

/** `ip[:udp[:tcp]]`, IPv6 in brackets when ports follow. */
function parseAnnounced(text: string): AnnouncedAddress {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+)|([0-9a-fA-F]*:[0-9a-fA-F:]+))(?::(\d+)(?::(\d+))?)?$/.exec(
    text.trim(),
  );
  const ip = match?.[1] ?? match?.[2] ?? match?.[3];
  if (!match || ip === undefined || (match[2] !== undefined && !isIPv4(ip))) {
    throw new Error(`ANNOUNCED: "${text}" is not ip[:udpPort[:tcpPort]]`);
  }
  const udpPort = match[4] === undefined ? null : Number(match[4]);
  const tcpPort = match[5] === undefined ? null : Number(match[5]);
  return { ip, udpPort, tcpPort: tcpPort ?? udpPort };
}

function isUnroutable(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::' || isLoopback(ip) || ip.startsWith('169.254.') || /^fe80:/i.test(ip);
}
