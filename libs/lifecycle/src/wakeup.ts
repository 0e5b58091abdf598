/** Lets one loop sleep until there is something to do. A call of `notify()` is never lost. */
export class Wakeup {
  #notified = false;
  #wake: (() => void) | null = null;

  notify(): void {
    this.#notified = true;
    this.#wake?.();
  }

  /** Resolves at the next (or an earlier, unseen) `notify()`, after `timeoutMs`, or when `signal` aborts. */
  async wait(timeoutMs: number | null, signal: AbortSignal): Promise<void> {
    if (!this.#notified && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = timeoutMs === null ? null : setTimeout(resolve, timeoutMs);
        timer?.unref();
        const done = () => resolve();
        signal.addEventListener('abort', done, { once: true });
        this.#wake = () => {
          if (timer) clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        };
      });
      this.#wake = null;
    }
    this.#notified = false;
  }
}
