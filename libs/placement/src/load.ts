import type { NodeRecord } from '@mediaserver/contracts';

/** Share of one Worker that a session is taken for until a node's own figures say otherwise. */
const PRIOR_COST_PER_WORKER = 0.01;
/** How many sessions of that prior a node's own figures are mixed with. */
const PRIOR_SESSIONS = 10;
/** How far from the prior own figures may lead: a busy neighbour on the host is not a session's cost. */
const MAX_DEVIATION = 4;

/** Predicted share of the node's load that one more session takes. */
export function sessionCost(node: NodeRecord): number {
  const prior = PRIOR_COST_PER_WORKER / node.descriptor.workers;
  const measured = (node.load.ratio + PRIOR_SESSIONS * prior) / (node.load.sessions + PRIOR_SESSIONS);
  return Math.min(Math.max(measured, prior / MAX_DEVIATION), prior * MAX_DEVIATION);
}

/** The node's load once it shows what was placed on it lately and `weight` sessions more. */
export function predictedLoad(node: NodeRecord, weight: number): number {
  return node.load.ratio + (node.reserved + weight) * sessionCost(node);
}
