import { readdirSync, readFileSync } from 'node:fs';

interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  /** One letter; Z is one that has ended and waits to be reaped. */
  readonly state: string;
  readonly cpuSeconds: number;
}

/** What /proc calls a second of CPU time; 100 on every Linux of today. */
const TICKS_PER_SECOND = 100;

/** @returns undefined if there is no such process. */
export function processStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name is in parentheses and may contain anything, parentheses and spaces too.
  const end = text.lastIndexOf(')');
  const [state = '', parent, ...rest] = text.slice(end + 2).split(' ');
  // utime and stime are the fields 14 and 15, counted from one.
  const [user, system] = [rest[9], rest[10]];
  return {
    pid,
    parent: Number(parent),
    name: text.slice(text.indexOf('(') + 1, end),
    state,
    cpuSeconds: (Number(user) + Number(system)) / TICKS_PER_SECOND,
  };
}

/** The process and everything it has started, directly or not. */
export function processTree(root: number): ProcessStat[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => processStat(Number(name)) ?? []);
  const tree: ProcessStat[] = [];
  const add = (pid: number) => {
    const stat = all.find((entry) => entry.pid === pid);
    if (stat) tree.push(stat);
    for (const child of all.filter(({ parent }) => parent === pid)) add(child.pid);
  };
  add(root);
  return tree;
}

export function isRunning({ pid, name }: ProcessStat): boolean {
  const now = processStat(pid);
  // The number may have gone to another process by now.
  return now !== undefined && now.state !== 'Z' && now.name === name;
}
