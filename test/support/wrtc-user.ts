import wrtc from '@roamhq/wrtc';
import {
  subscribeOfferSchema,
  type ClientMessage,
  type EventEnvelope,
  type JoinRequest,
  type JoinResult,
  type PublishResult,
  type PublishTrack,
  type ResumeRequest,
  type SubscribeAnswerResult,
  type SubscribeOffer,
  type SubscribeTrack,
} from '@mediaserver/contracts';
import type { Api } from './api.ts';
import { eventually } from './eventually.ts';

const { nonstandard, RTCPeerConnection: PeerConnection } = wrtc;

type Source = 'microphone' | 'camera' | 'screen' | 'screen-audio';
type Join = Omit<Partial<JoinRequest>, 'publish'> & { readonly userId: string };

/** What is sent as one source, and how. */
export interface Feed {
  readonly track: MediaStreamTrack;
  readonly stop: () => void;
  readonly sendEncodings?: RTCRtpEncodingParameters[];
  /** What is asked of the server for it. */
  readonly options?: Omit<PublishTrack, 'mid' | 'source'>;
}
type Feeds = Partial<Record<Source, () => Feed>>;

interface WrtcUserOptions {
  /** What is sent in place of a tone and a small grey picture. */
  readonly feeds?: Feeds;
  /** Changes an offer before it is applied: what an app does that "munges" SDP. */
  readonly editOffer?: (sdp: string) => string;
  /** The same for answers. */
  readonly editAnswer?: (sdp: string) => string;
  /** Called before the user joins. */
  readonly prepare?: (user: WrtcUser) => void;
}

const isAudio = (source: Source) => source === 'microphone' || source === 'screen-audio';

/**
 * A user on libwebrtc, the engine of the Android and iOS SDKs, that does what the integration
 * guide tells clients to do and nothing else: one PeerConnection it offers on, one it answers on.
 */
export class WrtcUser {
  readonly api: Api;
  readonly roomId: string;
  readonly userId: string;
  sessionId = '';
  joined!: JoinResult;
  pub = new PeerConnection();
  sub = new PeerConnection();
  /** Tracks of the newest applied offer. */
  tracks: SubscribeTrack[] = [];
  /** Data channels of the newest generation, by label. */
  readonly channels = new Map<string, RTCDataChannel>();
  /** What came by them, in order. */
  readonly messages: { readonly label: string; readonly message: unknown }[] = [];
  /** Called before an offer is applied. */
  onOffer: ((offer: SubscribeOffer) => void) | null = null;
  #applied = { generation: 0, revision: 0 };
  /** Of the publishing PeerConnection, once it was answered. */
  #generation: number | null = null;
  #work: Promise<unknown> = Promise.resolve();
  readonly #sources = new Map<Source, Feed & { readonly transceiver: RTCRtpTransceiver }>();

  readonly #feeds: Feeds;
  readonly #editOffer: (sdp: string) => string;
  readonly #editAnswer: (sdp: string) => string;

  private constructor(api: Api, roomId: string, userId: string, options: WrtcUserOptions) {
    this.api = api;
    this.roomId = roomId;
    this.userId = userId;
    this.#feeds = options.feeds ?? {};
    this.#editOffer = options.editOffer ?? ((sdp) => sdp);
    this.#editAnswer = options.editAnswer ?? ((sdp) => sdp);
  }

  /** Joins, publishing `sources` in the same call, and answers the first offer. */
  static async join(
    api: Api,
    roomId: string,
    { userId, ...rest }: Join,
    sources: Source[] = [],
    options: WrtcUserOptions = {},
  ): Promise<WrtcUser> {
    const user = new WrtcUser(api, roomId, userId, options);
    options.prepare?.(user);
    for (const source of sources) user.#addSource(source);
    const publish = sources.length > 0 ? await user.#offer() : undefined;
    const body = { userId, capabilitiesSdp: await capabilitiesSdp(), ...rest, ...(publish ? { publish } : {}) };
    try {
      user.joined = await api.call<JoinResult>('POST', `/rooms/${roomId}/users`, body);
    } catch (error) {
      user.disappear();
      throw error;
    }
    user.sessionId = user.joined.user.sessionId;
    if (user.joined.publish) await user.#accept(user.joined.publish);
    await user.apply(user.joined.subscribe);
    return user;
  }

  get path(): string {
    return `/rooms/${this.roomId}/users/${this.userId}`;
  }

  /** For `WebhookReceiver.listeners`: applies offers that are for this session. */
  readonly handleEvent = (event: EventEnvelope): void => {
    if (event.type !== 'subscribe.offer' || event.data['sessionId'] !== this.sessionId) return;
    void this.apply(subscribeOfferSchema.parse(event.data['subscribe']));
  };

