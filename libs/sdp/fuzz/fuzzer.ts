/** The loop: makes inputs, takes each through the doors, and keeps those that reached code no other had. */
import { bases, type Base, type Input } from './corpus.ts';
import type { Coverage } from './coverage.ts';
import { tryDoors, WISH_COUNT, type Outcome } from './doors.ts';
import { minimise } from './minimise.ts';
import { recorded } from '../src/sdp.test-support.ts';
import { donorsOf, mutate } from './mutate.ts';
import { checkPrototypeValues, Finding } from './oracles.ts';
import { Random } from './random.ts';

export interface Found {
  readonly message: string;
  readonly input: Input;
}

/** What an input costs beside its length, as KiB: going through all doors with an empty one. */
const FIXED_KIB = 10;
/** How much more than an untouched recording an input may cost, in proportion to its length. */
const ALLOWED_TIMES = 4;
const YARDSTICK = 'chromium-156.0.8078.79-02-av-sendonly.sdp';
/** Looking at the coverage costs as much as some inputs. */
const BATCH = 64;
const MAX_KEPT = 3000;
/** What is kept grows with each mutation; long ones only take time. */
const MAX_KEPT_LENGTH = 12_288;
/** Longer texts are refused by their length alone. */
const MAX_LENGTH = 600_000;

export interface FuzzerOptions {
  readonly seed: number;
  /** Without it, inputs are not guided by what they reach. */
  readonly coverage?: Coverage;
  /** Whether inputs that take long are findings too. */
  readonly timed: boolean;
  /** Called with each input just before it is tried. */
  readonly before?: (input: Input) => void;
}

export class Fuzzer {
  /** `<door> <outcome>` → inputs. */
  readonly outcomes = new Map<string, number>();
  /** By the kind of failure, so that one bug is told once. */
  readonly found = new Map<string, Found>();
  done = 0;
  /** The most that an input cost, beside an untouched recording, in proportion to its length. */
  worstTimes = 0;
  readonly #random: Random;
  readonly #coverage: Coverage | undefined;
  readonly #timed: boolean;
  readonly #before: (input: Input) => void;
  readonly #bases = bases();
  readonly #yardstick: Input;
  /** Microseconds per KiB that the yardstick took, when last looked. */
  #pace = 0;
  readonly #answers: readonly Base[];
  readonly #offers: readonly Base[];
  readonly #donors;
  readonly #kept: Input[] = [];
  #batch: Input[] = [];

