import { z } from 'zod';
import { roomIdSchema } from '../identifiers.ts';
import { trackStateSchema } from './media.ts';
import { roomSpecSchema } from './room-spec.ts';
import { sessionSchema } from './users.ts';

export const createRoomRequestSchema = roomSpecSchema.extend({ roomId: roomIdSchema.optional() });
export type CreateRoomRequest = z.infer<typeof createRoomRequestSchema>;

export const roomNodeSchema = z.object({
  nodeId: z.string(),
  role: z.enum(['home', 'edge']).describe('`home` is the node the room is assigned to; the others joined by cascade.'),
});

/** A room without its users, as lists show it. */
export const roomSummarySchema = z.object({
  roomId: z.string(),
  roomSessionId: z.string().describe('This life of the room; closed and created again it has another'),
  state: z.string().describe('`open`.'),
  createdAt: z.iso.datetime(),
  version: z.number().int(),
  spec: roomSpecSchema.loose(),
  userCount: z.number().int(),
});
export type RoomSummary = z.infer<typeof roomSummarySchema>;

export const roomSchema = roomSummarySchema.extend({
  users: z.array(sessionSchema),
  tracks: z.array(trackStateSchema),
  nodes: z.array(roomNodeSchema),
  lastSeq: z.number().int(),
});
export type RoomView = z.infer<typeof roomSchema>;

export const listRoomsQuerySchema = z.strictObject({
  limit: z.coerce.number().int().min(1).max(500).default(100),
  cursor: z
    .string()
    .min(1)
    .max(256)
    .regex(/^[A-Za-z0-9_-]+$/)
    .optional()
    .describe('`nextCursor` of the page before.'),
});
export const roomListSchema = z.object({ rooms: z.array(roomSummarySchema), nextCursor: z.string().nullable() });
export type RoomList = z.infer<typeof roomListSchema>;

/** `?roomSessionId=` closes only that life of the room. */
export const deleteRoomQuerySchema = z.strictObject({
  roomSessionId: z.string().max(64).optional().describe('Only this life of the room'),
});
