import type { RoomRecord } from '@mediaserver/contracts';
import type { Registry, Swept } from '@mediaserver/registry';
import type { Logger } from '@mediaserver/telemetry';
import type { Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { closeJobs, isAway, openProcessor, openQueue } from './job-queue.ts';

const QUEUE = 'reaper';
const INTERVAL_MS = 1_000;
/** After a node's lease lapsed: it may only have been slow. */
const DEAD_NODE_GRACE_MS = 6_000;

export interface ReaperJobsParts {
  readonly registry: Pick<Registry, 'sweep' | 'findDeadHosts' | 'reapSessions' | 'connected'>;
  readonly connection: Redis;
  readonly log: Logger;
  /** Tells nodes of rooms that were closed for being empty. */
  readonly onRoomClosed: (room: RoomRecord, nodeIds: readonly string[], reason: string) => void;
  readonly intervalMs?: number;
  readonly deadNodeGraceMs?: number;
}

/**
 * Ends what nobody ends: empty rooms, joins that were never finished, sessions on dead nodes.
 *
 * Every replica asks for a run each interval; the queue lets one through. Nothing is scheduled in
 * Redis, so a flushed Redis forgets nothing.
 */
export class ReaperJobs {
  readonly #parts: ReaperJobsParts;
  readonly #queue: Queue<object>;
  readonly #worker: Worker<object>;
  readonly #timer: NodeJS.Timeout;
  #closed = false;

  constructor(parts: ReaperJobsParts) {
    this.#parts = parts;
    this.#queue = openQueue(QUEUE, parts.connection, parts.log);
    this.#worker = openProcessor(QUEUE, parts.connection, parts.log, () => this.run(), { concurrency: 1 });
    const intervalMs = parts.intervalMs ?? INTERVAL_MS;
    this.#timer = setInterval(() => void this.#ask(intervalMs), intervalMs).unref();
  }

  async #ask(intervalMs: number): Promise<void> {
    const { registry, connection } = this.#parts;
    if (this.#closed || !registry.connected || isAway(connection)) return;
    try {
      await this.#queue.add('run', {}, { deduplication: { id: 'run', ttl: Math.floor(intervalMs * 0.9) } });
    } catch (error) {
      this.#parts.log.debug({ reason: String(error) }, 'reaper not asked for');
    }
  }

  /** One round. Safe to run anywhere, any number of times. */
  async run(): Promise<void> {
    for (const swept of await this.#parts.registry.sweep()) this.#tell(swept);
    await this.#reapDeadHosts();
  }

  #tell(swept: Swept): void {
    const { log, onRoomClosed } = this.#parts;
    if (swept.kind === 'session.withdrawn') {
      const { roomId } = swept.ref;
      log.info(
        { roomId, sessionId: swept.session.sessionId, nodeId: swept.session.nodeId },
        'a join was never finished',
      );
      return;
    }
    const { room } = swept;
    log.info({ roomId: room.roomId, roomSessionId: room.roomSessionId }, 'closed an empty room');
    onRoomClosed(room, [room.homeNodeId], 'empty');
  }

  async #reapDeadHosts(): Promise<void> {
    const { registry, log, deadNodeGraceMs = DEAD_NODE_GRACE_MS } = this.#parts;
    for (const host of await registry.findDeadHosts(deadNodeGraceMs)) {
      let ended = 0;
      for (let more = true; more && !this.#closed;) {
        const result = await registry.reapSessions(host);
        ended += result.reaped.length;
        more = result.more;
      }
      log.warn({ ...host, sessions: ended }, 'ended the sessions of a dead node');
    }
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await closeJobs(this.#parts.connection, this.#worker, this.#queue);
  }
}
