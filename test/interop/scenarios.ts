/**
 * What a client of the media server must be able to do, each with real media through two nodes: the client under test
 * is on one, its partner (Chromium) on the other.
 */
import type { ConsumerView, TrackState, RoomView } from '@mediaserver/contracts';
import type { Api } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import type { InteropBackend } from './backend.ts';
import { checkReplacement } from './replacement.ts';
import { NotSupported, type Codec, type Flow, type InteropClient, type Sending } from './client.ts';

export interface Stage {
  readonly api: Api;
  readonly roomId: string;
  /** Under test. It is user `client`. */
  readonly client: InteropClient;
  /** The user `partner`. */
  readonly partner: InteropClient;
  /** What goes wrong between clients and their backend. */
  readonly faults: InteropBackend['faults'];
}

export interface Scenario {
  readonly id: string;
  readonly title: string;
  /** Takes too long for `npm test`, or does nothing there that others do not. */
  readonly slow?: boolean;
  /** Of the room; default: all there are. */
  readonly codecs?: readonly Codec[];
  /** @returns what is worth a word in the table. @throws NotSupported, or the reason why it fails */
  run(stage: Stage): Promise<string | void>;
}

const MICROPHONE: Sending = { source: 'microphone' };
const CAMERA: Sending = { source: 'camera' };
const SCREEN: Sending = { source: 'screen' };
/** A sender's estimate of the bandwidth has to grow before it sends its largest layer. */
const PATIENCE = { timeoutMs: 45_000, everyMs: 100 };

type Side = 'client' | 'partner';
const other = (side: Side): Side => (side === 'client' ? 'partner' : 'client');

// ── What is looked at ───────────────────────────────────────────────────────────────────────────

async function receivedFrom(stage: Stage, from: Side, source: string): Promise<Flow | undefined> {
  return (await stage[other(from)].received())[`${from}:${source}`];
}

/** Waits until media flows now: sent by the one by its own count, received and decoded by the other by its. */
async function flows(stage: Stage, from: Side, ...sendings: Sending[]): Promise<void> {
  const read = async () => ({ sent: await stage[from].sent(), received: await stage[other(from)].received() });
  const start = await read();
  await eventually(
    `${from}'s ${sendings.map(({ source }) => source).join(', ')} arrive`,
    async () => {
      const now = await read();
      const missing = sendings.filter(({ source }) => {
        const trackId = `${from}:${source}`;
        return !arrives(now.received[trackId], start.received[trackId]) || !grows(now.sent[source], start.sent[source]);
      });
      if (missing.length === 0) return true;
      const [{ source } = MICROPHONE] = missing;
      throw new Error(
        JSON.stringify({ source, sent: now.sent[source], got: now.received[`${from}:${source}`] ?? null }),
      );
    },
    PATIENCE,
  );
}

const grows = (now?: Flow, before?: Flow) => now !== undefined && now.packets !== (before?.packets ?? 0);

function arrives(now: Flow | undefined, before: Flow | undefined): boolean {
  if (!now) return false;
  // A new connection counts from 0 again.
  const start = before && before.packets <= now.packets ? before : { packets: 0, frames: 0 };
  const isVideo = now.width > 0;
  return now.packets > start.packets + (isVideo ? 3 : 10) && (!isVideo || now.frames > start.frames + 2);
}

/** Waits until a track has stopped to arrive while another one goes on. */
async function isSilent(stage: Stage, from: Side, { source }: Sending, witness: Sending): Promise<void> {
  await eventually(
    `${from}'s ${source} is silent`,
    async () => {
      const before = await receivedFrom(stage, from, source);
      await flows(stage, from, witness);
      return (await receivedFrom(stage, from, source))?.packets === before?.packets;
    },
    PATIENCE,
  );
}

async function areGone(stage: Stage, from: Side, ...sendings: readonly Sending[]): Promise<void> {
  await eventually(
    `${from}'s ${sendings.map(({ source }) => source).join(', ')} are gone`,
    async () => {
      const received = await stage[other(from)].received();
      return sendings.every(({ source }) => received[`${from}:${source}`] === undefined);
    },
    PATIENCE,
  );
}

/** Waits until the decoded picture has this width. */
async function hasWidth(stage: Stage, from: Side, width: number): Promise<void> {
  await eventually(
    `${from}'s camera is seen ${width} wide`,
    async () => {
      const now = await receivedFrom(stage, from, 'camera');
      if (now?.width === width) return true;
      throw new Error(JSON.stringify({ now, sent: (await stage[from].sent())['camera'] }));
    },
    PATIENCE,
  );
}

