import type { LifeRef, Registry } from '@mediaserver/registry';
import type { CoordinatorMetrics, Logger } from '@mediaserver/telemetry';
import type { WebhookSender } from './webhook-sender.ts';

/** Most facts in one request. */
const BATCH = 100;

/** What a life's facts are given to: a receiver, or nobody. */
export interface Delivery {
  run(life: LifeRef, onProgress?: () => boolean): Promise<void>;
}

export type DeliveryRegistry = Pick<Registry, 'getCursor' | 'readEvents' | 'advanceCursor'>;

/**
 * Sends the facts of one room life, in order, from its cursor to the end of its log.
 *
 * Invariants (one run at a time per life, which the queue sees to):
 * 1. The cursor moves only after the receiver took everything up to it.
 * 2. A fact is sent only after all before it were taken.
 */
export class FactDelivery implements Delivery {
  readonly #registry: DeliveryRegistry;
  readonly #sender: Pick<WebhookSender, 'send'>;
  readonly #metrics: CoordinatorMetrics;
  readonly #log: Logger;

  constructor(parts: {
    registry: DeliveryRegistry;
    sender: Pick<WebhookSender, 'send'>;
    metrics: CoordinatorMetrics;
    log: Logger;
  }) {
    this.#registry = parts.registry;
    this.#sender = parts.sender;
    this.#metrics = parts.metrics;
    this.#log = parts.log;
  }

  /**
   * @param onProgress told of each batch that was taken; false ends the run.
   * @throws WebhookRefusedError or RegistryError; a later run continues where this one stopped.
   */
  async run(life: LifeRef, onProgress: () => boolean = () => true): Promise<void> {
    let cursor = await this.#registry.getCursor(life);
    for (;;) {
      const page = await this.#registry.readEvents(life, cursor, BATCH);
      if (page.status === 'not_found') {
        // The log outlived its retention; nothing is left to send.
        await this.#registry.advanceCursor(life, Number.MAX_SAFE_INTEGER);
        return;
      }
      if (page.status === 'expired') {
        const lost = page.firstSeq - 1 - cursor;
        this.#log.error(
          { roomSessionId: life.roomSessionId, lost },
          'facts were dropped from the log before they were delivered',
        );
        cursor = page.firstSeq - 1;
        continue;
      }
      const { events } = page;
      const last = events.at(-1);
      if (!last) return;
      await this.#send(life, events);
      cursor = last.seq;
      const { caughtUp } = await this.#registry.advanceCursor(life, cursor);
      if (!onProgress() || caughtUp) return;
    }
  }

  async #send(
    life: LifeRef,
    events: readonly (Parameters<WebhookSender['send']>[1][number] & { seq: number })[],
  ): Promise<void> {
    let outcome = 'ok';
    try {
      // The id says which facts are in it: a batch that grew before it was retried is another message.
      await this.#sender.send(`facts_${life.roomSessionId}_${events[0]?.seq ?? 0}_${events.at(-1)?.seq ?? 0}`, events);
    } catch (error) {
      outcome = 'failed';
      throw error;
    } finally {
      this.#metrics.webhookDeliveries.inc({ lane: 'facts', outcome });
    }
  }
}

/** Without a receiver, facts count as delivered: they are kept for the API to read, not for later. */
export class NoDelivery implements Delivery {
  readonly #registry: DeliveryRegistry;

  constructor(registry: DeliveryRegistry) {
    this.#registry = registry;
  }

  async run(life: LifeRef): Promise<void> {
    const page = await this.#registry.readEvents(life, await this.#registry.getCursor(life), 1);
    await this.#registry.advanceCursor(life, page.status === 'not_found' ? Number.MAX_SAFE_INTEGER : page.lastSeq);
  }
}
