/**
 * Codecs, their options and header extensions, as libwebrtc (M106, of `@roamhq/wrtc`) really sends them
 * through a node: read from the RTP headers of packets on their way, besides SDP and decoded media.
 *
 * What this libwebrtc cannot: H264 (its build has none), encode AV1 or SVC (`scalabilityMode` is
 * dropped), and read or write the payload of packets, so that in-band FEC is followed up to the
 * encoder's parameters only. Browsers are tried in the interop matrix.
 */
import { randomUUID } from 'node:crypto';
import wrtc from '@roamhq/wrtc';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ConsumerView } from '@mediaserver/contracts';
import { startCluster, type Cluster } from '../../deploy/local/cluster.ts';
import { Api } from '../support/api.ts';
import { eventually } from '../support/eventually.ts';
import { picture, sound } from '../support/feeds.ts';
import { RtpTap } from '../support/rtp-tap.ts';
import { WrtcUser, type Feed } from '../support/wrtc-user.ts';

type JoinArguments = Parameters<typeof WrtcUser.join>;

/** The API, but media of whoever uses it goes through a tap. */
class TappedApi extends Api {
  tap: RtpTap | null = null;
  /** Changes SDP of the server, after the tap did. */
  edit: (sdp: string) => string = (sdp) => sdp;

  override async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = JSON.stringify(await super.call(method, path, body));
    return JSON.parse(answer, (key, value) => (key === 'sdp' ? this.edit(this.tap?.lead(value) ?? value) : value));
  }
}

let cluster: Cluster;
let api: TappedApi;
let tap: RtpTap;
let roomId = '';
const users: WrtcUser[] = [];

beforeAll(async () => {
  cluster = await startCluster({ nodes: 1, ports: 'free' });
  api = new TappedApi(cluster);
});

beforeEach(async () => {
  tap = await RtpTap.open();
  api.tap = tap;
  roomId = `room-${randomUUID().slice(0, 8)}`;
  await api.call('POST', '/rooms', { roomId });
});

afterEach(async () => {
  for (const user of users.splice(0)) user.disappear();
  await api.call('DELETE', `/rooms/${roomId}`);
  api.edit = (sdp) => sdp;
  tap.close();
});

afterAll(() => cluster?.stop());

async function join(userId: string, sources?: JoinArguments[3], options?: JoinArguments[4]): Promise<WrtcUser> {
  const user = await WrtcUser.join(api, roomId, { userId }, sources, options);
  users.push(user);
  return user;
}

/** One media section of an SDP. */
function sectionOf(sdp: string | undefined, mid: string | undefined): string {
  const found = sdp?.split(/^(?=m=)/m).find((part) => part.includes(`a=mid:${mid}\r\n`));
  if (found === undefined) throw new Error(`no section ${mid}`);
  return found;
}

/** What the server answered to the first, second … source. */
const answerTo = (user: WrtcUser, index: number) => sectionOf(user.pub.remoteDescription?.sdp, String(index));

/** The offer a track came with. */
function offerOf(user: WrtcUser, trackId: string): string {
  const mid = user.tracks.find((track) => track.trackId === trackId)?.mid;
  return sectionOf(user.sub.remoteDescription?.sdp, mid);
}

function trackOf(user: WrtcUser, trackId: string): MediaStreamTrack {
  const mid = user.tracks.find((track) => track.trackId === trackId)?.mid;
  const transceiver = user.sub.getTransceivers().find((other) => other.mid === mid);
  if (!transceiver) throw new Error(`${trackId} is not received`);
  return transceiver.receiver.track;
}

function payloadType(section: string, codec: string): number {
  const number = new RegExp(`^a=rtpmap:(\\d+) ${codec}/`, 'im').exec(section)?.[1];
  if (number === undefined) throw new Error(`no ${codec} in ${section}`);
  return Number(number);
}

const fmtp = (section: string) => /^a=fmtp:\d+ (.*)$/m.exec(section)?.[1]?.split(/; ?/).toSorted();

