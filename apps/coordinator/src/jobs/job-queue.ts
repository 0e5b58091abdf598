import type { Logger } from '@mediaserver/telemetry';
import { Queue, Worker, type Processor, type WorkerOptions } from 'bullmq';
import { Redis } from 'ioredis';

/** One hash tag, so that the scripts of all queues also run on Redis Cluster. */
const PREFIX = '{ms-jobs}';
/** A dead processor's job is taken over within about twice this. */
const LOCK_MS = 5_000;

/**
 * A connection as BullMQ needs it: commands wait for Redis to come back instead of failing. It may
 * be another Redis than the registry's, so an outage is told here, once.
 */
export function openJobsConnection(url: string, name: string, log: Logger): Redis {
  const connection = new Redis(url, { connectionName: name, maxRetriesPerRequest: null, lazyConnect: false });
  let complained = false;
  connection.on('error', (error: NodeJS.ErrnoException) => {
    if (complained) return;
    complained = true;
    // Not the error itself: it carries the failed command, and that of AUTH holds the password.
    log.warn(
      { reason: error.message || error.code },
      'the job queues are not reachable: nothing is delivered or swept',
    );
  });
  connection.on('ready', () => {
    if (complained) log.info('the job queues are reachable again');
    complained = false;
  });
  return connection;
}

/** Commands would pile up in memory meanwhile. */
export function isAway(connection: Redis): boolean {
  return connection.status !== 'ready';
}

/** @param connection shared by all queues; the processor's own blocking connection is made from it. */
export function openQueue<T>(name: string, connection: Redis, log: Logger): Queue<T> {
  const queue = new Queue<T>(name, {
    connection,
    prefix: PREFIX,
    defaultJobOptions: { removeOnComplete: true, removeOnFail: 100 },
  });
  // Redis being away is told once, by the connection.
  queue.on('error', (error) => log.debug({ queue: name, reason: error.message }, 'job queue'));
  return queue;
}

/**
 * A processor whose jobs survive its death: BullMQ's own settings (30 s, one stall) would hold a
 * room's events back for a minute and then drop the job.
 */
export function openProcessor<T>(
  name: string,
  connection: Redis,
  log: Logger,
  process: Processor<T>,
  options: Pick<WorkerOptions, 'concurrency'>,
): Worker<T> {
  const worker = new Worker<T>(name, process, {
    ...options,
    connection,
    prefix: PREFIX,
    lockDuration: LOCK_MS,
    stalledInterval: LOCK_MS,
    maxStalledCount: 1_000_000,
    drainDelay: 1,
  });
  worker.on('error', (error) => log.debug({ queue: name, reason: error.message }, 'job processor'));
  worker.on('failed', (_job, error) => log.warn({ queue: name, reason: error.message }, 'job failed'));
  return worker;
}

/** Lets jobs under way finish, unless Redis is away: then they would wait for it. */
export async function closeJobs(connection: Redis, worker: Worker, queue: Queue): Promise<void> {
  await worker.close(connection.status !== 'ready');
  await queue.close();
}
