import type { RtpParameters } from 'mediasoup/types';
import { z } from 'zod';
import { dataMessageSchema } from '../api/data-messages.ts';
import {
  consumerSettingsSchema,
  consumerViewSchema,
  mediaKindSchema,
  patchTrackRequestSchema,
  publishRequestSchema,
  publishResultSchema,
  sdpSchema,
  subscribeAnswerRequestSchema,
  subscribeAnswerResultSchema,
  subscribeOfferSchema,
  subscribeRequestSchema,
  subscribeResultSchema,
  trackStateSchema,
} from '../api/media.ts';
import { clientProfileSchema, leaveReasons, resumeRequestSchema } from '../api/users.ts';
import { nodeDescriptorSchema } from '../records/node-record.ts';
import { roomRecordSchema, sessionRecordSchema } from '../records/room-record.ts';
import { fenceSchema } from './fence.ts';

/** One `cascade.messages` carries at most so many. */
export const MAX_CASCADED_MESSAGES = 256;

/** How one node finds another that carries the same room. */
export const roomMemberSchema = nodeDescriptorSchema.pick({ nodeId: true, bootId: true, controlUrl: true });
export type RoomMember = z.infer<typeof roomMemberSchema>;

const sessionRef = { roomSessionId: z.string(), sessionId: z.string() };
const roomRef = { roomSessionId: z.string() };

/** mediasoup's `SrtpParameters`; travels only between nodes, never to Redis or a log. */
const srtpParametersSchema = z.object({ cryptoSuite: z.string(), keyBase64: z.string() });

/** One end of a pipe: where it listens and the key it sends with. */
export const pipeEndSchema = z.object({
  ip: z.string(),
  port: z.number().int().min(1).max(65_535),
  srtpParameters: srtpParametersSchema,
});
export type PipeEnd = z.infer<typeof pipeEndSchema>;

/** Made by mediasoup on one node; `produce()` on the other checks them in depth. */
const rtpParametersSchema = z.custom<RtpParameters>(
  (value) => typeof value === 'object' && value !== null && 'codecs' in value && Array.isArray(value.codecs),
  'not RtpParameters',
);

/**
 * What a node tells the other nodes of a room: the full list of its own tracks. The list is state,
 * not a change, so a lost or doubled message is mended by the next; a lower `version` is ignored.
 */
export const memberStateSchema = z.object({
  member: roomMemberSchema,
  version: z.number().int(),
  tracks: z.array(trackStateSchema),
});
export type MemberState = z.infer<typeof memberStateSchema>;

/** What one side thinks of the pair's pipe; compared at every sync, since any message may be lost. */
export const pipeStateSchema = z.object({
  /** Made by the side that opened it. */
  pipeId: z.string(),
  /** Producers this side receives through it. */
  receiving: z.array(z.string()),
  /** Producers this side sends through it. */
  sending: z.array(z.string()),
});
export type PipeState = z.infer<typeof pipeStateSchema>;

/**
 * The commands of a node's control API: `POST /control/v1/<name>` with `{fence, params}`, answered
 * by `{result}` or a problem. `session.*` and `room.*` come from coordinators, `cascade.*` from
 * other nodes.
 */
