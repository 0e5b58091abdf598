import { z } from 'zod';
import { midSchema, sourceSchema, trackIdSchema } from '../identifiers.ts';

/** Limits hold before anything is parsed; Chromium's own offer with 60 video sections is 239 KB. */
export const MAX_SDP_BYTES = 512 * 1024;

/** SDP as the client wrote it. It is validated by `libs/sdp`, not here, its size too: that has a code of its own. */
export const sdpSchema = z
  .string()
  .min(1)
  .describe(`SDP as the browser wrote it, at most ${MAX_SDP_BYTES / 1024} KiB; more is \`sdp_too_large\``);
export const mediaKindSchema = z.enum(['audio', 'video']);
export type MediaKind = z.infer<typeof mediaKindSchema>;

/** What the client sends in one media section of its PUB offer. */
export const publishTrackSchema = z.strictObject({
  mid: midSchema.describe('`a=mid` of the media section in the offer'),
  source: sourceSchema.describe(
    '`microphone`, `camera`, `screen`, `screen-audio` or a name of your own; part of the trackId',
  ),
  ridOrder: z
    .array(z.string().min(1).max(16))
    .max(8)
    .optional()
    .describe('Rids from lowest to highest quality, where their names do not say it.'),
  scalabilityMode: z
    .string()
    .max(16)
    .regex(/^[LS][1-9]T[1-9](_KEY)?(_SHIFT)?$|^L[1-9]T[1-9]h(_KEY)?$/)
    .optional()
    .describe('As in `RTCRtpEncodingParameters`; SDP does not carry it.'),
});
export type PublishTrack = z.infer<typeof publishTrackSchema>;

export const publishRequestSchema = z.strictObject({
  sdp: sdpSchema,
  tracks: z.array(publishTrackSchema).max(64).default([]),
});
export type PublishRequest = z.infer<typeof publishRequestSchema>;

export const publishSectionSchema = z.object({
  mid: z.string(),
  status: z.string().describe('`live | paused | rejected | closed | inactive`.'),
  code: z.string().nullable().describe('Why the section was rejected; null otherwise.'),
  producerId: z.string().nullable(),
  trackId: z.string().nullable(),
  kind: z.string(),
  source: z.string().nullable(),
});

export const publishResultSchema = z.object({
  generation: z.number().int().describe('Counts PeerConnections of the session; a new number means: make a new one.'),
  sdp: z.string().describe("The SDP answer for the client's `setRemoteDescription`."),
  sections: z.array(publishSectionSchema),
});
export type PublishResult = z.infer<typeof publishResultSchema>;

export const subscribeTrackSchema = z.object({
  mid: z.string(),
  trackId: z.string(),
  consumerId: z.string(),
  producerId: z.string(),
  userId: z.string(),
  kind: mediaKindSchema,
  source: z.string(),
  paused: z.boolean(),
  replaces: z
    .string()
    .nullable()
    .describe('consumerId of the consumer this one takes over from, after a move; null otherwise.'),
});
export type SubscribeTrack = z.infer<typeof subscribeTrackSchema>;

export const dataChannelSchema = z.object({
  label: z.string(),
  id: z.number().int(),
  ordered: z.boolean(),
  maxRetransmits: z.number().int().optional(),
});

/** An offer of the server for the session's SUB PeerConnection. */
export const subscribeOfferSchema = z.object({
  generation: z.number().int(),
  revision: z
    .number()
    .int()
    .describe('Rises within a generation; a client ignores an offer that is not newer than the one it applied.'),
  negotiationId: z.string().describe('Hand it back with the answer'),
  sdp: z.string(),
  tracks: z.array(subscribeTrackSchema).describe('The full list of live sections, not the difference.'),
  data: z.array(dataChannelSchema),
});
export type SubscribeOffer = z.infer<typeof subscribeOfferSchema>;

export const subscribeAnswerRequestSchema = z.strictObject({
  negotiationId: z.string().min(1).max(64),
  sdp: sdpSchema,
});
export type SubscribeAnswerRequest = z.infer<typeof subscribeAnswerRequestSchema>;

export const answeredSectionSchema = z.object({
  mid: z.string(),
  status: z.string().describe('`live | closed | rejected`.'),
  code: z.string().nullable(),
  trackId: z.string().nullable(),
});

export const subscribeAnswerResultSchema = z.object({
  next: subscribeOfferSchema
    .nullable()
    .describe('The next offer, where something changed while this one was under way.'),
  sections: z.array(answeredSectionSchema),
});
export type SubscribeAnswerResult = z.infer<typeof subscribeAnswerResultSchema>;

/** Changes what the session receives. Later publications follow the session's subscribe mode. */
export const subscribeRequestSchema = z.strictObject({
  add: z.array(trackIdSchema).max(200).default([]),
  remove: z.array(trackIdSchema).max(200).default([]),
});
export type SubscribeRequest = z.infer<typeof subscribeRequestSchema>;
export const subscribeResultSchema = z.object({
  offer: subscribeOfferSchema
    .nullable()
    .describe('The offer that carries the change, or null when one is outstanding and this follows its answer.'),
});
export type SubscribeResult = z.infer<typeof subscribeResultSchema>;

/** One track of the room, wherever it lives. */
export const trackStateSchema = z.object({
  trackId: z.string(),
  producerId: z.string(),
  userId: z.string(),
  sessionId: z.string(),
  nodeId: z.string(),
  kind: mediaKindSchema,
  source: z.string(),
  paused: z.boolean().describe('True while any of the reasons below holds.'),
  mutedByUser: z.boolean(),
  mutedByModerator: z.boolean(),
});
export type TrackState = z.infer<typeof trackStateSchema>;

export const patchTrackRequestSchema = z.strictObject({
  muted: z.boolean(),
  by: z.enum(['user', 'moderator']).default('user'),
});
export type PatchTrackRequest = z.infer<typeof patchTrackRequestSchema>;
