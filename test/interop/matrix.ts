import { randomUUID } from 'node:crypto';
import type { Browser } from 'playwright-core';
import { startCluster, type Cluster } from '../../deploy/local/cluster.ts';
import { Api } from '../support/api.ts';
import { launchChromium } from '../support/chromium.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';
import { InteropBackend } from './backend.ts';
import { NotSupported, type InteropClient } from './client.ts';
import { PageClient } from './page-client.ts';
import type { Scenario } from './scenarios.ts';

/** What became of a scenario with a client. */
export interface Cell {
  readonly status: 'works' | 'not supported' | 'fails';
  /** Why, or what is worth knowing; '' for nothing. */
  readonly note: string;
}

export interface OpenClient {
  readonly client: InteropClient;
  /** Of the client, as it says itself. */
  readonly version: string;
  readonly close: () => Promise<void>;
}

/** A cluster of two nodes, a backend, and Chromium as the partner of whatever client is looked at. */
export class Matrix {
  readonly backendUrl: string;
  readonly chromium: Browser;
  readonly #api: Api;
  readonly #cluster: Cluster;
  readonly #webhooks: WebhookReceiver;
  readonly #backend: InteropBackend;
  readonly #partner: InteropClient;

  private constructor(
    cluster: Cluster,
    webhooks: WebhookReceiver,
    backend: InteropBackend,
    chromium: Browser,
    partner: InteropClient,
  ) {
    this.#cluster = cluster;
    this.#webhooks = webhooks;
    this.#backend = backend;
    this.#partner = partner;
    this.#api = new Api(cluster);
    this.chromium = chromium;
    this.backendUrl = backend.url;
  }

  static async start(): Promise<Matrix> {
    const secret = `whsec_${Buffer.from(randomUUID()).toString('base64')}`;
    const webhooks = await WebhookReceiver.start(secret);
    const cluster = await startCluster({ ports: 'free', env: { WEBHOOK_URL: webhooks.url, WEBHOOK_SECRETS: secret } });
    const backend = await InteropBackend.start(cluster, webhooks);
    const chromium = await launchChromium();
    const { client } = await openChromium(chromium, backend.url);
    return new Matrix(cluster, webhooks, backend, chromium, client);
  }

  /** Each scenario has a room of its own. */
  async run(scenario: Scenario, client: InteropClient): Promise<Cell> {
    const roomId = `room-${randomUUID().slice(0, 8)}`;
    const { codecs } = scenario;
    await this.#api.call('POST', '/rooms', {
      roomId,
      placement: { strategy: 'spread' },
      ...(codecs && { media: { codecs } }),
    });
    const { faults } = this.#backend;
    const stage = { api: this.#api, roomId, client, partner: this.#partner, faults };
    try {
      const note = await scenario.run(stage);
      const problems = [...(await client.problems()), ...(await this.#partner.problems())];
      if (problems.length > 0) return { status: 'fails', note: problems.join('; ') };
      return { status: 'works', note: note ?? '' };
    } catch (error) {
      if (error instanceof NotSupported) return { status: 'not supported', note: error.message };
      const problems = await Promise.all([client, this.#partner].map((each) => each.problems().catch(String)));
      return { status: 'fails', note: [causes(error), ...problems.flat()].join('; ') };
    } finally {
      faults.next = () => undefined;
      for (const each of [client, this.#partner]) await each.leave();
      await this.#api.call('DELETE', `/rooms/${roomId}`);
    }
  }

  async close(): Promise<void> {
    await this.chromium.close();
    await this.#backend.close();
    await this.#cluster.stop();
    await this.#webhooks.stop();
  }
}

/** A page in a browser profile of its own. */
export async function openChromium(browser: Browser, backendUrl: string): Promise<OpenClient> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(backendUrl);
  await page.waitForFunction('window.client');
  const client = new PageClient({ evaluate: <T>(expression: string) => page.evaluate<T>(expression) });
  return { client, version: browser.version(), close: () => context.close() };
}

function causes(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${causes(error.cause)}`;
}
