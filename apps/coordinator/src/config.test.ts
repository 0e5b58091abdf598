import { expect, it } from 'vitest';
import { ConfigError, readConfig } from './config.ts';
import { hashKey } from './http/auth.ts';

const own = hashKey('a key of my own').toString('hex');
const dev = hashKey('dev-key').toString('hex');
const secret = `whsec_${'A'.repeat(32)}`;

it('has a default for everything', () => {
  const config = readConfig({});
  expect(config).toMatchObject({
    redisUrl: 'redis://127.0.0.1:6379',
    jobsRedisUrl: 'redis://127.0.0.1:6379',
    api: { host: '127.0.0.1', port: 3000 },
    ops: { host: '127.0.0.1', port: 3001 },
    webhook: null,
    controlTls: null,
  });
  expect(config.keyHashes).toEqual([hashKey('dev-key')]);
  expect(Object.isFrozen(config)).toBe(true);
});

it('takes empty values for unset, and lists with spaces', () => {
  const config = readConfig({
    API_KEY_HASHES: ` ${own} , ${dev},`,
    WEBHOOK_URL: 'http://127.0.0.1:9/x',
    WEBHOOK_SECRETS: secret,
    CONTROL_TLS_CERT: '',
  });
  expect(config.keyHashes).toHaveLength(2);
  expect(config.webhook).toMatchObject({ url: 'http://127.0.0.1:9/x', secrets: [secret] });
});

it.each([
  ['the development key off loopback', { API_HOST: '0.0.0.0' }, 'API_KEY_HASHES'],
  ['the development key with health off loopback', { OPS_HOST: '::' }, 'API_KEY_HASHES'],
  ['its hash off loopback', { API_HOST: '10.0.0.1', API_KEY_HASHES: `${own},${dev}` }, 'API_KEY_HASHES'],
  ['no key at all', { API_KEY_HASHES: ' , ' }, 'API_KEY_HASHES'],
  ['a key instead of its hash', { API_KEY_HASHES: 'my-secret-key' }, 'API_KEY_HASHES'],
  ['a bad port', { API_PORT: '70000' }, 'API_PORT'],
  ['a bad Redis URL', { REDIS_URL: 'http://127.0.0.1' }, 'REDIS_URL'],
  ['webhooks without a secret', { WEBHOOK_URL: 'http://127.0.0.1' }, 'WEBHOOK_SECRETS'],
  ['a weak secret', { WEBHOOK_URL: 'http://127.0.0.1', WEBHOOK_SECRETS: 'whsec_abc' }, 'WEBHOOK_SECRETS'],
  ['half of the TLS files', { CONTROL_TLS_CERT: '/nope' }, 'CONTROL_TLS'],
])('refuses %s in one line that names the setting and no value', (_name, environment, setting) => {
  const error = expectConfigError(environment);
  expect(error.message).toContain(setting);
  expect(error.message).not.toMatch(/\n|my-secret-key|whsec_abc/);
});

function expectConfigError(environment: Readonly<Record<string, string>>): ConfigError {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

it('opens to others with a key of one’s own', () => {
  expect(readConfig({ API_HOST: '0.0.0.0', API_KEY_HASHES: own }).api.host).toBe('0.0.0.0');
});
