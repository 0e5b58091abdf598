import { CODEC_TABLE_VERSION, type NodeDescriptor } from '@mediaserver/contracts';
import { ControlClient } from '@mediaserver/control';
import { Registry } from '@mediaserver/registry';
import { createLogger, createNodeMetrics } from '@mediaserver/telemetry';
import packageJson from '../package.json' with { type: 'json' };
import { Application } from './application.ts';
import { loadConfig } from './config.ts';
import { FactOutbox } from './fact-outbox.ts';
import { createControlApp } from './http/create-control-app.ts';
import { createOpsApp } from './http/create-ops-app.ts';
import { closeServer, listen } from './http/listen.ts';
import { LoadReporter } from './load-reporter.ts';
import { OrphanSweep } from './orphan-sweep.ts';
import { WorkerPool } from './worker-pool.ts';

/** Facts of the last moments are waited for this long at the end, ms. */
const OUTBOX_FLUSH_MS = 3_000;
/** Signals this close together are one, ms. */
const SAME_SIGNAL_MS = 500;

async function run(): Promise<void> {
  const config = loadConfig(process.env);
  const { nodeId, bootId } = config;
  const log = createLogger('node', config.logLevel).child({ nodeId, bootId });
  const metrics = createNodeMetrics();
  if (!config.control.tls) log.warn('the control API has no TLS: fit for one machine only');

  const registry = await Registry.connect({ url: config.redisUrl, name: `node-${nodeId}`, log });
  const pool = await WorkerPool.create(config, log, metrics);
  const control = new ControlClient({ tls: config.control.tls });
  const outbox = new FactOutbox(registry, { nodeId, bootId }, log, metrics);
  const application = new Application({
    config,
    pool,
    registry,
    outbox,
    control,
    metrics,
    log,
    isRemembered: (since) => reporter.isRemembered(since),
  });
  const descriptor: NodeDescriptor = {
    nodeId,
    bootId,
    controlUrl: config.control.url,
    region: config.region,
    version: packageJson.version,
    codecTableVersion: CODEC_TABLE_VERSION,
    workers: config.workers,
  };
  const reporter = new LoadReporter({ registry, descriptor, pool, counts: () => application.counts, metrics, log });

  const sweep = new OrphanSweep({ registry, identity: { nodeId, bootId }, application, reporter, log });

  let registered = false;
  let stopping = false;
  let stoppingSince = 0;
  const controlServer = await listen(createControlApp(application, bootId, log, metrics), {
    ...config.control,
    setting: 'CONTROL_PORT',
  });
  const readiness = () => ({
    ready: registered && !stopping && pool.workers.length > 0,
    registry: registry.connected ? ('connected' as const) : ('away' as const),
    workers: { up: pool.workers.length, configured: pool.size },
    stopping,
  });
  const opsServer = await listen(
    createOpsApp(readiness, () => application.counts, metrics),
    { ...config.ops, setting: 'OPS_PORT' },
  );
  await reporter.start();
  registered = true;
  sweep.start();
  log.info({ controlUrl: config.control.url, workers: config.workers }, 'node is ready');

  const stop = async (signal: string) => {
    stopping = true;
    stoppingSince = Date.now();
    log.info({ signal }, 'stopping');
    await reporter
      .announceStopping()
      .catch((error: unknown) => log.warn({ err: error }, 'could not announce the stop'));
    sweep.close();
    application.close();
    await outbox.close(OUTBOX_FLUSH_MS);
    await reporter.close().catch((error: unknown) => log.warn({ err: error }, 'could not sign off from the registry'));
    await Promise.all([closeServer(controlServer), closeServer(opsServer), control.close(), registry.close()]);
    pool.close();
    log.info('stopped');
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // One Ctrl-C may come twice: from the terminal, and from a parent that passes it on.
      if (stopping && Date.now() - stoppingSince < SAME_SIGNAL_MS) return;
      if (stopping) {
        log.warn({ signal }, 'told to stop once more: ending at once');
        process.exit(1);
      }
      stop(signal).then(
        () => process.exit(0),
        (error: unknown) => {
          log.error({ err: error }, 'the stop failed');
          process.exit(1);
        },
      );
    });
  }
}

try {
  await run();
} catch (error) {
  process.stderr.write(`node: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