const commands = {
  'session.create': {
    params: z.object({
      room: roomRecordSchema,
      members: z.array(roomMemberSchema),
      session: sessionRecordSchema,
      capabilitiesSdp: sdpSchema.optional(),
      publish: publishRequestSchema.optional(),
      data: z.boolean(),
      clientProfile: clientProfileSchema.optional(),
    }),
    result: z.object({
      publish: publishResultSchema.nullable(),
      subscribe: subscribeOfferSchema.nullable(),
      /** `seq` of this session's `user.joined`. */
      lastSeq: z.number().int(),
    }),
  },
  'session.resume': {
    params: resumeRequestSchema.extend(sessionRef),
    /** `subscribe` is null only for a session that does not subscribe. */
    result: z.object({ publish: publishResultSchema.nullable(), subscribe: subscribeOfferSchema.nullable() }),
  },
  'session.publish': { params: publishRequestSchema.extend(sessionRef), result: publishResultSchema },
  'session.subscribe': { params: subscribeRequestSchema.extend(sessionRef), result: subscribeResultSchema },
  'session.offer': {
    params: z.object(sessionRef),
    /** The outstanding offer, or null when none waits for an answer. */
    result: z.object({ offer: subscribeOfferSchema.nullable() }),
  },
  'session.answer': { params: subscribeAnswerRequestSchema.extend(sessionRef), result: subscribeAnswerResultSchema },
  /** A new offer with new ICE credentials, or of a new generation. */
  'session.restartSubscribe': { params: z.object(sessionRef), result: subscribeOfferSchema },
  'session.patchConsumer': {
    params: consumerSettingsSchema.extend({ ...sessionRef, trackId: z.string() }),
    result: consumerViewSchema,
  },
  'session.patchTrack': {
    params: patchTrackRequestSchema.extend({ ...sessionRef, trackId: z.string() }),
    result: trackStateSchema,
  },
  'session.close': {
    params: z.object({ ...sessionRef, reason: z.enum(leaveReasons) }),
    result: z.object({}),
  },
  'room.close': { params: z.object({ ...roomRef, reason: z.string() }), result: z.object({}) },

  /** Says hello, or tells a change; the answer is the other side's own state. */
  'cascade.sync': {
    params: z.object({ ...roomRef, state: memberStateSchema, pipe: pipeStateSchema.nullable() }),
    result: z.object({ state: memberStateSchema, pipe: pipeStateSchema.nullable() }),
  },
  /** `version`: of the state that ends; a newer life of the room on that node is not meant. */
  'cascade.leave': {
    params: z.object({ ...roomRef, nodeId: z.string(), version: z.number().int() }),
    result: z.object({}),
  },
  /** The caller made its end of the pair's one pipe and asks for the other. */
  'cascade.connectPipe': {
    params: z.object({ ...roomRef, from: roomMemberSchema, pipeId: z.string(), end: pipeEndSchema }),
    result: z.object({ end: pipeEndSchema }),
  },
  /** Sent by the node with the higher id, which never opens a pipe itself: no glare. */
  'cascade.openPipe': { params: z.object({ ...roomRef, from: roomMemberSchema }), result: z.object({}) },
  'cascade.closePipe': { params: z.object({ ...roomRef, nodeId: z.string() }), result: z.object({}) },
  /** Starts sending a producer into the pipe; the result is what the other end produces from. */
  'cascade.pipeProducer': {
    params: z.object({ ...roomRef, nodeId: z.string(), producerId: z.string() }),
    result: z.object({ kind: mediaKindSchema, rtpParameters: rtpParametersSchema, paused: z.boolean() }),
  },
  /** Messages of data channels for users of the other node, in order; a `seq` that was seen is passed over. */
  'cascade.messages': {
    params: z.object({
      ...roomRef,
      from: roomMemberSchema,
      messages: z
        .array(
          z.object({
            seq: z.number().int(),
            reliable: z.boolean(),
            to: z.array(z.string()).nullable(),
            /** null: reliable messages were lost here, so nobody's reliable channel is without a gap any more. */
            message: dataMessageSchema.nullable(),
          }),
        )
        .max(MAX_CASCADED_MESSAGES),
    }),
    result: z.object({}),
  },
  'cascade.unpipeProducer': {
    params: z.object({ ...roomRef, nodeId: z.string(), producerId: z.string() }),
    result: z.object({}),
  },
} as const;

export type ControlCommand = keyof typeof commands;
export type ControlParams<C extends ControlCommand> = z.infer<(typeof commands)[C]['params']>;
export type ControlResult<C extends ControlCommand> = z.infer<(typeof commands)[C]['result']>;

/** Both schemas of each command, typed so that a generic `C` keeps params and result together. */
export const controlCommands: {
  readonly [C in ControlCommand]: {
    readonly params: z.ZodType<ControlParams<C>>;
    readonly result: z.ZodType<ControlResult<C>>;
  };
} = commands;

export const controlRequestSchema = z.object({ fence: fenceSchema, params: z.unknown() });

export function isControlCommand(name: string): name is ControlCommand {
  return Object.hasOwn(commands, name);
}