  /** Applies an offer, answers it, and so on with what the answer brings. Older ones are ignored. */
  apply(offer: SubscribeOffer | null): Promise<void> {
    const work = this.#work.then(() => this.#apply(offer));
    this.#work = work.catch(() => undefined);
    return work;
  }

  async #apply(offer: SubscribeOffer | null): Promise<void> {
    let next = offer;
    while (next) {
      const { generation, revision } = this.#applied;
      if (next.generation < generation || (next.generation === generation && next.revision <= revision)) return;
      this.onOffer?.(next);
      if (next.generation !== generation) this.#beginSub(next);
      this.#applied = next;
      await this.sub.setRemoteDescription({ type: 'offer', sdp: next.sdp });
      const { sdp = '' } = await this.sub.createAnswer();
      await this.sub.setLocalDescription({ type: 'answer', sdp: this.#editAnswer(sdp) });
      this.tracks = next.tracks;
      const answer = { negotiationId: next.negotiationId, sdp: this.sub.localDescription?.sdp };
      const result = await this.api.call<SubscribeAnswerResult>('PUT', `${this.path}/subscribe/answer`, answer);
      next = result.next;
    }
  }

  /** Another generation is another PeerConnection. */
  #beginSub({ data }: SubscribeOffer): void {
    if (this.#applied.generation > 0) {
      this.sub.close();
      this.sub = new PeerConnection();
    }
    this.channels.clear();
    for (const { label, id, ordered, maxRetransmits } of data) {
      const loss = maxRetransmits === undefined ? {} : { maxRetransmits };
      const channel = this.sub.createDataChannel(label, { negotiated: true, id, ordered, ...loss });
      channel.addEventListener('message', (event) => {
        this.messages.push({ label, message: JSON.parse(String(event.data)) });
      });
      this.channels.set(label, channel);
    }
  }

  /** Sends on a data channel once that is open. */
  async send(label: string, message: ClientMessage): Promise<void> {
    const channel = await eventually(`${this.userId} has the channel ${label}`, () => {
      const known = this.channels.get(label);
      return known?.readyState === 'open' ? known : null;
    });
    channel.send(JSON.stringify(message));
  }

  async publish(source: Source): Promise<PublishResult> {
    this.#addSource(source);
    return this.#republish();
  }

  async unpublish(source: Source): Promise<PublishResult> {
    const entry = this.#sources.get(source);
    entry?.stop();
    entry?.transceiver.stop();
    this.#sources.delete(source);
    return this.#republish();
  }

