/** Calls to the example backend. It relays SDP to the media server, which this page never talks to. */

/**
 * @typedef {object} Offer An SDP offer of the server for the connection we receive on.
 * @property {number} generation
 * @property {number} revision
 * @property {string} negotiationId
 * @property {string} sdp
 * @property {OfferedTrack[]} tracks the full list of what is received, not the difference
 *
 * @typedef {object} OfferedTrack
 * @property {string} mid
 * @property {string} trackId
 * @property {string} producerId
 * @property {string} userId
 * @property {'audio' | 'video'} kind
 * @property {string} source
 *
 * @typedef {object} PublishAnswer
 * @property {number} generation
 * @property {string} sdp
 * @property {{ mid: string, status: string, code: string | null, trackId: string | null, source: string | null }[]} sections
 *
 * @typedef {object} JoinAnswer
 * @property {string} token
 * @property {string} identity
 * @property {{ userId: string, sessionId: string, roomSessionId: string, nodeId: string, displayName: string }} user
 * @property {PublishAnswer | null} publish
 * @property {Offer | null} subscribe
 * @property {RTCIceServer[]} iceServers
 *
 * @typedef {{ sdp: string, tracks: { mid: string, source: string }[] }} PublishRequest
 */

/** The backend or the media server refused; `code` is one of the documented codes, or `network`. */
export class Problem extends Error {
  /** @param {{ code: string, title?: string, detail?: string, retryable?: boolean }} body */
  constructor(body) {
    super(body.detail ?? body.title ?? body.code);
    this.name = 'Problem';
    this.code = body.code;
    this.retryable = body.retryable ?? false;
  }
}

const TRIES = 4;
const STREAM_SILENCE_MS = 40_000;

/** @param {number} ms */
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * @param {string} roomId
 * @param {{ name: string, identity: string | null, capabilitiesSdp: string, publish?: PublishRequest }} body
 * @returns {Promise<JoinAnswer>}
 */
export function join(roomId, body) {
  return request('POST', `/api/rooms/${encodeURIComponent(roomId)}/join`, { body });
}

/** What a page may do once it has joined. The token proves that it is this session's page. */
export class SessionApi {
  #token;
  #closed = new AbortController();

  /** @param {string} token */
  constructor(token) {
    this.#token = token;
  }

  /** @param {PublishRequest} body @returns {Promise<PublishAnswer>} */
  publish(body) {
    return this.#retrying('PUT', '/api/publish', body);
  }

  /** @returns {Promise<Offer | null>} */
  currentOffer() {
    return this.#retrying('GET', '/api/offer');
  }

  /** @param {{ negotiationId: string, sdp: string }} body @returns {Promise<{ next: Offer | null }>} */
  answer(body) {
    return this.#retrying('PUT', '/api/answer', body);
  }

  /** @param {string} trackId @param {boolean} muted @returns {Promise<unknown>} */
  setMuted(trackId, muted) {
    return this.#retrying('PUT', `/api/tracks/${encodeURIComponent(trackId)}/muted`, { muted });
  }

  /** Works while the page is being closed too, when no other request is let through. */
  leave() {
    const body = new Blob([JSON.stringify({ token: this.#token })], { type: 'application/json' });
    navigator.sendBeacon('/api/leave', body);
  }

  close() {
    this.#closed.abort();
  }

  /**
   * Reads the event stream until `close()`, and opens it again whenever it breaks. `fetch` is used
   * and not `EventSource`, which would put the token into the address and so into logs.
   *
   * @param {{ event: (type: string, data: any) => void, broken: () => void, refused: (problem: Problem) => void }} handler
   */
  async listen(handler) {
    let delay = 500;
    while (!this.#closed.signal.aborted) {
      const silence = new AbortController();
      let timer = setTimeout(() => silence.abort(), STREAM_SILENCE_MS);
      try {
        const response = await fetch('/api/events', {
          headers: { authorization: `Bearer ${this.#token}` },
          signal: AbortSignal.any([this.#closed.signal, silence.signal]),
          cache: 'no-store',
        });
        if (!response.ok || !response.body) throw await toProblem(response);
        let text = '';
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        for (;;) {
          const { done, value } = await reader.read();
          if (done) break;
          clearTimeout(timer);
          timer = setTimeout(() => silence.abort(), STREAM_SILENCE_MS);
          delay = 500;
          const blocks = (text + value).split('\n\n');
          text = blocks.pop() ?? '';
          for (const block of blocks) {
            const message = parseEvent(block);
            if (message) handler.event(message.type, message.data);
          }
        }
      } catch (error) {
        if (error instanceof Problem && !error.retryable) {
          handler.refused(error);
          return;
        }
      } finally {
        clearTimeout(timer);
      }
      if (this.#closed.signal.aborted) return;
      handler.broken();
      await sleep(delay);
      delay = Math.min(delay * 2, 5000);
    }
  }

  /**
   * PUT and GET may be repeated as they are: the media server answers a repeated one alike.
   *
   * @param {string} method @param {string} path @param {object} [body] @returns {Promise<any>}
   */
  async #retrying(method, path, body) {
    for (let tried = 1; ; tried += 1) {
      try {
        return await request(method, path, { body, token: this.#token, signal: this.#closed.signal });
      } catch (error) {
        if (!(error instanceof Problem) || !error.retryable || tried === TRIES) throw error;
        await sleep(300 * 2 ** tried);
      }
    }
  }
}

/** @param {string} block one server-sent event @returns {{ type: string, data: any } | null} null for a heartbeat */
export function parseEvent(block) {
  let type = 'message';
  let data = '';
  for (const line of block.split('\n')) {
    if (line.startsWith('event: ')) type = line.slice(7);
    if (line.startsWith('data: ')) data += line.slice(6);
  }
  return data === '' ? null : { type, data: JSON.parse(data) };
}

/**
 * @param {string} method @param {string} path
 * @param {{ body?: object | undefined, token?: string, signal?: AbortSignal }} options
 * @returns {Promise<any>}
 */
async function request(method, path, { body, token, signal }) {
  /** @type {Record<string, string>} */
  const headers = {};
  if (body) headers['content-type'] = 'application/json';
  if (token) headers['authorization'] = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { method, headers, body: body ? JSON.stringify(body) : null, signal: signal ?? null });
  } catch (error) {
    if (signal?.aborted) throw new Problem({ code: 'closed' });
    throw new Problem({ code: 'network', title: String(error), retryable: true });
  }
  if (!response.ok) throw await toProblem(response);
  return response.status === 204 ? null : await response.json();
}

/** @param {Response} response @returns {Promise<Problem>} */
async function toProblem(response) {
  const fallback = { code: 'http_error', title: `HTTP ${response.status}`, retryable: response.status >= 500 };
  return new Problem(await response.json().catch(() => fallback));
}
