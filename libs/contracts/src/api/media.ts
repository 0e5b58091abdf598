import { z } from 'zod';
import { codecNames } from '../codec-table.ts';
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
    .describe(
      'As in `RTCRtpEncodingParameters`; SDP does not carry it. Name what the browser took (`getParameters()`): layers that do not come are waited for. AV1 takes one spatial layer (`L1T3`), VP9 three.',
    ),
  codec: z
    .enum(codecNames)
    .optional()
    .describe("Taken if the section offers it and the room allows it; otherwise the first of the client's own order."),
  stereo: z
    .boolean()
    .optional()
    .describe('Asks the client to send Opus in stereo. Without it, it may if its offer says `sprop-stereo=1`.'),
  dtx: z.boolean().optional().describe('Asks the client to send nothing while there is silence (Opus DTX).'),
  maxBitrate: z
    .number()
    .int()
    .min(6_000)
    .max(100_000_000)
    .optional()
    .describe(
      'Bits per second that the client shall not go over. Browsers take the cap of a video for all they send, so with several videos their sum is asked for, and nothing if one of them has no cap; `setParameters` in the client caps one alone.',
    ),
});
export type PublishTrack = z.infer<typeof publishTrackSchema>;

export const publishRequestSchema = z.strictObject({
  sdp: sdpSchema,
  tracks: z
    .array(publishTrackSchema)
    .max(64)
    .default([])
    .describe(
      'One for each media section of the offer that sends, those that sent before too; a section without one is `missing_track`.',
    ),
  generation: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe(
      'The `generation` that the PeerConnection of this offer was answered with. An offer of an earlier one is refused with `stale_offer`, so that it cannot disturb a newer one.',
    ),
  reset: z
    .boolean()
    .default(false)
    .describe(
      'The offer is of a new PeerConnection; the one before it is gone. What it sent ends, and is sent anew as far as this offer says so.',
    ),
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

/** A data channel both ends make by themselves, with `negotiated: true` (RFC 8832 is not used). */
export const dataChannelSchema = z.object({
  label: z.string(),
  id: z.number().int(),
  ordered: z.boolean(),
  maxRetransmits: z.number().int().optional(),
});
export type DataChannel = z.infer<typeof dataChannelSchema>;

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
  data: z
    .array(dataChannelSchema)
    .describe(
      'Before applying the first offer of a generation, make these with `createDataChannel(label, {negotiated: true, id, …})`. Empty if the session has no data channels.',
    ),
});
export type SubscribeOffer = z.infer<typeof subscribeOfferSchema>;

export const subscribeAnswerRequestSchema = z.strictObject({
  negotiationId: z.string().min(1).max(64),
  sdp: sdpSchema,
});
export type SubscribeAnswerRequest = z.infer<typeof subscribeAnswerRequestSchema>;

export const answeredSectionSchema = z.object({
  mid: z.string(),
  status: z.string().describe('`live | inactive | closed | rejected`.'),
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
  add: z
    .array(trackIdSchema)
    .max(200)
    .default([])
    .describe('Tracks of the room to receive, also those that `subscribe` of the join leaves out, and own ones'),
  remove: z
    .array(trackIdSchema)
    .max(200)
    .default([])
    .describe('Tracks not to receive any more; of a track in both lists this counts'),
});
export type SubscribeRequest = z.infer<typeof subscribeRequestSchema>;
export const subscribeResultSchema = z.object({
  offer: subscribeOfferSchema
    .nullable()
    .describe(
      'The offer that waits for an answer: it carries the change, unless it went out before; then the next one does. Null if there is nothing to tell.',
    ),
});
export type SubscribeResult = z.infer<typeof subscribeResultSchema>;

/** How one session receives one track. Kept by track, so it outlives a resume and a new producer. */
export const consumerSettingsSchema = z.strictObject({
  paused: z.boolean().optional().describe('Stops and starts the track for this user alone, without SDP'),
  preferredLayers: z
    .strictObject({
      spatial: z.number().int().min(0).max(7),
      temporal: z.number().int().min(0).max(7).optional(),
    })
    .nullable()
    .optional()
    .describe(
      'The highest simulcast or SVC layer of a video to send, from 0; the bandwidth may allow less only. Null: the highest there is. Of audio it is ignored.',
    ),
  priority: z
    .number()
    .int()
    .min(1)
    .max(255)
    .optional()
    .describe("Among the user's videos, the higher is served first where bandwidth is short; 1 if never set."),
});
export type ConsumerSettings = z.infer<typeof consumerSettingsSchema>;

const layersSchema = z.object({ spatial: z.number().int(), temporal: z.number().int().optional() });
export const consumerViewSchema = z.object({
  trackId: z.string(),
  consumerId: z
    .string()
    .nullable()
    .describe('Null while the track is on its way: the choice is kept, and holds once it comes'),
  paused: z.boolean().describe('By this call; whether the track itself is muted is in `tracks`'),
  preferredLayers: layersSchema.nullable(),
  currentLayers: layersSchema.nullable().describe('What is sent now; null if nothing, or if there are no layers'),
  priority: z.number().int(),
});
export type ConsumerView = z.infer<typeof consumerViewSchema>;

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
