import { execFile, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/**
 * A network of its own on this machine: what runs in it sees only the interfaces that were put there.
 * Needs root, `unshare` and `nsenter` (util-linux) and `ip` (iproute2).
 *
 * Invariants:
 * 1. A namespace lives as long as its holder, a process that ends when this one does, however that
 *    ends: it has no name that could stay behind. Its interfaces go with it, and their other ends.
 * 2. `dispose()` is idempotent. Processes inside are their owner's to stop, before it.
 */
export class NetworkNamespace {
  /** That of this process; there is nothing to dispose of. */
  static readonly host = new NetworkNamespace(null);

  readonly #holder: ChildProcess | null;
  readonly #links = new Set<readonly LinkEnd[]>();

  private constructor(holder: ChildProcess | null) {
    this.#holder = holder;
  }

  /** @throws Error if this process may not make namespaces. */
  static async create(): Promise<NetworkNamespace> {
    // `cat` ends when its input does, so with us; the line says that the namespace is there.
    const holder = spawn('unshare', ['--net', 'sh', '-c', 'ip link set lo up && echo ready && exec cat'], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    let output = '';
    holder.stderr.on('data', (chunk) => (output += String(chunk)));
    const ready = await Promise.race([
      once(holder.stdout, 'data').then(() => true),
      once(holder, 'close').then(() => false),
    ]);
    if (!ready) throw new Error(`no network namespace can be made: ${output.trim()}`);
    return new NetworkNamespace(holder);
  }

  /** What keeps this machine from making namespaces, links between them and routers of them, or null. */
  static async obstacle(): Promise<string | null> {
    if (process.getuid?.() !== 0) return 'only root may make network namespaces';
    let namespace: NetworkNamespace | undefined;
    try {
      // A container may have any of these and lack the others.
      namespace = await NetworkNamespace.create();
      await namespace.forward();
      await NetworkNamespace.connect(
        { namespace: NetworkNamespace.host, device: `try${process.pid}`, address: '198.19.255.253/30' },
        { namespace, device: 'uplink', address: '198.19.255.254/30' },
      );
      return null;
    } catch (error) {
      return error instanceof Error ? error.message.trim() : String(error);
    } finally {
      await namespace?.dispose();
    }
  }

  /** As `ip link set … netns` takes it: any process inside names the namespace. */
  get pid(): number {
    return this.#holder?.pid ?? process.pid;
  }

  /** The command line that runs another one inside; the process that starts is that one. */
  #inside(command: string, args: readonly string[]): [string, string[]] {
    if (!this.#holder) return [command, [...args]];
    return ['nsenter', [`--net=/proc/${this.pid}/ns/net`, '--', command, ...args]];
  }

  /** Runs a command inside, to its end. @returns its output. @throws Error with what it complained of. */
  async run(command: string, ...args: string[]): Promise<string> {
    const { stdout } = await execute(...this.#inside(command, args));
    return stdout;
  }

  /** Starts a process inside, as `child_process.spawn` does. */
  spawn(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    return spawn(...this.#inside(command, args), options);
  }

  /** Gives an interface one address (`198.18.1.2/24`) in place of those it had; null only takes them. */
  async setAddress(device: string, address: string | null): Promise<void> {
    await this.run('ip', 'address', 'flush', 'dev', device);
    if (address !== null) await this.run('ip', 'address', 'add', address, 'dev', device);
  }

  linkUp(device: string): Promise<unknown> {
    return this.run('ip', 'link', 'set', 'dev', device, 'up');
  }

  /** The interface, its routes and its address are gone, as of a phone that loses its Wi-Fi. */
  async linkDown(device: string): Promise<void> {
    await this.run('ip', 'link', 'set', 'dev', device, 'down');
    await this.setAddress(device, null);
  }

  /** @param to a network (`198.18.0.0/16`) or `default`; the lowest metric is taken. */
  addRoute(to: string, via: string, metric = 0): Promise<unknown> {
    return this.run('ip', 'route', 'replace', to, 'via', via, 'metric', String(metric));
  }

  /** Passes on what is for others. */
  forward(): Promise<unknown> {
    return this.run('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
  }

  /** Lays a cable between two namespaces (a veth pair). Both ends are up; it goes with either of them. */
  static async connect(a: LinkEnd, b: LinkEnd): Promise<void> {
    const place = ({ device, namespace }: LinkEnd) => ['name', device, 'netns', String(namespace.pid)];
    await NetworkNamespace.host.run('ip', 'link', 'add', ...place(a), 'type', 'veth', 'peer', ...place(b));
    const link = [a, b];
    for (const { namespace, device, address } of link) {
      namespace.#links.add(link);
      await namespace.setAddress(device, address);
      await namespace.linkUp(device);
    }
  }

  /** Removes the namespace and the links that lead to it. */
  async dispose(): Promise<void> {
    const holder = this.#holder;
    if (!holder || holder.exitCode !== null || holder.signalCode !== null) return;
    // They would go by themselves, but some time later, and their names are wanted again.
    for (const link of this.#links) {
      await link[0]?.namespace.run('ip', 'link', 'delete', 'dev', link[0].device);
      for (const { namespace } of link) namespace.#links.delete(link);
    }
    const ended = once(holder, 'exit');
    holder.stdin?.end();
    await ended;
  }
}

/** One end of a cable. */
export interface LinkEnd {
  readonly namespace: NetworkNamespace;
  /** Name of the interface, at most 15 characters; on the host, one nobody else uses. */
  readonly device: string;
  /** Its address and the size of its network: `198.18.1.2/24`. */
  readonly address: string;
}
