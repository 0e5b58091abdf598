export * from './errors.ts';
export * from './types.ts';
export * from './registry.ts';
