import { firstOf, type Rated } from '../rated.ts';
import type { PlacementRequest } from '../types.ts';

/** The nodes with fewest sessions of this room first, among equals the least loaded. */
export function spread(usable: readonly Rated[], room: NonNullable<PlacementRequest['room']>, count: number): Rated[] {
  const used = ({ node }: Rated): number => room.sessionsPerNode[node.descriptor.nodeId] ?? 0;
  return firstOf(usable, count, (a, b) => used(a) - used(b) || a.load - b.load);
}
