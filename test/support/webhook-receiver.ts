import { createServer, type Server } from 'node:http';
import { webhookBodySchema, type EventEnvelope } from '@mediaserver/contracts';
import express from 'express';
import { Webhook } from 'standardwebhooks';

export interface Delivery {
  readonly messageId: string;
  readonly events: readonly EventEnvelope[];
}

/** A backend that receives events, checks their signature, and can be told to misbehave. */
export class WebhookReceiver {
  readonly secret: string;
  /** Requests whose signature was right and that were answered 2xx. */
  readonly taken: Delivery[] = [];
  /** Requests that were refused by `refuse`. */
  readonly refused: Delivery[] = [];
  badSignatures = 0;
  /** Told of each event taken. */
  readonly listeners = new Set<(event: EventEnvelope) => void>();
  /** @returns the status to refuse with, or undefined to take it. May wait. */
  refuse: (delivery: Delivery) => number | undefined | Promise<number | undefined> = () => undefined;
  readonly #server: Server;
  #url = '';

  private constructor(secret: string) {
    this.secret = secret;
    this.#server = createServer(this.#app());
  }

  static async start(secret: string): Promise<WebhookReceiver> {
    const receiver = new WebhookReceiver(secret);
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve));
    const address = receiver.#server.address();
    if (typeof address !== 'object' || address === null) throw new Error('no address');
    receiver.#url = `http://127.0.0.1:${address.port}/events`;
    return receiver;
  }

  get url(): string {
    return this.#url;
  }

  /** The facts of one room that were taken, in the order they came; repetitions left out. */
  facts(roomId: string): EventEnvelope[] {
    const seen = new Set<string>();
    return this.taken
      .flatMap(({ events }) => events)
      .filter((event) => event.roomId === roomId && event.seq !== undefined)
      .filter((event) => !seen.has(event.id) && seen.add(event.id));
  }

  signals(roomId: string): EventEnvelope[] {
    return this.taken
      .flatMap(({ events }) => events)
      .filter((event) => event.roomId === roomId && event.seq === undefined);
  }

  #app(): express.Express {
    const app = express();
    app.use(express.text({ type: 'application/json', limit: '4mb' }));
    app.post('/events', async (request, response) => {
      const text = String(request.body);
      const header = (name: string) => request.get(name) ?? '';
      try {
        new Webhook(this.secret).verify(text, {
          'webhook-id': header('webhook-id'),
          'webhook-timestamp': header('webhook-timestamp'),
          'webhook-signature': header('webhook-signature'),
        });
      } catch {
        this.badSignatures += 1;
        response.sendStatus(401);
        return;
      }
      const { events } = webhookBodySchema.parse(JSON.parse(text));
      const delivery = { messageId: header('webhook-id'), events };
      const status = await this.refuse(delivery);
      (status === undefined ? this.taken : this.refused).push(delivery);
      response.sendStatus(status ?? 200);
      if (status === undefined) for (const event of events) for (const tell of this.listeners) tell(event);
    });
    return app;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
