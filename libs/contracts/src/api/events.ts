import { z } from 'zod';
import { subscribeOfferSchema, trackStateSchema } from './media.ts';
import { sessionSchema } from './users.ts';

/**
 * Facts: durable, ordered, `seq` gapless within (room life, `eventEpoch`). Written by the Lua
 * script that changes the state they tell of.
 */
export const factDataSchemas = {
  'room.created': z.object({ nodeId: z.string() }),
  'room.closed': z.object({ reason: z.string() }),
  'user.joined': z.object({ user: sessionSchema }),
  'user.connected': z.object({ userId: z.string(), sessionId: z.string() }),
  'user.disconnected': z.object({ userId: z.string(), sessionId: z.string(), peer: z.string() }),
  'user.left': z.object({
    userId: z.string(),
    sessionId: z.string(),
    reason: z
      .string()
      .describe(
        '`left`, `kicked`: by your call. `replaced`: the user joined on another device. `connection_lost`: its client was gone longer than `graceSeconds`, or never connected. `node_lost`: the node of the session failed. `room_closed`.',
      ),
  }),
  'producer.created': z.object({ track: trackStateSchema }),
  'producer.paused': z.object({ track: trackStateSchema }),
  'producer.resumed': z.object({ track: trackStateSchema }),
  'producer.closed': z.object({
    trackId: z.string(),
    producerId: z.string(),
    userId: z.string(),
    sessionId: z.string(),
  }),
  'consumer.failed': z.object({ userId: z.string(), sessionId: z.string(), trackId: z.string(), code: z.string() }),
} as const;
export type FactType = keyof typeof factDataSchemas;

/** Signals: no `seq`, the latest wins per session and type, safe to lose, double or delay. */
export const signalDataSchemas = {
  'subscribe.offer': z.object({ userId: z.string(), sessionId: z.string(), subscribe: subscribeOfferSchema }),
} as const;

export const eventSchema = z.object({
  id: z.string(),
  type: z.string(),
  tenant: z.string(),
  roomId: z.string(),
  roomSessionId: z.string(),
  eventEpoch: z.number().int(),
  seq: z.number().int().optional().describe('Only facts have it.'),
  occurredAt: z.iso.datetime(),
  data: z.record(z.string(), z.unknown()),
});
export type EventEnvelope = z.infer<typeof eventSchema>;

/** Body of a webhook: facts of one room in order, or signals. */
export const webhookBodySchema = z.object({ events: z.array(eventSchema).min(1).max(100) });
export type WebhookBody = z.infer<typeof webhookBodySchema>;

/** `?after=` is the last `seq` the caller has; 0 replays the room life from its beginning. */
export const listEventsQuerySchema = z.strictObject({
  after: z.coerce.number().int().min(0).default(0).describe('The last `seq` you have; 0 replays from the beginning'),
  limit: z.coerce.number().int().min(1).max(500).default(100),
  roomSessionId: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe('Reads an earlier life of the room, for as long as its events are kept.'),
});
export const eventListSchema = z.object({
  roomSessionId: z.string(),
  events: z.array(eventSchema),
  lastSeq: z.number().int().describe('`seq` of the last fact there is; ask again with `after` until it is reached.'),
});
export type EventList = z.infer<typeof eventListSchema>;
