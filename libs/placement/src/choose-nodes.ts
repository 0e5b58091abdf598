import { exclusionOf } from './filter.ts';
import { predictedLoad, sessionCost } from './load.ts';
import { spread } from './policies/spread.ts';
import { sticky } from './policies/sticky.ts';
import { twoChoices } from './policies/two-choices.ts';
import type { Rated } from './rated.ts';
import type { Exclusion, PlacementDecision, PlacementLimits, PlacementRequest } from './types.ts';

const DEFAULT_LIMITS: PlacementLimits = { maxLoad: 0.9, stickyLoad: 0.8, maxCandidates: 3 };

/**
 * Which nodes to try for one more session, or for a room, in order. It decides on a snapshot; the
 * registry's script then checks the first against the live figures, and the next if that fails.
 */
export function chooseNodes(request: PlacementRequest): PlacementDecision {
  const { room, weight, random } = request;
  const limits = { ...DEFAULT_LIMITS, ...request.limits };
  const excluded: Record<string, Exclusion> = {};
  const usable: Rated[] = [];
  for (const node of request.nodes) {
    const load = predictedLoad(node, weight);
    const exclusion = exclusionOf(node, load, request, limits.maxLoad);
    if (exclusion === null) {
      usable.push({ node, load });
    } else {
      excluded[node.descriptor.nodeId] = exclusion;
    }
  }

  const count = limits.maxCandidates;
  let ordered: readonly Rated[];
  if (room === undefined) {
    ordered = twoChoices(usable, count, random);
  } else if (request.strategy === 'spread') {
    ordered = spread(usable, room, count);
  } else {
    const own = sticky(usable, room, limits.stickyLoad, count);
    const others = own.length === 0 ? usable : usable.filter((one) => !own.includes(one));
    ordered = [...own, ...twoChoices(others, count - own.length, random)];
  }
  return {
    candidates: ordered.map(({ node }) => ({
      nodeId: node.descriptor.nodeId,
      bootId: node.descriptor.bootId,
      weight,
      sessionCost: sessionCost(node),
      maxLoad: limits.maxLoad,
    })),
    excluded,
  };
}