/** What libwebrtc took over from the answer for what it sends. */
function sendingFmtp(user: WrtcUser, index: number): string[] | undefined {
  const line = user.pub.getSenders()[index]?.getParameters().codecs[0]?.sdpFmtpLine;
  return line
    ?.replace(/^a=fmtp:\d+ /, '')
    .split(/; ?/)
    .toSorted();
}

async function stats(user: WrtcUser, type: string) {
  return [...(await user.pub.getStats()).values()].filter((report) => report.type === type);
}

const HEADER_EXTENSIONS = {
  mid: 'urn:ietf:params:rtp-hdrext:sdes:mid',
  rid: 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  'rid of RTX': 'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
  'abs-send-time': 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  'transport-cc': 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
  'audio level': 'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  'video orientation': 'urn:3gpp:video-orientation',
  'abs-capture-time': 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time',
  'dependency descriptor': 'https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension',
} as const;

/** Of those named above, the ones an SDP has, with their ids. */
function extensionsOf(sdp: string): Map<number, string> {
  const named = new Map<string, string>(Object.entries(HEADER_EXTENSIONS).map(([name, uri]) => [uri, name]));
  const found = [...sdp.matchAll(/^a=extmap:(\d+)\S* (\S+)/gm)].map(
    ([, id, uri = '']) => [Number(id), named.get(uri) ?? ''] as const,
  );
  return new Map(found.filter(([, name]) => name !== ''));
}

/** Those that were in packets. */
function extensionsIn(streams: ReturnType<RtpTap['toNode']>, ids: Map<number, string>): Set<string> {
  const seen = new Set(streams.flatMap(({ extensions }) => [...extensions.keys()]));
  return new Set([...ids].filter(([id]) => seen.has(id)).map(([, name]) => name));
}

/** Three sizes; the bitrates are such that all fit into what libwebrtc believes at the start. */
const threeSizes = (): Feed => ({
  ...picture(960, 540),
  sendEncodings: [
    { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 50_000 },
    { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 150_000 },
    { rid: 'f', maxBitrate: 500_000 },
  ],
});

/** An estimate to begin with, so that it need not be found first; apps put it there too. */
const startAt = (kbps: number) => (sdp: string) =>
  sdp.replaceAll(/^a=rtpmap:(\d+) VP8.*\r\n/gm, `$&a=fmtp:$1 x-google-start-bitrate=${kbps}\r\n`);

