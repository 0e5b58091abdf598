import { randomUUID } from 'node:crypto';
import { errorCodeOf, type EventEnvelope } from '@mediaserver/contracts';
import { Backoff, pause } from '@mediaserver/lifecycle';
import type { Registry, Signal } from '@mediaserver/registry';
import type { CoordinatorMetrics, Logger } from '@mediaserver/telemetry';
import type { NodeClient } from '../node-client.ts';
import type { WebhookSender } from './webhook-sender.ts';

/** A signal nobody took by then is worth nothing. */
const SIGNAL_TTL_MS = 30_000;
const ATTEMPTS = 4;
/** More at once than this are left in Redis, for another replica or to expire. */
const MAX_IN_FLIGHT = 128;
const TAKE_BLOCK_MS = 1_000;
/** Failures are told at most once in this time. */
const TELL_INTERVAL_MS = 60_000;

export interface SignalLaneParts {
  readonly registry: Pick<Registry, 'takeSignals' | 'getRoom'>;
  readonly client: Pick<NodeClient, 'send'>;
  readonly sender: Pick<WebhookSender, 'send'>;
  readonly metrics: CoordinatorMetrics;
  readonly log: Logger;
  readonly now?: () => number;
}

interface Slot {
  /** Arrived while an earlier one is being delivered. */
  next: Signal | null;
}

/**
 * The lane for what may be lost and must not wait: it never waits for facts.
 *
 * Invariants:
 * 1. At most one delivery per (session, type) runs, and the newest signal replaces any that wait.
 * 2. What a signal carries is read from its node at the time it is sent, so the receiver gets what
 *    holds now, and no SDP is in Redis.
 * 3. Nothing older than {@link SIGNAL_TTL_MS} is sent.
 */
export class SignalLane {
  readonly #parts: SignalLaneParts;
  readonly #now: () => number;
  readonly #stop = new AbortController();
  readonly #slots = new Map<string, Slot>();
  readonly #running = new Set<Promise<void>>();
  #loop: Promise<void> = Promise.resolve();
  /** Signals given up since it was last told. */
  #failed = 0;
  #toldAt = -Infinity;
  #lastFailure: { roomId: string; sessionId: string; reason: string } | null = null;

  constructor(parts: SignalLaneParts) {
    this.#parts = parts;
    this.#now = parts.now ?? Date.now;
  }

  start(): void {
    this.#loop = this.#take();
  }

  async #take(): Promise<void> {
    const backoff = new Backoff({ initialMs: 100, maxMs: 2_000 });
    while (!this.#stop.signal.aborted) {
      this.#tellFailures();
      if (this.#running.size >= MAX_IN_FLIGHT) {
        await Promise.race(this.#running);
        continue;
      }
      try {
        const signals = await this.#parts.registry.takeSignals(TAKE_BLOCK_MS, MAX_IN_FLIGHT - this.#running.size);
        for (const signal of signals) this.offer(signal);
        backoff.reset();
      } catch (error) {
        this.#parts.log.debug({ reason: String(error) }, 'signals cannot be read');
        await pause(backoff.next(), this.#stop.signal);
      }
    }
  }

  /** Begins to deliver a signal, or lets it replace the one that waits. */
  offer(signal: Signal): void {
    const key = `${signal.sessionId} ${signal.type}`;
    const slot = this.#slots.get(key);
    if (slot) {
      slot.next = signal;
      return;
    }
    const fresh: Slot = { next: signal };
    this.#slots.set(key, fresh);
    const running = this.#empty(fresh).finally(() => {
      this.#slots.delete(key);
      this.#running.delete(running);
    });
    this.#running.add(running);
  }

  async #empty(slot: Slot): Promise<void> {
    while (slot.next && !this.#stop.signal.aborted) {
      const signal = slot.next;
      slot.next = null;
      const outcome = await this.#deliver(signal, () => slot.next !== null);
      this.#parts.metrics.webhookDeliveries.inc({ lane: 'signals', outcome });
    }
  }

  /** Never rejects. */
  async #deliver(signal: Signal, superseded: () => boolean): Promise<string> {
    const backoff = new Backoff({ initialMs: 100, maxMs: 1_000 });
    let reason = '';
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      if (superseded()) return 'superseded';
      if (this.#stop.signal.aborted || this.#now() - signal.at > SIGNAL_TTL_MS) return 'expired';
      try {
        const event = await this.#render(signal);
        if (!event) return 'obsolete';
        await this.#parts.sender.send(`signal_${event.id}`, [event]);
        return 'ok';
      } catch (error) {
        if (errorCodeOf(error) === 'session_gone') return 'obsolete';
        reason = error instanceof Error ? error.message : String(error);
        this.#parts.log.debug({ sessionId: signal.sessionId, attempt, reason }, 'signal not delivered');
        await pause(backoff.next(), this.#stop.signal);
      }
    }
    this.#tellFailure(signal, reason);
    return 'failed';
  }

  /** The first of a burst at once, then once a minute how many more there were; the rest at the end. */
  #tellFailure({ roomId, sessionId }: Signal, reason: string): void {
    this.#failed += 1;
    this.#lastFailure = { roomId, sessionId, reason };
    this.#tellFailures();
  }

  #tellFailures(sinceMs = TELL_INTERVAL_MS): void {
    if (this.#failed === 0 || this.#now() - this.#toldAt < sinceMs) return;
    this.#parts.log.warn({ ...this.#lastFailure, failed: this.#failed }, 'signals given up');
    this.#toldAt = this.#now();
    this.#failed = 0;
  }

  async #render(signal: Signal): Promise<EventEnvelope | null> {
    const { tenant, roomId, roomSessionId, sessionId, userId, nodeId, bootId, type } = signal;
    const room = await this.#parts.registry.getRoom(tenant, roomId);
    if (room?.roomSessionId !== roomSessionId) return null;
    const destination = { nodeId, bootId, epoch: room.epoch };
    const { offer } = await this.#parts.client.send(destination, 'session.offer', { roomSessionId, sessionId });
    if (!offer) return null;
    return {
      id: randomUUID(),
      type,
      tenant,
      roomId,
      roomSessionId,
      eventEpoch: room.eventEpoch,
      occurredAt: new Date(signal.at).toISOString(),
      data: { userId, sessionId, subscribe: offer },
    };
  }

  /** Idempotent. What is not delivered yet is given up: it is safe to lose. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    await Promise.all(this.#running);
    this.#tellFailures(0);
  }
}
