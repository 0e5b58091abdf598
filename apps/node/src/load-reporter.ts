import type { LoadReport, NodeDescriptor, NodeState } from '@mediaserver/contracts';
import { pause } from '@mediaserver/lifecycle';
import type { Registry } from '@mediaserver/registry';
import type { Logger, NodeMetrics } from '@mediaserver/telemetry';
import type { WorkerPool } from './worker-pool.ts';

const HEARTBEAT_MS = 1_000;
/** Load is measured over at least this, ms. */
const MIN_SAMPLE_MS = 200;
/** A Worker that does not answer within this counts as fully loaded, ms. */
const WORKER_ANSWER_MS = 500;
/** Longer than a lease: a process that was killed and started again must outwait its own former life, ms. */
const DUPLICATE_WAIT_MS = 8_000;

/** What the node holds right now. */
export interface NodeCounts {
  readonly rooms: number;
  readonly sessions: number;
  readonly producers: number;
  readonly consumers: number;
  readonly pipes: number;
}

/**
 * Registers the node and renews its lease once a second with the load it sees.
 *
 * Invariants:
 * 1. One heartbeat at a time; a failed one is tried again at the next beat.
 * 2. A registry that does not know this boot any more (flushed, failed over) is told anew.
 */
export class LoadReporter {
  readonly #registry: Registry;
  readonly #descriptor: NodeDescriptor;
  readonly #pool: WorkerPool;
  readonly #counts: () => NodeCounts;
  readonly #metrics: NodeMetrics;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #state: NodeState = 'ready';
  #lastCpu: { atMs: number; process: number; workers: Map<number, number | null> } | null = null;
  #beating: Promise<void> = Promise.resolve();
  #failing = false;
  #asking: Promise<void> | null = null;
  #registeredAt = 0;
  #ratio = 0;

  constructor(options: {
    registry: Registry;
    descriptor: NodeDescriptor;
    pool: WorkerPool;
    counts: () => NodeCounts;
    metrics: NodeMetrics;
    log: Logger;
  }) {
    this.#registry = options.registry;
    this.#descriptor = options.descriptor;
    this.#pool = options.pool;
    this.#counts = options.counts;
    this.#metrics = options.metrics;
    this.#log = options.log;
  }

  /**
   * When the registry last took this process as new to it, Unix ms: at the start, or after it lost
   * its memory. What it says of sessions from before is not to be believed.
   */
  get registeredAt(): number {
    return this.#registeredAt;
  }

  /**
   * Registers and starts to beat.
   * @throws Error if another live process has this node's id.
   */
  async start(): Promise<void> {
    await this.#register();
    this.#beating = this.#beat();
  }

  async #register(): Promise<void> {
    const { nodeId } = this.#descriptor;
    const deadline = performance.now() + DUPLICATE_WAIT_MS;
    for (;;) {
      const result = await this.#registry.registerNode(this.#descriptor, await this.#sample(), this.#state);
      if (result === 'ok') {
        this.#registeredAt = Date.now();
        return;
      }
      if (performance.now() >= deadline || this.#stop.signal.aborted) {
        throw new Error(`another live node is called ${nodeId}: give each node its own NODE_ID`);
      }
      this.#log.info({ nodeId }, 'a process of this name holds a lease; waiting for it to end');
      await pause(HEARTBEAT_MS, this.#stop.signal);
    }
  }

  async #beat(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await pause(HEARTBEAT_MS, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      try {
        await this.#heartbeat();
        if (this.#failing) this.#log.info('heartbeats reach the registry again');
        this.#failing = false;
      } catch (error) {
        if (!this.#failing) this.#log.warn({ err: error }, 'heartbeats do not reach the registry; calls go on');
        this.#failing = true;
      }
    }
  }

  /** One at a time: who asks while one is under way gets its outcome. */
  #heartbeat(): Promise<void> {
    this.#asking ??= this.#renew().finally(() => (this.#asking = null));
    return this.#asking;
  }

  async #renew(): Promise<void> {
    const { nodeId, bootId } = this.#descriptor;
    const result = await this.#registry.heartbeat(nodeId, bootId, await this.#sample(), this.#state);
    if (result === 'ok') return;
    this.#log.warn('the registry does not know this node any more; registering again');
    await this.#register();
  }

  /** Load since the last sample. CPU time of a Worker comes from `worker.getResourceUsage()`, in ms. */
  async #sample(): Promise<LoadReport> {
    const atMs = performance.now();
    const { user, system } = process.cpuUsage();
    const usages = await Promise.all(
      this.#pool.workers.map(async ({ worker }) => {
        // A Worker that hangs never answers; its node must not fall silent with it.
        const usage = await Promise.race([
          worker.getResourceUsage().catch(() => null),
          pause(WORKER_ANSWER_MS).then(() => null),
        ]);
        return [worker.pid, usage ? usage.ru_utime + usage.ru_stime : null] as const;
      }),
    );
    const now = { atMs, process: (user + system) / 1000, workers: new Map(usages) };
    const last = this.#lastCpu;
    const elapsed = last ? atMs - last.atMs : 0;
    if (!last) this.#lastCpu = now;
    // CPU time comes in whole ms: over too short a time it says nothing.
    if (last && elapsed >= MIN_SAMPLE_MS) {
      this.#lastCpu = now;
      const shares = [...now.workers].map(([pid, used]) =>
        used === null ? 1 : Math.max(0, used - (last.workers.get(pid) ?? used)) / elapsed,
      );
      const workers = shares.reduce((sum, share) => sum + share, 0) / this.#pool.size;
      this.#ratio = Math.max(workers, (now.process - last.process) / elapsed);
    }
    const ratio = this.#ratio;
    this.#metrics.loadRatio.set(ratio);
    const { rooms, sessions, producers, consumers } = this.#counts();
    return { ratio, rooms, sessions, producers, consumers };
  }

  /**
   * Asks whether the registry's memory reaches back to `since`, Unix ms. False also if it cannot be
   * asked: then what it says of this process' sessions is not to be believed.
   */
  async isRemembered(since: number): Promise<boolean> {
    try {
      await this.#heartbeat();
    } catch (error) {
      this.#log.info({ err: error }, 'the registry does not say whether it knows this node');
      return false;
    }
    return since >= this.#registeredAt;
  }

  /** From now on nothing new is placed here. */
  async announceStopping(): Promise<void> {
    this.#state = 'stopping';
    // One that is under way may still say otherwise.
    await this.#asking?.catch(() => undefined);
    await this.#heartbeat();
  }

  /** Stops beating and takes the node out of the registry. Idempotent. */
  async close(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    await this.#beating;
    await this.#registry.removeNode(this.#descriptor.nodeId, this.#descriptor.bootId);
  }
}