describe('video', () => {
  it('VP8 simulcast by rids: three sizes arrive, with their header extensions; a receiver chooses', async () => {
    api.edit = startAt(1200);
    let offered = new Map<number, string>();
    // Known to this libwebrtc, but not offered by itself.
    const offerMore = (sdp: string) => {
      offered = extensionsOf(sdp);
      const line = (id: number, name: keyof typeof HEADER_EXTENSIONS) =>
        `a=extmap:${id} ${HEADER_EXTENSIONS[name]}\r\n`;
      return sdp
        .replaceAll(/^(?=a=extmap:4 )/gm, line(12, 'abs-capture-time'))
        .replaceAll(/^(?=a=extmap:10 )/gm, line(9, 'dependency descriptor'));
    };
    const feeds = { camera: threeSizes };
    const anna = await join('anna', ['microphone', 'camera'], { feeds, editOffer: offerMore });
    const [toMicrophone, toCamera] = [answerTo(anna, 0), answerTo(anna, 1)];
    expect(toCamera).toContain('a=simulcast:recv q;h;f\r\n');
    const [opus, vp8, rtx] = [
      payloadType(toMicrophone, 'opus'),
      payloadType(toCamera, 'VP8'),
      payloadType(toCamera, 'rtx'),
    ];

    const boris = await join('boris');
    await boris.flows('anna:camera');
    await eventually('three streams', () => tap.toNode(vp8).filter(({ packets }) => packets > 10).length === 3);
    await eventually('boris sees the largest', async () => (await boris.received('anna:camera')).width === 960);
    const camera = `${boris.path}/consumers/anna:camera`;
    await api.call('PATCH', camera, { preferredLayers: { spatial: 0 } });
    await eventually('boris sees the smallest', async () => (await boris.received('anna:camera')).width === 240);
    await eventually('it is told', async () => {
      const view = await api.call<ConsumerView>('PATCH', camera, {});
      return view.currentLayers?.spatial === 0;
    });

    const inOffer = extensionsOf(toMicrophone + toCamera);
    const arrived = () => extensionsIn(tap.toNode(opus, vp8, rtx), inOffer);
    // RTX with its rid comes for what was lost.
    await eventually('a packet is sent again', () => {
      tap.loseOne(vp8);
      return arrived().has('rid of RTX');
    });
    const toBoris = offerOf(boris, 'anna:microphone') + offerOf(boris, 'anna:camera');
    const forwarded = extensionsIn(
      tap.toClients(payloadType(toBoris, 'opus'), payloadType(toBoris, 'VP8')),
      extensionsOf(toBoris),
    );
    const table = Object.keys(HEADER_EXTENSIONS).map((name) => [
      name,
      [...offered.values()].includes(name),
      arrived().has(name),
      forwarded.has(name),
    ]);
    expect(table).toEqual([
      // in its own offer; in packets to the node; announced to the receiver and in packets to it
      ['mid', true, true, true],
      ['rid', true, true, false],
      ['rid of RTX', true, true, false],
      ['abs-send-time', true, true, true],
      ['transport-cc', true, true, true],
      ['audio level', true, true, true],
      ['video orientation', true, true, true],
      // mediasoup leaves both in the packets it forwards; a receiver that was not told ignores them.
      ['abs-capture-time', false, true, false],
      ['dependency descriptor', false, true, false],
    ]);
  });

  it('VP8 simulcast by SSRC groups, as apps without rids write it into their offer', async () => {
    const anna = await join('anna', ['camera'], { feeds: { camera: () => picture(640, 360) }, editOffer: twoSizes });
    const vp8 = payloadType(answerTo(anna, 0), 'VP8');
    const boris = await join('boris');
    await boris.flows('anna:camera');
    await eventually('two streams', () => tap.toNode(vp8).filter(({ packets }) => packets > 10).length === 2);
    await eventually('boris sees the larger', async () => (await boris.received('anna:camera')).width === 640);
    await api.call('PATCH', `${boris.path}/consumers/anna:camera`, { preferredLayers: { spatial: 0 } });
    await eventually('boris sees the smaller', async () => (await boris.received('anna:camera')).width === 320);
  });

  it('VP9 where it is asked for, within maxBitrate', async () => {
    const limit = 100_000;
    const sending = (options: NonNullable<Feed['options']>) => ({
      feeds: { camera: () => ({ ...picture(320, 180), options }) },
    });
    const free = await join('free', ['camera'], sending({ codec: 'VP9' }));
    const vp9 = payloadType(answerTo(free, 0), 'VP9');
    const freeStream = await eventually('one sends', () => tap.toNode(vp9)[0]);
    const held = await join('held', ['camera'], sending({ codec: 'VP9', maxBitrate: limit }));
    expect(answerTo(held, 0)).toContain(`b=TIAS:${limit}\r\n`);
    const heldStream = await eventually('both send', () => tap.toNode(vp9).find((stream) => stream !== freeStream));
    const boris = await join('boris');
    await boris.flows('held:camera');
    expect(offerOf(boris, 'held:camera')).toContain('VP9/90000');

    // Both send the same picture over the same time; only the limit differs.
    const begin = { free: freeStream.bytes, held: heldStream.bytes };
    await eventually('enough to judge by', () => freeStream.bytes - begin.free > 75_000);
    expect(freeStream.bytes - begin.free).toBeGreaterThan(1.5 * (heldStream.bytes - begin.held));
    // libwebrtc holds the whole PeerConnection to what the last video section says.
    const pair = (await stats(held, 'candidate-pair')).find(({ nominated }) => nominated);
    expect(pair?.availableOutgoingBitrate).toBeLessThanOrEqual(limit);
  });
});

