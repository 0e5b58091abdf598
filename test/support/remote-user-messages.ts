import { z } from 'zod';

/** What a test tells its remote user. */
export const toRemoteSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('join'), roomId: z.string(), userId: z.string() }),
  z.object({ type: z.literal('resume') }),
  z.object({ type: z.literal('answer'), id: z.number(), body: z.string() }),
  z.object({ type: z.literal('refusal'), id: z.number(), message: z.string() }),
]);
export type ToRemote = z.infer<typeof toRemoteSchema>;

/** What it hears from it. Times are `Date.now()`, bodies JSON. */
export const fromRemoteSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('call'), id: z.number(), method: z.string(), path: z.string(), body: z.string() }),
  z.object({ type: z.literal('done') }),
  z.object({ type: z.literal('packets'), trackId: z.string(), at: z.number() }),
  z.object({ type: z.literal('address'), ip: z.string() }),
  z.object({ type: z.literal('ice'), connection: z.enum(['pub', 'sub']), state: z.string(), at: z.number() }),
]);
export type FromRemote = z.infer<typeof fromRemoteSchema>;
