// Places, and running other programs.
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SetupError } from './ui.mjs';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Outside the checkout: a new clone, or a second one, finds what the first one made. */
export const CACHE = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'mediaserver');

export const MEDIASOUP_DIR = path.join(ROOT, 'node_modules/mediasoup');

/** Running programs, and whom to signal to end each: a process, or (negative) its whole group. */
const running = new Map();

export function logFile(name) {
  const dir = path.join(CACHE, 'logs');
  mkdirSync(dir, { recursive: true });
  return path.join(dir, `${name}.log`);
}

/**
 * Runs a command and resolves with its output. The whole of it goes to a log
 * file, which the error names, so that a failure can be one line.
 */
export function run(command, args, { log, cwd = ROOT, env = {}, onLine, terminal = false } = {}) {
  return new Promise((resolve, reject) => {
    if (log) appendFileSync(log, `\n$ ${command} ${args.join(' ')}\n`);
    const child = spawn(command, args, {
      cwd,
      // Messages are searched for known causes, so they must be in English.
      env: { ...process.env, LC_ALL: 'C.UTF-8', ...env },
      stdio: [terminal ? 'inherit' : 'ignore', 'pipe', 'pipe'],
      // A group of its own, to be ended as a whole: the compiler's driver would leave the
      // compiler behind. What may ask for a password must stay with the terminal.
      detached: !terminal,
    });
    if (child.pid) running.set(child, terminal ? child.pid : -child.pid);
    let output = '';
    let errors = '';
    let rest = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
      if (onLine) {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop();
        for (const line of lines) onLine(line);
      }
    });
    child.stderr.on('data', (chunk) => (errors += chunk));
    child.on('error', (error) => {
      running.delete(child);
      reject(error.code === 'ENOENT' ? new SetupError(`the program "${command}" is not here`) : error);
    });
    child.on('close', (code, signal) => {
      running.delete(child);
      if (log) appendFileSync(log, output + errors);
      if (code === 0) return resolve(output);
      const lines = errors.split('\n').filter((line) => line.trim() !== '');
      // A compiler's first error is the cause, another program's last line is.
      const said = (lines.find((line) => / error: /.test(line)) ?? lines.at(-1) ?? '').trim();
      const error = new SetupError(
        `${path.basename(command)} ${signal ? `was ended by ${signal}` : `failed (${code})`}${said ? `: ${said.slice(0, 300)}` : ''}`,
      );
      error.output = output + errors;
      error.interrupted = signal !== null;
      reject(error);
    });
  });
}

/** Compilers and package managers must not go on after setup was told to end. */
export function endRunning() {
  for (const target of running.values()) {
    try {
      process.kill(target, 'SIGTERM');
    } catch {
      // It has just ended.
    }
  }
}

/** Runs a command in place of this process, as far as Node allows: same terminal, signals and exit code. */
export function handOver(command, args, env) {
  const child = spawn(command, args, { cwd: process.cwd(), env, stdio: 'inherit' });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const forwards = signals.map((signal) => {
    // On a terminal Ctrl-C reaches the child as well; twice would look like impatience.
    const forward = () => {
      if (signal === 'SIGINT' && process.stdin.isTTY) return;
      child.kill(signal);
    };
    process.on(signal, forward);
    return [signal, forward];
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      for (const [name, forward] of forwards) process.off(name, forward);
      resolve(signal ? 128 + os.constants.signals[signal] : code);
    });
  });
}

export function findProgram(name) {
  const found = spawnSync('sh', ['-c', `command -v "${name}"`], { encoding: 'utf8' });
  return found.status === 0 ? found.stdout.trim() : undefined;
}

/** The owner writes its name right after it made the lock; one without a name this old has no owner. */
const NAMELESS_MS = 10_000;
/** Far longer than the slowest build; whoever holds a lock for so long is stuck. */
const LOCK_WAIT_MS = 30 * 60_000;

/** One setup at a time for one thing; a lock left by a killed process is taken over. */
export async function withLock(name, progress, work, { waitMs = LOCK_WAIT_MS } = {}) {
  mkdirSync(CACHE, { recursive: true });
  const file = path.join(CACHE, `${name}.lock`);
  const deadline = Date.now() + waitMs;
  for (;;) {
    try {
      const fd = openSync(file, 'wx');
      writeSync(fd, `${process.pid} ${startOf(process.pid)}`);
      closeSync(fd);
      break;
    } catch (error) {
      if (error.code === 'EACCES' || error.code === 'EROFS')
        throw new SetupError(`cannot write to ${CACHE}: set XDG_CACHE_HOME to a folder of yours`);
      if (error.code !== 'EEXIST') throw error;
      const owner = ownerOf(file);
      if (owner === undefined) rmSync(file, { force: true });
      else if (Date.now() >= deadline) {
        throw new SetupError(
          `another setup (process ${owner}) has not let go of ${file}: end it, or remove that file if it is not one`,
        );
      } else {
        progress(`waiting for another setup (process ${owner})`);
        await sleep(Math.min(500, waitMs));
      }
    }
  }
  const unlock = () => rmSync(file, { force: true });
  process.once('exit', unlock);
  try {
    return await work();
  } finally {
    process.off('exit', unlock);
    unlock();
  }
}

/** @returns {string | undefined} the living process a lock belongs to; `?` while it has yet to write its name */
function ownerOf(file) {
  let text;
  let ageMs;
  try {
    text = readFileSync(file, 'utf8');
    ageMs = Date.now() - statSync(file).mtimeMs;
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
  const [pid, start] = text.trim().split(' ');
  if (!/^[1-9]\d*$/.test(pid)) return ageMs < NAMELESS_MS ? '?' : undefined;
  const isIt = isAlive(Number(pid)) && (!start || start === startOf(pid));
  return isIt ? pid : undefined;
}

/** When a process began, in the kernel's ticks: its number alone may have gone to another one. */
function startOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Field 22; the name, in parentheses, may contain anything.
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return '';
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
