import { z } from 'zod';

interface CodeEntry {
  /** HTTP status the code is answered with, by coordinator and node alike. */
  readonly status: number;
  readonly title: string;
  /** Whether the same request may succeed later without being changed. */
  readonly retryable: boolean;
}

const entry = (status: number, title: string, retryable = false): CodeEntry => ({ status, title, retryable });

/** What the SDP of a client can be refused for (`libs/sdp`). */
export const sdpErrorCodes = {
  malformed_sdp: entry(422, 'The SDP cannot be parsed'),
  sdp_too_large: entry(413, 'The SDP is over the limits'),
  invalid_identifier: entry(422, 'A name in the SDP has characters that are not allowed'),
  bad_mid: entry(422, 'A mid is missing, doubled, too long or unknown'),
  bundle_required: entry(422, 'All media sections must be in one BUNDLE group'),
  rtcp_mux_required: entry(422, 'a=rtcp-mux is required'),
  missing_ice: entry(422, 'ICE ufrag or password is missing or too short'),
  bad_setup: entry(422, 'a=setup is missing or not usable'),
  missing_fingerprint: entry(422, 'The DTLS fingerprint is missing'),
  bad_fingerprint: entry(422, 'The DTLS fingerprint is not usable'),
  dtls_required: entry(422, 'DTLS-SRTP is required'),
  dtls_fingerprint_changed: entry(409, 'The DTLS fingerprint changed on a live connection'),
  pt_collision: entry(422, 'One payload type means two codecs'),
  plan_b_unsupported: entry(422, 'Plan B SDP is not supported'),
  unroutable_media: entry(422, 'A section has neither SSRC, nor rid, nor the mid extension'),
  no_common_codec: entry(422, 'No codec in common with the room'),
  mline_count_shrunk: entry(409, 'The offer has fewer media sections than before'),
  mline_mismatch: entry(409, 'A live media section changed its mid or kind'),
  unknown_track_mid: entry(422, 'tracks names a mid that is not in the SDP'),
  missing_track: entry(422, 'A sending section has no entry in tracks'),
  duplicate_source: entry(422, 'Two tracks of one session have the same source'),
  stale_offer: entry(409, 'The offer is older than the one applied'),
  stale_negotiation: entry(409, 'The answer is for an offer that is no longer current'),
  no_negotiation: entry(409, 'No offer is waiting for an answer'),
  answer_mismatch: entry(422, 'The answer does not have the sections of the offer'),
  remap_unsupported: entry(422, 'The answer renumbers a payload type or a header extension'),
  scalability_unsupported: entry(422, 'The codec is not forwarded with these layers'),
  too_many_sections: entry(422, 'The offer has no room for another track'),
  client_rejected: entry(422, 'The client refused the media section'),
  track_changed: entry(409, 'A live media section was given another source'),
  data_on_pub_unsupported: entry(422, 'Data channels are not on the publishing connection'),
  data_unsupported: entry(422, 'The data section of the answer cannot be used'),
} as const satisfies Record<string, CodeEntry>;
export type SdpErrorCode = keyof typeof sdpErrorCodes;

/** Every error code the product answers with, in one table. */
export const errorCodes = {
  ...sdpErrorCodes,
  invalid_request: entry(400, 'The request does not fit its schema'),
  invalid_json: entry(400, 'The body is not JSON'),
  body_too_large: entry(413, 'The body is over the limit'),
  unsupported_media_type: entry(415, 'The body must be application/json'),
  unauthorized: entry(401, 'The API key is missing or wrong'),
  not_permitted: entry(403, 'The user is not permitted to do this'),
  not_found: entry(404, 'There is no such route'),
  method_not_allowed: entry(405, 'The route does not have this method'),
  room_not_found: entry(404, 'There is no such room'),
  user_not_found: entry(404, 'There is no such user in the room'),
  track_not_found: entry(404, 'There is no such track in the room'),
  session_gone: entry(404, 'The session has ended'),
  room_spec_conflict: entry(409, 'The room exists with another specification'),
  room_session_mismatch: entry(409, 'The room is in another life than the one named'),
  second_device_refused: entry(409, 'The user is already in the room on another device'),
  room_full: entry(409, 'The room has reached maxUsers'),
  events_expired: entry(410, 'Events after this seq are no longer kept'),
  stale_session: entry(409, 'The call names a session that is not current'),
  negotiation_in_progress: entry(409, 'Another call of this session is being carried out', true),
  subscribe_disabled: entry(409, 'The session does not subscribe'),
  no_capacity: entry(503, 'No node can take this', true),
  node_unavailable: entry(503, 'The node of this room does not answer', true),
  registry_unavailable: entry(503, 'The registry does not answer', true),
  stale_epoch: entry(409, 'The command carries an old epoch', true),
  wrong_boot: entry(409, 'The command is for an earlier process of this node', true),
  deadline_exceeded: entry(504, 'The deadline passed before the work was done', true),
  unknown_command: entry(404, 'There is no such control command'),
  room_not_hosted: entry(404, 'This node does not host the room'),
  no_pipe: entry(409, 'There is no pipe between the two nodes', true),
  draining: entry(503, 'The node is draining or stopping', true),
  internal_error: entry(500, 'Something went wrong inside the server', true),
} as const satisfies Record<string, CodeEntry>;
export type ErrorCode = keyof typeof errorCodes;

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}

/** RFC 9457 body of every answer that is not 2xx. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number().int(),
  code: z.string(),
  detail: z.string().optional(),
  retryable: z.boolean(),
  /** The media section an SDP error is about. */
  mid: z.string().optional(),
  /** The request's id; the same id is in the logs. */
  requestId: z.string().optional(),
});
export type Problem = z.infer<typeof problemSchema>;

/**
 * An error with a name the outside may see. Other errors that carry a `code` of the table (such as
 * `SdpError`) are answered alike; anything else is `internal_error` and its message stays inside.
 */
export class ProblemError extends Error {
  override name = 'ProblemError';
  readonly code: ErrorCode;
  readonly mid: string | undefined;

  constructor(code: ErrorCode, detail?: string, mid?: string, options?: ErrorOptions) {
    super(detail ?? errorCodes[code].title, options);
    this.code = code;
    this.mid = mid;
  }
}

/** @returns the code of the table that `error` carries, or `internal_error`. */
export function errorCodeOf(error: unknown): ErrorCode {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && isErrorCode(code) ? code : 'internal_error';
}

/** @returns the RFC 9457 body for `error`. */
export function toProblem(error: unknown, requestId?: string): Problem {
  const code = errorCodeOf(error);
  const { status, title, retryable } = errorCodes[code];
  const known = code !== 'internal_error' && error instanceof Error;
  const mid = known && 'mid' in error && typeof error.mid === 'string' ? error.mid : undefined;
  return {
    type: `/docs/errors#${code}`,
    title,
    status,
    code,
    ...(known ? { detail: error.message } : {}),
    retryable,
    ...(mid === undefined ? {} : { mid }),
    ...(requestId === undefined ? {} : { requestId }),
  };
}
