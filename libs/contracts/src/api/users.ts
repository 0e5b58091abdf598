import { z } from 'zod';
import { deviceIdSchema, displayNameSchema, metadataSchema, userIdSchema } from '../identifiers.ts';
import { publishRequestSchema, publishResultSchema, sdpSchema, subscribeOfferSchema } from './media.ts';
import { roomSpecSchema } from './room-spec.ts';

export const permissionsSchema = z.strictObject({
  publish: z.boolean().default(true).describe('Whether the user may send; if not, `publish` is `not_permitted`'),
  subscribe: z
    .boolean()
    .default(true)
    .describe('Whether the user may receive; if not, there is no `subscribe` offer, and `subscribe` is refused'),
});
export type Permissions = z.infer<typeof permissionsSchema>;

export const subscribeModeSchema = z.enum(['all', 'audio', 'none']);
export type SubscribeMode = z.infer<typeof subscribeModeSchema>;

/** Sets of needs that clients have; which one a client has is read from its SDP. */
export const clientProfileNames = ['standard', 'grow'] as const;
export type ClientProfileName = (typeof clientProfileNames)[number];
export const clientProfileSchema = z
  .enum(clientProfileNames)
  .describe(
    '`standard`: libwebrtc (browsers, Android, iOS), Firefox. `grow`: GStreamer `webrtcbin`, which takes neither a media section over for another track nor new ICE credentials in an offer. Without it the SDP of the client says which it is; of libdatachannel say `grow`.',
  );

export const joinRequestSchema = z.strictObject({
  userId: userIdSchema,
  deviceId: deviceIdSchema.optional(),
  room: roomSpecSchema
    .optional()
    .describe('Creates the room if it is absent, in the same step. Ignored if the room exists.'),
  displayName: displayNameSchema.optional(),
  metadata: metadataSchema.default({}),
  permissions: permissionsSchema.prefault({}),
  capabilitiesSdp: sdpSchema
    .optional()
    .describe(
      '`createOffer()` of a throw-away PeerConnection with recvonly audio and video; says what the device can receive. At most 512 KiB.',
    ),
  publish: publishRequestSchema.optional().describe('What the user sends from the start; later by `publish`'),
  subscribe: subscribeModeSchema.default('all').describe('What the user receives of present and later tracks'),
  data: z
    .boolean()
    .default(true)
    .describe(
      'Whether the session gets data channels, if its client can have them. Without them it neither sends nor gets messages; `permissions` say nothing of messages',
    ),
  clientProfile: clientProfileSchema.optional(),
});
export type JoinRequest = z.infer<typeof joinRequestSchema>;

/** One session of a user, as answers and events show it. */
export const sessionSchema = z.object({
  userId: z.string(),
  sessionId: z.string().describe('This join of the user; a later join has another'),
  deviceId: z.string().nullable(),
  displayName: z.string().nullable(),
  roomId: z.string(),
  roomSessionId: z.string().describe('This life of the room; closed and created again it has another'),
  nodeId: z.string().describe('The node that carries the session'),
  state: z.string(),
  permissions: permissionsSchema.loose(),
  metadata: metadataSchema,
  joinedAt: z.iso.datetime(),
  version: z.number().int(),
});
export type SessionView = z.infer<typeof sessionSchema>;

export const iceServerSchema = z.object({
  urls: z.array(z.string()),
  username: z.string().optional(),
  credential: z.string().optional(),
});

export const joinResultSchema = z.object({
  user: sessionSchema,
  publish: publishResultSchema.nullable().describe('Null if the request had no `publish`'),
  subscribe: subscribeOfferSchema
    .nullable()
    .describe(
      'Null if the user does not subscribe. With nothing to receive yet it is an offer without tracks: answer it all the same, so that the connection stands when the first track comes',
    ),
  iceServers: z.array(iceServerSchema),
  iceServersExpireAt: z.iso.datetime().nullable(),
  lastSeq: z
    .number()
    .int()
    .describe('`seq` of the last fact of the room at the time of the join: replay continues from here.'),
});
export type JoinResult = z.infer<typeof joinResultSchema>;

/** After a lost signalling channel, a suspended app, a reloaded page or another network. */
export const resumeRequestSchema = z.strictObject({
  sessionId: z.string().min(1).max(64).describe('The session to go on with; another one is `stale_session`'),
  reset: z
    .enum(['none', 'ice', 'all'])
    .default('none')
    .describe(
      '`none`: only the signalling was lost. `ice`: the network changed: new ICE credentials for what the user receives; hand the offer of the publishing PeerConnection, made with `restartIce()`, in `publish`. `all`: both PeerConnections are new; what was sent ends, and is sent anew as far as `publish` says so.',
    ),
  capabilitiesSdp: sdpSchema.optional().describe('As in the join; without it what was told then still holds'),
  publish: publishRequestSchema
    .omit({ reset: true })
    .optional()
    .describe(
      'What the user sends from now on. With `all` it is of a new PeerConnection, and `generation` is not looked at',
    ),
  clientProfile: clientProfileSchema.optional(),
});
export type ResumeRequest = z.infer<typeof resumeRequestSchema>;

/** `?sessionId=` makes a call apply to that session only; a mismatch is 409 `stale_session`. */
export const sessionQuerySchema = z.strictObject({
  sessionId: z.string().max(64).optional().describe("Only this session; without it the user's newest"),
});

export const leaveQuerySchema = sessionQuerySchema.extend({
  reason: z.enum(['left', 'kicked']).default('left').describe('What `user.left` tells the others'),
});
export const leaveReasons = [
  'left',
  'kicked',
  'banned',
  'room_closed',
  'connection_lost',
  'node_lost',
  'replaced',
  'solo_timeout',
  'moved',
  'rejoin',
] as const;
export type LeaveReason = (typeof leaveReasons)[number];

export const userViewSchema = z.object({ userId: z.string(), sessions: z.array(sessionSchema) });
