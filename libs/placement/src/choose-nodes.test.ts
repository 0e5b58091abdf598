import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chooseNodes, predictedLoad, type PlacementRequest } from './index.ts';
import { snapshotOf } from './snapshots.test-support.ts';

function request(changes: Partial<PlacementRequest>): PlacementRequest {
  return {
    nodes: [],
    strategy: 'pack',
    region: null,
    codecTableVersion: 1,
    weight: 1,
    random: () => 0.5,
    ...changes,
  };
}
const ids = (changes: Partial<PlacementRequest>): string[] =>
  chooseNodes(request(changes)).candidates.map((candidate) => candidate.nodeId);

describe('who is considered at all', () => {
  test('each reason to leave a node out is named', () => {
    const decision = chooseNodes(
      request({
        region: 'eu',
        nodes: [
          snapshotOf('dead', { region: 'eu', alive: false }),
          snapshotOf('stopping', { region: 'eu', state: 'stopping' }),
          snapshotOf('older', { region: 'eu', codecTableVersion: 0 }),
          snapshotOf('far', { region: 'us' }),
          snapshotOf('nowhere'),
          snapshotOf('busy', { region: 'eu', ratio: 0.95 }),
          snapshotOf('good', { region: 'eu' }),
        ],
      }),
    );
    expect(decision.candidates.map((candidate) => candidate.nodeId)).toEqual(['good']);
    expect(decision.excluded).toEqual({
      dead: 'lease_lapsed',
      stopping: 'not_ready',
      older: 'other_codec_table',
      far: 'other_region',
      nowhere: 'other_region',
      busy: 'full',
    });
  });

  test('a node filled by reservations is full before its load shows it', () => {
    const filled = snapshotOf('filled', { reserved: 1000 });
    expect(chooseNodes(request({ nodes: [filled] })).excluded).toEqual({ filled: 'full' });
  });

  test('no nodes, no candidates', () => {
    expect(chooseNodes(request({}))).toEqual({ candidates: [], excluded: {} });
  });

  test('a candidate carries what the script checks it by', () => {
    const [candidate] = chooseNodes(request({ nodes: [snapshotOf('a')] })).candidates;
    expect(candidate).toEqual({ nodeId: 'a', bootId: 'boot-of-a', weight: 1, sessionCost: 0.005, maxLoad: 0.9 });
  });
});

describe('pack', () => {
  const room = { homeNodeId: 'home', sessionsPerNode: { edge: 3 } };

  test('prefers home, also while nobody is on it, then the nodes that carry the room', () => {
    const nodes = [snapshotOf('idle'), snapshotOf('edge', { ratio: 0.5 }), snapshotOf('home', { ratio: 0.7 })];
    expect(ids({ nodes, room })).toEqual(['home', 'edge', 'idle']);
  });

  test('leaves home above 0.8, but still takes it when nothing else is there', () => {
    const home = snapshotOf('home', { ratio: 0.82 });
    expect(ids({ nodes: [home, snapshotOf('idle')], room })).toEqual(['idle', 'home']);
    expect(ids({ nodes: [home], room })).toEqual(['home']);
  });

  test('a stopping home is not sticky', () => {
    const nodes = [snapshotOf('home', { state: 'stopping' }), snapshotOf('idle')];
    expect(ids({ nodes, room })).toEqual(['idle']);
  });

  test('without a room: of two nodes the less loaded', () => {
    const nodes = [snapshotOf('a', { ratio: 0.4 }), snapshotOf('b', { ratio: 0.2 })];
    for (const value of [0, 0.3, 0.6, 0.999]) {
      expect(ids({ nodes, random: () => value })[0]).toBe('b');
    }
  });
});

describe('spread', () => {
  test('takes the node with fewest sessions of the room, then the least loaded', () => {
    const nodes = [snapshotOf('a'), snapshotOf('b', { ratio: 0.5 }), snapshotOf('c', { ratio: 0.3 })];
    const room = { homeNodeId: 'a', sessionsPerNode: { a: 1 } };
    expect(ids({ nodes, room, strategy: 'spread' })).toEqual(['c', 'b', 'a']);
  });

  test('fills two nodes in turn', () => {
    const nodes = [snapshotOf('a'), snapshotOf('b')];
    const sessionsPerNode: Record<string, number> = {};
    for (let user = 0; user < 6; user += 1) {
      const [first = ''] = ids({ nodes, room: { homeNodeId: 'a', sessionsPerNode }, strategy: 'spread' });
      sessionsPerNode[first] = (sessionsPerNode[first] ?? 0) + 1;
    }
    expect(sessionsPerNode).toEqual({ a: 3, b: 3 });
  });
});

