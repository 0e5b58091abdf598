import { createWorker } from 'mediasoup';
import type { IceCandidate, Router, TransportListenInfo, WebRtcServer, Worker } from 'mediasoup/types';
import { Backoff, pause } from '@mediaserver/lifecycle';
import { routerCodecs } from '@mediaserver/sdp';
import type { Logger, NodeMetrics } from '@mediaserver/telemetry';
import type { AnnouncedAddress, NodeConfig } from './config.ts';

/** What mediasoup logs; `info` and the media tags would write a line per packet problem. */
const WORKER_LOG_LEVEL = 'warn';

/** After a Worker that lived this long, the delays before a respawn begin anew, ms. */
const STABLE_AFTER_MS = 30_000;

/** One mediasoup Worker with its WebRtcServer: a WebRtcServer cannot serve another Worker. */
export interface PooledWorker {
  readonly index: number;
  readonly worker: Worker;
  readonly webRtcServer: WebRtcServer;
  /** What SDP tells clients, preferred first. */
  readonly candidates: readonly IceCandidate[];
  /** Routers on it. */
  readonly routers: ReadonlySet<Router>;
}

/**
 * Owns the mediasoup Workers of this node.
 *
 * Invariants:
 * 1. Slot i listens on UDP and TCP port `portBase + i`, in every incarnation.
 * 2. A Worker that dies is replaced, with growing delays while it keeps dying; its Routers are gone
 *    and their owners hear so from mediasoup's own `workerclose`.
 * 3. After `close()` no Worker runs and none is started.
 */
export class WorkerPool {
  readonly #config: NodeConfig;
  readonly #log: Logger;
  readonly #metrics: NodeMetrics;
  readonly #slots: (PooledWorker | null)[];
  readonly #backoffs: Backoff[];
  readonly #stop = new AbortController();

  private constructor(config: NodeConfig, log: Logger, metrics: NodeMetrics) {
    this.#config = config;
    this.#log = log;
    this.#metrics = metrics;
    this.#slots = Array.from({ length: config.workers }, () => null);
    this.#backoffs = this.#slots.map(() => new Backoff({ initialMs: 500, maxMs: 20_000 }));
  }

  /** @throws Error if a Worker does not start, for example because its port is taken. */
  static async create(config: NodeConfig, log: Logger, metrics: NodeMetrics): Promise<WorkerPool> {
    const pool = new WorkerPool(config, log, metrics);
    try {
      await Promise.all(pool.#slots.map((_, index) => pool.#spawn(index)));
    } catch (error) {
      pool.close();
      throw error;
    }
    return pool;
  }

  /** Live Workers. */
  get workers(): readonly PooledWorker[] {
    return this.#slots.filter((slot) => slot !== null);
  }

  get size(): number {
    return this.#slots.length;
  }

  /**
   * Makes a Router on the Worker with the fewest Routers. All Routers of a cluster have the same
   * codecs and payload types.
   * @throws Error if no Worker is up.
   */
  async createRouter(): Promise<{ router: Router; pooled: PooledWorker }> {
    const [pooled] = this.workers.toSorted((a, b) => a.routers.size - b.routers.size);
    if (!pooled) throw new Error('no mediasoup Worker is up');
    const router = await pooled.worker.createRouter({ mediaCodecs: routerCodecs() });
    return { router, pooled };
  }

  async #spawn(index: number): Promise<void> {
    const worker = await createWorker({ logLevel: WORKER_LOG_LEVEL, appData: { index } });
    try {
      const port = this.#config.media.portBase + index;
      const listenInfos: TransportListenInfo[] = this.#config.media.listen.flatMap((ip) => [
        { protocol: 'udp', ip, port },
        { protocol: 'tcp', ip, port },
      ]);
      const webRtcServer = await worker.createWebRtcServer({ listenInfos });
      if (this.#stop.signal.aborted) throw new Error('the pool was closed');
      const candidates = iceCandidates(this.#config.media.announced, port);
      const routers = new Set<Router>();
      worker.observer.on('newrouter', (router) => {
        routers.add(router);
        router.observer.once('close', () => routers.delete(router));
      });
      this.#slots[index] = { index, worker, webRtcServer, candidates, routers };
    } catch (error) {
      worker.close();
      throw error;
    }
    const startedAt = performance.now();
    worker.once('died', (error) => {
      this.#log.error({ index, pid: worker.pid, err: error }, 'a mediasoup Worker died');
      this.#metrics.workerDeaths.inc();
      this.#slots[index] = null;
      if (performance.now() - startedAt >= STABLE_AFTER_MS) this.#backoffs[index]?.reset();
      void this.#respawn(index);
    });
    this.#metrics.workers.set(this.workers.length);
    this.#log.info({ index, pid: worker.pid, port: this.#config.media.portBase + index }, 'mediasoup Worker is up');
  }

  async #respawn(index: number): Promise<void> {
    this.#metrics.workers.set(this.workers.length);
    while (!this.#stop.signal.aborted) {
      await pause(this.#backoffs[index]?.next() ?? 0, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      try {
        await this.#spawn(index);
        return;
      } catch (error) {
        this.#log.error({ index, err: error }, 'a mediasoup Worker did not start');
      }
    }
  }

  /** Idempotent. */
  close(): void {
    this.#stop.abort();
    for (const slot of this.#slots) slot?.worker.close();
    this.#slots.fill(null);
  }
}

/**
 * One host candidate per announced address and protocol, in the order given. Announced ports may
 * differ from the listening one (NAT, NodePort), which is why the project writes these itself.
 * Priorities as in RFC 8445 §5.1.2; TCP ones lie below all UDP ones (RFC 6544 §4.2).
 */
export function iceCandidates(announced: readonly AnnouncedAddress[], port: number): IceCandidate[] {
  const HOST_UDP = 126;
  const HOST_TCP = 90;
  const priority = (typePreference: number, index: number) =>
    typePreference * 2 ** 24 + (65_535 - index) * 2 ** 8 + 255;
  const udp = announced.map(({ ip, udpPort }, index): IceCandidate => ({
    foundation: `udp${index}`,
    priority: priority(HOST_UDP, index),
    address: ip,
    ip,
    protocol: 'udp',
    port: udpPort ?? port,
    type: 'host',
  }));
  const tcp = announced.map(({ ip, tcpPort }, index): IceCandidate => ({
    foundation: `tcp${index}`,
    priority: priority(HOST_TCP, index),
    address: ip,
    ip,
    protocol: 'tcp',
    port: tcpPort ?? port,
    type: 'host',
    tcpType: 'passive',
  }));
  return [...udp, ...tcp];
}
