import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClusterFailure, startCluster, type ClusterOptions } from './cluster.ts';
import { ManagedProcess } from './managed-process.ts';
import { claimFreePorts, type PortClaim } from './ports.ts';
import { pingRedis } from './redis.ts';

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
const FAKE = fixture('fake-process.ts');
const programs = { coordinator: FAKE, node: FAKE, demo: FAKE };

let folder: string;
let journal: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'launcher-test-'));
  journal = join(folder, 'journal');
});
afterEach(() => {
  // Whatever a failed test left.
  for (const pid of startedPids()) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  rmSync(folder, { recursive: true });
});

const notes = () => (existsSync(journal) ? readFileSync(journal, 'utf8').trim().split('\n') : []);
const startedPids = () =>
  notes().flatMap((note) => {
    const pid = /(?:started|helper) (\d+)/.exec(note)?.[1];
    return pid === undefined ? [] : [Number(pid)];
  });
const stopped = () => notes().flatMap((note) => note.match(/^(\S+) stopped$/)?.[1] ?? []);

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // What nobody has reaped yet is not running.
  return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(20);
}

/** Nodes stop together, in any order. */
function expectStopOrder(): void {
  const order = stopped().map((name) => name.replace(/-\d$/, ''));
  expect(order).toEqual(['demo', 'coordinator', 'node', 'node']);
}

describe('startCluster', () => {
  const start = (options: Partial<ClusterOptions> = {}) =>
    startCluster({ ports: 'free', demo: true, programs, ...options, env: { FAKE_LOG: journal, ...options.env } });

  it('invariants 1 and 2: starts all, stops all in order, leaves no process and no data', async () => {
    const ready: string[] = [];
    const cluster = await start({ onReady: (name) => ready.push(name) });
    const redisPort = Number(new URL(cluster.redisUrl).port);
    expect(ready).toHaveLength(5);
    expect(cluster.nodes.map(({ nodeId }) => nodeId)).toEqual(['node-1', 'node-2']);
    expect(await pingRedis('127.0.0.1', redisPort)).toBe(true);
    expect(cluster.logs('node-2').join('\n')).toContain('hello');
    const pids = startedPids();
    expect(pids).toHaveLength(8);

    await cluster.stop();
    await cluster.stop();
    expectStopOrder();
    expect(pids.filter(isAlive)).toEqual([]);
    expect(await pingRedis('127.0.0.1', redisPort)).toBe(false);
  });

  it('two at once do not meet', async () => {
    const clusters = await Promise.all([start({ nodes: 1 }), start({ nodes: 1 })]);
    expect(new Set(clusters.map(({ apiUrl }) => apiUrl)).size).toBe(2);
    await Promise.all(clusters.map((cluster) => cluster.stop()));
  });

  it('fails with the reason when a part ends at its start, and stops the others', async () => {
    const failure: unknown = await start({ env: { FAKE_FAILS: 'node-2' } }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ClusterFailure);
    expect(failure).toMatchObject({
      message: 'node-2 ended unexpectedly (exit code 3)',
      lines: ['the reason why'],
    });
    expect(startedPids().filter(isAlive)).toEqual([]);
  });

  it('can be called off while it starts', async () => {
    const abort = new AbortController();
    const starting = start({ env: { FAKE_HANGS: 'demo' }, signal: abort.signal });
    await until(() => notes().length >= 8);
    abort.abort(new Error('called off'));
    await expect(starting).rejects.toThrow('called off');
    expect(startedPids().filter(isAlive)).toEqual([]);
  });

  it('tells of a part that dies later, and stop() says so too', async () => {
    const death = Promise.withResolvers<ClusterFailure>();
    const cluster = await start({ nodes: 1, demo: false, onDeath: death.resolve });
    process.kill(cluster.pid('node-1') ?? 0, 'SIGUSR2');
    expect((await death.promise).message).toBe('node-1 ended unexpectedly (exit code 7)');
    await expect(cluster.stop()).rejects.toThrow('node-1 ended unexpectedly');
  });

  it('kills and starts a part again without calling it a failure', async () => {
    const cluster = await start({ nodes: 1, demo: false });
    const before = cluster.pid('node-1') ?? 0;
    await cluster.kill('node-1');
    expect(isAlive(before)).toBe(false);
    await cluster.start('node-1');
    expect(cluster.pid('node-1')).not.toBe(before);
    await cluster.kill('node-1', 'SIGSTOP');
    await cluster.stop();
    expect(startedPids().filter(isAlive)).toEqual([]);
  });
});

