/** Between the command and its threads. */
import type { Found } from './fuzzer.ts';

export interface Task {
  readonly seed: number;
  readonly inputs: number;
  readonly shared: SharedArrayBuffer;
}

export interface Report {
  readonly done: number;
  readonly outcomes: ReadonlyMap<string, number>;
  readonly found: ReadonlyMap<string, Found>;
  readonly worstTimes: number;
  readonly kept: number;
  /** Bytes in use after garbage collection, less what is kept on purpose, at even distances. */
  readonly heap: readonly { readonly done: number; readonly bytes: number }[];
  readonly covered: ReadonlyMap<string, Uint8Array>;
}

/** Layout of the shared memory: number of the input, its base's and its text's length, then both texts. */
export const HEADER_WORDS = 3;
