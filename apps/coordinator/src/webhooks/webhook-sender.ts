import type { EventEnvelope } from '@mediaserver/contracts';
import { Webhook } from 'standardwebhooks';
import { Agent, request } from 'undici';

/** The receiver did not take the events: no 2xx, or no answer. The message holds no secret and no body. */
class WebhookRefusedError extends Error {
  override name = 'WebhookRefusedError';
}

export interface WebhookTarget {
  readonly url: string;
  /** Every one signs. */
  readonly secrets: readonly string[];
  readonly timeoutMs: number;
}

/** More of an answer than this is not read. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** Sends events to the caller's backend, signed as Standard Webhooks asks. */
export class WebhookSender {
  readonly #url: URL;
  readonly #timeoutMs: number;
  readonly #signers: readonly Webhook[];
  readonly #agent: Agent;

  constructor({ url, secrets, timeoutMs }: WebhookTarget) {
    this.#url = new URL(url);
    this.#timeoutMs = timeoutMs;
    this.#signers = secrets.map((secret) => new Webhook(secret));
    this.#agent = new Agent({ connect: { timeout: Math.min(timeoutMs, 5_000) }, keepAliveTimeout: 10_000 });
  }

  /**
   * @param messageId the same for the same events, so that a receiver can tell a repetition.
   * @throws WebhookRefusedError unless the answer is 2xx. Redirects are not followed.
   */
  async send(messageId: string, events: readonly EventEnvelope[]): Promise<void> {
    const body = JSON.stringify({ events });
    const sentAt = new Date();
    let status: number;
    try {
      const response = await request(this.#url, {
        dispatcher: this.#agent,
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'mediaserver-webhooks',
          'webhook-id': messageId,
          'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
          'webhook-signature': this.#signers.map((signer) => signer.sign(messageId, sentAt, body)).join(' '),
        },
        body,
        signal: AbortSignal.timeout(this.#timeoutMs),
      });
      status = response.statusCode;
      await response.body.dump({ limit: MAX_ANSWER_BYTES });
    } catch (error) {
      throw new WebhookRefusedError(describe(error));
    }
    if (status < 200 || status > 299) throw new WebhookRefusedError(`answered ${status}`);
  }

  /** Idempotent. Requests under way fail. */
  async close(): Promise<void> {
    if (!this.#agent.destroyed) await this.#agent.destroy();
  }
}

/** `ECONNREFUSED` rather than a message that may quote the URL, which may hold a token. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'failed';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