describe('Opus', () => {
  it('stereo, from the tone in one ear to the same ear at the other end', async () => {
    const left = sound(8000, 0);
    const anna = await join('anna', ['microphone'], {
      feeds: { microphone: () => ({ ...left, options: { stereo: true } }) },
    });
    expect(fmtp(answerTo(anna, 0))).toEqual(['minptime=10', 'stereo=1', 'useinbandfec=1']);
    expect(sendingFmtp(anna, 0)).toEqual(['minptime=10', 'stereo=1', 'useinbandfec=1']);
    // libwebrtc plays in stereo only if its own answer says so.
    const editAnswer = (sdp: string) => sdp.replaceAll('useinbandfec=1', 'useinbandfec=1;stereo=1');
    const boris = await join('boris', [], { editAnswer });
    await boris.flows('anna:microphone');
    const track = trackOf(boris, 'anna:microphone');
    const sink = new wrtc.nonstandard.RTCAudioSink(track);
    const loudest = [0, 0];
    let channels = 0;
    sink.ondata = ({ samples, channelCount }: { samples: Int16Array; channelCount: number }) => {
      channels = channelCount;
      for (const [index, sample] of samples.entries()) {
        const ear = index % channels;
        loudest[ear] = Math.max(loudest[ear] ?? 0, Math.abs(sample));
      }
    };
    await eventually('the tone is heard', () => (loudest[0] ?? 0) > 6000);
    sink.stop();
    expect(channels).toBe(2);
    expect(loudest[1]).toBeLessThan(500);
  });

  it('DTX: hardly a packet in silence, and only where it is asked for', async () => {
    const anna = await join('anna', ['microphone', 'screen-audio'], {
      feeds: { microphone: () => sound(0), 'screen-audio': () => ({ ...sound(0), options: { dtx: true } }) },
    });
    expect(fmtp(answerTo(anna, 0))).toEqual(['minptime=10', 'useinbandfec=1']);
    expect(fmtp(answerTo(anna, 1))).toEqual(['minptime=10', 'usedtx=1', 'useinbandfec=1']);
    expect(sendingFmtp(anna, 1)).toEqual(['minptime=10', 'usedtx=1', 'useinbandfec=1']);
    const sent = async (): Promise<number[]> => {
      const reports = await stats(anna, 'outbound-rtp');
      return ['0', '1'].map((mid) => reports.find((report) => report.mid === mid)?.packetsSent ?? 0);
    };
    // Opus sends some hundred milliseconds of silence before it believes in it.
    const sentBy = (packets: number) =>
      eventually(`${packets} packets without DTX`, async () => {
        const counts = await sent();
        return (counts[0] ?? 0) >= packets ? counts : null;
      });
    const [, before = 0] = await sentBy(50);
    const [, after = 0] = await sentBy(150);
    expect(after - before).toBeGreaterThan(0);
    expect(after - before).toBeLessThan(25);
  });
});

/** Two streams of one track, with RTX each: what "SDP munging" does to libwebrtc's own offer. */
function twoSizes(sdp: string): string {
  const [line = '', primary = '', rtx = ''] = /^a=ssrc-group:FID (\d+) (\d+)\r\n/m.exec(sdp) ?? [];
  const second = { primary: String(Number(primary) + 1), rtx: String(Number(rtx) + 1) };
  const like = (ssrc: string, other: string) =>
    [...sdp.matchAll(new RegExp(`^a=ssrc:${ssrc} .*\\r\\n`, 'gm'))].map(([text]) => text.replace(ssrc, other)).join('');
  const groups = [
    `a=ssrc-group:SIM ${primary} ${second.primary}\r\n`,
    line,
    `a=ssrc-group:FID ${second.primary} ${second.rtx}\r\n`,
  ];
  return sdp.replace(line, groups.join('')) + like(primary, second.primary) + like(rtx, second.rtx);
}