const nodeArbitrary = fc
  .record({
    ratio: fc.double({ min: 0, max: 1.5, noNaN: true }),
    sessions: fc.nat(2000),
    reserved: fc.double({ min: 0, max: 200, noNaN: true }),
    alive: fc.boolean(),
    state: fc.constantFrom('ready' as const, 'stopping' as const),
    region: fc.constantFrom(null, 'eu', 'us'),
    workers: fc.integer({ min: 1, max: 64 }),
    codecTableVersion: fc.constantFrom(1, 1, 1, 2),
  })
  .map((changes) => changes);
const requestArbitrary = fc
  .record({
    nodes: fc.array(nodeArbitrary, { maxLength: 12 }),
    home: fc.nat(12),
    counts: fc.array(fc.nat(5), { maxLength: 12 }),
    strategy: fc.constantFrom('pack' as const, 'spread' as const),
    region: fc.constantFrom(null, 'eu'),
    weight: fc.constantFrom(0, 1, 5),
    withRoom: fc.boolean(),
    draws: fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 1, maxLength: 8 }),
  })
  .map(({ nodes, home, counts, withRoom, draws, ...rest }) => {
    let drawn = 0;
    return request({
      ...rest,
      nodes: nodes.map((changes, index) => snapshotOf(`n${index}`, changes)),
      ...(withRoom
        ? {
            room: {
              homeNodeId: `n${home}`,
              sessionsPerNode: Object.fromEntries(counts.map((count, index) => [`n${index}`, count])),
            },
          }
        : {}),
      random: () => draws[drawn++ % draws.length] ?? 0,
    });
  });

describe('of every decision', () => {
  test('candidates are distinct, at most three, usable, and as many as there can be', () => {
    fc.assert(
      fc.property(requestArbitrary, (asked) => {
        const { candidates, excluded } = chooseNodes(asked);
        const chosen = candidates.map((candidate) => candidate.nodeId);
        expect(new Set(chosen).size).toBe(chosen.length);
        expect(chosen.filter((nodeId) => nodeId in excluded)).toEqual([]);
        const usable = asked.nodes.length - Object.keys(excluded).length;
        expect(chosen.length).toBe(Math.min(3, usable));
        for (const candidate of candidates) {
          const node = asked.nodes.find((one) => one.descriptor.nodeId === candidate.nodeId);
          expect(node?.alive).toBe(true);
          expect(node?.state).toBe('ready');
          expect(node === undefined ? Infinity : predictedLoad(node, asked.weight)).toBeLessThanOrEqual(0.9);
          // What the registry's script computes from the same figures.
          const { sessionCost, weight, maxLoad } = candidate;
          expect((node?.load.ratio ?? 0) + ((node?.reserved ?? 0) + weight) * sessionCost).toBeLessThanOrEqual(maxLoad);
        }
      }),
    );
  });

  test('more load never moves a node ahead of one that was better in all (pack, no room, two nodes)', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 0.4 }),
        fc.double({ min: 0.01, max: 0.4 }),
        fc.double(),
        (low, more, draw) => {
          const nodes = [snapshotOf('low', { ratio: low }), snapshotOf('high', { ratio: low + more })];
          expect(ids({ nodes, random: () => Math.abs(draw % 1) || 0 })[0]).toBe('low');
        },
      ),
    );
  });

  test('the input is not changed', () => {
    fc.assert(
      fc.property(requestArbitrary, (asked) => {
        const before = JSON.stringify(asked.nodes);
        chooseNodes(asked);
        expect(JSON.stringify(asked.nodes)).toBe(before);
      }),
    );
  });
});

test('two random choices keep a thousand placements even', () => {
  // A fixed generator, so that the figure is the same in each run.
  let state = 1;
  const random = (): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  const placed = new Map<string, number>(Array.from({ length: 10 }, (_, index) => [`n${index}`, 0]));
  for (let session = 0; session < 1000; session += 1) {
    const nodes = [...placed].map(([nodeId, reserved]) => snapshotOf(nodeId, { reserved, workers: 8 }));
    const [first] = chooseNodes(request({ nodes, random })).candidates;
    expect(first).toBeDefined();
    if (first !== undefined) {
      placed.set(first.nodeId, (placed.get(first.nodeId) ?? 0) + 1);
    }
  }
  expect(Math.max(...placed.values()) / 100).toBeLessThan(1.15);
});
