import type { LifeRef, Registry } from '@mediaserver/registry';
import type { Logger } from '@mediaserver/telemetry';
import { DelayedError, type Job, type Queue, type Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Delivery } from '../webhooks/fact-delivery.ts';
import { closeJobs, isAway, openProcessor, openQueue } from './job-queue.ts';

const QUEUE = 'webhooks';
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
const SWEEP_INTERVAL_MS = 5_000;
const SWEEP_PAGE = 500;

interface DrainJob extends LifeRef {
  /** Runs that failed since the receiver last took something. */
  readonly failures: number;
}

export interface WebhookJobsParts {
  readonly registry: Pick<Registry, 'onEventsAppended' | 'livesToDeliver' | 'connected'>;
  readonly delivery: Delivery;
  readonly connection: Redis;
  readonly concurrency: number;
  readonly log: Logger;
  readonly sweepIntervalMs?: number;
}

/**
 * One drain job per room life. Redis' log and cursor say what is to be sent; a job only says that
 * somebody should look.
 *
 * Invariants:
 * 1. At most one job of a life runs in the cluster (deduplicated by the life's id), so its facts
 *    stay in order; a slow receiver of one room holds back no other.
 * 2. A job that failed comes back, with growing delays, until the receiver takes the facts.
 * 3. A life whose cursor is behind has a job, at the latest one sweep after it was lost.
 */
export class WebhookJobs {
  readonly #parts: WebhookJobsParts;
  readonly #queue: Queue<DrainJob>;
  readonly #worker: Worker<DrainJob>;
  readonly #stop = new AbortController();
  readonly #unsubscribe: () => void;
  readonly #timer: NodeJS.Timeout;
  #sweeping: Promise<void> | null = null;
  #offset = 0;

  constructor(parts: WebhookJobsParts) {
    this.#parts = parts;
    const { connection, log, registry } = parts;
    this.#queue = openQueue(QUEUE, connection, log);
    this.#worker = openProcessor(QUEUE, connection, log, (job, token) => this.#drain(job, token), {
      concurrency: parts.concurrency,
    });
    this.#unsubscribe = registry.onEventsAppended((life) => void this.#add([life]));
    this.#timer = setInterval(() => {
      this.#sweeping ??= this.#sweep().finally(() => {
        this.#sweeping = null;
      });
    }, parts.sweepIntervalMs ?? SWEEP_INTERVAL_MS).unref();
  }

  async #add(lives: readonly LifeRef[]): Promise<void> {
    // Nothing piles up in memory while Redis is away: the sweep finds it afterwards.
    const { registry, connection } = this.#parts;
    if (this.#stop.signal.aborted || !registry.connected || isAway(connection)) return;
    try {
      await this.#queue.addBulk(
        lives.map(({ tenant, roomSessionId }) => ({
          name: 'drain',
          data: { tenant, roomSessionId, failures: 0 },
          opts: { deduplication: { id: `${tenant}/${roomSessionId}`, keepLastIfActive: true } },
        })),
      );
    } catch (error) {
      this.#parts.log.debug({ reason: String(error) }, 'drain job not added; the sweep will');
    }
  }

  async #drain(job: Job<DrainJob>, token: string | undefined): Promise<void> {
    const { tenant, roomSessionId } = job.data;
    let failures = job.data.failures;
    try {
      await this.#parts.delivery.run({ tenant, roomSessionId }, () => {
        failures = 0;
        return !this.#stop.signal.aborted;
      });
    } catch (error) {
      const delayMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 16));
      failures += 1;
      this.#parts.log.warn(
        { roomSessionId, failures, retryInMs: delayMs, reason: error instanceof Error ? error.message : String(error) },
        'facts not delivered',
      );
      await job.updateData({ tenant, roomSessionId, failures });
      await job.moveToDelayed(Date.now() + delayMs, token);
      throw new DelayedError();
    }
  }

  /** Page after page, one per interval, so that a long backlog costs the same as a short one. */
  async #sweep(): Promise<void> {
    try {
      const lives = await this.#parts.registry.livesToDeliver({ offset: this.#offset, limit: SWEEP_PAGE });
      this.#offset = lives.length < SWEEP_PAGE ? 0 : this.#offset + SWEEP_PAGE;
      await this.#add(lives);
    } catch (error) {
      this.#parts.log.debug({ reason: String(error) }, 'sweep of undelivered facts failed');
    }
  }

  /** Idempotent. A run under way stops after its batch; another replica continues. */
  async close(): Promise<void> {
    this.#stop.abort();
    clearInterval(this.#timer);
    this.#unsubscribe();
    await this.#sweeping;
    await closeJobs(this.#parts.connection, this.#worker, this.#queue);
  }
}
