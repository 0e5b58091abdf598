import { createCoordinatorMetrics, createLogger } from '@mediaserver/telemetry';
import type { Signal } from '@mediaserver/registry';
import { expect, it, vi } from 'vitest';
import { SignalLane } from './signal-lane.ts';

it('tells of a burst of failed signals once, and of how many there were with the next', async () => {
  const lines: string[] = [];
  const metrics = createCoordinatorMetrics();
  let now = 1_000_000;
  const lane = new SignalLane({
    registry: { takeSignals: () => Promise.resolve([]), getRoom: () => Promise.reject(new Error('no registry')) },
    client: { send: () => Promise.reject(new Error('not reached')) },
    sender: { send: () => Promise.reject(new Error('not reached')) },
    metrics,
    log: createLogger('test', 'info', { write: (line) => void lines.push(line) }),
    now: () => now,
  });
  let failed = 0;
  const fail = async (...sessionIds: string[]): Promise<void> => {
    failed += sessionIds.length;
    for (const sessionId of sessionIds) lane.offer(signalOf(sessionId, now));
    const counted = async () => (await metrics.webhookDeliveries.get()).values[0]?.value;
    await vi.waitFor(async () => expect(await counted()).toBe(failed), 15_000);
  };
  await fail('s1', 's2', 's3');
  expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([
    { level: 'warn', failed: 1, reason: 'no registry', roomId: 'r' },
  ]);
  now += 60_000;
  await fail('s4');
  expect(lines).toHaveLength(2);
  expect(JSON.parse(lines[1] ?? '')).toMatchObject({ failed: 3 });
  await lane.close();
});

function signalOf(sessionId: string, at: number): Signal {
  const room = { tenant: 'default', roomId: 'r', roomSessionId: 'life-1' };
  return { ...room, sessionId, type: 'subscribe.offer', userId: 'anna', nodeId: 'n', bootId: 'b', at };
}
