import { z } from 'zod';
import { roomIdSchema, trackIdSchema, userIdSchema } from '../identifiers.ts';
import type { ErrorCode, SdpErrorCode } from '../problem.ts';
import { eventListSchema, listEventsQuerySchema } from './events.ts';
import {
  consumerSettingsSchema,
  consumerViewSchema,
  patchTrackRequestSchema,
  publishRequestSchema,
  publishResultSchema,
  subscribeAnswerRequestSchema,
  subscribeAnswerResultSchema,
  subscribeOfferSchema,
  subscribeRequestSchema,
  subscribeResultSchema,
  trackStateSchema,
} from './media.ts';
import { nodeListSchema } from './nodes.ts';
import {
  createRoomRequestSchema,
  deleteRoomQuerySchema,
  listRoomsQuerySchema,
  roomListSchema,
  roomSchema,
} from './rooms.ts';
import {
  joinRequestSchema,
  joinResultSchema,
  leaveQuerySchema,
  resumeRequestSchema,
  sessionQuerySchema,
  userViewSchema,
} from './users.ts';

/** Body of a call that has none. */
const noBody = z.null();

/** One call of the API: the routes, the OpenAPI document and the tests are all made from this. */
interface OperationSpec {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** OpenAPI path template. */
  readonly path: `/v1/${string}`;
  readonly tag: 'Rooms' | 'Users' | 'Media' | 'Events' | 'Nodes';
  readonly summary: string;
  readonly description?: string;
  readonly params: z.ZodObject;
  readonly query: z.ZodObject;
  /** {@link noBody} if the call has none. */
  readonly body: z.ZodType;
  /** Body of each 2xx status; null: no body. */
  readonly answers: Readonly<Record<number, z.ZodType | null>>;
  /** Codes of this call besides {@link commonErrors} and, with a body, {@link bodyErrors}. */
  readonly errors: readonly ErrorCode[];
}

/** Codes every call may answer with. */
const commonErrors: readonly ErrorCode[] = [
  'unauthorized',
  'invalid_request',
  'registry_unavailable',
  'internal_error',
];
/** Codes every call with a body may answer with. */
const bodyErrors: readonly ErrorCode[] = ['invalid_json', 'body_too_large', 'unsupported_media_type'];

/** A call that reads SDP, be it only a `capabilitiesSdp`. */
const readErrors = [
  'malformed_sdp',
  'sdp_too_large',
  'bad_mid',
  'pt_collision',
] as const satisfies readonly SdpErrorCode[];
const connectionErrors = [
  'bundle_required',
  'rtcp_mux_required',
  'missing_ice',
  'bad_setup',
  'missing_fingerprint',
  'bad_fingerprint',
  'dtls_required',
  'dtls_fingerprint_changed',
] as const satisfies readonly SdpErrorCode[];
/** A call with the offer of a publishing PeerConnection. */
const offerErrors = [
  ...readErrors,
  ...connectionErrors,
  'invalid_identifier',
  'plan_b_unsupported',
  'unroutable_media',
  'mline_count_shrunk',
  'mline_mismatch',
  'unknown_track_mid',
  'missing_track',
  'duplicate_source',
  'track_changed',
  'stale_offer',
] as const satisfies readonly SdpErrorCode[];
/** A call with the answer to an offer of ours. */
const answerErrors = [
  ...readErrors,
  ...connectionErrors,
  'stale_negotiation',
  'no_negotiation',
  'answer_mismatch',
] as const satisfies readonly SdpErrorCode[];
/** A call that reaches a session on its node. */
const sessionErrors = [
  'room_not_found',
  'user_not_found',
  'stale_session',
  'session_gone',
  'node_unavailable',
  'draining',
] as const satisfies readonly ErrorCode[];

const none = z.strictObject({});
const roomParams = z.strictObject({ roomId: roomIdSchema });
const userParams = z.strictObject({ roomId: roomIdSchema, userId: userIdSchema });
const consumerParams = z.strictObject({ roomId: roomIdSchema, userId: userIdSchema, trackId: trackIdSchema });
const trackParams = z.strictObject({ roomId: roomIdSchema, trackId: trackIdSchema });