describe('the launcher', () => {
  let claim: PortClaim;
  let launcher: ManagedProcess;
  beforeEach(async () => {
    claim = await claimFreePorts(2);
  });
  afterEach(() => {
    launcher.kill();
    claim.release();
  });

  function launch(env: Record<string, string> = {}, through: readonly string[] = []): ManagedProcess {
    const { api, ops, demo, redis, nodes } = claim.ports;
    const [first] = nodes;
    const ports = {
      API_PORT: api,
      OPS_PORT: ops,
      DEMO_PORT: demo,
      REDIS_PORT: redis,
      CONTROL_PORT: first?.control,
      NODE_OPS_PORT: first?.ops,
      MEDIA_PORT_BASE: first?.mediaBase,
    };
    launcher = new ManagedProcess(
      {
        name: 'launcher',
        command: through[0] ?? process.execPath,
        args: [...through.slice(1), ...(through[0] ? [process.execPath] : []), fixture('start-fakes.ts')],
        cwd: folder,
        env: {
          PATH: process.env['PATH'],
          XDG_STATE_HOME: folder,
          FAKE_LOG: journal,
          ...Object.fromEntries(Object.entries(ports).map(([key, port]) => [key, String(port)])),
          NODE_OPS_PORT: String((first?.control ?? 0) + 2),
          MEDIA_PORT_BASE: String((first?.control ?? 0) + 10),
          ...env,
        },
      },
      () => undefined,
    );
    return launcher;
  }
  const output = () => launcher.lines.join('\n');
  const untilSaid = (text: string) => until(() => output().includes(text) || !launcher.alive);
  const redisRuns = () => pingRedis('127.0.0.1', claim.ports.redis);

  it('prints where everything is and stops all of it at Ctrl-C, even a doubled one', async () => {
    launch();
    await untilSaid('Ctrl-C stops');
    const { api, demo } = claim.ports;
    expect(output()).toContain(`Demo   http://127.0.0.1:${demo}`);
    expect(output()).toContain(`API    http://127.0.0.1:${api}   key: dev-key`);
    expect(output()).toContain(`Docs   http://127.0.0.1:${api}/docs`);
    expect(readFileSync(join(folder, 'mediaserver/logs/start.log'), 'utf8')).toMatch(/^node-2 +\| \{.*hello/m);

    launcher.signal('SIGINT');
    launcher.signal('SIGINT');
    expect(await launcher.exited).toMatchObject({ code: 0 });
    expectStopOrder();
    expect(startedPids().filter(isAlive)).toEqual([]);
    expect(await redisRuns()).toBe(false);
  });

  it('is killed by a second Ctrl-C', async () => {
    launch({ FAKE_STUBBORN: 'node-1' });
    await untilSaid('Ctrl-C stops');
    launcher.signal('SIGINT');
    await until(() => stopped().includes('node-2'));
    await delay(600);
    launcher.signal('SIGINT');
    expect(await launcher.exited).toMatchObject({ code: 130 });
    expect(startedPids().filter(isAlive)).toEqual([]);
    expect(await redisRuns()).toBe(false);
  });

  it('says which part died and why, stops the others and fails', async () => {
    launch();
    await untilSaid('Ctrl-C stops');
    const pid = Number(/^coordinator started (\d+)$/m.exec(notes().join('\n'))?.[1]);
    process.kill(pid, 'SIGUSR2');
    expect(await launcher.exited).toMatchObject({ code: 1 });
    expect(output()).toContain('coordinator ended unexpectedly (exit code 7)');
    expect(output()).toContain('fatal: out of cheese (Error: x)');
    expect(startedPids().filter(isAlive)).toEqual([]);
    expect(await redisRuns()).toBe(false);
  });

  it('invariant 3: leaves nothing when it is killed itself', async () => {
    launch();
    await untilSaid('Ctrl-C stops');
    const pids = startedPids();
    expect(pids.filter(isAlive)).toHaveLength(8);
    launcher.signal('SIGKILL');
    await until(async () => !pids.some(isAlive) && !(await redisRuns()));
    expectStopOrder();
  });

  it('stops when the process that started it is killed', async () => {
    // In a session of its own, so that only the shell is killed.
    launch({}, ['sh', '-c', 'setsid "$0" "$1" & wait']);
    await untilSaid('Ctrl-C stops');
    const pids = startedPids();
    expect(pids.filter(isAlive)).toHaveLength(8);
    launcher.signal('SIGKILL');
    await until(async () => !pids.some(isAlive) && !(await redisRuns()));
    expectStopOrder();
  });

  it('names the port that is taken, by whom, and the variable, before anything starts', async () => {
    const other = createServer().listen(claim.ports.api, '127.0.0.1');
    await once(other, 'listening');
    launch();
    expect(await launcher.exited).toMatchObject({ code: 1 });
    other.close();
    expect(output()).toMatch(
      new RegExp(
        `Cannot start: port ${claim.ports.api} \\(tcp\\), wanted for the API, is already in use by .*\\(pid ${process.pid}\\); set API_PORT to another port`,
      ),
    );
    expect(notes()).toEqual([]);
  });

  it('refuses a REDIS_URL where nobody answers', async () => {
    launch({ REDIS_URL: `redis://127.0.0.1:${claim.ports.redis}` });
    expect(await launcher.exited).toMatchObject({ code: 1 });
    expect(output()).toContain(`Cannot start: no Redis answers at 127.0.0.1:${claim.ports.redis} (REDIS_URL)`);
  });
});
