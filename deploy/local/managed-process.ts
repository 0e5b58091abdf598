import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** How a process ended. `forced`: it ignored SIGTERM and had to be killed. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly error: Error | null;
  readonly forced: boolean;
}

/** Enough to see what a test or a crash was about, not enough to fill memory. */
const KEPT_LINES = 20_000;

/** How long the last lines of output may take to arrive after the process is gone. */
const OUTPUT_GRACE_MS = 500;

/**
 * A child process with its output.
 *
 * Invariants:
 * 1. It leads a process group of its own: a terminal's Ctrl-C does not reach it, its owner decides
 *    when it stops.
 * 2. Once `exited` has resolved, no process of its group is alive and all its output has been seen.
 * 3. `stop()` may be called at any time and any number of times.
 */
export class ManagedProcess {
  readonly name: string;
  readonly exited: Promise<ProcessExit>;
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  #alive = true;
  #forced = false;
  #stopping: Promise<ProcessExit> | undefined;

  /** @param onLine called with each line of stdout and stderr. */
  constructor(spec: ProcessSpec, onLine: (line: string) => void) {
    this.name = spec.name;
    this.#child = spawn(spec.command, spec.args, {
      cwd: spec.cwd,
      env: { ...spec.env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const see = (line: string) => {
      if (this.lines.push(line) > KEPT_LINES) this.lines.shift();
      onLine(line);
    };
    const outputs = [this.#child.stdout, this.#child.stderr].map(async (stream) => {
      if (stream) for await (const line of createInterface({ input: stream })) see(line);
    });
    const ended = new Promise<Omit<ProcessExit, 'forced'>>((resolve) => {
      this.#child.once('error', (error) => {
        // Also emitted when a signal cannot be sent; only a process that never started ends here.
        if (this.#child.pid === undefined) resolve({ code: null, signal: null, error });
      });
      this.#child.once('exit', (code, signal) => resolve({ code, signal, error: null }));
    });
    this.exited = ended.then(async (exit) => {
      this.#alive = false;
      this.#signalGroup('SIGKILL');
      await Promise.race([Promise.allSettled(outputs), delay(OUTPUT_GRACE_MS)]);
      return { ...exit, forced: this.#forced };
    });
  }

  /** Undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Signals the process itself, not the others of its group. */
  signal(signal: NodeJS.Signals): void {
    if (this.#alive) this.#child.kill(signal);
  }

  /** SIGTERM, and SIGKILL to its whole group if it is not gone after `graceMs`. */
  stop(graceMs: number): Promise<ProcessExit> {
    this.#stopping ??= this.#stop(graceMs);
    return this.#stopping;
  }

  async #stop(graceMs: number): Promise<ProcessExit> {
    this.signal('SIGTERM');
    // A stopped (SIGSTOP) process would never see the SIGTERM.
    this.signal('SIGCONT');
    const timer = setTimeout(() => this.kill(), graceMs);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  /** SIGKILL to it and its whole group, at once. */
  kill(): void {
    if (!this.#alive) return;
    this.#forced = true;
    this.#signalGroup('SIGKILL');
  }

  #signalGroup(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // ESRCH: the group is empty, which is what was wanted.
    }
  }
}

/** "exit code 1", "signal SIGKILL", "could not be started: …" */
export function describeExit(exit: ProcessExit): string {
  if (exit.error) return `could not be started: ${exit.error.message}`;
  return exit.signal ? `signal ${exit.signal}` : `exit code ${exit.code}`;
}
