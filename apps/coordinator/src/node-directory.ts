import type { NodeRecord } from '@mediaserver/contracts';
import type { Registry } from '@mediaserver/registry';
import type { CoordinatorMetrics } from '@mediaserver/telemetry';

/** How old the picture of the nodes may be for a decision. */
const MAX_AGE_MS = 1_000;

/**
 * The nodes as the registry listed them last.
 *
 * Invariants:
 * 1. `current()` is at most {@link MAX_AGE_MS} old, or it throws.
 * 2. Any number of callers cause one read at a time.
 * 3. `find()` still answers from the last picture when the registry does not.
 */
export class NodeDirectory {
  readonly #registry: Pick<Registry, 'listNodes'>;
  readonly #gauge: CoordinatorMetrics['nodes'];
  readonly #now: () => number;
  #nodes: readonly NodeRecord[] = [];
  #readAt = -Infinity;
  #reading: Promise<readonly NodeRecord[]> | null = null;

  /** @param gauge counts the nodes by state, as of the last picture. */
  constructor(
    registry: Pick<Registry, 'listNodes'>,
    gauge: CoordinatorMetrics['nodes'],
    now: () => number = () => performance.now(),
  ) {
    this.#registry = registry;
    this.#gauge = gauge;
    this.#now = now;
  }

  /** @throws what the registry throws. */
  current(): Promise<readonly NodeRecord[]> {
    return this.#now() - this.#readAt <= MAX_AGE_MS ? Promise.resolve(this.#nodes) : this.refresh();
  }

  /** Reads again, whatever the age. @throws what the registry throws. */
  refresh(): Promise<readonly NodeRecord[]> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #read(): Promise<readonly NodeRecord[]> {
    const askedAt = this.#now();
    this.#nodes = await this.#registry.listNodes();
    this.#readAt = askedAt;
    this.#count();
    return this.#nodes;
  }

  #count(): void {
    const counts = { ready: 0, stopping: 0, lost: 0 };
    for (const { alive, state } of this.#nodes) counts[alive ? state : 'lost'] += 1;
    for (const [state, count] of Object.entries(counts)) this.#gauge.set({ state }, count);
  }

  /**
   * @returns the record of that process of the node, or undefined if it is not known: another one
   *   runs under this id, or none. Never throws.
   */
  async find(nodeId: string, bootId: string): Promise<NodeRecord | undefined> {
    const known = this.#lookUp(nodeId, bootId);
    if (known) return known;
    try {
      await this.refresh();
    } catch {
      return undefined;
    }
    return this.#lookUp(nodeId, bootId);
  }

  #lookUp(nodeId: string, bootId: string): NodeRecord | undefined {
    return this.#nodes.find(({ descriptor }) => descriptor.nodeId === nodeId && descriptor.bootId === bootId);
  }
}
