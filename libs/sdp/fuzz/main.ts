/*
 * `npm run fuzz:sdp`: fuzzes the library on threads of its own, guided by coverage. `--help` tells how to call it.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { Found } from './fuzzer.ts';
import { measureGrowth } from './growth.ts';
import { HEADER_WORDS, type Report, type Task } from './messages.ts';

/** No input takes this long, even on a machine that has much else to do. */
const HANG_MS = 30_000;
const SHARED_BYTES = 2 * 1024 * 1024;
/** Bytes per input that stay after garbage collection. */
const ALLOWED_GROWTH = 16;
/** Below this, noise is greater than what is measured. */
const ENOUGH_FOR_GROWTH = 100_000;

const DEFAULT_WORKERS = String(Math.min(2, availableParallelism()));

const say = (text: string) => process.stdout.write(`${text}\n`);

const USAGE = `npm run fuzz:sdp -- [--inputs 1000000] [--seed 1] [--workers ${DEFAULT_WORKERS}]

Mutates recorded SDP and takes it through the library. The same seed, inputs and workers give the same run.
Ctrl-C ends it and tells what was done until then. Exit code: 0 nothing found, 1 found, 2 wrong use.`;

function wrongUse(what: string): never {
  process.stderr.write(`fuzz: ${what}\n\n${USAGE}\n`);
  process.exit(2);
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        inputs: { type: 'string', default: '1000000' },
        seed: { type: 'string', default: '1' },
        workers: { type: 'string', default: DEFAULT_WORKERS },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    return values;
  } catch (error) {
    return wrongUse(error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(name: string, text: string, least: number): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) < least) wrongUse(`--${name} is a whole number from ${least} on`);
  return Number(text);
}

const values = readArguments();
if (values.help) {
  say(USAGE);
  process.exit();
}
const inputs = wholeNumber('inputs', values.inputs, 1);
const seed = wholeNumber('seed', values.seed, 0);
const workers = wholeNumber('workers', values.workers, 1);

interface Thread {
  report: Report | undefined;
}

const folder = join(tmpdir(), `sdp-fuzz-${process.pid}`);
let bugs = 0;

function tell({ message, input }: Found): void {
  mkdirSync(folder, { recursive: true });
  bugs += 1;
  const file = join(folder, `${bugs}.json`);
  writeFileSync(file, `${JSON.stringify({ found: message.split('\n', 1)[0], ...input }, null, 2)}\n`);
  say(`FOUND ${message}\n  input: ${file}`);
}

function runThread(thread: Thread, index: number, onReport: () => void): Promise<void> {
  const shared = new SharedArrayBuffer(SHARED_BYTES);
  const header = new Int32Array(shared, 0, HEADER_WORDS);
  const task: Task = { seed: seed + index * 7919, inputs: Math.round(inputs / workers), shared };
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: task });
  const current = (message: string): Found => {
    const text = Buffer.from(shared, HEADER_WORDS * 4);
    const [, baseBytes = 0, bytes = 0] = header;
    const base = text.toString('utf16le', 0, baseBytes);
    return { message, input: { base, sdp: text.toString('utf16le', baseBytes, baseBytes + bytes), wish: 0 } };
  };
  process.once('SIGINT', () => void worker.terminate());
  let seen = -1;
  const watchdog = setInterval(() => {
    const now = Atomics.load(header, 0);
    // Before the first input there is only loading.
    if (now === seen && now > 0) {
      tell(current(`No end after ${HANG_MS / 1000} s`));
      void worker.terminate();
    }
    seen = now;
  }, HANG_MS);
  return new Promise((resolve) => {
    worker.on('message', (report: Report) => {
      const known = thread.report?.found;
      for (const [kind, found] of report.found) if (!known?.has(kind)) tell(found);
      thread.report = report;
      onReport();
    });
    worker.on('error', (error) => tell(current(`The thread ended: ${error.stack ?? error.message}`)));
    worker.on('exit', () => {
      clearInterval(watchdog);
      resolve();
    });
  });
}

