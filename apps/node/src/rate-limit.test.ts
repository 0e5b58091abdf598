import { expect, it } from 'vitest';
import { RateLimit } from './rate-limit.ts';

const limits = { messages: { perSecond: 10, burst: 3 }, bytes: { perSecond: 1_000, burst: 500 } };

/** How many of `count` messages pass at one moment. */
const passing = (limit: RateLimit, count: number, bytes: number, now: number) =>
  Array.from({ length: count }, () => limit.take(bytes, now)).filter(Boolean).length;

it('lets a burst pass, then the rate', () => {
  const limit = new RateLimit(limits, 0);
  expect(passing(limit, 10, 1, 0)).toBe(3);
  expect(passing(limit, 10, 1, 99)).toBe(0);
  expect(passing(limit, 10, 1, 200)).toBe(2);
  expect(passing(limit, 10, 1, 60_000)).toBe(3);
});

it('limits bytes too, and a message that does not pass costs nothing', () => {
  const limit = new RateLimit(limits, 0);
  expect(limit.take(501, 0)).toBe(false);
  expect(limit.take(500, 0)).toBe(true);
  expect(limit.take(1, 0)).toBe(false);
  expect(limit.take(100, 100)).toBe(true);
  expect(limit.take(0, 100)).toBe(true);
});

it('what passes in any case is owed, up to one burst', () => {
  const limit = new RateLimit(limits, 0);
  limit.charge(700, 0);
  expect(limit.take(1, 199)).toBe(false);
  expect(limit.take(1, 202)).toBe(true);
  limit.charge(1_000_000, 202);
  expect(limit.take(1, 701)).toBe(false);
  expect(limit.take(1, 704)).toBe(true);
});