const table = {
  createRoom: {
    method: 'post',
    path: '/v1/rooms',
    tag: 'Rooms',
    summary: 'Create a room',
    description:
      'The room is placed on a node at once. The same `roomId` with the same specification returns the room that is there (200); another specification is refused with the names of the fields that differ.',
    params: none,
    query: none,
    body: createRoomRequestSchema,
    answers: { 200: roomSchema, 201: roomSchema },
    errors: ['room_spec_conflict', 'no_capacity'],
  },
  listRooms: {
    method: 'get',
    path: '/v1/rooms',
    tag: 'Rooms',
    summary: 'List the open rooms',
    params: none,
    query: listRoomsQuerySchema,
    body: noBody,
    answers: { 200: roomListSchema },
    errors: [],
  },
  getRoom: {
    method: 'get',
    path: '/v1/rooms/{roomId}',
    tag: 'Rooms',
    summary: 'Read a room with its users, tracks and nodes',
    params: roomParams,
    query: none,
    body: noBody,
    answers: { 200: roomSchema },
    errors: ['room_not_found'],
  },
  closeRoom: {
    method: 'delete',
    path: '/v1/rooms/{roomId}',
    tag: 'Rooms',
    summary: 'Close a room; everyone in it leaves',
    description: 'With `roomSessionId` only that life of the room is closed.',
    params: roomParams,
    query: deleteRoomQuerySchema,
    body: noBody,
    answers: { 204: null },
    errors: ['room_not_found', 'room_session_mismatch'],
  },
  joinRoom: {
    method: 'post',
    path: '/v1/rooms/{roomId}/users',
    tag: 'Users',
    summary: 'Join a user, optionally with what it sends and receives',
    description:
      'With `room`, the room is created if it is absent. `publish.sdp` is the offer of the publishing PeerConnection; the answer carries its SDP answer and, if the user subscribes, the offer for the subscribing PeerConnection.',
    params: roomParams,
    query: none,
    body: joinRequestSchema,
    answers: { 201: joinResultSchema },
    errors: [
      'room_not_found',
      'room_full',
      'second_device_refused',
      'not_permitted',
      'no_capacity',
      'node_unavailable',
      'draining',
      ...offerErrors,
    ],
  },
  resumeUser: {
    method: 'post',
    path: '/v1/rooms/{roomId}/users/{userId}/resume',
    tag: 'Users',
    summary: 'Go on with a session after its client lost something',
    description:
      'The one call for a client that lost its signalling, was suspended, reloaded its page or changed its network. Nobody else in the room sees the user leave. The answer is that of a join and always has a current `subscribe` offer. Once the grace time is over it is `session_gone`: join again.',
    params: userParams,
    query: none,
    body: resumeRequestSchema,
    answers: { 200: joinResultSchema },
    errors: [...sessionErrors, 'not_permitted', 'negotiation_in_progress', ...offerErrors],
  },
  getUser: {
    method: 'get',
    path: '/v1/rooms/{roomId}/users/{userId}',
    tag: 'Users',
    summary: "Read a user's sessions",
    params: userParams,
    query: none,
    body: noBody,
    answers: { 200: userViewSchema },
    errors: ['room_not_found', 'user_not_found'],
  },
  leaveRoom: {
    method: 'delete',
    path: '/v1/rooms/{roomId}/users/{userId}',
    tag: 'Users',
    summary: 'Make a user leave',
    description:
      'Without `sessionId` the newest session of the user ends. `reason=kicked` is told to the others as such.',
    params: userParams,
    query: leaveQuerySchema,
    body: noBody,
    answers: { 204: null },
    errors: ['room_not_found', 'user_not_found', 'stale_session'],
  },
  publish: {
    method: 'put',
    path: '/v1/rooms/{roomId}/users/{userId}/publish',
    tag: 'Media',
    summary: 'Set what a user sends: offer in, answer out',
    params: userParams,
    query: sessionQuerySchema,
    body: publishRequestSchema,
    answers: { 200: publishResultSchema },
    errors: [...sessionErrors, 'not_permitted', 'negotiation_in_progress', ...offerErrors],
  },
  subscribe: {
    method: 'post',
    path: '/v1/rooms/{roomId}/users/{userId}/subscribe',
    tag: 'Media',
    summary: 'Change what a user receives',
    description:
      'Adds and removes tracks, whatever `subscribe` of the join said. `offer` carries the change; it is null if nothing changed, or if an earlier offer still waits for its answer: then the change comes as `next` with that answer. A track that its client cannot receive is told by the event `consumer.failed`.',
    params: userParams,
    query: sessionQuerySchema,
    body: subscribeRequestSchema,
    answers: { 200: subscribeResultSchema },
    errors: [...sessionErrors, 'subscribe_disabled', 'track_not_found'],
  },
  getSubscribeOffer: {
    method: 'get',
    path: '/v1/rooms/{roomId}/users/{userId}/subscribe/offer',
    tag: 'Media',
    summary: 'Read the offer that waits for an answer',
    description: '204 when none is outstanding.',
    params: userParams,
    query: sessionQuerySchema,
    body: noBody,
    answers: { 200: subscribeOfferSchema, 204: null },
    errors: [...sessionErrors],
  },
  answerSubscribe: {
    method: 'put',
    path: '/v1/rooms/{roomId}/users/{userId}/subscribe/answer',
    tag: 'Media',
    summary: "Hand in the client's answer",
    description: 'The result carries the next offer if something changed while this one was under way.',
    params: userParams,
    query: sessionQuerySchema,
    body: subscribeAnswerRequestSchema,
    answers: { 200: subscribeAnswerResultSchema },
    errors: [...sessionErrors, 'subscribe_disabled', ...answerErrors],
  },
  restartSubscribe: {
    method: 'post',
    path: '/v1/rooms/{roomId}/users/{userId}/subscribe/restart',
    tag: 'Media',
    summary: 'Restart ICE of what a user receives',
    description:
      'The offer has new ICE credentials and replaces one that waits for an answer. A client that cannot take new credentials (profile `grow`) gets the offer of a new generation.',
    params: userParams,
    query: sessionQuerySchema,
    body: noBody,
    answers: { 200: subscribeOfferSchema },
    errors: [...sessionErrors, 'subscribe_disabled', 'negotiation_in_progress'],
  },
  patchConsumer: {
    method: 'patch',
    path: '/v1/rooms/{roomId}/users/{userId}/consumers/{trackId}',
    tag: 'Media',
    summary: 'Choose how a user receives one track: pause, layers, priority',
    description:
      'Takes effect at once, without SDP. Fields left out stay as they are; an empty object only reads. Layers that the track does not have are taken as its highest; of audio they are ignored. `consumerId` is null while the track is on its way: what was chosen is kept, and holds once it comes.',
    params: consumerParams,
    query: sessionQuerySchema,
    body: consumerSettingsSchema,
    answers: { 200: consumerViewSchema },
    errors: [...sessionErrors, 'track_not_found', 'subscribe_disabled'],
  },
  patchTrack: {
    method: 'patch',
    path: '/v1/rooms/{roomId}/tracks/{trackId}',
    tag: 'Media',
    summary: 'Mute or unmute a track',
    description:
      'A track is paused while the user or a moderator has it muted; each clears only their own mute. It stays muted however it is published anew, also on another PeerConnection.',
    params: trackParams,
    query: none,
    body: patchTrackRequestSchema,
    answers: { 200: trackStateSchema },
    errors: ['room_not_found', 'track_not_found', 'session_gone', 'node_unavailable', 'draining'],
  },
  listEvents: {
    method: 'get',
    path: '/v1/rooms/{roomId}/events',
    tag: 'Events',
    summary: 'Replay the facts of a room',
    params: roomParams,
    query: listEventsQuerySchema,
    body: noBody,
    answers: { 200: eventListSchema },
    errors: ['room_not_found', 'events_expired'],
  },
  listNodes: {
    method: 'get',
    path: '/v1/nodes',
    tag: 'Nodes',
    summary: 'List the media nodes with their load',
    params: none,
    query: none,
    body: noBody,
    answers: { 200: nodeListSchema },
    errors: [],
  },
} as const satisfies Record<string, OperationSpec>;

