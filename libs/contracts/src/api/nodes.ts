import { z } from 'zod';

export const nodeSchema = z.object({
  nodeId: z.string(),
  bootId: z.string(),
  region: z.string().nullable(),
  version: z.string(),
  state: z.string().describe('`ready | stopping | lost`.'),
  alive: z.boolean(),
  load: z.object({
    ratio: z.number().describe('0 = idle, 1 = all its Workers are busy.'),
    rooms: z.number().int(),
    sessions: z.number().int(),
    producers: z.number().int(),
    consumers: z.number().int(),
    workers: z.number().int(),
  }),
});
export type NodeView = z.infer<typeof nodeSchema>;
export const nodeListSchema = z.object({ nodes: z.array(nodeSchema) });
