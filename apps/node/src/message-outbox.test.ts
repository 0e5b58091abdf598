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
  const calls: { readonly seqs: number[]; readonly end: (error?: Error) => void }[] = [];
  const metrics = createNodeMetrics();
  const send = (batch: CascadedMessage[]) =>
    new Promise<void>((resolve, reject) => {
      const end = (error?: Error) => (error ? reject(error) : resolve());
      calls.push({ seqs: batch.map(({ seq }) => seq), end });
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

it('does not repeat what the other node refuses for good', async () => {
  const { outbox, calls, dropped } = outboxTo();
  outbox.add(message(1), 10);
  await vi.waitFor(() => expect(calls).toHaveLength(1));
  calls[0]?.end(new ProblemError('room_not_hosted'));
  await vi.waitFor(async () => expect(await dropped()).toHaveLength(1));
  outbox.add(message(2), 10);
  await vi.waitFor(() => expect(calls).toHaveLength(2));
  expect(calls[1]?.seqs).toEqual([2]);
  outbox.close();
});

it('invariant 4: sends nothing after close, and counts what waited', async () => {
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
