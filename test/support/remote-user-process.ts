// The process of a remote user, see remote-user.ts.
import process from 'node:process';
import { Api } from './api.ts';
import { watchPackets } from './packet-timeline.ts';
import { toRemoteSchema, type FromRemote, type ToRemote } from './remote-user-messages.ts';
import { WrtcUser } from './wrtc-user.ts';

const LOOK_EVERY_MS = 25;

const tell = (message: FromRemote): void => void process.send?.(message);

/** The test makes the calls: they need no network here. */
class RelayedApi extends Api {
  readonly #waiting: { resolve: (body: string) => void; reject: (error: Error) => void }[] = [];

  override async call<T>(method: string, path: string, body: unknown = null): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const id = this.#waiting.push({ resolve, reject }) - 1;
    tell({ type: 'call', id, method, path, body: JSON.stringify(body) });
    return JSON.parse(await promise);
  }

  settle(id: number, result: string | Error): void {
    const call = this.#waiting[id];
    if (typeof result === 'string') call?.resolve(result);
    else call?.reject(result);
  }
}

const api = new RelayedApi({ apiUrl: '', apiKey: '' });
let user: WrtcUser | undefined;

async function join(roomId: string, userId: string): Promise<void> {
  user = await WrtcUser.join(api, roomId, { userId }, ['microphone', 'camera'], { prepare: tellOfIce });
  void watchPackets(user, (trackId, at) => tell({ type: 'packets', trackId, at }));
}

function tellOfIce({ pub, sub }: WrtcUser): void {
  for (const [connection, peer] of [['pub', pub] as const, ['sub', sub] as const]) {
    peer.addEventListener('icecandidate', ({ candidate }) => {
      if (candidate?.address) tell({ type: 'address', ip: candidate.address });
    });
    // Looked at, as an event of this libwebrtc may come before the state it is about.
    let known = '';
    setInterval(() => {
      const state = peer.iceConnectionState;
      if (state !== known) tell({ type: 'ice', connection, state, at: Date.now() });
      known = state;
    }, LOOK_EVERY_MS);
  }
}

async function obey(message: ToRemote): Promise<void> {
  if (message.type === 'answer') return api.settle(message.id, message.body);
  if (message.type === 'refusal') return api.settle(message.id, new Error(message.message));
  if (message.type === 'join') await join(message.roomId, message.userId);
  else await user?.resume('ice');
  tell({ type: 'done' });
}

// What fails ends the process, and so the test that waits for it.
process.on('message', (received) => void obey(toRemoteSchema.parse(received)));
// Else libwebrtc's threads would keep it alive.
process.on('disconnect', () => process.exit());
