import { Webhook } from 'standardwebhooks';

export interface Config {
  readonly host: string;
  readonly port: number;
  /** The media server's API, without a slash at the end. */
  readonly apiUrl: string;
  /** Stays in this process: pages never see it. */
  readonly apiKey: string;
  /** `whsec_…`: what the media server signs its webhooks with. */
  readonly webhookSecret: string;
}

/** A setting is missing or wrong; the message says which and what to do. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const port = Number(env['DEMO_PORT'] ?? '3010');
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new ConfigError('DEMO_PORT must be a port number');

  const apiUrl = (env['API_URL'] ?? 'http://127.0.0.1:3000').replace(/\/+$/, '');
  if (!URL.canParse(apiUrl) || !/^https?:$/.test(new URL(apiUrl).protocol)) {
    throw new ConfigError('API_URL must be an http(s) address, such as http://127.0.0.1:3000');
  }

  const webhookSecret = env['WEBHOOK_SECRET'] ?? '';
  if (!isWebhookSecret(webhookSecret)) {
    throw new ConfigError('WEBHOOK_SECRET must be the secret the media server signs webhooks with (whsec_…)');
  }

  return { host: env['DEMO_HOST'] ?? '127.0.0.1', port, apiUrl, apiKey: env['API_KEY'] ?? 'dev-key', webhookSecret };
}

function isWebhookSecret(value: string): boolean {
  try {
    return new Webhook(value) instanceof Webhook;
  } catch {
    return false;
  }
}
