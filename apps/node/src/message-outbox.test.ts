import { expect, it, vi } from 'vitest';
import { ProblemError } from '@mediaserver/contracts';
import { createLogger, createNodeMetrics } from '@mediaserver/telemetry';
import { MessageOutbox } from './message-outbox.ts';
import type { CascadedMessage } from './message-queue.ts';

const log = createLogger('test', 'silent');
const message = (seq: number, reliable = true): CascadedMessage => ({
  seq,
  reliable,
  to: null,
  message: { from: 'anna', data: seq },
});

/** The other node: what it was sent, each call answered when told how. */
function outboxTo() {
  const calls: {
    readonly seqs: number[];
    /** `seq` of each mark in place of lost messages. */
    readonly gaps: number[];
    readonly end: (error?: Error) => void;
  }[] = [];
  const metrics = createNodeMetrics();
  const send = (batch: CascadedMessage[]) =>
    new Promise<void>((resolve, reject) => {
      const end = (error?: Error) => (error ? reject(error) : resolve());
      const marks = batch.filter((each) => each.message === null);
      calls.push({ seqs: batch.map(({ seq }) => seq), gaps: marks.map(({ seq }) => seq), end });
    });
  const outbox = new MessageOutbox(send, log, metrics);
  const dropped = async () => (await metrics.dataMessagesDropped.get()).values;
  return { outbox, calls, dropped };
}

it('invariant 1: one call at a time; what comes meanwhile goes with the next', async () => {
  const { outbox, calls } = outboxTo();
  outbox.add(message(1), 10);
  await vi.waitFor(() => expect(calls).toHaveLength(1));
  outbox.add(message(2), 10);
  outbox.add(message(3), 10);
  calls[0]?.end();
  await vi.waitFor(() => expect(calls).toHaveLength(2));
  expect(calls.map(({ seqs }) => seqs)).toEqual([[1], [2, 3]]);
  outbox.close();
});

it('invariants 2 and 3: what may have failed is sent again, without lossy messages', async () => {
  const { outbox, calls, dropped } = outboxTo();
  outbox.add(message(1), 10);
  await vi.waitFor(() => expect(calls).toHaveLength(1));
  outbox.add(message(2, false), 10);
  outbox.add(message(3), 10);
  calls[0]?.end(new ProblemError('deadline_exceeded'));
  await vi.waitFor(() => expect(calls).toHaveLength(2));
  expect(calls[1]?.seqs).toEqual([1, 3]);
  expect(await dropped()).toEqual([expect.objectContaining({ value: 1, labels: { reason: 'node_unreachable' } })]);
  outbox.close();
});

it('does not repeat what is for a room the other node has no more', async () => {
  const { outbox, calls, dropped } = outboxTo();
  outbox.add(message(1), 10);
  await vi.waitFor(() => expect(calls).toHaveLength(1));
  calls[0]?.end(new ProblemError('room_not_hosted'));
  await vi.waitFor(async () => expect(await dropped()).toHaveLength(1));
  outbox.add(message(2), 10);
  await vi.waitFor(() => expect(calls).toHaveLength(2));
  expect(calls[1]).toMatchObject({ seqs: [2], gaps: [] });
  outbox.close();
});

it('invariant 4: tells of reliable messages that did not fit, in their place, until that is taken', async () => {
  const { outbox, calls, dropped } = outboxTo();
  outbox.add(message(1), 2 * 1024 * 1024);
  await vi.waitFor(() => expect(calls).toHaveLength(1));
  outbox.add(message(2, false), 10);
  outbox.add(message(3), 10);
  outbox.add(message(4), 10);
  expect(await dropped()).toEqual([expect.objectContaining({ value: 3, labels: { reason: 'outbox_full' } })]);
  calls[0]?.end();
  await vi.waitFor(() => expect(calls).toHaveLength(2));
  expect(calls[1]).toMatchObject({ seqs: [4], gaps: [4] });
  outbox.add(message(5), 10);
  calls[1]?.end(new ProblemError('deadline_exceeded'));
  await vi.waitFor(() => expect(calls).toHaveLength(3));
  expect(calls[2]).toMatchObject({ seqs: [4, 5], gaps: [4] });
  calls[2]?.end();
  outbox.add(message(6), 10);
  await vi.waitFor(() => expect(calls).toHaveLength(4));
  expect(calls[3]).toMatchObject({ seqs: [6], gaps: [] });
  outbox.close();
});

it('invariant 4: tells of reliable messages the other node could not take', async () => {
  const { outbox, calls, dropped } = outboxTo();
  outbox.add(message(1, false), 10);
  await vi.waitFor(() => expect(calls).toHaveLength(1));
  calls[0]?.end(new ProblemError('internal_error'));
  outbox.add(message(2), 10);
  await vi.waitFor(() => expect(calls).toHaveLength(2));
  expect(calls[1]).toMatchObject({ seqs: [2], gaps: [] });
  outbox.add(message(3), 10);
  calls[1]?.end(new ProblemError('internal_error'));
  await vi.waitFor(() => expect(calls).toHaveLength(3));
  expect(calls[2]).toMatchObject({ seqs: [2, 3], gaps: [2] });
  expect(await dropped()).toEqual([expect.objectContaining({ value: 2, labels: { reason: 'node_refused' } })]);
  outbox.close();
});

it('invariant 5: sends nothing after close, and counts what waited', async () => {
  const { outbox, calls, dropped } = outboxTo();
  outbox.add(message(1), 10);
  await vi.waitFor(() => expect(calls).toHaveLength(1));
  outbox.close();
  outbox.close();
  calls[0]?.end(new ProblemError('node_unavailable'));
  outbox.add(message(2), 10);
  expect(await dropped()).toEqual([expect.objectContaining({ value: 1, labels: { reason: 'node_left' } })]);
  expect(calls).toHaveLength(1);
});