  constructor({ seed, coverage, timed, before }: FuzzerOptions) {
    this.#random = new Random(seed);
    this.#coverage = coverage;
    this.#timed = timed;
    this.#before = before ?? (() => {});
    const all = [...this.#bases.values()];
    this.#answers = all.filter(({ name }) => name.startsWith('answer'));
    this.#offers = all.filter(({ name }) => !name.startsWith('answer'));
    this.#yardstick = { base: YARDSTICK, sdp: recorded(YARDSTICK), wish: 0 };
    this.#donors = donorsOf(all.map(({ sdp }) => sdp));
    for (const { name, sdp } of all) this.try({ base: name, sdp, wish: 0 });
    this.#coverage?.take();
  }

  get kept(): number {
    return this.#kept.length;
  }

  get keptBytes(): number {
    return this.#kept.reduce((bytes, { sdp }) => bytes + sdp.length * 2, 0);
  }

  run(inputs: number): void {
    for (let count = 0; count < inputs; count += 1) {
      const input = this.#next();
      this.#batch.push(input);
      const outcome = this.try(input);
      this.done += 1;
      for (const [door, how] of Object.entries(outcome)) {
        const key = `${door} ${how}`;
        this.outcomes.set(key, (this.outcomes.get(key) ?? 0) + 1);
      }
      if (this.#batch.length === BATCH) this.#learn();
    }
  }

  #next(): Input {
    const random = this.#random;
    const kept = this.#kept.length > 0 && random.chance(0.4) ? this.#pickShort(this.#kept) : undefined;
    const base = this.#pickShort(random.chance(0.2) ? this.#answers : this.#offers);
    const from = kept ?? { base: base.name, sdp: base.sdp };
    const sdp = mutate(from.sdp, this.#donors, random).slice(0, MAX_LENGTH);
    return { base: from.base, sdp, wish: random.below(WISH_COUNT) };
  }

  /** The shorter of two, mostly: it costs less time and shows as much. */
  #pickShort<T extends { readonly sdp: string }>(list: readonly T[]): T {
    const [one, other] = [this.#random.pick(list), this.#random.pick(list)];
    return this.#random.chance(0.8) === one.sdp.length < other.sdp.length ? one : other;
  }

  try(input: Input): Outcome {
    this.#before(input);
    const start = performance.now();
    let outcome: Outcome = {};
    try {
      outcome = this.#doors(input);
    } catch (error) {
      this.#note(input, error);
    }
    if (this.#timed) this.#judgeCost(input, microsSince(start));
    return outcome;
  }

  #doors(input: Input): Outcome {
    const base = this.#bases.get(input.base);
    if (!base) throw new RangeError(`There is no base ${input.base}`);
    return tryDoors(base, input);
  }

  /**
   * By the clock first, which is cheap. What then seems slow is held against an untouched recording at the same moment,
   * both by CPU time: another machine, or a busy one, is slower with both.
   */
  #judgeCost(input: Input, first: number): void {
    const times = (micros: number) => micros / this.#kibOf(input) / this.#pace;
    let least = first;
    for (let round = 0; round < 3 && times(least) > this.worstTimes; round += 1) {
      const start = performance.now();
      this.#again(input);
      least = Math.min(least, microsSince(start));
    }
    if (times(least) > ALLOWED_TIMES) {
      this.#pace = this.#cpuMicros(this.#yardstick) / this.#kibOf(this.#yardstick);
      least = Math.min(least, this.#cpuMicros(input));
    }
    this.worstTimes = Math.max(this.worstTimes, times(least));
    if (times(least) <= ALLOWED_TIMES) return;
    const text = `${Math.round(least / 1000)} ms, ${times(least).toFixed(1)} times its length`;
    this.#note(input, new Finding(`Takes too long: ${text}`));
  }

  /** Of all that is read: its base goes through some of the doors again. */
  #kibOf({ base, sdp }: Input): number {
    return FIXED_KIB + (sdp.length + (this.#bases.get(base)?.sdp.length ?? 0)) / 1024;
  }

  /** Over several runs, since the system counts it in steps of some milliseconds. */
  #cpuMicros(input: Input): number {
    const start = process.threadCpuUsage();
    for (let runs = 1; ; runs += 1) {
      this.#again(input);
      const { user, system } = process.threadCpuUsage(start);
      if (user + system > 50_000) return (user + system) / runs;
    }
  }

  #again(input: Input): void {
    try {
      this.#doors(input);
    } catch {
      // Noted when it was tried.
    }
  }

  #note(input: Input, error: unknown): void {
    const kind = kindOf(error);
    if (this.found.has(kind)) return;
    const slow = kind.startsWith('Takes too long');
    const fails = (smaller: Input) => {
      try {
        this.#doors(smaller);
        return false;
      } catch (other) {
        return kindOf(other) === kind;
      }
    };
    const message = error instanceof Error ? error.message : String(error);
    this.found.set(kind, { message, input: slow ? input : minimise(input, fails) });
  }

  /** Keeps what reached code that nothing before it had. */
  #learn(): void {
    const batch = this.#batch;
    this.#batch = [];
    try {
      checkPrototypeValues();
    } catch (error) {
      // Which of the batch it was shows only if it adds a property, which is looked at after each input.
      for (const input of batch.slice(-1)) this.#note(input, error);
    }
    if (this.#coverage && this.#coverage.take(true) > 0) this.#keepNew(batch, this.#coverage);
  }

  /** Finds those of some inputs that reach new code, by halves. */
  #keepNew(inputs: readonly Input[], coverage: Coverage): void {
    const again = (some: readonly Input[], forget: boolean) => {
      for (const input of some) this.#again(input);
      return coverage.take(forget) > 0;
    };
    const [only] = inputs;
    if (only && inputs.length === 1) {
      again(inputs, false);
      if (this.#kept.length < MAX_KEPT && only.sdp.length <= MAX_KEPT_LENGTH) this.#kept.push(only);
      return;
    }
    const middle = inputs.length / 2;
    for (const half of [inputs.slice(0, middle), inputs.slice(middle)]) {
      if (half.length > 0 && again(half, true)) this.#keepNew(half, coverage);
    }
  }
}

function microsSince(start: number): number {
  return (performance.now() - start) * 1000;
}

/** Without what differs from input to input. */
function kindOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replaceAll(/\d+/g, '#').split('"', 1).join('').slice(0, 160);
}
