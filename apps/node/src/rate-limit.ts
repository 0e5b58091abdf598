/**
 * Two token buckets: one of messages, one of their bytes. A message is taken if both have enough.
 * Each fills at its rate, holds at most its burst and owes at most as much.
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
    this.#fill(now);
    if (this.#messages < 1 || this.#bytes < bytes) return false;
    this.#messages -= 1;
    this.#bytes -= bytes;
    return true;
  }

  /** Counts one message that passes in any case; what is lacking is owed, and nothing else passes meanwhile. */
  charge(bytes: number, now: number): void {
    this.#fill(now);
    this.#messages = Math.max(-this.#limits.messages.burst, this.#messages - 1);
    this.#bytes = Math.max(-this.#limits.bytes.burst, this.#bytes - bytes);
  }

  #fill(now: number): void {
    const seconds = (now - this.#at) / 1000;
    this.#at = now;
    this.#messages = filled(this.#messages, this.#limits.messages, seconds);
    this.#bytes = filled(this.#bytes, this.#limits.bytes, seconds);
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
