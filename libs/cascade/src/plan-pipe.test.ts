import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planPipe, type PipeStep, type PipeView, type PipedProducer } from './plan-pipe.ts';

const LINGER = 10_000;
const NOW = 1_000_000;

const view = (parts: {
  offered?: Record<string, boolean>;
  wanted?: string[];
  pipe?: { piped?: Record<string, PipedProducer>; sending?: number; idleSince?: number | null } | null;
}): PipeView => ({
  offered: new Map(Object.entries(parts.offered ?? {}).map(([id, paused]) => [id, { paused }])),
  wanted: new Set(parts.wanted ?? []),
  pipe: parts.pipe
    ? {
        piped: new Map(Object.entries(parts.pipe.piped ?? {})),
        sending: parts.pipe.sending ?? 0,
        idleSince: parts.pipe.idleSince ?? null,
      }
    : null,
});

describe('planPipe', () => {
  it('opens the pipe for the first wanted track, and pipes nothing that nobody wants', () => {
    expect(planPipe(view({ offered: { a: false, b: false }, wanted: ['a'] }), NOW, LINGER).steps).toEqual([
      { type: 'openPipe' },
      { type: 'pipe', producerId: 'a' },
    ]);
  });

  it('invariant 3: keeps an unused producer for the linger time', () => {
    const unused = { paused: false, unusedSince: NOW - LINGER + 1 };
    const plan = planPipe(view({ offered: { a: false }, pipe: { piped: { a: unused } } }), NOW, LINGER);
    expect(plan).toEqual({ steps: [], wakeAt: NOW + 1 });
    expect(planPipe(view({ offered: { a: false }, pipe: { piped: { a: unused } } }), NOW + 1, LINGER).steps).toEqual([
      { type: 'unpipe', producerId: 'a' },
    ]);
  });

  it('follows pause and resume of the other node', () => {
    const piped = { a: { paused: false, unusedSince: null }, b: { paused: true, unusedSince: null } };
    expect(
      planPipe(view({ offered: { a: true, b: false }, wanted: ['a', 'b'], pipe: { piped } }), NOW, LINGER).steps,
    ).toEqual([
      { type: 'pause', producerId: 'a' },
      { type: 'resume', producerId: 'b' },
    ]);
  });

  it('invariant 4: leaves a pipe open that still sends', () => {
    const idle = { idleSince: NOW - LINGER };
    expect(planPipe(view({ pipe: { ...idle, sending: 1 } }), NOW, LINGER).steps).toEqual([]);
    expect(planPipe(view({ pipe: idle }), NOW, LINGER).steps).toEqual([{ type: 'closePipe' }]);
  });
});

const ids = ['a', 'b', 'c', 'd'];
const viewArbitrary = fc
  .record({
    offered: fc.dictionary(fc.constantFrom(...ids), fc.boolean()),
    wanted: fc.subarray(ids),
    pipe: fc.option(
      fc.record({
        piped: fc.dictionary(
          fc.constantFrom(...ids),
          fc.record({
            paused: fc.boolean(),
            unusedSince: fc.option(fc.integer({ min: NOW - 2 * LINGER, max: NOW })),
          }),
        ),
        sending: fc.nat(2),
        idleSince: fc.option(fc.integer({ min: NOW - 2 * LINGER, max: NOW })),
      }),
    ),
  })
  .map(view);

/** What the node's shell makes of the steps. */
function run(before: PipeView, steps: readonly PipeStep[]): PipeView {
  let open = before.pipe !== null;
  const piped = new Map(before.pipe?.piped);
  for (const step of steps) {
    if (step.type === 'openPipe') open = true;
    else if (step.type === 'closePipe') open = false;
    else if (step.type === 'drop' || step.type === 'unpipe') piped.delete(step.producerId);
    else if (step.type === 'pipe') {
      expect(open, 'a pipe is open before anything is piped').toBe(true);
      expect(piped.has(step.producerId), 'nothing is piped twice').toBe(false);
      piped.set(step.producerId, { paused: before.offered.get(step.producerId)?.paused ?? false, unusedSince: null });
    } else {
      piped.set(step.producerId, {
        unusedSince: piped.get(step.producerId)?.unusedSince ?? null,
        paused: step.type === 'pause',
      });
    }
  }
  const sending = before.pipe?.sending ?? 0;
  const idleSince = piped.size + sending > 0 ? null : (before.pipe?.idleSince ?? NOW);
  return { ...before, pipe: open ? { piped, sending, idleSince } : null };
}

describe('planPipe, for any view', () => {
  it('invariant 5: running the steps leaves nothing to do', () => {
    fc.assert(
      fc.property(viewArbitrary, (before) => {
        const after = run(before, planPipe(before, NOW, LINGER).steps);
        // The pipe itself may have become idle just now, and is then kept for a while.
        expect(planPipe(after, NOW, LINGER).steps).toEqual([]);
      }),
    );
  });

  it('invariant 1: afterwards exactly what is wanted and offered is piped, plus what lingers', () => {
    fc.assert(
      fc.property(viewArbitrary, (before) => {
        const { steps } = planPipe(before, NOW, LINGER);
        const piped = run(before, steps).pipe?.piped ?? new Map();
        for (const id of before.wanted) expect(piped.has(id)).toBe(before.offered.has(id));
        for (const id of piped.keys()) expect(before.offered.has(id)).toBe(true);
      }),
    );
  });

  it('wakes up only in the future', () => {
    fc.assert(
      fc.property(viewArbitrary, (before) => {
        const { wakeAt } = planPipe(before, NOW, LINGER);
        expect(wakeAt === null || wakeAt > NOW).toBe(true);
      }),
    );
  });
});
