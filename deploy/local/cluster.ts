import { mkdirSync, mkdtempSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { layOut, withoutShape, type Environment, type Layout } from './environments.ts';
import { Guard } from './guard.ts';
import { describeExit, ManagedProcess, type ProcessExit, type ProcessSpec } from './managed-process.ts';
import { claimFreePorts, defaultPorts, requirePorts, SetupProblem, type PortClaim } from './ports.ts';
import { pingRedis, privateRedis } from './redis.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What runs as each process; tests put their own there. */
export interface Programs {
  readonly coordinator: string;
  readonly node: string;
  readonly demo: string;
}
const PROGRAMS: Programs = {
  coordinator: join(ROOT, 'apps/coordinator/src/main.ts'),
  node: join(ROOT, 'apps/node/src/main.ts'),
  demo: join(ROOT, 'apps/demo/src/main.ts'),
};

export interface ClusterOptions {
  /** Default 2. */
  readonly nodes?: number;
  /**
   * `default`: the documented ports, moved by the environment; Redis keeps its data.
   * `free`: ports nobody uses and a Redis that is thrown away; what the environment says of a
   * cluster's shape is ignored. For tests.
   */
  readonly ports: 'default' | 'free';
  /** Whether the demo runs too and receives the webhooks. Default false. */
  readonly demo?: boolean;
  /** Added to this process' environment, for all of them. */
  readonly env?: Environment;
  readonly programs?: Partial<Programs>;
  /** Stops what has been started and makes the start fail. */
  readonly signal?: AbortSignal;
  /** Kills everything without ado; a start or stop under way then settles. */
  readonly kill?: AbortSignal;
  readonly onReady?: (name: string, afterMs: number) => void;
  readonly onLine?: (name: string, line: string) => void;
  /** A process ended that nobody stopped. */
  readonly onDeath?: (failure: ClusterFailure) => void;
}

export interface ClusterNode {
  readonly nodeId: string;
  readonly opsUrl: string;
  readonly controlUrl: string;
  /** UDP ports its pipes use. */
  readonly pipePorts: { readonly min: number; readonly max: number };
}

/** A process that did not do what it should; the message is one line, `lines` its last output. */
export class ClusterFailure extends Error {
  override name = 'ClusterFailure';
  readonly lines: readonly string[];

  constructor(message: string, lines: readonly string[]) {
    super(message);
    this.lines = lines.slice(-15);
  }
}

/** The part of the API's answer that is read here. */
interface NodeStatus {
  readonly nodeId: string;
  readonly alive: boolean;
  readonly state: string;
}

const READY_TIMEOUT_MS = 60_000;
const REQUEST_TIMEOUT_MS = 2000;
const POLL_MS = 50;
/** A node says goodbye to its users, a coordinator finishes its calls. */
const STOP_GRACE_MS = 10_000;

/**
 * Redis, a coordinator, nodes and the demo on this machine, as processes of their own.
 *
 * Invariants:
 * 1. When `startCluster` rejects or `stop()` settles, nothing it started is running any more.
 * 2. They stop in this order, each once the one before is gone: demo, coordinator, nodes, Redis.
 * 3. If this process dies without stopping it, the guard does, in the same order.
 */
export class Cluster {
  readonly apiUrl: string;
  readonly apiKey: string;
  readonly opsUrl: string;
  readonly demoUrl: string;
  readonly redisUrl: string;
  readonly webhookSecret: string;
  readonly nodes: readonly ClusterNode[];

  readonly #options: ClusterOptions;
  readonly #layout: Layout;
  readonly #claim: PortClaim | undefined;
  readonly #specs = new Map<string, ProcessSpec>();
  readonly #processes = new Map<string, ManagedProcess>();
  /** Whose end somebody asked for. */
  readonly #expected = new WeakSet<ManagedProcess>();
  readonly #failures: ClusterFailure[] = [];
  readonly #guard: Guard;
  #stopping: Promise<void> | undefined;

  private constructor(options: ClusterOptions, layout: Layout, claim: PortClaim | undefined, temporary?: string) {
    this.#options = options;
    this.#layout = layout;
    this.#claim = claim;
    this.#guard = new Guard(temporary);
    options.kill?.addEventListener('abort', () => this.#killAll());
    this.apiUrl = layout.apiUrl;
    this.apiKey = layout.apiKey;
    this.opsUrl = layout.coordinator.opsUrl;
    this.demoUrl = layout.demoUrl;
    this.redisUrl = layout.redisUrl;
    this.webhookSecret = layout.webhookSecret;
    this.nodes = layout.nodes.map(({ nodeId, opsUrl, controlUrl, pipePorts }) => ({
      nodeId,
      opsUrl,
      controlUrl,
      pipePorts,
    }));
  }

  /** See {@link startCluster}. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const { ports: mode, nodes = 2, demo = false, signal } = options;
    signal?.throwIfAborted();
    const claim = mode === 'free' ? await claimFreePorts(nodes) : undefined;
    const base = claim ? withoutShape(process.env) : process.env;
    const env = { ...base, ...options.env };
    const layout = layOut(env, claim?.ports ?? defaultPorts(env, nodes), { demo });
    if (!claim) await requirePorts(layout.ports);

    const redisPort = Number(new URL(layout.redisUrl).port || 6379);
    const ownRedis = !env['REDIS_URL'];
    const folder = ownRedis ? redisFolder(env, redisPort, claim !== undefined) : undefined;
    const cluster = new Cluster(options, layout, claim, claim && folder);
    try {
      if (folder) cluster.#specs.set('redis', privateRedis({ port: redisPort, folder, durable: !claim, env }));
      cluster.#describe(env, demo);
      await cluster.#startAll(redisPort);
      return cluster;
    } catch (error) {
      // What failed is the news; that its remains also stopped badly is not.
      await cluster.stop().catch(() => undefined);
      throw signal?.aborted ? signal.reason : error;
    }
  }

  #describe(env: Environment, demo: boolean): void {
    const programs = { ...PROGRAMS, ...this.#options.programs };
    const inspected = (env['INSPECT'] ?? '').split(',').filter(Boolean);
    const add = (name: string, program: string, processEnv: Environment) => {
      const debug = inspected.includes(name) ? [`--inspect=127.0.0.1:${9229 + inspected.indexOf(name)}`] : [];
      this.#specs.set(name, {
        name,
        command: process.execPath,
        args: [...debug, program],
        env: processEnv,
        cwd: ROOT,
      });
    };
    add('coordinator', programs.coordinator, this.#layout.coordinator.env);
    for (const node of this.#layout.nodes) add(node.nodeId, programs.node, node.env);
    if (demo) add('demo', programs.demo, this.#layout.demo.env);
  }

  async #startAll(redisPort: number): Promise<void> {
    if (this.#specs.has('redis')) {
      await this.start('redis');
    } else {
      const { hostname } = new URL(this.#layout.redisUrl);
      if (!(await pingRedis(hostname, redisPort))) {
        throw new SetupProblem(
          `no Redis answers at ${hostname}:${redisPort} (REDIS_URL); without REDIS_URL one is started`,
        );
      }
    }
    const others = [...this.#specs.keys()].filter((name) => name !== 'redis');
    const results = await Promise.allSettled(others.map((name) => this.start(name)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    await this.#untilRegistered();
  }

  /** A room can be created only once the coordinator knows of the nodes. */
  async #untilRegistered(): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    const isKnown = (known: readonly NodeStatus[], nodeId: string) =>
      known.some((node) => node.nodeId === nodeId && node.alive && node.state === 'ready');
    for (;;) {
      const known = await this.#knownNodes();
      const missing = this.nodes.find(({ nodeId }) => !isKnown(known, nodeId));
      if (!missing) return;
      this.#options.signal?.throwIfAborted();
      if (this.#failures[0]) throw this.#failures[0];
      if (performance.now() > deadline) {
        throw new ClusterFailure(`the coordinator does not know ${missing.nodeId}`, this.logs('coordinator'));
      }
      await delay(POLL_MS);
    }
  }

  async #knownNodes(): Promise<readonly NodeStatus[]> {
    try {
      const response = await fetch(`${this.apiUrl}/v1/nodes`, {
        headers: { authorization: `Bearer ${this.apiKey}` },
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      const body: { readonly nodes?: readonly NodeStatus[] } = JSON.parse(await response.text());
      return body.nodes ?? [];
    } catch {
      return [];
    }
  }

  /**
   * Starts a process that is not running: at first, or again after `kill`.
   * @throws ClusterFailure if it ends or is not ready in time.
   */
  async start(name: string): Promise<void> {
    const spec = this.#specs.get(name);
    if (!spec) throw new RangeError(`no process is called ${name}`);
    if (this.#processes.get(name)?.alive) throw new Error(`${name} is running`);
    if (this.#stopping) throw new Error('the cluster is stopping');
    const begin = performance.now();
    const child = new ManagedProcess(spec, (line) => this.#options.onLine?.(name, line));
    this.#processes.set(name, child);
    this.#tellGuard();
    void child.exited.then((exit) => this.#ended(child, exit));
    await this.#untilReady(child);
    this.#options.onReady?.(name, performance.now() - begin);
  }

  async #untilReady(child: ManagedProcess): Promise<void> {
    const { signal } = this.#options;
    const deadline = performance.now() + READY_TIMEOUT_MS;
    while (!(await this.#isReady(child.name))) {
      signal?.throwIfAborted();
      if (!child.alive) throw deathOf(child, await child.exited);
      if (this.#failures[0]) throw this.#failures[0];
      if (performance.now() > deadline) {
        throw new ClusterFailure(`${child.name} was not ready after ${READY_TIMEOUT_MS / 1000} s`, child.lines);
      }
      await delay(POLL_MS);
    }
  }

  #isReady(name: string): Promise<boolean> {
    if (name === 'redis') return pingRedis('127.0.0.1', Number(new URL(this.redisUrl).port));
    if (name === 'coordinator') return answers(`${this.opsUrl}/readyz`);
    if (name === 'demo') return answers(`${this.demoUrl}/`);
    const node = this.nodes.find(({ nodeId }) => nodeId === name);
    return answers(`${node?.opsUrl}/readyz`);
  }

  #ended(child: ManagedProcess, exit: ProcessExit): void {
    this.#tellGuard();
    if (this.#expected.has(child)) return;
    const failure = deathOf(child, exit);
    this.#failures.push(failure);
    this.#options.onDeath?.(failure);
  }

  /** Its output so far, oldest line first; the last run's if it was started again. */
  logs(name: string): readonly string[] {
    return this.#process(name).lines;
  }

  pid(name: string): number | undefined {
    return this.#process(name).pid;
  }

  /**
   * Sends a signal to the process itself (what it started notices by itself, or not: that is what is
   * tested). Waits for its end if the signal is one that ends it; `start(name)` runs it again.
   */
  async kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process(name);
    if (!['SIGKILL', 'SIGTERM', 'SIGINT'].includes(signal)) {
      child.signal(signal);
      return;
    }
    this.#expected.add(child);
    child.signal(signal);
    await child.exited;
  }

  #process(name: string): ManagedProcess {
    const child = this.#processes.get(name);
    if (!child) throw new RangeError(`no process is called ${name}`);
    return child;
  }

  /** Groups of processes, in the order they stop. */
  #stopOrder(): ManagedProcess[][] {
    const alive = [...this.#processes.values()].filter((child) => child.alive);
    const only = (...names: string[]) => alive.filter(({ name }) => names.includes(name));
    return [only('demo'), only('coordinator'), only(...this.nodes.map(({ nodeId }) => nodeId)), only('redis')];
  }

  #tellGuard(): void {
    this.#guard.watch(this.#stopOrder().flatMap((group) => group.flatMap(({ pid }) => pid ?? [])));
  }

  /**
   * Stops everything. Idempotent.
   * @throws ClusterFailure if a process had ended by itself, or had to be killed.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    for (const group of this.#stopOrder()) {
      await Promise.all(
        group.map(async (child) => {
          this.#expected.add(child);
          const exit = await child.stop(STOP_GRACE_MS);
          if (exit.forced || (exit.code !== 0 && exit.signal !== 'SIGTERM')) {
            const how = exit.forced ? 'did not stop and was killed' : `stopped badly (${describeExit(exit)})`;
            this.#failures.push(new ClusterFailure(`${child.name} ${how}`, child.lines));
          }
        }),
      );
    }
    await this.#guard.close();
    this.#claim?.release();
    if (this.#failures[0]) throw this.#failures[0];
  }

  #killAll(): void {
    for (const child of this.#processes.values()) {
      this.#expected.add(child);
      child.kill();
    }
  }
}

/** @throws ClusterFailure, SetupProblem, or the signal's reason; nothing is left running then. */
export function startCluster(options: ClusterOptions): Promise<Cluster> {
  return Cluster.start(options);
}

/** Where what outlives a run is kept, outside the checkout. */
export function stateFolder(env: Environment): string {
  return join(env['XDG_STATE_HOME'] || join(env['HOME'] || homedir(), '.local/state'), 'mediaserver');
}

function redisFolder(env: Environment, port: number, temporary: boolean): string {
  if (temporary) return mkdtempSync(join(tmpdir(), 'mediaserver-redis-'));
  const folder = join(stateFolder(env), 'redis', String(port));
  mkdirSync(folder, { recursive: true });
  return folder;
}

function deathOf(child: ManagedProcess, exit: ProcessExit): ClusterFailure {
  const missing = exit.error && 'code' in exit.error && exit.error.code === 'ENOENT';
  const hint = missing ? '; `npm run setup` installs what is missing' : '';
  return new ClusterFailure(`${child.name} ended unexpectedly (${describeExit(exit)})${hint}`, child.lines);
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS), redirect: 'manual' });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
