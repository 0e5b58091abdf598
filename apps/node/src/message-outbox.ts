import { errorCodeOf, errorCodes, type ErrorCode } from '@mediaserver/contracts';
import { Backoff, pause, Wakeup } from '@mediaserver/lifecycle';
import type { Logger, NodeMetrics } from '@mediaserver/telemetry';
import { MessageQueue, type CascadedMessage } from './message-queue.ts';

/**
 * Sends the messages of this node's users to one other node of the room.
 *
 * Invariants:
 * 1. One call at a time; what comes meanwhile goes with the next: order is kept, and a burst is few calls.
 * 2. A call that may have failed is made again with the same `seq`, which the other side knows.
 * 3. Messages of lossy channels do not outlive a failed call.
 * 4. A reliable message that is dropped leaves a mark in its place, sent until it is taken, unless the other node has
 *    no room for it to be missed in.
 * 5. After `close()` nothing is sent; what waited is counted as dropped.
 */
export class MessageOutbox {
  readonly #send: (batch: CascadedMessage[]) => Promise<unknown>;
  readonly #log: Logger;
  readonly #dropped: NodeMetrics['dataMessagesDropped'];
  readonly #queue = new MessageQueue();
  readonly #wakeup = new Wakeup();
  readonly #stop = new AbortController();
  /** Told once in the log, until it takes messages again. */
  #failing = false;
  #full = false;

  /** @param send makes one call; throws ProblemError. */
  constructor(send: (batch: CascadedMessage[]) => Promise<unknown>, log: Logger, metrics: NodeMetrics) {
    this.#send = send;
    this.#log = log;
    this.#dropped = metrics.dataMessagesDropped;
    void this.#loop();
  }

  /** @param bytes about what it takes in a call. */
  add(message: CascadedMessage, bytes: number): void {
    if (this.#stop.signal.aborted) return;
    if (this.#queue.add(message, bytes)) {
      this.#wakeup.notify();
      return;
    }
    this.#dropped.inc({ reason: 'outbox_full' });
    if (message.reliable && !this.#full) {
      this.#full = true;
      this.#log.warn('messages to a node of the room are dropped: too many wait for it');
    }
  }

  async #loop(): Promise<void> {
    const backoff = new Backoff({ initialMs: 50, maxMs: 2_000 });
    while (!this.#stop.signal.aborted) {
      const batch = this.#queue.batch();
      if (batch.length === 0) {
        await this.#wakeup.wait(null, this.#stop.signal);
        continue;
      }
      try {
        await this.#send(batch);
        this.#queue.confirm(batch);
        backoff.reset();
        if (this.#failing) this.#log.info('a node of the room takes messages again');
        this.#failing = false;
        this.#full = false;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        await this.#failed(batch, error, backoff.next());
      }
    }
  }

  async #failed(batch: readonly CascadedMessage[], error: unknown, delayMs: number): Promise<void> {
    const code = errorCodeOf(error);
    if (code === 'room_not_hosted' || code === 'wrong_boot') {
      // It has no sessions that could have heard what came before.
      this.#queue.confirm(batch);
      this.#dropped.inc({ reason: 'node_refused' }, batch.length);
      this.#log.info({ code, messages: batch.length }, 'a node has the room no more; messages to it are dropped');
      return;
    }
    if (isWorthRepeating(code)) {
      this.#dropped.inc({ reason: 'node_unreachable' }, this.#queue.dropLossy());
      if (!this.#failing) this.#log.warn({ code }, 'a node of the room does not take messages; trying again');
    } else {
      const lost = this.#queue.giveUp(batch);
      this.#dropped.inc({ reason: 'node_refused' }, lost);
      if (lost > 0) this.#log.error({ err: error, messages: lost }, 'a node of the room refused messages');
    }
    this.#failing = true;
    await pause(delayMs, this.#stop.signal);
  }

  /** Idempotent. */
  close(): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#dropped.inc({ reason: 'node_left' }, this.#queue.length);
  }
}

/** A fault of ours comes again with the same messages. */
function isWorthRepeating(code: ErrorCode): boolean {
  return errorCodes[code].retryable && code !== 'internal_error';
}
