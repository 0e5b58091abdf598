export * from './plan-link.ts';
