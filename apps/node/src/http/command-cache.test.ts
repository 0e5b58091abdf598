import { ProblemError } from '@mediaserver/contracts';
import { expect, it, vi } from 'vitest';
import { CommandCache } from './command-cache.ts';

it('invariant 1: a repeated command adopts the first effect, also while it runs', async () => {
  const cache = new CommandCache();
  const work = vi.fn(() => Promise.resolve({ done: true }));
  const [first, second] = await Promise.all([cache.run('k', work, 0), cache.run('k', work, 0)]);
  expect(first).toBe(second);
  await expect(cache.run('k', work, 1000)).resolves.toBe(first);
  expect(work).toHaveBeenCalledOnce();
  await cache.run('other', work, 1000);
  expect(work).toHaveBeenCalledTimes(2);
});

it('keeps a refusal, because the same command would be refused again', async () => {
  const cache = new CommandCache();
  const work = vi.fn(() => Promise.reject(new ProblemError('malformed_sdp')));
  await expect(cache.run('k', work, 0)).rejects.toThrow(ProblemError);
  await expect(cache.run('k', work, 1)).rejects.toThrow(ProblemError);
  expect(work).toHaveBeenCalledOnce();
});

it('invariant 2: forgets an outcome that may be tried again', async () => {
  const cache = new CommandCache();
  const work = vi.fn(() => Promise.reject(new ProblemError('registry_unavailable')));
  await expect(cache.run('k', work, 0)).rejects.toThrow(ProblemError);
  await expect(cache.run('k', work, 1)).rejects.toThrow(ProblemError);
  expect(work).toHaveBeenCalledTimes(2);
});

it('invariant 3: forgets after a while', async () => {
  const cache = new CommandCache();
  const work = vi.fn(() => Promise.resolve({}));
  await cache.run('k', work, 0);
  await cache.run('k', work, 11 * 60_000);
  expect(work).toHaveBeenCalledTimes(2);
});
