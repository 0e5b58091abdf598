import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';
import express from 'express';
import type { EventEnvelope } from '@mediaserver/contracts';
import type { WebhookReceiver } from '../support/webhook-receiver.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = '<!doctype html><meta charset="utf-8"><script type="module" src="/test/interop/page.ts"></script>';

interface Faults {
  next: (method: string, path: string) => 'lost' | 'refused' | undefined;
}

/** The least backend a client can have: it relays calls with its key, pushes offers, and serves the page. */
export class InteropBackend {
  readonly url: string;
  /** What goes wrong with a call, by its method and path: `lost` reaches the server, and its answer nobody. */
  readonly faults: Faults;
  readonly #server: Server;
  readonly #webhooks: WebhookReceiver;
  readonly #listener: (event: EventEnvelope) => void;

  private constructor(
    server: Server,
    url: string,
    webhooks: WebhookReceiver,
    streams: Map<string, express.Response>,
    faults: Faults,
  ) {
    this.#server = server;
    this.url = url;
    this.faults = faults;
    this.#webhooks = webhooks;
    this.#listener = ({ type, roomId, data }) => {
      if (type !== 'subscribe.offer') return;
      streams.get(`${roomId}/${String(data['userId'])}`)?.write(`${JSON.stringify(data)}\n`);
    };
    webhooks.listeners.add(this.#listener);
  }

  static async start(
    { apiUrl, apiKey }: { readonly apiUrl: string; readonly apiKey: string },
    webhooks: WebhookReceiver,
  ): Promise<InteropBackend> {
    const streams = new Map<string, express.Response>();
    const faults: Faults = { next: () => undefined };
    const app = makeApp(apiUrl, apiKey, streams, faults);
    const server = await new Promise<Server>((resolve) => {
      const listening: Server = app.listen(0, '127.0.0.1', () => resolve(listening));
    });
    const address = server.address();
    if (typeof address !== 'object' || !address) throw new Error('no address');
    return new InteropBackend(server, `http://localhost:${address.port}`, webhooks, streams, faults);
  }

  async close(): Promise<void> {
    this.#webhooks.listeners.delete(this.#listener);
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

function makeApp(
  apiUrl: string,
  apiKey: string,
  streams: Map<string, express.Response>,
  faults: Faults,
): express.Express {
  const app = express();
  app.get('/', (_request, response) => void response.type('html').send(PAGE));

  // Browsers read the sources as they are, but for their types.
  app.get(/^\/(test\/interop|libs\/sdp\/recipes)\/[a-z-]+\.(ts|js)$/, (request, response) => {
    const source = readFileSync(ROOT + request.path.slice(1), 'utf8');
    response.type('js').send(request.path.endsWith('.ts') ? stripTypeScriptTypes(source) : source);
  });

  app.get('/offers/:roomId/:userId', (request, response) => {
    const key = `${request.params.roomId}/${request.params.userId}`;
    streams.set(key, response);
    response.on('close', () => streams.get(key) === response && streams.delete(key));
    response.type('application/x-ndjson').flushHeaders();
    response.write('\n'); // some browsers hold the answer back until there is something of it
  });

  app.all('/v1/*path', express.text({ type: 'application/json', limit: '2mb' }), async (request, response) => {
    const fault = faults.next(request.method, request.path);
    if (fault === 'refused') {
      response.status(403).json({ code: 'not_permitted', retryable: false });
      return;
    }
    const answer = await fetch(apiUrl + request.url, {
      method: request.method,
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      ...(typeof request.body === 'string' ? { body: request.body } : {}),
    });
    if (fault === 'lost') {
      response.destroy();
      return;
    }
    response
      .status(answer.status)
      .type('json')
      .send(await answer.text());
  });
  return app;
}
