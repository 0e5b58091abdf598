import { RegistryError, type NodeFact, type NodeFactBody, type Registry, type RoomRef } from '@mediaserver/registry';
import { Backoff, pause } from '@mediaserver/lifecycle';
import type { Logger, NodeMetrics } from '@mediaserver/telemetry';

/** More facts than this waiting means Redis has been away for long and the room must be read anew. */
const MAX_WAITING = 50_000;

interface Waiting {
  readonly fact: NodeFact;
  readonly settle: (result: { status: 'ok'; lastSeq: number } | { status: 'fenced' } | { status: 'dropped' }) => void;
}
export type FactResult = Parameters<Waiting['settle']>[0];

/**
 * Writes facts born on this node to Redis.
 *
 * Invariants:
 * 1. Facts are committed in the order they were given, one at a time, each exactly once: a retry
 *    carries the same `(bootId, nodeSeq)` and the script knows it.
 * 2. Redis being away delays facts and nothing else: nobody but the one who asks waits for them.
 * 3. The queue is bounded; what does not fit settles as `dropped` and is logged.
 */
export class FactOutbox {
  readonly #registry: Registry;
  readonly #identity: { readonly nodeId: string; readonly bootId: string };
  readonly #log: Logger;
  readonly #metrics: NodeMetrics;
  readonly #waiting: Waiting[] = [];
  readonly #stop = new AbortController();
  readonly #backoff = new Backoff({ initialMs: 50, maxMs: 2_000 });
  #nodeSeq = 0;
  #running: Promise<void> | null = null;

  constructor(registry: Registry, identity: { nodeId: string; bootId: string }, log: Logger, metrics: NodeMetrics) {
    this.#registry = registry;
    this.#identity = identity;
    this.#log = log;
    this.#metrics = metrics;
  }

  /** @returns when Redis has it, however long that takes; never rejects. */
  commit(room: RoomRef, body: NodeFactBody): Promise<FactResult> {
    return new Promise((settle) => {
      if (this.#waiting.length >= MAX_WAITING || this.#stop.signal.aborted) {
        this.#log.error({ roomId: room.roomId, op: body.op }, 'a fact is lost: the outbox is full or closed');
        settle({ status: 'dropped' });
        return;
      }
      this.#nodeSeq += 1;
      const { tenant, roomId, roomSessionId } = room;
      const fact = {
        tenant,
        roomId,
        roomSessionId,
        ...this.#identity,
        nodeSeq: this.#nodeSeq,
        at: Date.now(),
        ...body,
      };
      this.#waiting.push({ fact, settle });
      this.#metrics.outboxDepth.set(this.#waiting.length);
      this.#running ??= this.#drain().finally(() => (this.#running = null));
    });
  }

  async #drain(): Promise<void> {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      try {
        const result = await this.#registry.commitFact(next.fact);
        this.#backoff.reset();
        this.#waiting.shift();
        this.#metrics.outboxDepth.set(this.#waiting.length);
        next.settle(result);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (error instanceof RegistryError && error.code === 'registry_corrupt') {
          this.#log.error(
            { err: error, op: next.fact.op, roomId: next.fact.roomId },
            'a fact is lost: its record is unreadable',
          );
          this.#waiting.shift();
          next.settle({ status: 'dropped' });
          continue;
        }
        const delayMs = this.#backoff.next();
        this.#log.warn({ err: error, waiting: this.#waiting.length, delayMs }, 'Redis does not take a fact; retrying');
        await pause(delayMs, this.#stop.signal);
      }
    }
  }

  /**
   * Waits for what is queued, at most `timeoutMs`, then gives up on the rest.
   * Idempotent.
   */
  async close(timeoutMs: number): Promise<void> {
    const timeout = new AbortController();
    await Promise.race([this.#running ?? Promise.resolve(), pause(timeoutMs, timeout.signal)]);
    timeout.abort();
    this.#stop.abort();
    const lost = this.#waiting.splice(0);
    if (lost.length > 0) this.#log.error({ lost: lost.length }, 'facts are lost: Redis did not take them in time');
    for (const { settle } of lost) settle({ status: 'dropped' });
  }
}
