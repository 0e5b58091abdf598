import fc from 'fast-check';
import { expect, test } from 'vitest';
import { predictedLoad, sessionCost } from './load.ts';
import { snapshotOf } from './snapshots.test-support.ts';

const costOf = (ratio: number, sessions: number, workers = 1): number =>
  sessionCost(snapshotOf('n', { ratio, sessions, workers }));

test('without sessions a CPU spike says nothing of their cost', () => {
  expect(costOf(1, 0)).toBe(0.01);
});

test('a spike with few sessions hardly moves it; many sessions do', () => {
  expect(costOf(0.5, 1)).toBeLessThan(0.013);
  expect(costOf(0.9, 30)).toBeGreaterThan(0.02);
  expect(costOf(0.1, 100)).toBeLessThan(0.004);
});

test('a burst of placements during a spike does not fill a node of one Worker', () => {
  const node = snapshotOf('n', { workers: 1, ratio: 0.5, sessions: 1, reserved: 17 });
  expect(predictedLoad(node, 1)).toBeLessThan(0.9);
});

test('it stays within a factor of four of the prior, whatever the figures', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 20, noNaN: true }), fc.nat(5000), fc.integer({ min: 1, max: 64 }), (...of) => {
      const prior = 0.01 / of[2];
      expect(costOf(...of)).toBeGreaterThanOrEqual(prior / 4 - 1e-12);
      expect(costOf(...of)).toBeLessThanOrEqual(prior * 4 + 1e-12);
    }),
  );
});
