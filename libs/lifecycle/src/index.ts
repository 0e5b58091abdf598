export * from './backoff.ts';
export * from './serial-queue.ts';
export * from './wait.ts';
export * from './wakeup.ts';
