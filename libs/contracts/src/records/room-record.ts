import { z } from 'zod';
import { trackStateSchema } from '../api/media.ts';
import { roomSpecSchema } from '../api/room-spec.ts';
import { sessionSchema, subscribeModeSchema } from '../api/users.ts';

/** The stored assignment and specification of a room. Only Lua scripts write it. */
export const roomRecordSchema = z.object({
  tenant: z.string(),
  roomId: z.string(),
  roomSessionId: z.string(),
  /** A newer version of the product may have written more than this one knows. */
  spec: roomSpecSchema.strip(),
  homeNodeId: z.string(),
  /** Fencing number: a node refuses commands of a lower one. Never falls, over all lives of all rooms. */
  epoch: z.number().int(),
  eventEpoch: z.number().int(),
  createdAt: z.iso.datetime(),
  version: z.number().int(),
});
export type RoomRecord = z.infer<typeof roomRecordSchema>;

/** A session as Redis keeps it: the view plus the intent that a rebuild elsewhere would need. */
export const sessionRecordSchema = sessionSchema.extend({
  state: z.enum(['joining', 'joined']),
  bootId: z.string(),
  /** Which of the user's concurrent sessions this is, from 1. */
  ordinal: z.number().int().min(1),
  subscribe: subscribeModeSchema,
});
export type SessionRecord = z.infer<typeof sessionRecordSchema>;

export const trackRecordSchema = trackStateSchema;
export type TrackRecord = z.infer<typeof trackRecordSchema>;
