import { createWriteStream, existsSync, mkdirSync, renameSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { ClusterFailure, startCluster, stateFolder, type Cluster, type ClusterOptions } from './cluster.ts';
import { readLogLine } from './log-line.ts';
import { SetupProblem } from './ports.ts';

/** A Ctrl-C may reach us twice: from the terminal and passed on by npm. That is still one. */
const SAME_SIGNAL_MS = 500;
const PARENT_CHECK_MS = 1000;
const EXIT_INTERRUPTED = 130;
const NAME_WIDTH = 'coordinator'.length;

const colours = process.stdout.isTTY && !process.env['NO_COLOR'];
const paint = (code: number, text: string) => (colours ? `\u001B[${code}m${text}\u001B[0m` : text);
const bold = (text: string) => paint(1, text);
const dim = (text: string) => paint(2, text);
const red = (text: string) => paint(31, text);
const say = (text = '') => process.stdout.write(`${text}\n`);

// A terminal that went away is told by SIGHUP; writing to it must not end us before the others.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);

/** The log of one start. The file of the run before is moved aside at the first line, not sooner: a start that is
 * refused, for example because all this runs already, must not take the log of what runs. */
class StartLog {
  readonly path: string;
  readonly #folder: string;
  #stream: WriteStream | null = null;

  constructor() {
    this.#folder = join(stateFolder(process.env), 'logs');
    this.path = join(this.#folder, 'start.log');
    try {
      mkdirSync(this.#folder, { recursive: true });
    } catch (error) {
      throw new SetupProblem(`cannot write to ${this.#folder} (XDG_STATE_HOME moves it): ${String(error)}`);
    }
  }

  write(line: string): void {
    this.#stream ??= this.#open();
    this.#stream.write(`${line}\n`);
  }

  #open(): WriteStream {
    if (existsSync(this.path)) renameSync(this.path, join(this.#folder, 'start.previous.log'));
    const stream = createWriteStream(this.path);
    stream.on('error', () => undefined);
    return stream;
  }

  /** Resolves when all of it is written. */
  async close(): Promise<void> {
    const stream = this.#stream;
    if (stream) await new Promise((resolve) => stream.end(resolve));
  }
}

function report(error: unknown): void {
  const complain = (text: string) => process.stderr.write(`${text}\n`);
  if (error instanceof SetupProblem) {
    for (const line of error.message.split('\n')) complain(red(`Cannot start: ${line}`));
  } else if (error instanceof ClusterFailure) {
    complain(red(error.message));
    for (const line of error.lines) complain(dim(`  ${readLogLine(line, false).text}`));
  } else {
    complain(red(error instanceof Error ? (error.stack ?? error.message) : String(error)));
  }
}

async function run(log: StartLog, options: Partial<ClusterOptions>): Promise<number> {
  const begin = performance.now();
  const stopStarting = new AbortController();
  const kill = new AbortController();
  const stopRequested = Promise.withResolvers<ClusterFailure | 'asked'>();
  let quiet = true;
  let firstSignal: number | undefined;

  const onSignal = (signal: string) => {
    const now = performance.now();
    if (firstSignal === undefined) {
      firstSignal = now;
      quiet = true;
      say(`\n${signal === 'SIGINT' ? 'Ctrl-C' : signal}: stopping (again to kill)`);
      stopStarting.abort(new Error('stopped while starting'));
      stopRequested.resolve('asked');
    } else if (now - firstSignal > SAME_SIGNAL_MS) {
      kill.abort();
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  // Killed by force, the process that started us passes nothing on.
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid !== parent && firstSignal === undefined) onSignal('The starting process is gone');
  }, PARENT_CHECK_MS);
  watch.unref();

  say(`Starting ${dim(`(log: ${log.path})`)}`);
  let cluster: Cluster;
  try {
    cluster = await startCluster({
      ...options,
      ports: 'default',
      demo: true,
      signal: stopStarting.signal,
      kill: kill.signal,
      onReady: (name, ms) => say(`  ${name.padEnd(NAME_WIDTH)}  ${dim(`ready in ${(ms / 1000).toFixed(1)} s`)}`),
      onLine: (name, line) => {
        log.write(`${name.padEnd(NAME_WIDTH)} | ${line}`);
        // Redis calls its greetings warnings; what it dies of is shown with its last lines.
        const { serious, text } = readLogLine(line, name !== 'redis');
        if (serious && !quiet) say(`${bold(name.padEnd(NAME_WIDTH))} ${text}`);
      },
      onDeath: (failure) => stopRequested.resolve(failure),
    });
  } catch (error) {
    if (kill.signal.aborted) return EXIT_INTERRUPTED;
    if (stopStarting.signal.aborted) return 0;
    report(error);
    return 1;
  }
  quiet = false;
  say(`Ready in ${((performance.now() - begin) / 1000).toFixed(1)} s\n`);
  say(`  Demo   ${bold(cluster.demoUrl)}`);
  say(`  API    ${bold(cluster.apiUrl)}   key: ${bold(cluster.apiKey)}`);
  say(`  Docs   ${bold(`${cluster.apiUrl}/docs`)}`);
  say(`  Log    ${log.path}\n`);
  say('Ctrl-C stops all of it.');

  const reason = await stopRequested.promise;
  if (reason instanceof ClusterFailure) {
    quiet = true;
    report(reason);
    say('Stopping the others');
  }
  try {
    await cluster.stop();
  } catch (error) {
    if (kill.signal.aborted) return EXIT_INTERRUPTED;
    if (error !== reason) report(error);
    return 1;
  }
  say('Stopped');
  return 0;
}

/**
 * Runs everything on this machine in the foreground, with what a person wants to see of it, until a
 * signal or the end of a part.
 * @returns the exit code.
 */
export async function launch(options: Partial<ClusterOptions> = {}): Promise<number> {
  try {
    const log = new StartLog();
    const code = await run(log, options);
    await log.close();
    return code;
  } catch (error) {
    report(error);
    return 1;
  }
}
