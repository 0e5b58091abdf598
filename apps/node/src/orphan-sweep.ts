import { pause } from '@mediaserver/lifecycle';
import type { Registry } from '@mediaserver/registry';
import type { Logger } from '@mediaserver/telemetry';
import type { Application } from './application.ts';
import type { LoadReporter } from './load-reporter.ts';

const SWEEP_MS = 10_000;

/**
 * Ends sessions whose end this node was not told of: the command that should have told it was lost
 * with its coordinator, and a quiet session writes no fact that Redis could refuse.
 *
 * Invariants:
 * 1. A session is ended only after it was missing twice in a row.
 * 2. No session is ended that is older than the registry's memory: there the node is right and not Redis.
 */
export class OrphanSweep {
  readonly #registry: Registry;
  readonly #identity: { readonly nodeId: string; readonly bootId: string };
  readonly #application: Application;
  readonly #reporter: LoadReporter;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #missing: ReadonlySet<string> = new Set();

  constructor(options: {
    registry: Registry;
    identity: { nodeId: string; bootId: string };
    application: Application;
    reporter: LoadReporter;
    log: Logger;
  }) {
    this.#registry = options.registry;
    this.#identity = options.identity;
    this.#application = options.application;
    this.#reporter = options.reporter;
    this.#log = options.log;
  }

  start(): void {
    void this.#loop();
  }

  async #loop(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await pause(SWEEP_MS, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      try {
        await this.#sweep();
      } catch (error) {
        this.#log.info({ err: error }, 'could not compare sessions with the registry; trying later');
      }
    }
  }

  async #sweep(): Promise<void> {
    const here = this.#application.sessions;
    if (here.size === 0) return;
    const hosted = await this.#registry.hostedSessions(this.#identity.nodeId, this.#identity.bootId);
    const { registeredAt } = this.#reporter;
    const missing = [...here].filter(([id, { joinedAt }]) => !hosted.has(id) && joinedAt >= registeredAt);
    for (const [sessionId, user] of missing) {
      if (!this.#missing.has(sessionId)) continue;
      this.#log.warn({ sessionId }, 'the registry ended a session without this node hearing of it');
      user.close(null);
    }
    this.#missing = new Set(missing.map(([sessionId]) => sessionId));
  }

  /** Idempotent. */
  close(): void {
    this.#stop.abort();
  }
}
