import type { NodeRecord } from '@mediaserver/contracts';
import { predictedLoad } from '../load.ts';
import type { PlacementRequest } from '../types.ts';

/**
 * The room's own nodes that have room left: home first, then those with most of its sessions.
 * Users of one room on one node need no pipe.
 */
export function sticky(
  nodes: readonly NodeRecord[],
  room: NonNullable<PlacementRequest['room']>,
  weight: number,
  stickyLoad: number,
): NodeRecord[] {
  const rank = (node: NodeRecord): number =>
    node.descriptor.nodeId === room.homeNodeId ? Infinity : (room.sessionsPerNode[node.descriptor.nodeId] ?? 0);
  return nodes
    .filter((node) => rank(node) > 0 && predictedLoad(node, weight) < stickyLoad)
    .sort((a, b) => (rank(a) === rank(b) ? predictedLoad(a, weight) - predictedLoad(b, weight) : rank(b) - rank(a)));
}
