import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/**
 * Each line it reads is the list of process groups alive now, in the order they are to be stopped.
 * The end of its input means the owner is gone: it stops what the last line named.
 */
const SCRIPT = `
trap '' HUP INT TERM
runs() {
  kill -s 0 "$1" 2>/dev/null || return 1
  # A process nobody has reaped yet is still there, but does not run.
  stat=
  read -r stat 2>/dev/null <"/proc/$1/stat"
  case $stat in *') Z '*) return 1 ;; esac
}
groups=
while read -r line; do groups=$line; done
for group in $groups; do
  kill -s TERM "$group" 2>/dev/null
  kill -s CONT "$group" 2>/dev/null
  tries=0
  while [ $tries -lt 50 ] && runs "$group"; do
    sleep 0.1
    tries=$((tries + 1))
  done
  kill -s KILL -- "-$group" 2>/dev/null
done
[ -z "$1" ] || rm -rf -- "$1"
`;

/**
 * Ends what its owner started when the owner itself is killed and cannot: a small shell in a session
 * of its own, which waits on a pipe that the kernel closes with the owner.
 */
export class Guard {
  readonly #shell: ChildProcess;
  #closed = false;

  /** @param temporaryFolder removed in the end, when everything has stopped. */
  constructor(temporaryFolder?: string) {
    this.#shell = spawn('/bin/sh', ['-c', SCRIPT, 'mediaserver-guard', temporaryFolder ?? ''], {
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
