/**
 * What goes over the data channels: JSON text, one object a message. Binary messages are refused.
 *
 * A client writes {@link clientMessageSchema}, the server writes {@link dataMessageSchema} on the channel of the same
 * label or, to whoever sent something it could not take, {@link messageErrorSchema}. Limits of a session: 30 messages
 * and 16 KiB a second, with bursts of 100 and 64 KiB. Of all sessions of a room together, for each channel: 500
 * messages and 32 KiB a second, with bursts of 2,000 and 256 KiB on each node.
 */
import { z } from 'zod';
import { userIdSchema } from '../identifiers.ts';
import type { DataChannel } from './media.ts';

/** Bytes of one message as UTF-8, as sent and as delivered; also `a=max-message-size` of offers. */
export const MAX_DATA_MESSAGE_BYTES = 16 * 1024;

/**
 * `server` delivers everything in order, or closes: for a client that leaves more than 512 KiB untaken, and where
 * messages of another node were lost. Both channels close then, and come anew with `resume` and `reset: "all"`.
 * `server-lossy` drops what is late (cursors, typing, levels).
 */
export const dataChannels = [
  { label: 'server', id: 0, ordered: true },
  { label: 'server-lossy', id: 1, ordered: false, maxRetransmits: 0 },
] as const satisfies readonly DataChannel[];

/** What JSON.parse gave; both ends parse or write JSON, so walking through it again would prove nothing. */
const parsedJsonSchema = z.custom<z.core.util.JSONType>((value) => value !== undefined, 'required');

export const clientMessageSchema = z.strictObject({
  /**
   * Who shall get it: every session of these users. Left out: every other session of the room, the sender's other
   * devices included. Never the session it comes from.
   */
  to: z.array(userIdSchema).min(1).max(200).optional(),
  data: parsedJsonSchema,
  /** Comes back in an error, so that the client knows which message it is about. */
  id: z.string().max(64).optional(),
});
export type ClientMessage = z.infer<typeof clientMessageSchema>;

export const dataMessageSchema = z.object({
  /** userId of the sender. */
  from: z.string(),
  data: parsedJsonSchema,
});
export type DataMessage = z.infer<typeof dataMessageSchema>;

export const messageErrorSchema = z.object({
  error: z.object({
    code: z.enum(['invalid_message', 'message_too_large', 'rate_limited']),
    message: z.string(),
    id: z.string().nullable(),
  }),
});
export type MessageError = z.infer<typeof messageErrorSchema>;
