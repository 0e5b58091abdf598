/** Thrown by {@link SerialQueue.run} after {@link SerialQueue.close}. */
export class QueueClosedError extends Error {
  override name = 'QueueClosedError';
}

/**
 * Runs asynchronous work one piece at a time, in the order it was given.
 *
 * Invariants:
 * 1. At most one piece of work is running.
 * 2. A failed piece rejects its own promise and does not stop the next.
 * 3. After `close()` nothing starts; what was waiting rejects with QueueClosedError.
 */
export class SerialQueue {
  #tail: Promise<unknown> = Promise.resolve();
  #closed = false;
  #pending = 0;

  /** Pieces of work waiting or running. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * @returns what `work` returns.
   * @throws QueueClosedError if the queue is closed before `work` starts.
   */
  run<T>(work: () => Promise<T> | T): Promise<T> {
    this.#pending += 1;
    const result = this.#tail.then(() => {
      if (this.#closed) throw new QueueClosedError('the queue is closed');
      return work();
    });
    this.#tail = result.then(
      () => this.#settled(),
      () => this.#settled(),
    );
    return result;
  }

  #settled(): void {
    this.#pending -= 1;
  }

  /** Idempotent. Work that is already running finishes. */
  close(): void {
    this.#closed = true;
  }
}
