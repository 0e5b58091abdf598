import { z } from 'zod';
import { codecNames } from '../codec-table.ts';
import { metadataSchema } from '../identifiers.ts';

/** What the caller decides about a room. Every field has a default, so `{}` is a good room. */
export const roomSpecSchema = z.strictObject({
  maxUsers: z.number().int().min(1).max(1000).default(100),
  emptyTimeoutSeconds: z
    .number()
    .int()
    .min(1)
    .max(86_400)
    .default(300)
    .describe('Closes the room this long after its last user left (or after creation, if nobody came).'),
  graceSeconds: z
    .number()
    .int()
    .min(0)
    .max(3600)
    .default(30)
    .describe(
      'How long a user whose media is gone is waited for before `user.left {connection_lost}`. A user who got SDP from us and never connects leaves after 60 s, whatever this says.',
    ),
  onSecondDevice: z
    .enum(['replace', 'refuse', 'allow'])
    .default('replace')
    .describe('What a join does while the same user is in on another device.'),
  region: z
    .string()
    .min(1)
    .max(63)
    .regex(/^[a-z0-9-]+$/)
    .nullable()
    .default(null),
  placement: z
    .strictObject({
      strategy: z
        .enum(['pack', 'spread'])
        .default('pack')
        .describe("`pack` keeps a room's users on one node while it has room; `spread` puts them on the least used."),
    })
    .prefault({}),
  metadata: metadataSchema.default({}),
  media: z
    .strictObject({
      codecs: z
        .array(z.enum(codecNames))
        .min(1)
        .refine((list) => new Set(list).size === list.length, 'each codec once')
        .default(['opus', 'VP8', 'H264', 'VP9', 'AV1'])
        .describe('Allowed codecs, preferred first.'),
    })
    .prefault({}),
});
export type RoomSpec = z.infer<typeof roomSpecSchema>;
