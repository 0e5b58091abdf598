import { firstOf, type Rated } from '../rated.ts';
import type { PlacementRequest } from '../types.ts';

/**
 * The room's own nodes that have room left: home first, then those with most of its sessions.
 * Users of one room on one node need no pipe.
 */
export function sticky(
  usable: readonly Rated[],
  room: NonNullable<PlacementRequest['room']>,
  stickyLoad: number,
  count: number,
): Rated[] {
  const rank = ({ node: { descriptor } }: Rated): number =>
    descriptor.nodeId === room.homeNodeId ? Infinity : (room.sessionsPerNode[descriptor.nodeId] ?? 0);
  const own = usable.filter((one) => one.load < stickyLoad && rank(one) > 0);
  return firstOf(own, count, (a, b) => (rank(a) === rank(b) ? a.load - b.load : rank(b) - rank(a)));
}
