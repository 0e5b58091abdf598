import type { Candidate, NodeRecord } from '@mediaserver/contracts';

/** What the placement of one room or session is about. */
export interface PlacementRequest {
  /** A snapshot at most about 1 s old. */
  readonly nodes: readonly NodeRecord[];
  /** Absent when the room itself is being placed. */
  readonly room?: {
    readonly homeNodeId: string;
    /** As `Registry.getRoomPlacement` gives it. */
    readonly sessionsPerNode: Readonly<Record<string, number>>;
  };
  readonly strategy: 'pack' | 'spread';
  /** Only nodes of this region, if given. */
  readonly region: string | null;
  readonly codecTableVersion: number;
  /** Sessions to reserve: 1 for a join, 0 for a room without users. */
  readonly weight: number;
  readonly limits?: Partial<PlacementLimits>;
  /** Uniform in [0, 1), e.g. `Math.random`. */
  readonly random: () => number;
}

export interface PlacementLimits {
  /** A node above it takes nothing more. */
  readonly maxLoad: number;
  /** A room's own nodes are preferred below it. */
  readonly stickyLoad: number;
  readonly maxCandidates: number;
}

export type Exclusion = 'lease_lapsed' | 'not_ready' | 'other_codec_table' | 'other_region' | 'full';

export interface PlacementDecision {
  /** In the order to try them; empty: no capacity. */
  readonly candidates: readonly Candidate[];
  /** Why nodes were not considered. */
  readonly excluded: Readonly<Record<string, Exclusion>>;
}
