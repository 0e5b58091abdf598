/** The recipe for browsers as a client of the matrix: runs in a page, and in Node with libwebrtc's classes. */
import { CallClient } from '../../libs/sdp/recipes/browser.js';
import {
  isAudio,
  sectionsOf,
  ufragOf,
  type Abilities,
  type Connections,
  type Flow,
  type InteropClient,
  type Message,
  type Sending,
} from './client.ts';
import { makeSignaling } from './signaling.ts';

/** Where tracks come from. */
export interface Feeds {
  audio(): MediaStreamTrack;
  /** A picture that moves. */
  video(width: number, height: number): MediaStreamTrack;
}

type SendOptions = NonNullable<Parameters<CallClient['send']>[2]>;

/** The DOM types of TypeScript do not know it yet. */
type SvcEncoding = RTCRtpEncodingParameters & { readonly scalabilityMode: string };
const svc = (scalabilityMode: string): SvcEncoding => ({ scalabilityMode });

const SIZES = { plain: [320, 180], simulcast: [960, 540], L3T3: [1024, 576], L1T3: [1024, 576] } as const;

export class RecipeClient implements InteropClient {
  readonly #backendUrl: string;
  readonly #feeds: Feeds;
  #call: CallClient | null = null;
  /** Ends the stream of offers. */
  #left = new AbortController();
  #messages: Message[] = [];
  #problems: string[] = [];
  /** For `answer`. */
  #extra: RTCPeerConnection | null = null;
  /** Tracks the page would show, by trackId. */
  readonly #shown = new Map<string, MediaStreamTrack>();
  readonly #sources = new Map<string, MediaStreamTrack>();

  constructor(backendUrl: string, feeds: Feeds) {
    this.#backendUrl = backendUrl;
    this.#feeds = feeds;
  }

  async join(roomId: string, userId: string, sending: readonly Sending[]): Promise<void> {
    this.#left = new AbortController();
    this.#messages = [];
    const problems: string[] = [];
    this.#problems = problems;
    const say = (error: unknown) => problems.push(error instanceof Error ? error.message : JSON.stringify(error));
    this.#call = new CallClient(
      makeSignaling({ backendUrl: this.#backendUrl, roomId, userId, signal: this.#left.signal, onError: say }),
      {
        ontrack: ({ trackId }, track) => this.#shown.set(trackId, track),
        ontrackended: ({ trackId }) => this.#shown.delete(trackId),
        onmessage: (message) => {
          if ('from' in message) this.#messages.push(message);
          else say(message.error);
        },
        onproblem: say,
      },
      { storageKey: '', stereo: true },
    );
    for (const each of sending) await this.send(each);
    await this.#call.join();
  }

  async send(sending: Sending): Promise<void> {
    const [width, height] = SIZES[sending.layers ?? 'plain'];
    const track = isAudio(sending) ? this.#feeds.audio() : this.#feeds.video(width, height);
    this.#sources.set(sending.source, track);
    await this.#current.send(sending.source, track, sendOptions(sending));
  }

  async unpublish(source: string): Promise<void> {
    await this.#current.unpublish(source);
    this.#sources.get(source)?.stop();
    this.#sources.delete(source);
  }

  setPaused(source: string, paused: boolean): Promise<void> {
    return this.#current.setPaused(source, paused);
  }

  restartIce(): Promise<void> {
    return this.#current.restartIce();
  }

  restart(): Promise<void> {
    return this.#current.restart();
  }

  async received(): Promise<Record<string, Flow>> {
    const { sub } = this.#current.peerConnections;
    const reports = await reportsOf(sub);
    const flows = this.#current.tracks.map(({ info, track }) => {
      // What the page was never told to show does not count as received.
      const shown = this.#shown.get(info.trackId) === track;
      const own = reports.filter(
        (report) =>
          report['type'] === 'inbound-rtp' && (report['mid'] === info.mid || trackOf(reports, report) === track.id),
      );
      return [info.trackId, shown ? flowOf(own, reports, 'Received', 'Decoded') : NOTHING] as const;
    });
    return Object.fromEntries(flows);
  }

  async sent(): Promise<Record<string, Flow>> {
    const { pub } = this.#current.peerConnections;
    const reports = await reportsOf(pub);
    const flows = [...this.#sources].map(([source, track]) => {
      const mid = pub?.getTransceivers().find(({ sender }) => sender.track === track)?.mid;
      const own = reports.filter(
        (report) =>
          report['type'] === 'outbound-rtp' && (report['mid'] === mid || trackOf(reports, report) === track.id),
      );
      return [source, flowOf(own, reports, 'Sent', 'Encoded')] as const;
    });
    return Object.fromEntries(flows);
  }

  async connections(): Promise<Connections> {
    const { pub, sub } = this.#current.peerConnections;
    const sdp = { pub: pub?.remoteDescription?.sdp ?? '', sub: sub?.remoteDescription?.sdp ?? '' };
    return {
      ufrags: { pub: ufragOf(sdp.pub), sub: ufragOf(sdp.sub) },
      sections: { pub: sectionsOf(sdp.pub), sub: sectionsOf(sdp.sub) },
    };
  }

  async sendMessage(data: unknown): Promise<void> {
    this.#current.sendMessage(data);
  }

  async messages(): Promise<readonly Message[]> {
    return this.#messages;
  }

  async answer(offer: string): Promise<string> {
    this.#extra ??= new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    await this.#extra.setRemoteDescription({ type: 'offer', sdp: offer });
    await this.#extra.setLocalDescription(await this.#extra.createAnswer());
    return this.#extra.localDescription?.sdp ?? '';
  }

  async abilities(): Promise<Abilities> {
    return {
      svc: takesScalabilityMode(),
      recovers: true,
      send: namesOf(RTCRtpSender.getCapabilities('video')),
      receive: namesOf(RTCRtpReceiver.getCapabilities('video')),
    };
  }

  async problems(): Promise<readonly string[]> {
    return this.#problems;
  }

  async leave(): Promise<void> {
    this.#call?.leave();
    this.#call = null;
    this.#extra?.close();
    this.#extra = null;
    this.#left.abort();
    for (const track of this.#sources.values()) track.stop();
    this.#sources.clear();
    this.#shown.clear();
    this.#problems = [];
  }

  get #current(): CallClient {
    if (!this.#call) throw new Error('not joined');
    return this.#call;
  }
}