  async #republish(): Promise<PublishResult> {
    const offer = await this.#offer();
    const result = await this.api.call<PublishResult>('PUT', `${this.path}/publish`, offer);
    await this.#accept(result);
    return result;
  }

  /** New ICE credentials for what is sent. */
  restartPublish(): Promise<PublishResult> {
    this.pub.restartIce();
    return this.#republish();
  }

  /** New ICE credentials for what is received. */
  async restartSubscribe(): Promise<void> {
    await this.apply(await this.api.call<SubscribeOffer>('POST', `${this.path}/subscribe/restart`));
  }

  /** Sends the same sources on a new PeerConnection. */
  async resetPublish(): Promise<PublishResult> {
    this.#beginPub();
    const body = { ...(await this.#offer()), reset: true };
    const result = await this.api.call<PublishResult>('PUT', `${this.path}/publish`, body);
    await this.#accept(result);
    return result;
  }

  /** Goes on: after lost signalling, on another network, or with new PeerConnections, as after a reloaded page. */
  async resume(reset: ResumeRequest['reset']): Promise<JoinResult> {
    if (reset === 'ice') this.pub.restartIce();
    if (reset === 'all') this.#beginPub();
    const publish = reset !== 'none' && this.#sources.size > 0 ? { publish: await this.#offer() } : {};
    const body = { sessionId: this.sessionId, reset, ...publish };
    const resumed = await this.api.call<JoinResult>('POST', `${this.path}/resume`, body);
    if (resumed.publish) await this.#accept(resumed.publish);
    await this.apply(resumed.subscribe);
    return resumed;
  }

  #beginPub(): void {
    this.pub.close();
    this.pub = new PeerConnection();
    this.#generation = null;
    for (const [source, feed] of this.#sources) this.#sources.set(source, this.#sendFeed(feed));
  }

  #addSource(source: Source): void {
    const makeFeed = this.#feeds[source] ?? (isAudio(source) ? audioFeed : videoFeed);
    const feed = makeFeed();
    this.#sources.set(source, this.#sendFeed(feed));
  }

  #sendFeed(feed: Feed): Feed & { readonly transceiver: RTCRtpTransceiver } {
    const { sendEncodings = [] } = feed;
    return { ...feed, transceiver: this.pub.addTransceiver(feed.track, { direction: 'sendonly', sendEncodings }) };
  }

  async #offer(): Promise<{ sdp: string; tracks: PublishTrack[]; generation?: number }> {
    const { sdp = '' } = await this.pub.createOffer();
    await this.pub.setLocalDescription({ type: 'offer', sdp: this.#editOffer(sdp) });
    const tracks = [...this.#sources].map(([source, { transceiver, options }]) =>
      Object.assign({ mid: transceiver.mid ?? '', source }, options),
    );
    const offer = { sdp: this.pub.localDescription?.sdp ?? '', tracks };
    return this.#generation === null ? offer : { ...offer, generation: this.#generation };
  }

  async #accept({ sdp, generation }: PublishResult): Promise<void> {
    this.#generation = generation;
    await this.pub.setRemoteDescription({ type: 'answer', sdp });
  }

  /** What has arrived of one track: packets and, for video, decoded frames. */
  async received(trackId: string): Promise<{ packets: number; frames: number; width: number }> {
    const mid = this.tracks.find((track) => track.trackId === trackId)?.mid;
    const receiver = this.sub.getTransceivers().find((transceiver) => transceiver.mid === mid)?.receiver;
    const nothing = { packets: 0, frames: 0, width: 0 };
    if (mid === undefined || !receiver) return nothing;
    const reports = [...(await this.sub.getStats()).values()];
    const inbound = reports.filter(
      (report) =>
        report.type === 'inbound-rtp' && (report.mid === mid || trackOf(reports, report) === receiver.track.id),
    );
    return inbound.reduce(
      (sum, report) => ({
        packets: sum.packets + (report.packetsReceived ?? 0),
        frames: sum.frames + (report.framesDecoded ?? 0),
        width: Math.max(sum.width, report.frameWidth ?? 0),
      }),
      nothing,
    );
  }

  /** Waits until media of a track flows: packets keep coming and, for video, frames decode. */
  async flows(trackId: string): Promise<void> {
    const start = await eventually(`${this.userId} is offered ${trackId}`, async () => {
      if (!this.tracks.some((track) => track.trackId === trackId)) return null;
      return this.received(trackId);
    });
    const video = this.tracks.some((track) => track.trackId === trackId && track.kind === 'video');
    await eventually(`${this.userId} receives ${trackId}`, async () => {
      const now = await this.received(trackId);
      return now.packets > start.packets + 5 && (!video || now.frames > start.frames + 2);
    });
  }

  async leave(): Promise<void> {
    await this.api.call('DELETE', `${this.path}?sessionId=${this.sessionId}`);
    this.disappear();
  }

  /** The app is gone: no call, only closed sockets. Idempotent. */
  disappear(): void {
    for (const { stop } of this.#sources.values()) stop();
    this.#sources.clear();
    this.pub.close();
    this.sub.close();
  }
}

/** What this device can receive, from a PeerConnection made for the question only. */
export async function capabilitiesSdp(): Promise<string> {
  const probe = new PeerConnection();
  probe.addTransceiver('audio', { direction: 'recvonly' });
  probe.addTransceiver('video', { direction: 'recvonly' });
  const { sdp } = await probe.createOffer();
  probe.close();
  return sdp ?? '';
}

function trackOf(reports: RTCStats[], report: { trackId?: string }): string | undefined {
  const track = reports.find(({ id }) => id === report.trackId);
  return track && 'trackIdentifier' in track ? String(track.trackIdentifier) : undefined;
}

function audioFeed(): Feed {
  const source = new nonstandard.RTCAudioSource();
  const track = source.createTrack();
  const samples = new Int16Array(480).map((_, index) => 8000 * Math.sin((2 * Math.PI * index) / 48));
  const timer = setInterval(() => source.onData({ samples, sampleRate: 48_000 }), 10);
  return { track, stop: () => (clearInterval(timer), track.stop()) };
}

function videoFeed(): Feed {
  const width = 320;
  const height = 180;
  const source = new nonstandard.RTCVideoSource();
  const track = source.createTrack();
  const data = new Uint8Array(width * height * 1.5).fill(128);
  let frame = 0;
  const timer = setInterval(() => {
    frame += 1;
    data.fill(frame % 256, 0, width * height);
    source.onFrame({ width, height, data });
  }, 50);
  return { track, stop: () => (clearInterval(timer), track.stop()) };
}
