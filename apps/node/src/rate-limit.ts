/**
 * Two token buckets: one of messages, one of their bytes. A message is taken if both have enough.
 * Each fills at its rate and holds at most its burst.
 */
export class RateLimit {
  readonly #limits: RateLimits;
  #messages: number;
  #bytes: number;
  #at: number;

  /** @param now ms on a clock that never goes back; the buckets are full. */
  constructor(limits: RateLimits, now: number) {
    this.#limits = limits;
    this.#messages = limits.messages.burst;
    this.#bytes = limits.bytes.burst;
    this.#at = now;
  }

  /** @returns whether one message of so many bytes may pass now; if not, nothing is taken. */
  take(bytes: number, now: number): boolean {
    const seconds = (now - this.#at) / 1000;
    this.#at = now;
    this.#messages = filled(this.#messages, this.#limits.messages, seconds);
    this.#bytes = filled(this.#bytes, this.#limits.bytes, seconds);
    if (this.#messages < 1 || this.#bytes < bytes) return false;
    this.#messages -= 1;
    this.#bytes -= bytes;
    return true;
  }
}

export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

export interface RateLimits {
  readonly messages: Rate;
  readonly bytes: Rate;
}

function filled(tokens: number, { perSecond, burst }: Rate, seconds: number): number {
  return Math.min(burst, tokens + perSecond * seconds);
}
