import { MAX_CASCADED_MESSAGES, type ControlParams } from '@mediaserver/contracts';

/** A message on its way to another node, or (`message: null`) the mark that reliable ones were lost here. */
export type CascadedMessage = ControlParams<'cascade.messages'>['messages'][number];

/** What waits for one node at most; some minutes of a busy chat. */
const MAX_WAITING = { messages: 2_000, bytes: 2 * 1024 * 1024 };
/** Messages of lossy channels are late already when so many wait. */
const MAX_LOSSY_WAITING = 200;
/** One call carries at most this; a single message always fits. */
const MAX_BATCH = { messages: MAX_CASCADED_MESSAGES, bytes: 256 * 1024 };

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
 * 3. A batch stays until it is confirmed or given up, so that it can be sent again.
 * 4. Where reliable messages were refused or given up there is a mark, which the other node is told like a message.
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
    if (!message.reliable && length >= MAX_LOSSY_WAITING) return false;
    if (length >= MAX_WAITING.messages || this.#bytes + bytes > MAX_WAITING.bytes) {
      if (message.reliable) this.#markGap(message.seq);
      return false;
    }
    this.#waiting.push({ message, bytes });
    this.#bytes += bytes;
    return true;
  }

  /** One mark stands for all that is lost in a row. It takes the newest `seq`: the earlier may be under way already. */
  #markGap(seq: number): void {
    if (this.#waiting.at(-1)?.message.message === null) this.#waiting.pop();
    this.#waiting.push(gapAt(seq));
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

  /** Takes out what a batch held, which the other node will never have. @returns how many messages are lost. */
  giveUp(batch: readonly CascadedMessage[]): number {
    this.confirm(batch);
    const last = batch.findLast(({ reliable }) => reliable);
    if (last) this.#waiting.unshift(gapAt(last.seq));
    return batch.filter(({ message }) => message !== null).length;
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

function gapAt(seq: number): Waiting {
  return { message: { seq, reliable: true, to: null, message: null }, bytes: 0 };
}
