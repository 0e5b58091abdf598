import { z } from 'zod';
import { nodeIdSchema, opaqueIdSchema } from '../identifiers.ts';

/** What a node says of itself once per boot. */
export const nodeDescriptorSchema = z.object({
  nodeId: nodeIdSchema,
  bootId: opaqueIdSchema,
  /** Base URL of the control API, as coordinators and other nodes reach it. */
  controlUrl: z.url(),
  region: z.string().nullable(),
  version: z.string(),
  codecTableVersion: z.number().int(),
  workers: z.number().int().min(1),
});
export type NodeDescriptor = z.infer<typeof nodeDescriptorSchema>;

/** Sampled by the node, sent with each heartbeat. */
export const loadReportSchema = z.object({
  /** Busiest of: mean Worker CPU, the process' own CPU; 0 to 1 and above. */
  ratio: z.number().min(0),
  rooms: z.number().int(),
  sessions: z.number().int(),
  producers: z.number().int(),
  consumers: z.number().int(),
});
export type LoadReport = z.infer<typeof loadReportSchema>;

export const nodeStates = ['ready', 'stopping'] as const;
export type NodeState = (typeof nodeStates)[number];

/** The registry's view of one node. */
export interface NodeRecord {
  readonly descriptor: NodeDescriptor;
  readonly state: NodeState;
  readonly load: LoadReport;
  /** Whether its lease is fresh. */
  readonly alive: boolean;
  /** Sessions placed on it that its load report cannot show yet. */
  readonly reserved: number;
}

/**
 * One node the pure policy would take, with what the registry's script needs to check it against
 * the live figures: `load.ratio + (reserved + weight) × sessionCost ≤ maxLoad`.
 */
export interface Candidate {
  readonly nodeId: string;
  readonly bootId: string;
  /** Sessions to reserve; 0 for a room that nobody has joined yet. */
  readonly weight: number;
  /** Predicted share of the node's load that one session takes. */
  readonly sessionCost: number;
  readonly maxLoad: number;
}
