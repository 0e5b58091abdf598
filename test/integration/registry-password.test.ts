import { createLogger } from '@mediaserver/telemetry';
import { Registry } from '@mediaserver/registry';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCoordinator } from '../support/coordinator-harness.ts';
import { startRedis, type RedisServer } from '../support/redis-server.ts';
import { until } from '../support/registry-support.ts';

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis({ password: 'the-right-one' });
});
afterAll(() => server.stop());

const withPassword = (password: string): string => `redis://:${password}@127.0.0.1:${server.port}`;

test('a password that Redis refuses is told, and not written to the log', async () => {
  const lines: string[] = [];
  const log = createLogger('test', 'trace', { write: (line) => void lines.push(line) });
  const registry = Registry.open({ url: withPassword('hunter2'), name: 'test', log });
  const listening = registry.onEventsAppended(() => undefined);
  await until('the refusal is told', () => Promise.resolve(lines.some((line) => line.includes('WRONGPASS'))));
  await expect(registry.listNodes()).rejects.toMatchObject({ code: 'registry_unavailable' });
  listening();
  await registry.close();
  expect(lines.join('')).not.toContain('hunter2');
});

test('job queues that cannot be reached are told once, shown by /readyz, and hold no password in the log', async () => {
  const api = await TestCoordinator.start({
    REDIS_URL: withPassword('the-right-one'),
    JOBS_REDIS_URL: withPassword('hunter2'),
  });
  try {
    const told = (): number => api.log.filter((line) => line.includes('job queues are not reachable')).length;
    await until('the outage is told', () => Promise.resolve(told() > 0));
    const ready = await fetch(`${api.service.opsUrl}/readyz`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toEqual({ status: 'ok', registry: 'ok', jobs: 'unreachable' });
    expect(told()).toBe(1);
  } finally {
    await api.service.close();
  }
  expect(api.log.join('')).not.toContain('hunter2');
  expect(api.log.join('')).not.toContain('the-right-one');
});
