import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ControlClient } from '@mediaserver/control';
import { pause } from '@mediaserver/lifecycle';
import { Registry } from '@mediaserver/registry';
import { createCoordinatorMetrics, type Logger } from '@mediaserver/telemetry';
import type { Express } from 'express';
import { Background } from './background.ts';
import type { Config } from './config.ts';
import { Coordinator } from './coordinator.ts';
import { ApiKeys } from './http/auth.ts';
import { createApp } from './http/create-app.ts';
import { openJobsConnection } from './jobs/job-queue.ts';
import { ReaperJobs } from './jobs/reaper-jobs.ts';
import { WebhookJobs } from './jobs/webhook-jobs.ts';
import { NodeClient } from './node-client.ts';
import { NodeDirectory } from './node-directory.ts';
import { createOpsApp } from './ops-app.ts';
import { SessionCache } from './session-cache.ts';
import { FactDelivery, NoDelivery } from './webhooks/fact-delivery.ts';
import { SignalLane } from './webhooks/signal-lane.ts';
import { WebhookSender } from './webhooks/webhook-sender.ts';

/** The service cannot start; the message is one line for the operator. */
export class StartError extends Error {
  override name = 'StartError';
}

/** What a part may take to close beyond the shutdown timeout. */
const CLOSE_MARGIN_MS = 500;
/** How long a start waits for Redis before it goes on without it. */
const REDIS_WAIT_MS = 3_000;

/** What is open, closed in the reverse order. */
interface Open {
  readonly name: string;
  readonly close: () => Promise<unknown>;
}

/**
 * A running coordinator.
 *
 * Invariants:
 * 1. `close()` may be called at any time, any number of times, and afterwards nothing is open.
 * 2. Calls under way at `close()` are answered, if they take no longer than the shutdown timeout;
 *    nothing that hangs, Redis or a receiver, can hold it up for longer.
 * 3. It starts and stays up without Redis.
 * 4. A part that fails to close keeps no other from being closed.
 */
export class CoordinatorService {
  readonly #open: Open[] = [];
  readonly #log: Logger;
  readonly #shutdownTimeoutMs: number;
  #closing: Promise<void> | null = null;
  #apiUrl = '';
  #opsUrl = '';

  private constructor(log: Logger, shutdownTimeoutMs: number) {
    this.#log = log;
    this.#shutdownTimeoutMs = shutdownTimeoutMs;
  }

  get apiUrl(): string {
    return this.#apiUrl;
  }
  get opsUrl(): string {
    return this.#opsUrl;
  }

  /** @throws StartError if an address cannot be listened on. */
  static async start(config: Config, log: Logger): Promise<CoordinatorService> {
    const service = new CoordinatorService(log, config.shutdownTimeoutMs);
    try {
      await service.#start(config, log);
      return service;
    } catch (error) {
      await service.close();
      throw error;
    }
  }

  async #start(config: Config, log: Logger): Promise<void> {
    const metrics = createCoordinatorMetrics();
    const registry = Registry.open({ url: config.redisUrl, name: config.coordinatorId, log });
    this.#opened('registry', () => registry.close());
    if (!(await connects(registry))) log.warn('Redis does not answer yet; going on without it');
    const control = new ControlClient({
      tls: config.controlTls,
      onCall: (command, seconds, outcome) => metrics.controlRequestSeconds.observe({ command, outcome }, seconds),
    });
    this.#opened('control client', () => control.close());
    const nodes = new NodeDirectory(registry, metrics.nodes);
    const client = new NodeClient(control, nodes);
    const background = new Background(log);
    this.#opened('background work', () => background.close());
    const coordinator = new Coordinator({
      registry,
      nodes,
      client,
      background,
      metrics,
      log,
      cache: new SessionCache(),
    });

    const connection = openJobsConnection(config.jobsRedisUrl, `${config.coordinatorId}-jobs`, log);
    this.#opened('job connection', async () => connection.disconnect());
    const reaper = new ReaperJobs({
      registry,
      connection,
      log,
      onRoomClosed: (room, nodeIds, reason) => coordinator.tellRoomClosed(room, nodeIds, reason),
    });
    this.#opened('reaper', () => reaper.close());
    if (!config.webhook) {
      const delivery = new NoDelivery(registry);
      const jobs = new WebhookJobs({ registry, delivery, connection, log, concurrency: 1 });
      this.#opened('webhook jobs', () => jobs.close());
    } else {
      const sender = new WebhookSender(config.webhook);
      this.#opened('webhook sender', () => sender.close());
      const delivery = new FactDelivery({ registry, sender, metrics, log });
      const jobs = new WebhookJobs({ registry, delivery, connection, log, concurrency: config.webhook.concurrency });
      this.#opened('webhook jobs', () => jobs.close());
      const signals = new SignalLane({ registry, client, sender, metrics, log });
      signals.start();
      this.#opened('signals', () => signals.close());
    }

    const ops = createOpsApp({
      metrics,
      nodes,
      isReady: () => this.#closing === null && this.#apiUrl !== '',
      isRegistryConnected: () => registry.connected,
      isJobsConnected: () => connection.status === 'ready',
    });
    this.#opsUrl = await this.#listen('OPS', ops, config.ops, 0);
    const api = createApp({ coordinator, keys: new ApiKeys(config.keyHashes), log, metrics });
    this.#apiUrl = await this.#listen('API', api, config.api, config.shutdownTimeoutMs);
  }

  async #listen(
    name: string,
    app: Express,
    { host, port }: { host: string; port: number },
    graceMs: number,
  ): Promise<string> {
    const server = createServer({ keepAliveTimeout: 65_000, headersTimeout: 10_000, requestTimeout: 30_000 }, app);
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        const reason = error.code === 'EADDRINUSE' ? 'it is taken by another process' : (error.code ?? error.message);
        reject(new StartError(`cannot listen on ${host}:${port} (${name}_HOST, ${name}_PORT): ${reason}`));
      });
      server.listen(port, host, resolve);
    });
    this.#opened(`${name} server`, () => closeServer(server, graceMs));
    const address = server.address();
    const bound = isAddress(address) ? address.port : port;
    return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`;
  }

  #opened(name: string, close: () => Promise<unknown>): void {
    this.#open.push({ name, close });
  }

  /** Idempotent: every call returns when everything is closed. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      for (const { name, close } of this.#open.toReversed()) {
        const closed = Promise.try(close).then(
          () => true,
          (error: unknown) => {
            this.#log.warn({ part: name, err: error }, 'failed to close');
            return true;
          },
        );
        const late = pause(this.#shutdownTimeoutMs + CLOSE_MARGIN_MS).then(() => false);
        if (!(await Promise.race([closed, late]))) this.#log.warn({ part: name }, 'did not close in time; left behind');
      }
    })();
    return this.#closing;
  }
}

/** Whether the registry is connected, now or soon. */
async function connects(registry: Registry): Promise<boolean> {
  if (registry.connected) return true;
  const connected = Promise.withResolvers<void>();
  const forget = registry.onConnected(() => connected.resolve());
  await Promise.race([connected.promise, pause(REDIS_WAIT_MS)]);
  forget();
  return registry.connected;
}

function isAddress(address: string | AddressInfo | null): address is AddressInfo {
  return typeof address === 'object' && address !== null;
}

async function closeServer(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // Kept-alive connections turn idle only when their last call is answered.
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const force = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearInterval(idle);
  clearTimeout(force);
}
