import type { PlacementDecision, PlacementRequest } from './types.ts';

export function chooseNodes(_request: PlacementRequest): PlacementDecision {
  throw new Error('not written yet');
}
