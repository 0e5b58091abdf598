export * from './backoff.ts';
export * from './serial-queue.ts';
export * from './wait.ts';
