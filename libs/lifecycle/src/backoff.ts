export interface BackoffOptions {
  /** First delay, ms. */
  readonly initialMs: number;
  /** Longest delay, ms. */
  readonly maxMs: number;
  /** 0 to 1; the share of a delay that is drawn at random, so that many callers spread. */
  readonly jitter?: number;
  readonly random?: () => number;
}

/** Doubling delays with jitter. The owner calls `reset()` once things have been good for a while. */
export class Backoff {
  readonly #options: Required<BackoffOptions>;
  #attempt = 0;

  constructor(options: BackoffOptions) {
    this.#options = { jitter: 0.5, random: Math.random, ...options };
  }

  /** @returns the next delay in ms. */
  next(): number {
    const { initialMs, maxMs, jitter, random } = this.#options;
    const full = Math.min(maxMs, initialMs * 2 ** this.#attempt);
    this.#attempt += 1;
    return full * (1 - jitter * random());
  }

  reset(): void {
    this.#attempt = 0;
  }
}
