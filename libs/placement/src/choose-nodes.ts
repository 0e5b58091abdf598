import type { NodeRecord } from '@mediaserver/contracts';
import { exclusionOf } from './filter.ts';
import { sessionCost } from './load.ts';
import { spread } from './policies/spread.ts';
import { sticky } from './policies/sticky.ts';
import { twoChoices } from './policies/two-choices.ts';
import type { Exclusion, PlacementDecision, PlacementLimits, PlacementRequest } from './types.ts';

export const DEFAULT_LIMITS: PlacementLimits = { maxLoad: 0.9, stickyLoad: 0.8, maxCandidates: 3 };

/**
 * Which nodes to try for one more session, or for a room, in order. It decides on a snapshot; the
 * registry's script then checks the first against the live figures, and the next if that fails.
 */
export function chooseNodes(request: PlacementRequest): PlacementDecision {
  const { room, weight, random } = request;
  const limits = { ...DEFAULT_LIMITS, ...request.limits };
  const excluded: Record<string, Exclusion> = {};
  const usable: NodeRecord[] = [];
  for (const node of request.nodes) {
    const exclusion = exclusionOf(node, request, limits.maxLoad);
    if (exclusion === null) {
      usable.push(node);
    } else {
      excluded[node.descriptor.nodeId] = exclusion;
    }
  }

  const ordered = order(usable);
  return {
    candidates: ordered.slice(0, limits.maxCandidates).map((node) => ({
      nodeId: node.descriptor.nodeId,
      bootId: node.descriptor.bootId,
      weight,
      sessionCost: sessionCost(node),
      maxLoad: limits.maxLoad,
    })),
    excluded,
  };

  function order(nodes: NodeRecord[]): NodeRecord[] {
    if (room !== undefined && request.strategy === 'spread') {
      return spread(nodes, room, weight);
    }
    const own = room === undefined ? [] : sticky(nodes, room, weight, limits.stickyLoad);
    const others = own.length === 0 ? nodes : nodes.filter((node) => !own.includes(node));
    return [...own, ...twoChoices(others, weight, limits.maxCandidates - own.length, random)];
  }
}
