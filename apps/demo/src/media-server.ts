/**
 * The whole client of the media server: `fetch` with an API key. The types name only what this
 * backend reads; everything else passes through to the page as it came. The full description of
 * each call is in the media server's `/openapi.json`.
 */

/** RFC 9457: what every error answer of the media server looks like. */
export interface Problem {
  title: string;
  status: number;
  code: string;
  detail?: string;
  retryable: boolean;
}

export interface PublishRequest {
  sdp: string;
  tracks: { mid: string; source: string }[];
}

export interface JoinRequest {
  userId: string;
  displayName: string;
  room: object;
  capabilitiesSdp?: string;
  publish?: PublishRequest;
}

export interface JoinResult {
  user: { userId: string; sessionId: string; roomSessionId: string };
  publish: unknown;
  subscribe: unknown;
  iceServers: unknown[];
}

/** Which join of which user a call is about. */
export interface SessionRef {
  readonly roomId: string;
  readonly userId: string;
  readonly sessionId: string;
}

/** The media server refused, or could not be reached. */
export class MediaServerError extends Error {
  override name = 'MediaServerError';
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(`${problem.code}: ${problem.detail ?? problem.title}`);
    this.problem = problem;
  }
}

const TIMEOUT_MS = 10_000;

export class MediaServer {
  readonly #url: string;
  readonly #key: string;

  constructor(url: string, key: string) {
    this.#url = url;
    this.#key = key;
  }

  /** Creates the room too if it is not there (`request.room`). */
  join(roomId: string, request: JoinRequest): Promise<JoinResult> {
    return this.#call('POST', `/v1/rooms/${encodeURIComponent(roomId)}/users`, request);
  }

  /** A new offer of the PeerConnection the user sends on. @returns the SDP answer and what became of each section */
  publish(session: SessionRef, request: PublishRequest): Promise<unknown> {
    return this.#call('PUT', userPath(session, '/publish'), request);
  }

  /** @returns the offer that waits for an answer of this session, or undefined */
  currentOffer(session: SessionRef): Promise<unknown> {
    return this.#call('GET', userPath(session, '/subscribe/offer'));
  }

  /** @returns `next`: the following offer, if something changed meanwhile */
  answer(session: SessionRef, answer: { negotiationId: string; sdp: string }): Promise<unknown> {
    return this.#call('PUT', userPath(session, '/subscribe/answer'), answer);
  }

  muteTrack(roomId: string, trackId: string, muted: boolean): Promise<unknown> {
    const path = `/v1/rooms/${encodeURIComponent(roomId)}/tracks/${encodeURIComponent(trackId)}`;
    return this.#call('PATCH', path, { muted, by: 'user' });
  }

  /** Naming the session makes a late hang-up of an old device harmless to a newer one. */
  leave(session: SessionRef): Promise<unknown> {
    return this.#call('DELETE', `${userPath(session, '')}&reason=left`);
  }

  /** @returns the room with its users, tracks and the `seq` of its last event */
  room(roomId: string): Promise<unknown> {
    return this.#call('GET', `/v1/rooms/${encodeURIComponent(roomId)}`);
  }

  async #call<T>(method: string, path: string, body?: object): Promise<T> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(this.#url + path, {
        method,
        headers: { authorization: `Bearer ${this.#key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      text = await response.text();
    } catch {
      throw gatewayError('media_server_unreachable', 'The media server does not answer', true);
    }
    if (response.ok) {
      const answer: T = text === '' ? undefined : JSON.parse(text);
      return answer;
    }
    // A refused API key is this backend's mistake, not the page's.
    if (response.status === 401) throw gatewayError('api_key_refused', 'The media server refuses the API key', false);
    throw new MediaServerError(readProblem(response.status, text));
  }
}

function userPath({ roomId, userId, sessionId }: SessionRef, rest: string): string {
  const [room, user, session] = [roomId, userId, sessionId].map((id) => encodeURIComponent(id));
  return `/v1/rooms/${room}/users/${user}${rest}?sessionId=${session}`;
}

function readProblem(status: number, text: string): Problem {
  try {
    const problem: Problem | null = JSON.parse(text);
    if (typeof problem?.code === 'string') return { ...problem, status };
  } catch {
    // Not JSON: a proxy between here and there, most likely.
  }
  return { code: 'media_server_error', title: `The media server answered ${status}`, status, retryable: status >= 500 };
}

function gatewayError(code: string, title: string, retryable: boolean): MediaServerError {
  return new MediaServerError({ code, title, status: 502, retryable });
}
