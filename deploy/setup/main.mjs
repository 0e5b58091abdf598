// Sets up a bare machine and runs the project on it. Plain JavaScript without
// dependencies, because it is what brings them; runs on Node 20 and newer.
//
//   npm start                     set up what is missing, then Redis, coordinator, nodes and demo
//   npm test [-- <vitest args>]   set up what is missing (Chromium too), then all tests
//   npm run test:interop          set up what is missing (Firefox and GStreamer too), then the interop matrix
//   npm run setup [-- <part>...]  only set up: node, dependencies, redis, worker, chromium, openssl, iproute2,
//                                 firefox, gstreamer
//   node deploy/setup/main.mjs exec <command>...   run a command with the project's Node and worker
//
// --yes, or SETUP_YES=1: do not ask.
import { mkdtempSync, existsSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { closingLine } from './closing-line.mjs';
import * as dependencies from './dependencies.mjs';
import { ROOT, endRunning, handOver } from './machine.mjs';
import * as node24 from './node24.mjs';
import { chromium, firefox, gstreamer, iproute2, openssl, redis } from './programs.mjs';
import { Progress, SetupError, complain, confirm, say } from './ui.mjs';

const worker = {
  // Loaded late: it reads what other parts bring.
  missing: async () => (await import('./worker.mjs')).missing(),
  provide: async (progress) => (await import('./worker.mjs')).provide(progress),
  remark: async () => (await import('./worker.mjs')).remark(),
};
const PARTS = { node: node24, dependencies, redis, worker, chromium, openssl, iproute2, firefox, gstreamer };
const FOR_START = ['node', 'dependencies', 'redis', 'worker'];
const FOR_TEST = [...FOR_START, 'chromium', 'openssl', 'iproute2'];
const FOR_INTEROP = [...FOR_START, 'chromium', 'firefox', 'gstreamer'];

const [command = 'setup', ...args] = process.argv.slice(2).filter((arg) => arg !== '--yes');

const stop = (signal) => {
  endRunning();
  process.stdout.write('\n');
  process.exit(128 + os.constants.signals[signal]);
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);

try {
  process.exitCode = await dispatch();
} catch (error) {
  endRunning();
  const reason = error instanceof SetupError ? error.message : mendable(error);
  if (!reason) throw error;
  complain(`setup: ${reason}`);
  process.exitCode = 1;
}

/** What a person can do about the machine; anything else is a bug, and shows its stack. */
function mendable({ code, path: where }) {
  if (code === 'ENOSPC') return 'the disk is full: make room and start again';
  if (['EACCES', 'EPERM', 'EROFS'].includes(code)) {
    return `cannot write ${where}: make it yours, or set XDG_CACHE_HOME to a folder that is (for the cache)`;
  }
  return undefined;
}

async function dispatch() {
  switch (command) {
    case 'start':
      await setUp(FOR_START);
      return hand([node24.node, path.join(ROOT, 'deploy/local/start.ts'), ...args]);
    case 'test':
      await setUp(FOR_TEST);
      return test();
    case 'interop':
      await setUp(FOR_INTEROP);
      return hand([
        node24.node,
        '--disable-warning=ExperimentalWarning',
        path.join(ROOT, 'test/interop/main.ts'),
        ...args,
      ]);
    case 'exec':
      if (args.length === 0) throw new SetupError('exec: name a command to run');
      await setUp(['node', 'dependencies']);
      return hand(args);
    default: {
      const named = command === 'setup' ? args : [command, ...args];
      const unknown = named.find((name) => !(name in PARTS));
      if (unknown)
        throw new SetupError(`there is no part "${unknown}"; the parts are ${Object.keys(PARTS).join(', ')}`);
      if (named.includes('worker')) named.unshift('node', 'dependencies');
      if (named.includes('dependencies')) named.unshift('node');
      await setUp(named.length > 0 ? [...new Set(named)] : FOR_START);
      say('setup: everything is in place');
      return 0;
    }
  }
}

async function setUp(names) {
  await provideMissing(names);
  for (const name of names) {
    const remark = await PARTS[name].remark?.();
    if (remark) say(`setup: ${remark}`);
  }
}

async function provideMissing(names) {
  const plan = [];
  for (const name of names) {
    const what = await PARTS[name].missing();
    if (what) plan.push({ name, what });
  }
  if (plan.length === 0) return;
  say('This machine still needs:');
  for (const { name, what } of plan) say(`  ${name.padEnd(12)} ${what}`);
  if (!(await confirm('Set that up now?'))) throw new SetupError('nothing was installed');
  for (const [index, { name }] of plan.entries()) {
    const progress = new Progress(name, index + 1, plan.length);
    try {
      progress.done(await PARTS[name].provide(progress));
    } catch (error) {
      progress.stop();
      throw error;
    }
  }
}

/** From here on the other program answers to signals. */
async function hand([program, ...rest], extra = {}) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(signal, stop);
  const { findWorker } = await import('./worker.mjs');
  const found = findWorker();
  return handOver(program, rest, {
    ...node24.withNode(),
    ...(found ? { MEDIASOUP_WORKER_BIN: found } : {}),
    ...extra,
  });
}

async function test() {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'mediaserver-tests-'));
  const file = path.join(dir, 'report.json');
  try {
    const vitest = path.join(ROOT, 'node_modules/vitest/vitest.mjs');
    const exitCode = await hand([
      node24.node,
      vitest,
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${file}`,
      ...args,
    ]);
    const report = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
    const { line, failed } = closingLine(report, exitCode);
    say(`\n${line}`);
    return exitCode !== 0 || failed === 0 ? exitCode : 1;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