function sendOptions({ codec, layers }: Sending): SendOptions {
  return {
    ...(codec ? { codec } : {}),
    ...(layers === 'L3T3' || layers === 'L1T3' ? { encodings: [svc(layers)] } : {}),
    ...(layers === undefined ? { encodings: [] } : {}),
    ...(layers === 'simulcast'
      ? {
          encodings: [
            { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 80_000 },
            { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 200_000 },
            { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 500_000 },
          ],
        }
      : {}),
  };
}

type Report = Readonly<Record<string, unknown>>;
const NOTHING: Flow = { packets: 0, frames: 0, width: 0, codec: '' };

async function reportsOf(pc: RTCPeerConnection | null): Promise<Report[]> {
  const stats = await pc?.getStats();
  const reports: Report[] = [];
  stats?.forEach((report: Report) => reports.push(report));
  return reports;
}

/** Older engines name the track in a report of its own. */
function trackOf(reports: readonly Report[], { trackIdentifier, trackId }: Report): unknown {
  return trackIdentifier ?? reports.find(({ id }) => id !== undefined && id === trackId)?.['trackIdentifier'];
}

function flowOf(own: readonly Report[], reports: readonly Report[], way: string, coded: string): Flow {
  const sum = (name: string) => own.reduce((total, report) => total + Number(report[name] ?? 0), 0);
  const mimeType = reports.find(({ id }) => own.some(({ codecId }) => codecId === id))?.['mimeType'];
  return {
    packets: sum(`packets${way}`),
    frames: sum(`frames${coded}`),
    width: Math.max(0, ...own.map(({ frameWidth }) => Number(frameWidth ?? 0))),
    codec: typeof mimeType === 'string' ? mimeType.replace(/^.*\//, '') : '',
  };
}

/** Some engines take any mode, and drop it without a word. */
function takesScalabilityMode(): boolean {
  const pc = new RTCPeerConnection();
  const { sender } = pc.addTransceiver('video', { sendEncodings: [svc('L3T3')] });
  const [encoding] = sender.getParameters().encodings ?? [];
  pc.close();
  return encoding !== undefined && 'scalabilityMode' in encoding;
}

const namesOf = (capabilities: RTCRtpCapabilities | null) => [
  ...new Set((capabilities?.codecs ?? []).map(({ mimeType }) => mimeType.replace(/^.*\//, ''))),
];
