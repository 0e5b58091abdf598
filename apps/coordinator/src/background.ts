import { Backoff, pause } from '@mediaserver/lifecycle';
import type { Logger } from '@mediaserver/telemetry';

/**
 * Work a call leaves behind: it is tried a few times, and shutdown waits for it. Nothing depends on
 * it being done, because nodes find out by themselves as well; it only makes things quicker.
 */
export class Background {
  readonly #log: Logger;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** @returns when the work is done or given up; never rejects. */
  run(name: string, work: () => Promise<unknown>, attempts = 3): Promise<void> {
    const promise = this.#try(name, work, attempts).finally(() => this.#running.delete(promise));
    this.#running.add(promise);
    return promise;
  }

  async #try(name: string, work: () => Promise<unknown>, attempts: number): Promise<void> {
    const backoff = new Backoff({ initialMs: 200, maxMs: 2_000 });
    for (let attempt = 1; ; attempt += 1) {
      try {
        await work();
        return;
      } catch (error) {
        if (attempt === attempts || this.#stop.signal.aborted) {
          this.#log.warn(
            { task: name, attempt, reason: error instanceof Error ? error.message : String(error) },
            'given up',
          );
          return;
        }
        await pause(backoff.next(), this.#stop.signal);
      }
    }
  }

  /** Idempotent: no further attempts are begun; waits for those under way. */
  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }
}
