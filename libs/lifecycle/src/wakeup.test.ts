import { expect, it } from 'vitest';
import { Wakeup } from './wakeup.ts';

it('does not lose a notification that came before the wait', async () => {
  const wakeup = new Wakeup();
  wakeup.notify();
  await wakeup.wait(null, new AbortController().signal);
  const stop = new AbortController();
  const second = wakeup.wait(null, stop.signal).then(() => 'woken');
  await expect(Promise.race([second, Promise.resolve('asleep')])).resolves.toBe('asleep');
  wakeup.notify();
  await expect(second).resolves.toBe('woken');
});

it('ends when the signal aborts', async () => {
  const stop = new AbortController();
  const waiting = new Wakeup().wait(null, stop.signal);
  stop.abort();
  await waiting;
});
