import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessageQueue, type CascadedMessage } from './message-queue.ts';

const message = (seq: number, reliable = true): CascadedMessage => ({
  seq,
  reliable,
  to: null,
  message: { from: 'anna', data: seq },
});
/** What stands in place of lost messages. */
const mark = (seq: number) => ({ seq, reliable: true, to: null, message: null });
const seqs = (messages: readonly CascadedMessage[]) => messages.map(({ seq }) => seq);
const range = (count: number) => Array.from({ length: count }, (_, index) => index);

describe('invariant 1: order', () => {
  it('holds whatever is added, confirmed and dropped; each reliable message leaves once', () => {
    const step = fc.oneof(
      fc.record({
        type: fc.constant('add' as const),
        reliable: fc.boolean(),
        bytes: fc.integer({ min: 1, max: 70_000 }),
      }),
      fc.constant({ type: 'sent' as const }),
      fc.constant({ type: 'failed' as const }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const queue = new MessageQueue();
        const taken: number[] = [];
        let lost = 0;
        const left: CascadedMessage[] = [];
        let seq = 0;
        const sent = () => {
          const batch = queue.batch();
          queue.confirm(batch);
          left.push(...batch);
          return batch.length > 0;
        };
        for (const each of steps) {
          if (each.type === 'add') {
            seq += 1;
            const added = queue.add(message(seq, each.reliable), each.bytes);
            if (added && each.reliable) taken.push(seq);
            if (!added && each.reliable) lost = seq;
          } else if (each.type === 'sent') sent();
          else queue.dropLossy();
        }
        while (sent());
        expect(seqs(left)).toEqual(seqs(left).toSorted((a, b) => a - b));
        expect(seqs(left.filter((each) => each.reliable && each.message))).toEqual(taken);
        // Invariant 4: whoever got the newest mark knows of everything that was lost.
        expect(left.findLast((each) => each.message === null)?.seq ?? 0).toBe(lost);
        expect(queue.length).toBe(0);
      }),
    );
  });
});

describe('invariant 2: bounds', () => {
  it('refuses the newest when too many wait, and takes again once some left', () => {
    const queue = new MessageQueue();
    const taken = range(3_000).filter((seq) => queue.add(message(seq), 10));
    expect(taken).toEqual(range(taken.length));
    expect(taken.length).toBe(2_000);
    queue.confirm(queue.batch());
    expect(queue.add(message(5_000), 10)).toBe(true);
  });

  it('counts bytes too', () => {
    const queue = new MessageQueue();
    expect(range(1_000).filter((seq) => queue.add(message(seq), 16_384))).toHaveLength(128);
  });

  it('refuses lossy messages earlier', () => {
    const queue = new MessageQueue();
    expect(range(500).filter((seq) => queue.add(message(seq, false), 10))).toHaveLength(200);
    expect(queue.add(message(1_000), 10)).toBe(true);
  });

  it('puts so much into a batch as one call carries, and at least one message', () => {
    const queue = new MessageQueue();
    for (const seq of range(600)) queue.add(message(seq), 10);
    expect(queue.batch()).toHaveLength(256);
    const large = new MessageQueue();
    large.add(message(1), 300_000);
    large.add(message(2), 10);
    expect(seqs(large.batch())).toEqual([1]);
  });
});

describe('invariant 4: marks', () => {
  it('one stands where several were refused in a row, and one more where it goes on after others', () => {
    const queue = new MessageQueue();
    queue.add(message(1), 2 * 1024 * 1024 - 10);
    for (const seq of [2, 3]) expect(queue.add(message(seq), 100)).toBe(false);
    expect(queue.add(message(4), 10)).toBe(true);
    for (const seq of [5, 6]) expect(queue.add(message(seq), 100)).toBe(false);
    queue.confirm(queue.batch());
    expect(queue.batch()).toEqual([mark(3), message(4), mark(6)]);
  });

  it('that is under way does not hide what is lost meanwhile', () => {
    const queue = new MessageQueue();
    queue.add(message(1), 2 * 1024 * 1024);
    queue.add(message(2), 10);
    queue.confirm(queue.batch());
    const under = queue.batch();
    expect(under).toEqual([mark(2)]);
    queue.add(message(3), 3 * 1024 * 1024);
    queue.confirm(under);
    expect(queue.batch()).toEqual([mark(3)]);
  });

  it('stands before the rest where a batch was given up that had reliable messages', () => {
    const queue = new MessageQueue();
    for (const seq of [1, 2]) queue.add(message(seq), 10);
    queue.add(message(3, false), 10);
    const batch = queue.batch();
    queue.add(message(4, false), 10);
    expect(queue.giveUp(batch)).toBe(3);
    expect(queue.batch()).toEqual([mark(2), message(4, false)]);
    expect(queue.giveUp(queue.batch())).toBe(1);
    expect(queue.batch()).toEqual([mark(2)]);
  });
});

it('invariant 3: a batch stays until it is confirmed', () => {
  const queue = new MessageQueue();
  queue.add(message(1), 10);
  queue.add(message(2, false), 10);
  const first = queue.batch();
  queue.add(message(3), 10);
  expect(seqs(queue.batch())).toEqual([1, 2, 3]);
  queue.confirm(first);
  expect(seqs(queue.batch())).toEqual([3]);
  expect(queue.dropLossy()).toBe(0);
});
