import { once } from 'node:events';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Api } from './api.ts';
import { eventually } from './eventually.ts';
import type { NetworkNamespace } from './network-namespace.ts';
import { PacketTimeline } from './packet-timeline.ts';
import { fromRemoteSchema, type FromRemote, type ToRemote } from './remote-user-messages.ts';

const PROGRAM = fileURLToPath(new URL('./remote-user-process.ts', import.meta.url));

/**
 * A `WrtcUser` in a process of its own inside a network namespace, with microphone and camera. The
 * process ends with this one. Its calls of the API go through here.
 */
export class RemoteUser {
  /** What it called, as `POST /rooms/…`. */
  readonly calls: string[] = [];
  readonly received = new PacketTimeline();
  /** Of its ICE candidates so far. */
  readonly addresses = new Set<string>();
  /** Each change of an ICE connection state. */
  readonly ice: Extract<FromRemote, { type: 'ice' }>[] = [];
  readonly #api: Api;
  readonly #child: ChildProcess;
  #done = 0;
  #failure: Error | null = null;

  private constructor(api: Api, namespace: NetworkNamespace) {
    this.#api = api;
    this.#child = namespace.spawn(process.execPath, [PROGRAM], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', (message) => void this.#hear(fromRemoteSchema.parse(message)));
    this.#child.on('exit', (code) => (this.#failure ??= new Error(`the remote user ended (${code})`)));
  }

  static async join(api: Api, namespace: NetworkNamespace, roomId: string, userId: string): Promise<RemoteUser> {
    const user = new RemoteUser(api, namespace);
    try {
      await user.#command({ type: 'join', roomId, userId });
      return user;
    } catch (error) {
      await user.end();
      throw error;
    }
  }

  /** Goes on after a change of its network: `WrtcUser.resume('ice')`. */
  resume(): Promise<void> {
    return this.#command({ type: 'resume' });
  }

  async #command(message: ToRemote): Promise<void> {
    const before = this.#done;
    this.#child.send(message);
    await eventually(`remote user: ${message.type}`, () => this.#failure ?? this.#done > before);
    if (this.#failure) throw this.#failure;
  }

  async #hear(message: FromRemote): Promise<void> {
    if (message.type === 'done') this.#done += 1;
    if (message.type === 'address') this.addresses.add(message.ip);
    if (message.type === 'ice') this.ice.push(message);
    if (message.type === 'packets') this.received.note(message.trackId, message.at);
    if (message.type !== 'call') return;
    const { id, method, path, body } = message;
    this.calls.push(`${method} ${path}`);
    const content: unknown = JSON.parse(body);
    const reply = await this.#api
      .call(method, path, content ?? undefined)
      .then((answer): ToRemote => ({ type: 'answer', id, body: JSON.stringify(answer) }))
      .catch((error: unknown): ToRemote => ({ type: 'refusal', id, message: String(error) }));
    if (this.#child.connected) this.#child.send(reply);
  }

  /** When both PeerConnections came to be in a state after a time, or null. */
  iceStateSince(state: string, since: number): number | null {
    const times = (['pub', 'sub'] as const).map(
      (of) => this.ice.find((change) => change.connection === of && change.state === state && change.at > since)?.at,
    );
    return times.every((at) => at !== undefined) ? Math.max(...times) : null;
  }

  /** Ends the process. Idempotent. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