async function trackOf(stage: Stage, side: Side, source: string): Promise<TrackState | undefined> {
  const { tracks } = await stage.api.call<RoomView>('GET', `/rooms/${stage.roomId}`);
  return tracks.find(({ trackId }) => trackId === `${side}:${source}`);
}

async function both(stage: Stage, client: readonly Sending[], partner: readonly Sending[]): Promise<void> {
  await stage.client.join(stage.roomId, 'client', client);
  await stage.partner.join(stage.roomId, 'partner', partner);
}

/** Video in layers, of which the receiver asks for one after the other. */
async function layers(stage: Stage, from: Side, sending: Sending, widths: readonly number[]): Promise<void> {
  const to = other(from);
  await both(stage, from === 'client' ? [sending] : [], from === 'partner' ? [sending] : []);
  await flows(stage, from, sending);
  const path = `/rooms/${stage.roomId}/users/${to}/consumers/${from}:camera`;
  const highest = widths.length - 1;
  for (const spatial of [0, highest, 0]) {
    await stage.api.call<ConsumerView>('PATCH', path, { preferredLayers: { spatial } });
    await hasWidth(stage, from, widths[spatial] ?? 0);
  }
}

/** AV1 in temporal layers, of which the receiver asks for the lowest, and for all again. */
async function temporalLayers(stage: Stage, from: Side): Promise<void> {
  const sending: Sending = { source: 'camera', codec: 'AV1', layers: 'L1T3' };
  await both(stage, from === 'client' ? [sending] : [], from === 'partner' ? [sending] : []);
  await flows(stage, from, sending);
  const path = `/rooms/${stage.roomId}/users/${other(from)}/consumers/${from}:camera`;
  for (const preferredLayers of [{ spatial: 0, temporal: 0 }, null]) {
    await stage.api.call<ConsumerView>('PATCH', path, { preferredLayers });
    await flows(stage, from, sending);
  }
}

async function spatialLayers(stage: Stage, from: Side): Promise<void> {
  await layers(stage, from, { source: 'camera', codec: 'VP9', layers: 'L3T3' }, [256, 512, 1024]);
}

async function needsSvc(client: InteropClient): Promise<void> {
  const { svc } = await client.abilities();
  if (!svc) throw new NotSupported('its encoders make no layers in one stream, whatever `scalabilityMode` says');
}

async function needs(client: InteropClient, way: 'send' | 'receive', codec: Codec): Promise<void> {
  const codecs = (await client.abilities())[way];
  if (!codecs.includes(codec)) {
    const what = way === 'send' ? 'encoder' : 'decoder';
    throw new NotSupported(`it has no ${codec} ${what} (it has ${codecs.join(', ')})`);
  }
}

/** A codec in both directions, whichever the client has. */
async function codecBothWays(stage: Stage, codec: Codec): Promise<string> {
  const { send, receive } = await stage.client.abilities();
  const ways: Side[] = [
    ...(send.includes(codec) ? (['client'] as const) : []),
    ...(receive.includes(codec) ? (['partner'] as const) : []),
  ];
  if (ways.length === 0) throw new NotSupported(`it has neither an encoder nor a decoder for ${codec}`);
  const sending: Sending = { source: 'camera', codec };
  await both(stage, ways.includes('client') ? [sending] : [], ways.includes('partner') ? [sending] : []);
  for (const from of ways) {
    await flows(stage, from, sending);
    const seen = (await receivedFrom(stage, from, 'camera'))?.codec;
    if (seen !== '' && seen?.toUpperCase() !== codec.toUpperCase()) throw new Error(`${from} sent ${seen}`);
  }
  return ways.length === 2
    ? ''
    : ways.includes('client')
      ? 'sent only: it has no decoder'
      : 'received only: it has no encoder';
}

// ── The scenarios ───────────────────────────────────────────────────────────────────────────────

