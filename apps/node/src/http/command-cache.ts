import { errorCodes, errorCodeOf } from '@mediaserver/contracts';

/** Longer than any caller tries again, ms. */
const KEEP_MS = 2 * 60_000;
/** A result is a few SDPs at most. */
const MAX_ENTRIES = 5_000;

interface Entry {
  readonly outcome: Promise<object>;
  readonly expiresAt: number;
}

/**
 * Results of control commands by idempotency key, so that a repeated command (lost answer, another
 * coordinator) adopts the first one's effect, also while that is still running.
 *
 * Invariants:
 * 1. Work runs at most once per key while its entry lives.
 * 2. An outcome that says "try again" (`retryable`) is forgotten, so that trying again is possible.
 * 3. Entries live `KEEP_MS`; over `MAX_ENTRIES` the oldest goes first.
 */
export class CommandCache {
  readonly #entries = new Map<string, Entry>();

  /** @param now Unix ms. */
  run(key: string, work: () => Promise<object>, now: number): Promise<object> {
    const known = this.#entries.get(key);
    if (known && known.expiresAt > now) return known.outcome;
    const outcome = work();
    this.#entries.delete(key);
    this.#entries.set(key, { outcome, expiresAt: now + KEEP_MS });
    outcome.catch((error: unknown) => {
      if (errorCodes[errorCodeOf(error)].retryable) this.#entries.delete(key);
    });
    this.#evict(now);
    return outcome;
  }

  #evict(now: number): void {
    for (const [key, { expiresAt }] of this.#entries) {
      if (expiresAt > now && this.#entries.size <= MAX_ENTRIES) return;
      this.#entries.delete(key);
    }
  }
}
