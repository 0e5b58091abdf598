/** A thread of the fuzzer. Tells its parent how far it is, and leaves the text it is at in shared memory. */
import { setFlagsFromString, getHeapStatistics } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import { Coverage } from './coverage.ts';
import type { Input } from './corpus.ts';
import { HEADER_WORDS, type Report, type Task } from './messages.ts';

const SAMPLES = 100;

function collectGarbage(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
}

async function main({ seed, inputs, shared }: Task): Promise<void> {
  // Before the library is loaded, or what runs while loading is not seen.
  const coverage = new Coverage(new URL('../src/', import.meta.url).href);
  const { Fuzzer } = await import('./fuzzer.ts');
  const header = new Int32Array(shared, 0, HEADER_WORDS);
  const text = Buffer.from(shared, HEADER_WORDS * 4);
  let tried = 0;
  const before = ({ base, sdp }: Input) => {
    const baseBytes = text.write(base, 'utf16le');
    header[1] = baseBytes;
    header[2] = text.write(sdp, baseBytes, 'utf16le');
    tried += 1;
    Atomics.store(header, 0, tried);
  };
  const fuzzer = new Fuzzer({ seed, coverage, timed: true, before });
  const gc = collectGarbage();
  const heap: { done: number; bytes: number }[] = [];
  for (let sample = 1; sample <= SAMPLES; sample += 1) {
    fuzzer.run(Math.round((inputs * sample) / SAMPLES) - fuzzer.done);
    gc();
    heap.push({ done: fuzzer.done, bytes: getHeapStatistics().used_heap_size - fuzzer.keptBytes });
    const { done, outcomes, found, worstTimes, kept } = fuzzer;
    const covered = coverage.covered();
    const report: Report = { done, outcomes, found, worstTimes, kept, heap, covered };
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- this is no window
    parentPort?.postMessage(report);
  }
}

await main(workerData);
