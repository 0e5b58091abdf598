import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('guard.sh', import.meta.url));

/**
 * Ends what its owner started when the owner itself is killed and cannot: a small shell in a session
 * of its own, which waits on a pipe that the kernel closes with the owner.
 */
export class Guard {
  readonly #shell: ChildProcess;
  #closed = false;

  /** @param temporaryFolder removed in the end, when everything has stopped. */
  constructor(temporaryFolder?: string) {
    this.#shell = spawn('/bin/sh', [SCRIPT, temporaryFolder ?? ''], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    // A guard that somebody killed is no reason to fail.
    this.#shell.on('error', () => undefined);
    this.#shell.stdin?.on('error', () => undefined);
  }

  /** @param pids of the group leaders alive now, first to be stopped first. */
  watch(pids: readonly number[]): void {
    if (!this.#closed) this.#shell.stdin?.write(`${pids.join(' ')}\n`);
  }

  /** Ends the guard; it stops whatever it was last told of. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const gone = this.#shell.exitCode === null && this.#shell.signalCode === null && once(this.#shell, 'exit');
    this.#shell.stdin?.end();
    await gone;
  }
}
