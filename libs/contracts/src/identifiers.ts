import { z } from 'zod';

/**
 * Ids the caller chooses. They feed URLs, logs, Redis keys and SDP (`msid`), so the alphabet is
 * narrow; `:` separates the parts of a `trackId` and is therefore not in it.
 */
const CALLER_ID = /^[A-Za-z0-9][A-Za-z0-9._~@+-]*$/;

export const roomIdSchema = z.string().min(1).max(128).regex(CALLER_ID);
/** 64 is the limit of an SDP msid identifier (RFC 8830 §2). */
export const userIdSchema = z.string().min(1).max(64).regex(CALLER_ID);
export const deviceIdSchema = z.string().min(1).max(64).regex(CALLER_ID);
export const nodeIdSchema = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/);
/** Ids the product makes: UUIDs, read as opaque strings. */
export const opaqueIdSchema = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[A-Za-z0-9-]+$/);
/** What a User sends: `microphone`, `camera`, `screen`, `screen-audio` or a name of the caller's. */
export const sourceSchema = z
  .string()
  .min(1)
  .max(32)
  .regex(/^[a-z][a-z0-9-]*$/);
/** `userId:source`, or `userId:source:n` for the n-th concurrent session of that user. */
export const trackIdSchema = z
  .string()
  .min(3)
  .max(110)
  .regex(/^[A-Za-z0-9._~@+-]+:[a-z][a-z0-9-]*(:[1-9][0-9]{0,3})?$/);
/** RFC 5888 token; 16 is the longest mid that fits the header extension mediasoup writes. */
export const midSchema = z.string().min(1).max(16);
export const displayNameSchema = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[^\p{Cc}]*$/u, 'no control characters');
/** Free data of the caller, returned as it came: at most 4 KiB as JSON. */
export const metadataSchema = z
  .record(z.string().max(64), z.json())
  .refine((value) => JSON.stringify(value).length <= 4096, 'metadata is limited to 4096 characters of JSON');

export type Metadata = z.infer<typeof metadataSchema>;

/** Tenant used until a key says otherwise. */
export const DEFAULT_TENANT = 'default';

/**
 * @param ordinal which of the user's concurrent sessions this is, from 1. It is given at admission,
 *   so that a node can name tracks without asking Redis.
 */
export function makeTrackId(userId: string, source: string, ordinal: number): string {
  return ordinal === 1 ? `${userId}:${source}` : `${userId}:${source}:${ordinal}`;
}
