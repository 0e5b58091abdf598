import { expect, test } from 'vitest';
import { SilenceWatch } from './silence-watch.ts';

test('a client that sent and sends nothing any more is gone, until it is heard again', () => {
  const watch = new SilenceWatch(60);
  expect([0, 30, 59].map((now) => watch.observe(1000, true, now))).toEqual([false, false, false]);
  expect(watch.observe(1000, true, 60)).toBe(true);
  expect(watch.observe(1001, true, 70)).toBe(false);
  expect(watch.observe(1001, true, 129)).toBe(false);
  expect(watch.observe(1001, true, 130)).toBe(true);
});

test('where nothing is expected, silence says nothing, and its time begins when something is', () => {
  const watch = new SilenceWatch(60);
  expect([0, 100, 200].map((now) => watch.observe(1000, false, now))).toEqual([false, false, false]);
  expect(watch.observe(1000, true, 259)).toBe(false);
  expect(watch.observe(1000, true, 260)).toBe(true);
});
