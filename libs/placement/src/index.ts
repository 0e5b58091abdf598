export * from './types.ts';
export { chooseNodes } from './choose-nodes.ts';
export { predictedLoad } from './load.ts';
