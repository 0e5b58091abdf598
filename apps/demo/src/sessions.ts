import { randomBytes } from 'node:crypto';
import type { Response } from 'express';
import type { SessionRef } from './media-server.ts';

/** One page in a room. A backend with several replicas would keep these in its database. */
export interface Session extends SessionRef {
  /** Made at join, known to this page alone: it proves that a request is for this session. */
  readonly token: string;
  readonly roomSessionId: string;
  stream: PageStream | null;
}

const HEARTBEAT_MS = 15_000;
/** A page that reads this slowly is cut off; it comes back and gets the current state. */
const MAX_UNSENT_BYTES = 4 * 1024 * 1024;

/**
 * The server-sent events of one page. Between the constructor and `start` everything sent is held
 * back, so that the page gets the state of the room first and then every change made after it.
 */
export class PageStream {
  readonly #response: Response;
  #held: string[] | null = [];
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(response: Response) {
    this.#response = response;
  }

  start(event: string, data: unknown): void {
    this.#response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    const held = this.#held ?? [];
    this.#held = null;
    this.#write(format(event, data));
    for (const text of held) this.#write(text);
    this.#heartbeat = setInterval(() => this.#write(': heartbeat\n\n'), HEARTBEAT_MS);
    this.#response.on('close', () => clearInterval(this.#heartbeat));
  }

  send(event: string, data: unknown): void {
    if (this.#held) this.#held.push(format(event, data));
    else this.#write(format(event, data));
  }

  close(): void {
    clearInterval(this.#heartbeat);
    this.#response.end();
  }

  #write(text: string): void {
    if (this.#response.writableEnded) return;
    if (this.#response.writableLength > MAX_UNSENT_BYTES) this.#response.destroy();
    else this.#response.write(text);
  }
}

function format(event: string, data: unknown): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

export class Sessions {
  readonly #byToken = new Map<string, Session>();
  readonly #byId = new Map<string, Session>();

  add(ref: SessionRef & { roomSessionId: string }): Session {
    const session: Session = { ...ref, token: randomBytes(32).toString('base64url'), stream: null };
    this.#byToken.set(session.token, session);
    this.#byId.set(session.sessionId, session);
    return session;
  }

  byToken(token: string): Session | undefined {
    return this.#byToken.get(token);
  }

  byId(sessionId: string): Session | undefined {
    return this.#byId.get(sessionId);
  }

  inRoom(roomSessionId: string): Session[] {
    return [...this.#byId.values()].filter((session) => session.roomSessionId === roomSessionId);
  }

  /** The page takes (or takes again) its event stream; an older one of the same page is closed. */
  openStream(session: Session, response: Response): PageStream {
    session.stream?.close();
    const stream = new PageStream(response);
    session.stream = stream;
    response.on('close', () => {
      if (session.stream === stream) session.stream = null;
    });
    return stream;
  }

  /** Tells the page why it is out, and forgets the session. */
  end(session: Session, reason: string): void {
    this.#byToken.delete(session.token);
    this.#byId.delete(session.sessionId);
    session.stream?.send('ended', { reason });
    session.stream?.close();
    session.stream = null;
  }

  closeAllStreams(): void {
    for (const session of this.#byId.values()) session.stream?.close();
  }
}
