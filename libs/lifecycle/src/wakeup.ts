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
        const finish = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', finish);
          this.#wake = null;
          resolve();
        };
        const timer = timeoutMs === null ? undefined : setTimeout(finish, timeoutMs);
        timer?.unref();
        signal.addEventListener('abort', finish, { once: true });
        this.#wake = finish;
      });
    }
    this.#notified = false;
  }
}
