import type { NodeRecord } from '@mediaserver/contracts';
import type { Exclusion, PlacementRequest } from './types.ts';

/** Why a node cannot take this at all; null if it can. `load` is what it would come to. */
export function exclusionOf(
  node: NodeRecord,
  load: number,
  request: Pick<PlacementRequest, 'region' | 'codecTableVersion'>,
  maxLoad: number,
): Exclusion | null {
  if (!node.alive) {
    return 'lease_lapsed';
  }
  if (node.state !== 'ready') {
    return 'not_ready';
  }
  if (node.descriptor.codecTableVersion !== request.codecTableVersion) {
    return 'other_codec_table';
  }
  if (request.region !== null && node.descriptor.region !== request.region) {
    return 'other_region';
  }
  return load > maxLoad ? 'full' : null;
}