type Table = typeof table;
export type OperationId = keyof Table;
type Parsed<S> = S extends z.ZodType ? z.output<S> : null;
export type OperationParams<Id extends OperationId> = Parsed<Table[Id]['params']>;
export type OperationQuery<Id extends OperationId> = Parsed<Table[Id]['query']>;
export type OperationBody<Id extends OperationId> = Parsed<Table[Id]['body']>;
type Answers<A> = { [S in keyof A & number]: { readonly status: S; readonly body: Parsed<A[S]> } }[keyof A & number];
/** What a call may answer: a status of the table with the body that belongs to it. */
export type OperationAnswer<Id extends OperationId> = Answers<Table[Id]['answers']>;

export interface Operation<Id extends OperationId = OperationId> extends OperationSpec {
  readonly params: z.ZodObject & z.ZodType<OperationParams<Id>>;
  readonly query: z.ZodObject & z.ZodType<OperationQuery<Id>>;
  readonly body: z.ZodType<OperationBody<Id>>;
}

/** Every call of the API, typed so that a generic `Id` keeps schemas and types together. */
export const operations: { readonly [Id in OperationId]: Operation<Id> } = table;

export const operationIds: readonly OperationId[] = Object.keys(table).filter((id): id is OperationId => id in table);

export function hasBody(id: OperationId): boolean {
  const body: z.ZodType = table[id].body;
  return body !== noBody;
}

/** @returns every error code `id` may answer with, each once. */
export function operationErrors(id: OperationId): readonly ErrorCode[] {
  return [...new Set([...commonErrors, ...(hasBody(id) ? bodyErrors : []), ...table[id].errors])];
}
