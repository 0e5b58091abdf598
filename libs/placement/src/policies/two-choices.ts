import type { NodeRecord } from '@mediaserver/contracts';
import { predictedLoad } from '../load.ts';

/**
 * The better of two random nodes, then of what is left, up to `count`. Always taking the best one
 * would send everybody to the same node until the next load report.
 */
export function twoChoices(
  nodes: readonly NodeRecord[],
  weight: number,
  count: number,
  random: () => number,
): NodeRecord[] {
  const pool = [...nodes];
  const chosen: NodeRecord[] = [];
  while (pool.length > 0 && chosen.length < count) {
    const first = draw(pool.length, random);
    const second = (first + 1 + draw(pool.length - 1, random)) % pool.length;
    const [a, b] = [pool[first], pool[second]];
    if (a === undefined || b === undefined) {
      break;
    }
    const better = predictedLoad(b, weight) < predictedLoad(a, weight) ? second : first;
    const node = pool[better];
    const last = pool.pop();
    // Order does not matter in the pool, so the last one takes the chosen one's place.
    if (node !== undefined && last !== undefined && node !== last) {
      pool[better] = last;
    }
    if (node !== undefined) {
      chosen.push(node);
    }
  }
  return chosen;
}

/** A whole number from 0 to `below - 1`; 0 when there is no choice. */
function draw(below: number, random: () => number): number {
  return below <= 1 ? 0 : Math.min(Math.floor(random() * below), below - 1);
}
