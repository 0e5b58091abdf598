import { createLogger } from '@mediaserver/telemetry';
import { ConfigError, readConfig } from './config.ts';
import { CoordinatorService, StartError } from './service.ts';

/** Says in one line why the process cannot run, and ends it. */
function refuse(error: unknown): never {
  const known = error instanceof ConfigError || error instanceof StartError;
  process.stderr.write(
    `coordinator: ${known ? error.message : error instanceof Error ? error.stack : String(error)}\n`,
  );
  process.exit(1);
}

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const log = createLogger('coordinator', config.logLevel).child({ coordinatorId: config.coordinatorId });
  const service = await CoordinatorService.start(config, log);
  log.info({ api: service.apiUrl, ops: service.opsUrl, docs: `${service.apiUrl}/docs` }, 'coordinator is up');

  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) {
      log.warn({ signal }, 'stopping at once');
      process.exit(1);
    }
    stopping = true;
    log.info({ signal }, 'stopping');
    void service.close().then(
      () => process.exit(0),
      (error: unknown) => refuse(error),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

await main().catch(refuse);
