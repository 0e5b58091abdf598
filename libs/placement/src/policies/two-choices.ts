import type { Rated } from '../rated.ts';

/**
 * The better of two random nodes, then of what is left, up to `count`. Always taking the best one
 * would send everybody to the same node until the next load report.
 */
export function twoChoices(usable: readonly Rated[], count: number, random: () => number): Rated[] {
  const pool = [...usable];
  const chosen: Rated[] = [];
  while (pool.length > 0 && chosen.length < count) {
    const first = draw(pool.length, random);
    const second = (first + 1 + draw(pool.length - 1, random)) % pool.length;
    const [a, b] = [pool[first], pool[second]];
    const last = pool.pop();
    if (a === undefined || b === undefined || last === undefined) {
      break;
    }
    const [better, at] = b.load < a.load ? [b, second] : [a, first];
    chosen.push(better);
    // Order does not matter in the pool, so the last one takes the chosen one's place.
    if (better !== last) {
      pool[at] = last;
    }
  }
  return chosen;
}

/** A whole number from 0 to `below - 1`; 0 when there is no choice. */
function draw(below: number, random: () => number): number {
  return below <= 1 ? 0 : Math.min(Math.floor(random() * below), below - 1);
}
