import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { webhookBodySchema, type EventEnvelope } from '@mediaserver/contracts';
import { Webhook } from 'standardwebhooks';

/** A backend's webhook endpoint: verifies, records and hands out what the coordinator delivers. */
export class WebhookReceiver {
  readonly url: string;
  /** Everything received, in order of arrival. */
  readonly events: EventEnvelope[] = [];
  readonly #listeners = new Set<(event: EventEnvelope) => void>();
  readonly #stop: () => Promise<void>;

  private constructor(url: string, stop: () => Promise<void>) {
    this.url = url;
    this.#stop = stop;
  }

  /** @param secret `whsec_…`; a delivery that does not verify is answered 401 and not recorded. */
  static async start(secret: string): Promise<WebhookReceiver> {
    const webhook = new Webhook(secret);
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        try {
          const headers = Object.fromEntries(
            Object.entries(request.headers).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
          );
          const body = webhookBodySchema.parse(webhook.verify(Buffer.concat(chunks), headers));
          for (const event of body.events) receiver.#receive(event);
          response.writeHead(204).end();
        } catch {
          response.writeHead(401).end();
        }
      });
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address() as AddressInfo;
    const receiver = new WebhookReceiver(`http://127.0.0.1:${address.port}/`, async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    return receiver;
  }

  #receive(event: EventEnvelope): void {
    this.events.push(event);
    for (const listener of this.#listeners) listener(event);
  }

  onEvent(listener: (event: EventEnvelope) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Types of the facts of one room life, in order, each once. */
  facts(roomSessionId: string): EventEnvelope[] {
    const seen = new Set<string>();
    return this.events.filter((event) => {
      if (event.roomSessionId !== roomSessionId || event.seq === undefined || seen.has(event.id)) return false;
      seen.add(event.id);
      return true;
    });
  }

  stop(): Promise<void> {
    return this.#stop();
  }
}
