import { Session } from 'node:inspector';

/**
 * Which source text of the library ran so far, by V8's precise block coverage. Told in characters, since V8 merges
 * neighbouring blocks with equal counts, so that ranges themselves are no stable names.
 */
export class Coverage {
  readonly #session = new Session();
  readonly #folder: string;
  /** By script: 1 where a block ran. */
  readonly #ran = new Map<string, Uint8Array>();

  /** @param folder URL under which scripts are looked at */
  constructor(folder: string) {
    this.#folder = folder;
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** @returns how many characters ran since the last call that never ran before; `forget` leaves them unknown. */
  take(forget = false): number {
    let fresh = 0;
    // The session is of this very thread: the answer comes before `post` returns.
    this.#session.post('Profiler.takePreciseCoverage', (_, { result }) => {
      for (const { url, functions } of result) {
        if (!url.startsWith(this.#folder)) continue;
        const ranges = functions.flatMap(({ ranges }) => ranges);
        fresh += this.#add(url, ranges, forget);
      }
    });
    return fresh;
  }

  /** Characters that ran, by script. */
  covered(): ReadonlyMap<string, Uint8Array> {
    return this.#ran;
  }

  #add(
    url: string,
    ranges: readonly { startOffset: number; endOffset: number; count: number }[],
    forget: boolean,
  ): number {
    const length = Math.max(0, ...ranges.map(({ endOffset }) => endOffset));
    // Ranges follow the ones they are in, and say otherwise.
    const now = new Uint8Array(length);
    for (const { startOffset, endOffset, count } of ranges) now.fill(count > 0 ? 1 : 0, startOffset, endOffset);
    let known = this.#ran.get(url) ?? new Uint8Array(0);
    if (known.length < length) {
      const longer = new Uint8Array(length);
      longer.set(known);
      known = longer;
      this.#ran.set(url, known);
    }
    let fresh = 0;
    for (let at = 0; at < length; at += 1) {
      if (now[at] === 0 || known[at] === 1) continue;
      if (!forget) known[at] = 1;
      fresh += 1;
    }
    return fresh;
  }

  close(): void {
    this.#session.disconnect();
  }
}
