import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import { InputError, isRecord } from './page-input.ts';
import type { Sessions } from './sessions.ts';

/** The envelope of every event of the media server, as far as this backend reads it. */
export interface ServerEvent {
  id: string;
  type: string;
  roomSessionId: string;
  data: Record<string, unknown>;
}

export { WebhookVerificationError };

/** Facts the pages show. The media server may add types at any time: others are passed over. */
const SHOWN_FACTS = new Set([
  'user.joined',
  'user.left',
  'user.connected',
  'user.disconnected',
  'producer.created',
  'producer.paused',
  'producer.resumed',
  'producer.closed',
  'room.closed',
]);
const REMEMBERED_IDS = 10_000;

/** Checks webhooks and hands them to the pages they are for. */
export class Webhooks {
  readonly #verifier: Webhook;
  readonly #sessions: Sessions;
  readonly #seen = new Set<string>();

  constructor(secret: string, sessions: Sessions) {
    this.#verifier = new Webhook(secret);
    this.#sessions = sessions;
  }

  /**
   * @param body the raw bytes: the signature is over them, not over parsed JSON
   * @throws WebhookVerificationError, InputError; nothing was done then
   */
  receive(body: Buffer, headers: Record<string, string>): void {
    this.#verifier.verify(body, headers, { jsonParse: false });
    for (const event of readEvents(body)) this.#dispatch(event);
  }

  #dispatch(event: ServerEvent): void {
    // A signal: for one session, without order. Losing it is harmless, the page can fetch the offer.
    if (event.type === 'subscribe.offer') {
      const { sessionId, subscribe } = event.data;
      if (typeof sessionId === 'string') this.#sessions.byId(sessionId)?.stream?.send('offer', subscribe);
      return;
    }
    // Facts come in order and at least once.
    if (!SHOWN_FACTS.has(event.type) || this.#isRepeated(event.id)) return;
    // By the life of the room, not its name: the last facts of yesterday's call are not for today's.
    const pages = this.#sessions.inRoom(event.roomSessionId);
    for (const page of pages) page.stream?.send('fact', event);

    if (event.type === 'user.left') {
      const { sessionId, reason } = event.data;
      const left = typeof sessionId === 'string' ? this.#sessions.byId(sessionId) : undefined;
      if (left) this.#sessions.end(left, String(reason));
    }
    if (event.type === 'room.closed') for (const page of pages) this.#sessions.end(page, 'room_closed');
  }

  #isRepeated(id: string): boolean {
    if (this.#seen.has(id)) return true;
    this.#seen.add(id);
    for (const oldest of this.#seen) {
      if (this.#seen.size <= REMEMBERED_IDS) break;
      this.#seen.delete(oldest);
    }
    return false;
  }
}

function readEvents(body: Buffer): ServerEvent[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch {
    throw new InputError('the body is not JSON');
  }
  const events = isRecord(parsed) ? parsed['events'] : undefined;
  if (!Array.isArray(events) || !events.every(isEvent)) throw new InputError('events: a list of events is needed');
  return events;
}

function isEvent(value: unknown): value is ServerEvent {
  if (!isRecord(value) || !isRecord(value['data'])) return false;
  return [value['id'], value['type'], value['roomSessionId']].every((field) => typeof field === 'string');
}