export const scenarios: readonly Scenario[] = [
  {
    id: 'publish',
    title: 'publish audio and video',
    async run(stage) {
      await both(stage, [MICROPHONE, CAMERA], []);
      await flows(stage, 'client', MICROPHONE, CAMERA);
    },
  },
  {
    id: 'subscribe',
    title: 'subscribe to audio and video',
    async run(stage) {
      await both(stage, [], [MICROPHONE, CAMERA]);
      await flows(stage, 'partner', MICROPHONE, CAMERA);
    },
  },
  {
    id: 'add',
    title: 'add a track later, in both directions',
    async run(stage) {
      await both(stage, [MICROPHONE], [MICROPHONE]);
      await flows(stage, 'client', MICROPHONE);
      await stage.client.send(SCREEN);
      await flows(stage, 'client', MICROPHONE, SCREEN);
      await stage.partner.send(SCREEN);
      await flows(stage, 'partner', MICROPHONE, SCREEN);
    },
  },
  {
    id: 'remove-received',
    // A part of `recycled-received`.
    slow: true,
    title: 'a received track ends',
    async run(stage) {
      await both(stage, [], [MICROPHONE, CAMERA, SCREEN]);
      await flows(stage, 'partner', MICROPHONE, CAMERA, SCREEN);
      await stage.partner.unpublish('camera');
      await areGone(stage, 'partner', CAMERA);
      await flows(stage, 'partner', MICROPHONE, SCREEN);
    },
  },
  {
    id: 'remove-sent',
    // A part of `recycled-sent`.
    slow: true,
    title: 'stop a sent track',
    async run(stage) {
      await both(stage, [MICROPHONE, CAMERA, SCREEN], []);
      await flows(stage, 'client', MICROPHONE, CAMERA, SCREEN);
      await stage.client.unpublish('camera');
      await areGone(stage, 'client', CAMERA);
      await flows(stage, 'client', MICROPHONE, SCREEN);
    },
  },
  {
    id: 'direction',
    title: 'mute and unmute by direction',
    async run(stage) {
      await both(stage, [MICROPHONE, CAMERA], []);
      await flows(stage, 'client', MICROPHONE, CAMERA);
      const before = await trackOf(stage, 'client', 'camera');
      await stage.client.setPaused('camera', true);
      await eventually('the room shows it', async () => (await trackOf(stage, 'client', 'camera'))?.mutedByUser);
      await isSilent(stage, 'client', CAMERA, MICROPHONE);
      await stage.client.setPaused('camera', false);
      await flows(stage, 'client', CAMERA);
      const after = await trackOf(stage, 'client', 'camera');
      if (after?.producerId !== before?.producerId) throw new Error('it has another producer now');
      // A new PeerConnection must not switch on what the user switched off.
      await stage.client.setPaused('camera', true);
      await stage.client.restart();
      await flows(stage, 'client', MICROPHONE);
      if ((await receivedFrom(stage, 'client', 'camera')) !== undefined)
        throw new Error('the camera came back by itself');
      await stage.client.setPaused('camera', false);
      await flows(stage, 'client', CAMERA);
    },
  },
  {
    id: 'ice-restart',
    title: 'restart ICE of both connections',
    async run(stage) {
      await both(stage, [MICROPHONE], [MICROPHONE]);
      await flows(stage, 'client', MICROPHONE);
      await flows(stage, 'partner', MICROPHONE);
      const { ufrags: before } = await stage.client.connections();
      await stage.client.restartIce();
      await eventually('both have new credentials', async () => {
        const { ufrags } = await stage.client.connections();
        return ufrags.pub !== before.pub && ufrags.sub !== before.sub;
      });
      await flows(stage, 'client', MICROPHONE);
      await flows(stage, 'partner', MICROPHONE);
    },
  },
  {
    id: 'resume-all',
    title: 'resume with `reset: "all"`',
    async run(stage) {
      await both(stage, [MICROPHONE, CAMERA], [MICROPHONE, CAMERA]);
      for (const side of ['client', 'partner'] as const) await flows(stage, side, MICROPHONE, CAMERA);
      await stage.client.restart();
      for (const side of ['client', 'partner'] as const) await flows(stage, side, MICROPHONE, CAMERA);
    },
  },
  {
    id: 'lost-calls',
    title: 'calls whose answer is lost, and a refused one',
    async run(stage) {
      await both(stage, [MICROPHONE], [MICROPHONE]);
      await flows(stage, 'partner', MICROPHONE);
      const { recovers } = await stage.client.abilities();
      if (!recovers) throw new NotSupported('left to the application; the recipe for browsers does it');
      const lost: string[] = [];
      stage.faults.next = (_method, path) => {
        const [, call] = /client\/(publish|subscribe\/answer)$/.exec(path) ?? [];
        if (call === undefined || lost.includes(call)) return undefined;
        lost.push(call);
        return 'lost';
      };
      await stage.client.send(SCREEN);
      await flows(stage, 'client', MICROPHONE, SCREEN);
      await stage.partner.send(SCREEN);
      await flows(stage, 'partner', MICROPHONE, SCREEN);
      if (lost.length !== 2) throw new Error(`lost were ${lost.join(', ')}`);

      stage.faults.next = (_method, path) => (path.endsWith('client/publish') ? 'refused' : undefined);
      const refused = await stage.client.send(CAMERA).then(
        () => false,
        () => true,
      );
      if (!refused) throw new Error('the refusal was not told');
      stage.faults.next = () => undefined;
      await stage.client.send(CAMERA);
      await flows(stage, 'client', MICROPHONE, SCREEN, CAMERA);
    },
  },
  {
    id: 'refused-section',
    title: 'a track the room has no codec for is refused, and others go on',
    codecs: ['opus'],
    async run(stage) {
      await both(stage, [MICROPHONE], []);
      await flows(stage, 'client', MICROPHONE);
      const { recovers } = await stage.client.abilities();
      if (!recovers) throw new NotSupported('left to the application; the recipe for browsers does it');
      // Twice, since what the first leaves behind must not be in the way of the second.
      for (const audio of ['screen-audio', 'music']) {
        const refusal = await stage.client.send(CAMERA).then(() => 'none', String);
        if (!refusal.includes('no_common_codec')) throw new Error(`the refusal that was told: ${refusal}`);
        const sending: Sending = { source: audio, kind: 'audio' };
        await stage.client.send(sending);
        await flows(stage, 'client', MICROPHONE, sending);
      }
    },
  },
  {
    id: 'rejoin',
    title: 'the session is gone: join anew by itself',
    async run(stage) {
      const { recovers } = await stage.client.abilities();
      if (!recovers) throw new NotSupported('left to the application; the recipe for browsers does it');
      await both(stage, [MICROPHONE], [MICROPHONE]);
      for (const side of ['client', 'partner'] as const) await flows(stage, side, MICROPHONE);
      await stage.api.call('DELETE', `/rooms/${stage.roomId}/users/client`);
      await areGone(stage, 'client', MICROPHONE);
      await stage.client.restart();
      for (const side of ['client', 'partner'] as const) await flows(stage, side, MICROPHONE);
    },
  },
  {
    id: 'lasting',
    title: 'the call goes on for 25 seconds, longer than ICE consent',
    slow: true,
    async run(stage) {
      await both(stage, [MICROPHONE], [MICROPHONE]);
      for (const side of ['client', 'partner'] as const) {
        await eventually(
          `25 seconds of ${side}'s sound have come`,
          async () => ((await receivedFrom(stage, side, 'microphone'))?.packets ?? 0) > 25 * 50,
          { timeoutMs: 60_000 },
        );
      }
    },
  },
  {
    id: 'simulcast-sent',
    title: 'simulcast, sent: the receiver asks for layers',
    async run(stage) {
      await layers(stage, 'client', { source: 'camera', codec: 'VP8', layers: 'simulcast' }, [240, 480, 960]);
    },
  },
  {
    id: 'simulcast-received',
    slow: true,
    title: 'simulcast, received: it asks for layers',
    async run(stage) {
      await layers(stage, 'partner', { source: 'camera', codec: 'VP8', layers: 'simulcast' }, [240, 480, 960]);
    },
  },
  {
    id: 'svc-sent-VP9',
    slow: true,
    title: 'VP9 SVC L3T3, sent',
    async run(stage) {
      await needs(stage.client, 'send', 'VP9');
      await needsSvc(stage.client);
      await spatialLayers(stage, 'client');
    },
  },
  {
    id: 'svc-received-VP9',
    slow: true,
    title: 'VP9 SVC L3T3, received',
    async run(stage) {
      await needs(stage.client, 'receive', 'VP9');
      await spatialLayers(stage, 'partner');
    },
  },
  {
    id: 'svc-sent-AV1',
    slow: true,
    title: 'AV1 SVC L1T3, sent',
    async run(stage) {
      await needs(stage.client, 'send', 'AV1');
      await needsSvc(stage.client);
      await temporalLayers(stage, 'client');
    },
  },
  {
    id: 'svc-received-AV1',
    slow: true,
    title: 'AV1 SVC L1T3, received',
    async run(stage) {
      await needs(stage.client, 'receive', 'AV1');
      await temporalLayers(stage, 'partner');
    },
  },
  ...(['H264', 'VP9', 'AV1'] as const).map((codec): Scenario => ({
    id: codec,
    // The others are among several codecs below.
    slow: codec !== 'H264',
    title: `${codec}, sent and received`,
    run: (stage) => codecBothWays(stage, codec),
  })),
  {
    id: 'several-codecs',
    title: 'several codecs in one connection',
    async run(stage) {
      const sendings = (['VP8', 'VP9', 'H264', 'AV1'] as const).map((codec): Sending => ({
        source: `video-${codec.toLowerCase()}`,
        kind: 'video',
        codec,
      }));
      await both(stage, [], [MICROPHONE, ...sendings]);
      const { receive } = await stage.client.abilities();
      const readable = sendings.filter(({ codec }) => codec && receive.includes(codec));
      await flows(stage, 'partner', MICROPHONE, ...readable);
      const left = sendings.filter((sending) => !readable.includes(sending));
      for (const sending of left) {
        if (await receivedFrom(stage, 'partner', sending.source)) throw new Error(`it was offered ${sending.codec}`);
      }
      return readable.map(({ codec }) => codec).join(', ');
    },
  },
  {
    id: 'data',
    title: 'messages by data channels, both ways',
    async run(stage) {
      await both(stage, [MICROPHONE], []);
      for (const side of ['client', 'partner'] as const) {
        let count = 0;
        // Who has no open channel yet gets nothing of what was sent before.
        await eventually(
          `a message of ${side} arrives`,
          async () => {
            count += 1;
            await stage[side].sendMessage({ text: 'a message ✓', count });
            const messages = await stage[other(side)].messages();
            return messages.some(({ from, data }) => from === side && JSON.stringify(data).includes('a message ✓'));
          },
          PATIENCE,
        );
      }
      await flows(stage, 'client', MICROPHONE);
    },
  },
  {
    id: 'replacement',
    title: 'an offer with a track and its replacement',
    async run({ client }) {
      await checkReplacement((offer) => client.answer(offer));
    },
  },
  {
    id: 'recycled-received',
    title: 'received tracks come and go: sections are taken over',
    async run(stage) {
      await both(stage, [], [MICROPHONE, SCREEN]);
      await flows(stage, 'partner', MICROPHONE, SCREEN);
      const { sections: before } = await stage.client.connections();
      await stage.partner.unpublish('screen');
      await areGone(stage, 'partner', SCREEN);
      await stage.partner.send(SCREEN);
      await flows(stage, 'partner', MICROPHONE, SCREEN);
      const { sections } = await stage.client.connections();
      return sections.sub === before.sub ? '' : `sections grew from ${before.sub} to ${sections.sub}`;
    },
  },
  {
    id: 'recycled-sent',
    title: 'sent tracks come and go: sections are taken over',
    async run(stage) {
      await both(stage, [MICROPHONE, SCREEN], []);
      await flows(stage, 'client', MICROPHONE, SCREEN);
      const { sections: before } = await stage.client.connections();
      await stage.client.unpublish('screen');
      await areGone(stage, 'client', SCREEN);
      await stage.client.send(SCREEN);
      await flows(stage, 'client', MICROPHONE, SCREEN);
      const { sections } = await stage.client.connections();
      return sections.pub === before.pub ? '' : `sections grew from ${before.pub} to ${sections.pub}`;
    },
  },
  {
    id: 'many',
    title: '28 received tracks, added and removed in random order',
    run: (stage) => many(stage, 28, Number(process.env['PROPERTY_SEED'] ?? 1)),
  },
];

