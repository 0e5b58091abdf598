// What setup says to the person who started it.
import process from 'node:process';
import { createInterface } from 'node:readline/promises';

/** Something the person at the terminal can mend; shown as one line, without a stack. */
export class SetupError extends Error {}

export const say = (text) => process.stdout.write(`${text}\n`);
export const complain = (text) => process.stderr.write(`${text}\n`);

const isTerminal = process.stdout.isTTY;
/** In a log: how often a change is worth a line, and how long silence is bearable. */
const CHANGE_MS = 5_000;
const SILENCE_MS = 20_000;

/** `[3/6] worker: compiling 120/259 files (41 s)`: one moving line on a terminal, else a line now and then. */
export class Progress {
  #title;
  #text = '';
  #started = Date.now();
  #printed = 0;
  #ticker;

  constructor(title, index, total) {
    this.#title = `[${index}/${total}] ${title}`;
    this.#ticker = setInterval(() => this.#show(), isTerminal ? 1000 : SILENCE_MS).unref();
  }

  update = (text) => {
    this.#text = text;
    const waited = Date.now() - this.#printed;
    if (isTerminal || waited > CHANGE_MS) this.#show();
  };

  /** A line that stays. */
  note = (text) => {
    this.#clear();
    say(`${this.#title}: ${text}`);
  };

  done(text) {
    this.stop();
    say(`${this.#title}: ${text} (${this.#seconds()} s)`);
  }

  stop() {
    clearInterval(this.#ticker);
    this.#clear();
  }

  #seconds() {
    return Math.round((Date.now() - this.#started) / 1000);
  }

  #show() {
    if (!this.#text) return;
    this.#printed = Date.now();
    const line = `${this.#title}: ${this.#text} (${this.#seconds()} s)`;
    if (isTerminal) process.stdout.write(`\r\u001B[K${line.slice(0, (process.stdout.columns ?? 80) - 1)}`);
    else say(line);
  }

  #clear() {
    if (isTerminal) process.stdout.write('\r\u001B[K');
  }
}

/** Asks only where a person can answer; a pipe or CI goes on. */
export async function confirm(question) {
  if (!process.stdin.isTTY || !isTerminal) return true;
  if (process.env.SETUP_YES === '1' || process.argv.includes('--yes')) return true;
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = await lines.question(`${question} [Y/n] `);
    return /^\s*(y|yes)?\s*$/i.test(answer);
  } catch {
    return false;
  } finally {
    lines.close();
  }
}
