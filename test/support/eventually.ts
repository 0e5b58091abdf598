import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits for a condition instead of for time.
 * @param check returns (a promise of) a value; a truthy one ends the waiting and is returned.
 * @throws Error naming `what` after `timeoutMs`, with the last error `check` threw.
 */
export async function eventually<T>(
  what: string,
  check: () => Promise<T> | T,
  { timeoutMs = 20_000, everyMs = 50 } = {},
): Promise<NonNullable<Awaited<T>>> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await check();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= deadline) {
      throw new Error(`${what}: did not happen in ${timeoutMs} ms`, { cause: last });
    }
    await sleep(everyMs);
  }
}
