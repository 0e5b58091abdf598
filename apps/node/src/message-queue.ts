import type { ControlParams } from '@mediaserver/contracts';

/** A message on its way to another node. */
export type CascadedMessage = ControlParams<'cascade.messages'>['messages'][number];

/** What waits for one node at most; some minutes of a busy chat. */
const MAX_WAITING = { messages: 2_000, bytes: 2 * 1024 * 1024 };
/** Messages of lossy channels are late already when so many wait. */
const MAX_LOSSY_WAITING = 200;
/** One call carries at most this; a single message always fits. */
const MAX_BATCH = { messages: 256, bytes: 256 * 1024 };

interface Waiting {
  readonly message: CascadedMessage;
  readonly bytes: number;
}

/**
 * Messages that wait for one other node.
 *
 * Invariants:
 * 1. They leave in the order they came in; only lossy ones are ever taken from the middle.
 * 2. It is bounded; what does not fit is refused, so that a gap is never followed by what came before it.
 * 3. A batch stays until it is confirmed, so that it can be sent again.
 */
export class MessageQueue {
  #waiting: Waiting[] = [];
  #bytes = 0;

  get length(): number {
    return this.#waiting.length;
  }

  /** @returns whether there was room for it. */
  add(message: CascadedMessage, bytes: number): boolean {
    const { length } = this.#waiting;
    if (length >= MAX_WAITING.messages || this.#bytes + bytes > MAX_WAITING.bytes) return false;
    if (!message.reliable && length >= MAX_LOSSY_WAITING) return false;
    this.#waiting.push({ message, bytes });
    this.#bytes += bytes;
    return true;
  }

  /** The oldest messages, as many as one call carries; empty if none waits. */
  batch(): CascadedMessage[] {
    let bytes = 0;
    const end = this.#waiting.findIndex((waiting, index) => {
      bytes += waiting.bytes;
      return index > 0 && (index >= MAX_BATCH.messages || bytes > MAX_BATCH.bytes);
    });
    return this.#waiting.slice(0, end === -1 ? undefined : end).map(({ message }) => message);
  }

  /** Takes out what a batch held. */
  confirm(batch: readonly CascadedMessage[]): void {
    const last = batch.at(-1);
    if (last) this.#keep(({ message }) => message.seq > last.seq);
  }

  /** Takes out the messages of lossy channels. @returns how many there were. */
  dropLossy(): number {
    const before = this.#waiting.length;
    this.#keep(({ message }) => message.reliable);
    return before - this.#waiting.length;
  }

  #keep(isKept: (waiting: Waiting) => boolean): void {
    this.#waiting = this.#waiting.filter(isKept);
    this.#bytes = this.#waiting.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}
