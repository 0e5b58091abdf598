import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';

/** What a figure depends on besides the code. */
export function machineFacts(browserVersion: string): string[][] {
  const { version } = JSON.parse(
    readFileSync(new URL('../../node_modules/mediasoup/package.json', import.meta.url), 'utf8'),
  );
  const cores = cpus();
  return [
    ['Cores', `${cores.length} × ${cores[0]?.model.trim() ?? 'unknown'}`],
    ['System', `${distribution()}, Linux ${release().split('.', 2).join('.')}`],
    ['Node', process.version],
    ['mediasoup', String(version)],
    ['Chromium', browserVersion],
    ['Commit', commit()],
  ];
}

function distribution(): string {
  const text = readFileSync('/etc/os-release', 'utf8');
  return /^PRETTY_NAME="?([^"\n]+)/m.exec(text)?.[1] ?? 'unknown';
}

function commit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--untracked-files=no', '--', 'apps', 'libs') !== '';
  return git('rev-parse', '--short', 'HEAD') + (changed ? ' with changes' : '');
}

/** Seconds of CPU time all cores together spent on anything since the machine started. */
export function machineCpuSeconds(): number {
  const [, user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8').split(/\s+/);
  return (Number(user) + Number(nice) + Number(system) + Number(irq) + Number(softirq)) / 100;
}