/** Least squares over the second half: what comes first is warming up. */
function growthPerInput({ heap }: Report): number {
  const late = heap.slice(heap.length / 2);
  const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const x = mean(late.map(({ done }) => done));
  const y = mean(late.map(({ bytes }) => bytes));
  const up = late.reduce((sum, { done, bytes }) => sum + (done - x) * (bytes - y), 0);
  return up / late.reduce((sum, { done }) => sum + (done - x) ** 2, 0);
}

function tellOutcomes(reports: readonly Report[]): void {
  const byDoor = new Map<string, Map<string, number>>();
  for (const [key, count] of reports.flatMap(({ outcomes }) => [...outcomes])) {
    const [, door = '', how = ''] = /^(.*) (\S+)$/.exec(key) ?? [];
    const table = byDoor.get(door) ?? new Map<string, number>();
    byDoor.set(door, table.set(how, (table.get(how) ?? 0) + count));
  }
  for (const [door, table] of byDoor) {
    const sorted = [...table].sort(([, a], [, b]) => b - a);
    say(`\n${door}`);
    for (const [how, count] of sorted) say(`  ${how.padEnd(28)} ${String(count).padStart(9)}`);
  }
}

/** Lines with a character that no thread's inputs reached. */
function tellCoverage(reports: readonly Report[]): void {
  let [all, ran] = [0, 0];
  const missed: string[] = [];
  for (const url of new Set(reports.flatMap(({ covered }) => [...covered.keys()])).values()) {
    const source = readFileSync(new URL(url), 'utf8');
    const maps = reports.map(({ covered }) => covered.get(url));
    const lines = new Set<number>();
    let line = 1;
    for (let at = 0; at < source.length; at += 1) {
      const reached = maps.some((map) => map?.[at] === 1);
      all += 1;
      if (reached) ran += 1;
      else if (/[^\s{}();]/.test(source.charAt(at))) lines.add(line);
      if (source.charAt(at) === '\n') line += 1;
    }
    if (lines.size > 0) missed.push(`  ${fileURLToPath(url).split('/').at(-1)}:${[...lines].join(',')}`);
  }
  say(
    `\ncode reached: ${((100 * ran) / all).toFixed(2)} % of the characters of the loaded sources; lines not reached:`,
  );
  for (const text of missed.sort()) say(text);
}

say(`${inputs} inputs on ${workers} threads, seed ${seed}`);
const begin = performance.now();
const seconds = () => (performance.now() - begin) / 1000;
const threads = Array.from({ length: workers }, (): Thread => ({ report: undefined }));
const doneSoFar = () => threads.reduce((sum, { report }) => sum + (report?.done ?? 0), 0);
let told = 0;
const tellProgress = () => {
  const done = doneSoFar();
  if (done - told < Math.min(inputs / 20, 25_000)) return;
  told = done;
  say(`${done} inputs, ${Math.round(done / seconds())} a second`);
};
await Promise.all(threads.map((thread, index) => runThread(thread, index, tellProgress)));

const done = doneSoFar();
const reports = threads.flatMap(({ report }) => report ?? []);
tellOutcomes(reports);
tellCoverage(reports);
say(`\ninputs: ${done} in ${seconds().toFixed(0)} s, ${Math.round(done / seconds())} a second`);
say(`kept for reaching new code: ${reports.map(({ kept }) => kept).join(', ')} by thread`);
say(
  `worst time: ${Math.max(...reports.map(({ worstTimes }) => worstTimes)).toFixed(1)} times that of an untouched recording`,
);
const growth = reports.map(growthPerInput);
say(
  `memory: ${growth.map((bytes) => `${(bytes * 1000).toFixed(0)} bytes`).join(', ')} more per 1000 inputs, by thread`,
);

bugs += measureGrowth(say);
if (inputs / workers >= ENOUGH_FOR_GROWTH && growth.some((bytes) => bytes > ALLOWED_GROWTH)) {
  bugs += 1;
  say('FOUND memory grows with the number of inputs');
}
say(bugs === 0 ? '\nnothing found' : `\n${bugs} found`);
process.exitCode = bugs === 0 ? 0 : 1;
