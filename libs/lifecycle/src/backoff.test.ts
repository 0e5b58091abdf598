import { expect, it } from 'vitest';
import { Backoff } from './backoff.ts';

it('doubles up to the maximum and starts over after reset', () => {
  const backoff = new Backoff({ initialMs: 100, maxMs: 500, jitter: 0 });
  expect([backoff.next(), backoff.next(), backoff.next(), backoff.next()]).toEqual([100, 200, 400, 500]);
  backoff.reset();
  expect(backoff.next()).toBe(100);
});

it('draws the jitter from the delay, never above it', () => {
  const backoff = new Backoff({ initialMs: 100, maxMs: 500, jitter: 0.5, random: () => 1 });
  expect(backoff.next()).toBe(50);
});
