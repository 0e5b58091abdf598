import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessageQueue, type CascadedMessage } from './message-queue.ts';

const message = (seq: number, reliable = true): CascadedMessage => ({
  seq,
  reliable,
  to: null,
  message: { from: 'anna', data: seq },
});
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
            if (queue.add(message(seq, each.reliable), each.bytes) && each.reliable) taken.push(seq);
          } else if (each.type === 'sent') sent();
          else queue.dropLossy();
        }
        while (sent());
        expect(seqs(left)).toEqual(seqs(left).toSorted((a, b) => a - b));
        expect(seqs(left.filter(({ reliable }) => reliable))).toEqual(taken);
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
