import { AsyncLocalStorage } from 'node:async_hooks';

const ids = new AsyncLocalStorage<string>();

/** Runs the work of one API request; what it starts and leaves behind belongs to it too. */
export function underRequestId<T>(requestId: string, work: () => T): T {
  return ids.run(requestId, work);
}

/** The id of the API request that the running code works for, if it does. */
export function currentRequestId(): string | undefined {
  return ids.getStore();
}
