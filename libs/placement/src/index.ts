export * from './types.ts';
export { chooseNodes, DEFAULT_LIMITS } from './choose-nodes.ts';
export { predictedLoad, sessionCost } from './load.ts';
