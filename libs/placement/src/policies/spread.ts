import type { NodeRecord } from '@mediaserver/contracts';
import { predictedLoad } from '../load.ts';
import type { PlacementRequest } from '../types.ts';

/** The nodes with fewest sessions of this room first, among equals the least loaded. */
export function spread(
  nodes: readonly NodeRecord[],
  room: NonNullable<PlacementRequest['room']>,
  weight: number,
): NodeRecord[] {
  const used = (node: NodeRecord): number => room.sessionsPerNode[node.descriptor.nodeId] ?? 0;
  return nodes.toSorted(
    (a, b) =>
      used(a) - used(b) ||
      predictedLoad(a, weight) - predictedLoad(b, weight) ||
      (a.descriptor.nodeId < b.descriptor.nodeId ? -1 : 1),
  );
}
