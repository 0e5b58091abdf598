import type { NodeRecord } from '@mediaserver/contracts';

/** A usable node and the load it would come to. */
export interface Rated {
  readonly node: NodeRecord;
  readonly load: number;
}

/** The first `count` in the given order, without sorting the rest. */
export function firstOf(rated: readonly Rated[], count: number, compare: (a: Rated, b: Rated) => number): Rated[] {
  const first: Rated[] = [];
  for (const one of rated) {
    const last = first[count - 1];
    if (last === undefined || compare(one, last) < 0) {
      const at = first.findIndex((other) => compare(one, other) < 0);
      first.splice(at === -1 ? first.length : at, 0, one);
      first.length = Math.min(first.length, count);
    }
  }
  return first;
}