/** Most are audio: what is tested is the negotiation, and encoders cost. */
async function many(stage: Stage, count: number, seed: number): Promise<string> {
  const random = seededRandom(seed);
  const sources = Array.from({ length: count }, (_, index): Sending => {
    return index % 7 === 0 ? { source: `v${index}`, kind: 'video' } : { source: `a${index}`, kind: 'audio' };
  });
  const on = new Set<Sending>();
  try {
    await both(stage, [], [MICROPHONE]);
    for (const sending of shuffled(sources, random)) {
      await stage.partner.send(sending);
      on.add(sending);
      const [victim] = shuffled([...on], random);
      if (victim && random() < 0.3) {
        await stage.partner.unpublish(victim.source);
        on.delete(victim);
      }
    }
    for (const sending of sources.filter((each) => !on.has(each))) await stage.partner.send(sending);
    await flows(stage, 'partner', ...sources);
    const leaving = shuffled(sources, random).slice(3);
    for (const { source } of leaving) await stage.partner.unpublish(source);
    await areGone(stage, 'partner', ...leaving);
    await flows(stage, 'partner', ...sources.filter((each) => !leaving.includes(each)));
  } catch (error) {
    throw new Error(`with seed ${seed}`, { cause: error });
  }
  return `${(await stage.client.connections()).sections.sub} sections`;
}

/** mulberry32. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
