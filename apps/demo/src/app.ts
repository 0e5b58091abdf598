import { fileURLToPath } from 'node:url';
import express, { type ErrorRequestHandler, type Express, type Request, type RequestHandler } from 'express';
import type { Config } from './config.ts';
import { type JoinRequest, MediaServer, MediaServerError, type Problem } from './media-server.ts';
import {
  Identities,
  InputError,
  makeUserId,
  readName,
  readObject,
  readPublish,
  readRoomId,
  readSdp,
} from './page-input.ts';
import { type Session, Sessions } from './sessions.ts';
import { Webhooks, WebhookVerificationError } from './webhooks.ts';

const PUBLIC_DIR = fileURLToPath(new URL('../public', import.meta.url));

/** How rooms of the demo are made. `spread` puts users on different nodes, so that the cascade is used. */
const ROOM_SPEC = { maxUsers: 50, emptyTimeoutSeconds: 30, graceSeconds: 15, placement: { strategy: 'spread' } };

const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy': 'camera=(self), microphone=(self), display-capture=(self), clipboard-write=(self)',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** @returns the backend, and the sessions for whoever stops it */
export function createApp(config: Config): { app: Express; sessions: Sessions } {
  const mediaServer = new MediaServer(config.apiUrl, config.apiKey);
  const sessions = new Sessions();
  const webhooks = new Webhooks(config.webhookSecret, sessions);
  const identities = new Identities(config.webhookSecret);

  const app = express();
  app.disable('x-powered-by');
  app.use((_req, res, next) => {
    res.set(SECURITY_HEADERS);
    next();
  });

  // ── From the media server ──────────────────────────────────────────────────────────────────

  app.post('/webhooks', express.raw({ type: () => true, limit: '8mb' }), (req, res) => {
    const body = Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0);
    webhooks.receive(body, flatHeaders(req));
    res.sendStatus(204);
  });

  // ── From our pages ─────────────────────────────────────────────────────────────────────────

  const api = express.Router();
  api.use(express.json({ limit: '1mb' }));

  /** Join: the page sends what it can receive and what it wants to send, and gets both SDP answers back. */
  api.post('/rooms/:roomId/join', async (req, res) => {
    const roomId = readRoomId(req.params['roomId']);
    const input = readObject(req.body, 'body');
    const displayName = readName(input['name']);
    const request: JoinRequest = {
      userId: identities.verify(input['identity']) ?? makeUserId(displayName),
      displayName,
      room: ROOM_SPEC,
      capabilitiesSdp: readSdp(input['capabilitiesSdp'], 'capabilitiesSdp'),
      ...(input['publish'] ? { publish: readPublish(input['publish']) } : {}),
    };
    const joined = await mediaServer.join(roomId, request);
    const { userId, sessionId, roomSessionId } = joined.user;
    if (res.closed) {
      // The page was closed while we asked: nobody would ever leave for it.
      await mediaServer.leave({ roomId, userId, sessionId });
      return;
    }
    const session = sessions.add({ roomId, userId, sessionId, roomSessionId });
    res.status(201).json({ ...joined, token: session.token, identity: identities.issue(userId) });
  });

  /** What happens in the room, as server-sent events: `room` (the state), then `fact`, `offer`, `ended`. */
  api.get('/events', async (req, res) => {
    const session = sessionOf(req);
    const stream = sessions.openStream(session, res);
    stream.start('room', await mediaServer.room(session.roomId));
  });

  api.put('/publish', async (req, res) => {
    const session = sessionOf(req);
    res.json(await mediaServer.publish(session, readPublish(req.body)));
  });

  api.get('/offer', async (req, res) => {
    const offer = await mediaServer.currentOffer(sessionOf(req));
    res.json(offer ?? null);
  });

  api.put('/answer', async (req, res) => {
    const session = sessionOf(req);
    const { negotiationId, sdp } = readObject(req.body, 'body');
    if (typeof negotiationId !== 'string') throw new InputError('negotiationId is needed');
    res.json(await mediaServer.answer(session, { negotiationId, sdp: readSdp(sdp, 'sdp') }));
  });

  api.put('/tracks/:trackId/muted', async (req, res) => {
    const session = sessionOf(req);
    const trackId = req.params['trackId'] ?? '';
    const { muted } = readObject(req.body, 'body');
    if (typeof muted !== 'boolean') throw new InputError('muted: true or false is needed');
    // `trackId` is `userId:source`: everybody mutes only what is theirs.
    if (!trackId.startsWith(`${session.userId}:`)) throw new InputError('that is not a track of yours');
    res.json(await mediaServer.muteTrack(session.roomId, trackId, muted));
  });

  /** The token is in the body: `navigator.sendBeacon`, which is used as a page closes, sets no headers. */
  api.post('/leave', async (req, res) => {
    const session = sessions.byToken(String(readObject(req.body, 'body')['token']));
    if (session) {
      sessions.end(session, 'left');
      await mediaServer.leave(session);
    }
    res.sendStatus(204);
  });

  /** Everything but join is for one session, and only its own page knows the token. */
  function sessionOf(req: Request): Session {
    const token = /^Bearer (.+)$/.exec(req.get('authorization') ?? '')?.[1] ?? '';
    const session = sessions.byToken(token);
    if (!session) throw new UnknownSessionError();
    return session;
  }

  app.use('/api', api);
  app.get('/healthz', (_req, res) => void res.json({ status: 'ok' }));
  app.use(
    express.static(PUBLIC_DIR, {
      cacheControl: false,
      setHeaders: (res) => res.setHeader('cache-control', 'no-cache'),
    }),
  );
  app.use(notFound);
  app.use(answerError);
  return { app, sessions };
}

class UnknownSessionError extends Error {
  override name = 'UnknownSessionError';
}

function flatHeaders(req: Request): Record<string, string> {
  return Object.fromEntries(Object.entries(req.headers).map(([name, value]) => [name, String(value)]));
}

const notFound: RequestHandler = (_req, res) => {
  sendProblem(res, problem(404, 'not_found', 'There is no such address'));
};

/** The media server's problems go to the page as they are: it has the code, and words for it. */
const answerError: ErrorRequestHandler = (error: unknown, _req, res, next) => {
  if (res.headersSent || res.closed) next();
  else sendProblem(res, toProblem(error));
};

function sendProblem(res: Parameters<RequestHandler>[1], body: Problem): void {
  res.status(body.status).type('application/problem+json').send(JSON.stringify(body));
}

function toProblem(error: unknown): Problem {
  if (error instanceof MediaServerError) return error.problem;
  if (error instanceof UnknownSessionError) return problem(401, 'unknown_session', 'This page is not in a call');
  if (error instanceof InputError) return problem(400, 'invalid_request', error.message);
  if (error instanceof WebhookVerificationError)
    return problem(401, 'bad_signature', 'The webhook is not signed by us');
  // Errors of express itself: not JSON, too large, a broken address.
  if (error instanceof Error && 'status' in error && typeof error.status === 'number' && error.status < 500) {
    return problem(error.status, 'invalid_request', 'The request cannot be read');
  }
  process.stderr.write(`demo: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return problem(500, 'internal_error', 'Something went wrong in the demo');
}

function problem(status: number, code: string, title: string): Problem {
  return { status, code, title, retryable: status >= 500 };
}
