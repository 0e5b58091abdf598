import type { NodeRecord } from '@mediaserver/contracts';

/** Share of one Worker that a session is taken for until a node's own figures say otherwise. */
const PRIOR_COST_PER_WORKER = 0.01;
/** How many sessions of that prior a node's own figures are mixed with. */
const PRIOR_SESSIONS = 10;
/** How far from the prior own figures may lead: a busy neighbour on the host is not a session's cost. */
const MAX_DEVIATION = 4;

/**
 * Predicted share of the node's load that one more session takes. Own figures count by how many
 * sessions they come from: a second of CPU spent on something else, with few sessions there, must
 * not make each of them look dear and with that the node full.
 */
export function sessionCost(node: NodeRecord): number {
  const prior = PRIOR_COST_PER_WORKER / node.descriptor.workers;
  const { ratio, sessions } = node.load;
  if (sessions <= 0) return prior;
  const measured = Math.min(Math.max(ratio / sessions, prior / MAX_DEVIATION), prior * MAX_DEVIATION);
  return (sessions * measured + PRIOR_SESSIONS * prior) / (sessions + PRIOR_SESSIONS);
}

/** The node's load once it shows what was placed on it lately and `weight` sessions more. */
export function predictedLoad(node: NodeRecord, weight: number): number {
  return node.load.ratio + (node.reserved + weight) * sessionCost(node);
}
