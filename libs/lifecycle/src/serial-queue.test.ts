import { expect, it } from 'vitest';
import { QueueClosedError, SerialQueue } from './serial-queue.ts';

it('invariant 1: runs one piece at a time, in order', async () => {
  const queue = new SerialQueue();
  const log: string[] = [];
  const work = (name: string) => async () => {
    log.push(`${name} starts`);
    await Promise.resolve();
    log.push(`${name} ends`);
    return name;
  };
  await expect(Promise.all([queue.run(work('a')), queue.run(work('b'))])).resolves.toEqual(['a', 'b']);
  expect(log).toEqual(['a starts', 'a ends', 'b starts', 'b ends']);
  expect(queue.pending).toBe(0);
});

it('invariant 2: a failure reaches its caller only', async () => {
  const queue = new SerialQueue();
  const failed = queue.run(() => Promise.reject(new Error('no')));
  const next = queue.run(() => 'yes');
  await expect(failed).rejects.toThrow('no');
  await expect(next).resolves.toBe('yes');
});

it('invariant 3: nothing starts after close', async () => {
  const queue = new SerialQueue();
  let release: (value: string) => void = () => undefined;
  const running = queue.run(() => new Promise<string>((resolve) => (release = resolve)));
  const waiting = queue.run(() => 'never');
  await Promise.resolve();
  queue.close();
  release('done');
  await expect(running).resolves.toBe('done');
  await expect(waiting).rejects.toThrow(QueueClosedError);
});
