import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import wrtc from '@roamhq/wrtc';
import { startCluster, type Cluster } from '../../deploy/local/cluster.ts';
import type { WebhookReceiver } from '../support/webhook-receiver.ts';
import { Api } from '../support/api.ts';
import { DemoPage } from '../support/demo-page.ts';
import { eventually } from '../support/eventually.ts';
import { nodeGauges } from '../support/node-state.ts';
import { WrtcUser } from '../support/wrtc-user.ts';

/** Milliseconds since just before the join call. */
export interface Join {
  readonly answered: number;
  readonly firstFrame: number;
}
export interface Joins {
  readonly sameNode: Join[];
  readonly acrossNodes: Join[];
}

/** A room with one person who sends; where `pack` puts the one who joins: on the same node. */
const ROOMS = { sameNode: 'pack', acrossNodes: 'spread' } as const;
const WARM_UP = 2;
/** A key frame asked for by one join must not help, nor delay, the next. */
const APART_MS = 1000;

declare global {
  interface Window {
    benchMarks: { asked: number; answered: number; firstFrame: number };
  }
}

/**
 * Joins by turns the room on the same node and the one across.
 * @param joinOnce joins a room, leaves it, and tells the node it was on.
 */
async function alternate(
  cluster: Cluster,
  rounds: number,
  senders: { readonly [Where in keyof Joins]: string },
  joinOnce: (roomId: string) => Promise<Join & { nodeId: string }>,
): Promise<Joins> {
  const idle = await nodeGauges(cluster);
  const joins: Joins = { sameNode: [], acrossNodes: [] };
  for (let round = 0; round < rounds + WARM_UP; round += 1) {
    for (const where of ['sameNode', 'acrossNodes'] as const) {
      const { nodeId, ...join } = await joinOnce(where);
      if ((nodeId === senders[where]) !== (where === 'sameNode')) throw new Error(`${where}: joined on ${nodeId}`);
      if (round >= WARM_UP) joins[where].push(join);
      await eventually('nothing of the join is left', async () => {
        return JSON.stringify(await nodeGauges(cluster)) === JSON.stringify(idle);
      });
      await sleep(APART_MS);
    }
  }
  return joins;
}

async function makeRooms(api: Api): Promise<void> {
  for (const [roomId, strategy] of Object.entries(ROOMS)) {
    await api.call('POST', '/rooms', { roomId, placement: { strategy } });
  }
}

/** A person in Chromium on the demo's page, who sends camera and microphone too: what customers will feel. */
export async function joinsInChromium(browser: Browser, rounds: number): Promise<Joins> {
  const cluster = await startCluster({ ports: 'free', demo: true });
  try {
    const { demoUrl } = cluster;
    await makeRooms(new Api(cluster));
    const sender = async (roomId: string) => (await DemoPage.enter(browser, { demoUrl, roomId, name: 'Anna' })).nodeId;
    const senders = { sameNode: await sender('sameNode'), acrossNodes: await sender('acrossNodes') };
    return await alternate(cluster, rounds, senders, async (roomId) => {
      const person = await DemoPage.open(browser, { demoUrl, roomId, name: 'Boris', prepare: markFirstFrame });
      await person.join();
      await person.page.waitForFunction(() => window.benchMarks.firstFrame > 0);
      const { asked, answered, firstFrame } = await person.page.evaluate(() => window.benchMarks);
      await person.leave();
      await person.page.context().close();
      return { nodeId: person.nodeId, answered: answered - asked, firstFrame: firstFrame - asked };
    });
  } finally {
    await cluster.stop();
  }
}

/** The page's own clock is read in the page: when it asks to join, and when the first picture comes out of the decoder. */
async function markFirstFrame(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const marks = { asked: 0, answered: 0, firstFrame: 0 };
    window.benchMarks = marks;
    const fetch = window.fetch.bind(window);
    window.fetch = async (...request) => {
      const [target] = request;
      const joins = typeof target === 'string' && target.endsWith('/join');
      if (joins) marks.asked = performance.now();
      const response = await fetch(...request);
      if (joins) marks.answered = performance.now();
      return response;
    };
    window.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(configuration?: RTCConfiguration) {
        super(configuration);
        this.addEventListener('track', ({ track }) => {
          if (track.kind !== 'video') return;
          // Not in TypeScript's DOM types: a track's decoded frames as a stream.
          const Processor: new (init: { track: MediaStreamTrack }) => { readable: ReadableStream<{ close(): void }> } =
            Reflect.get(window, 'MediaStreamTrackProcessor');
          const frames = new Processor({ track }).readable.getReader();
          void frames.read().then(({ value }) => {
            marks.firstFrame ||= performance.now();
            value?.close();
            return frames.cancel();
          });
        });
      }
    };
  });
}

/** When the join call was made and answered, as its caller sees it. */
class TimedApi extends Api {
  asked = 0;
  answered = 0;

  override async call<T = unknown>(method: string, path: string, body?: unknown): Promise<T> {
    const joins = method === 'POST' && path.endsWith('/users');
    if (joins) this.asked = performance.now();
    const answer = await super.call<T>(method, path, body);
    if (joins) this.answered = performance.now();
    return answer;
  }
}

/** A user on libwebrtc who only watches, by the API itself: what the server's part is. */
export async function joinsByApi(cluster: Cluster, webhooks: WebhookReceiver, rounds: number): Promise<Joins> {
  const api = new Api(cluster);
  await makeRooms(api);
  const enter = async (userId: string, roomId: string, ...sources: 'camera'[]) => {
    const user = await WrtcUser.join(api, roomId, { userId }, sources);
    webhooks.listeners.add(user.handleEvent);
    return user;
  };
  const [same, across] = [await enter('anna', 'sameNode', 'camera'), await enter('anna', 'acrossNodes', 'camera')];
  const senders = { sameNode: same.joined.user.nodeId, acrossNodes: across.joined.user.nodeId };
  const joins = await alternate(cluster, rounds, senders, async (roomId) => {
    const timed = new TimedApi(cluster);
    const firstFrame = Promise.withResolvers<number>();
    const boris = await WrtcUser.join(timed, roomId, { userId: 'boris' }, [], {
      prepare: (user) => {
        webhooks.listeners.add(user.handleEvent);
        user.sub.addEventListener('track', ({ track }) => {
          const sink = new wrtc.nonstandard.RTCVideoSink(track);
          sink.onframe = () => {
            firstFrame.resolve(performance.now());
            sink.stop();
          };
        });
      },
    });
    const { asked, answered } = timed;
    const join = { answered: answered - asked, firstFrame: (await firstFrame.promise) - asked };
    webhooks.listeners.delete(boris.handleEvent);
    await boris.leave();
    return { nodeId: boris.joined.user.nodeId, ...join };
  });
  for (const user of [same, across]) await user.leave();
  for (const roomId of Object.keys(ROOMS)) await api.call('DELETE', `/rooms/${roomId}`);
  return joins;
}
