export * from './plan-pipe.ts';
