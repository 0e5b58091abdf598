import { createServer, type Server, type ServerResponse } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { createApp } from './app.ts';
import { isRecord } from './page-input.ts';

export const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
export const KEY = 'the-api-key';

interface Asked {
  method: string;
  path: string;
  authorization: string | undefined;
  body: unknown;
}

/** Stands in for the media server: remembers what it was asked, answers what the test says. */
class FakeMediaServer {
  readonly asked: Asked[] = [];
  answer: (asked: Asked) => Promise<{ status: number; body?: unknown }> | { status: number; body?: unknown } =
    defaultAnswer;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk));
      req.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const asked: Asked = {
          method: req.method ?? '',
          path: req.url ?? '',
          authorization: req.headers.authorization,
          body: text === '' ? undefined : JSON.parse(text),
        };
        this.asked.push(asked);
        void this.#respond(asked, res);
      });
    });
  }

  async #respond(asked: Asked, res: ServerResponse): Promise<void> {
    const { status, body } = await this.answer(asked);
    res.writeHead(status, { 'content-type': 'application/json' });
    res.end(body === undefined ? '' : JSON.stringify(body));
  }

  start(): Promise<string> {
    return listen(this.#server);
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

let joins = 0;

function defaultAnswer({ method, path, body }: Asked): { status: number; body?: unknown } {
  if (method === 'POST' && path.endsWith('/users')) {
    joins += 1;
    const userId = isRecord(body) ? body['userId'] : undefined;
    const user = { userId, sessionId: `session-${joins}`, roomSessionId: 'life-1', nodeId: 'node-1' };
    return { status: 201, body: { user, publish: null, subscribe: null, iceServers: [], lastSeq: 1 } };
  }
  if (method === 'GET' && path.startsWith('/v1/rooms/') && !path.includes('/users/')) {
    return { status: 200, body: { roomId: 'standup', lastSeq: 1, users: [], tracks: [] } };
  }
  if (method === 'GET') return { status: 204 };
  return { status: 200, body: {} };
}

export interface Joined {
  token: string;
  identity: string;
  user: { userId: string; sessionId: string };
}

/** The demo's backend, and what pages and the media server do with it. */
export class Demo {
  readonly mediaServer = new FakeMediaServer();
  readonly #pages: Page[] = [];
  #server: Server | undefined;
  url = '';

  async start(): Promise<void> {
    const apiUrl = await this.mediaServer.start();
    const { app } = createApp({ host: '127.0.0.1', port: 0, apiUrl, apiKey: KEY, webhookSecret: SECRET });
    this.#server = createServer(app);
    this.url = await listen(this.#server);
  }

  stop(): void {
    for (const page of this.#pages) page.close();
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.mediaServer.stop();
  }

  request(method: string, path: string, body?: unknown, token?: string): Promise<Response> {
    return fetch(this.url + path, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async join(name: string, more: object = {}): Promise<Joined> {
    const response = await this.request('POST', '/api/rooms/standup/join', { name, capabilitiesSdp: 'v=0', ...more });
    if (response.status !== 201) throw new Error(`join: ${response.status} ${await response.text()}`);
    const joined: Joined = JSON.parse(await response.text());
    return joined;
  }

  /** A page that listens: its event stream is open when this returns. */
  async page(name: string): Promise<Joined & { stream: Page }> {
    const joined = await this.join(name);
    const stream = await this.listen(joined.token);
    return { ...joined, stream };
  }

  async listen(token: string): Promise<Page> {
    const page = new Page(await this.request('GET', '/api/events', undefined, token));
    this.#pages.push(page);
    await page.has('room');
    return page;
  }

  webhook(events: unknown, change: { secret?: string; at?: Date; body?: string } = {}): Promise<Response> {
    const body = change.body ?? JSON.stringify({ events });
    const at = change.at ?? new Date();
    const signature = new Webhook(change.secret ?? SECRET).sign('msg-1', at, body);
    return fetch(`${this.url}/webhooks`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'webhook-id': 'msg-1',
        'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
        'webhook-signature': signature,
      },
      body,
    });
  }
}

/** Collects the server-sent events of one page. */
export class Page {
  readonly events: { type: string; data: unknown }[] = [];
  ended = false;
  readonly #reader: ReadableStreamDefaultReader<string> | undefined;
  #changed: () => void = () => {};

  constructor(response: Response) {
    this.#reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    void this.#read();
  }

  /** Waits until an event of this type is there. */
  async has(type: string, times = 1): Promise<unknown> {
    for (;;) {
      const found = this.events.filter((event) => event.type === type)[times - 1];
      if (found) return found.data;
      if (this.ended) throw new Error(`the stream ended without ${type}`);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  of(type: string): unknown[] {
    return this.events.filter((event) => event.type === type).map((event) => event.data);
  }

  close(): void {
    this.#reader?.cancel().catch(() => {});
  }

  async #read(): Promise<void> {
    let text = '';
    for (;;) {
      const chunk = await this.#reader?.read().catch(() => undefined);
      if (!chunk || chunk.done) break;
      const blocks = (text + chunk.value).split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const [, type, data] = /^event: (.*)\ndata: (.*)$/s.exec(block) ?? [];
        if (type && data) this.events.push({ type, data: JSON.parse(data) });
      }
      this.#changed();
    }
    this.ended = true;
    this.#changed();
  }
}

let eventIds = 0;

export function makeEvent(type: string, data: object, change: object = {}): { id: string } {
  eventIds += 1;
  const id = `event-${eventIds}`;
  return Object.assign({ id, type, roomSessionId: 'life-1', data }, change);
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('not listening');
  return `http://127.0.0.1:${address.port}`;
}
