import type { PublishTrack } from '@mediaserver/contracts';
import { expect } from 'vitest';
import { parseSdp } from './parse-sdp.ts';
import type { SdpMedia } from './sdp-document.ts';
import { audio, hash, linesOf, offer, sectionText, video, type SectionSpec } from './sdp.test-support.ts';

/** How a track is sent; `alien`: in a codec that the Router does not have. */
export type Form = 'audio' | 'video' | 'rids' | 'ssrcs' | 'alien' | 'data';

export interface Track {
  readonly source: string;
  readonly form: Form;
  sending: boolean;
  /** Another number means other SSRCs. */
  streams: number;
  /** The answer said that it is not received any more. */
  refused: boolean;
}

export interface Line {
  readonly mid: string;
  readonly kind: string;
  /** Null once stopped: the line may be taken over. */
  readonly track: Track | null;
  readonly sending: boolean;
  /** What is sent, for a comparison. */
  readonly streams: string;
}

interface Transport {
  readonly taggedMid: string;
  readonly ufrag: string;
}

interface Session {
  readonly lines: readonly Line[];
  /** Whose first section carries all; null without a live section. */
  readonly transport: Transport | null;
}

export interface PublishedOffer {
  readonly sdp: string;
  readonly tracks: PublishTrack[];
  readonly version: number;
  /** Whether the client's end of the transport is another one than before. */
  readonly newTransport: boolean;
  readonly iceRestart: boolean;
}

/** Never the same number for two things, as in libwebrtc, however often they are renumbered. */
const NUMBERS = [
  { opus: 111, vp8: 96, rtx: 97, h264: 102, mid: 4 },
  { opus: 109, vp8: 120, rtx: 121, h264: 126, mid: 7 },
] as const;
const PROFILE = 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f';
const RID_URIS = ['rtp-stream-id', 'repaired-rtp-stream-id'].map((name) => `urn:ietf:params:rtp-hdrext:sdes:${name}`);

/** Offers as libwebrtc does, and refuses (fails the test) answers that it, Firefox or Safari refuse. */
export class SimulatedPublisher {
  readonly tracks: Track[] = [];
  /** As of the last answer. */
  stable: Session = { lines: [], transport: null };
  /** Whether sections are first offered as Firefox does: port 0, bundle-only. */
  bundleOnly = false;
  h264First = false;
  readonly #meanings = new Map<string, string>();
  #pending: Session | null = null;
  #numbers: 0 | 1 = 0;
  #restart = false;
  #version = 0;
  #serial = 0;

  add(form: Form): void {
    const source = `source-${++this.#serial}`;
    this.tracks.push({ source, form, sending: true, streams: this.#serial, refused: false });
  }

  /** The transceiver is stopped; its m-line gets port 0 and is taken over later. */
  stop(track: Track): void {
    this.tracks.splice(this.tracks.indexOf(track), 1);
  }

  /** Another encoder: other SSRCs in the same section. */
  changeStreams(track: Track): void {
    track.streams = ++this.#serial;
  }

  renumber(): void {
    this.#numbers = this.#numbers === 0 ? 1 : 0;
  }

  restartIce(): void {
    this.#restart = true;
  }

  /** `setLocalDescription(offer)`. */
  offer(): PublishedOffer {
    const before = this.stable.transport;
    const lines = this.#assign();
    const live = lines.filter(({ track }) => track !== null);
    const [tagged] = live;
    const stays = before && lines.some(({ mid, track }) => mid === before.taggedMid && track !== null);
    const isFirst = tagged?.mid === before?.taggedMid;
    const bundleUfrag = before && !this.#restart ? before.ufrag : this.#ufrag();
    // A section on a recycled m-line before the others brings a transport of its own.
    const ownUfrag = stays && !isFirst ? this.#ufrag() : bundleUfrag;
    const next: Transport | null = tagged ? { taggedMid: tagged.mid, ufrag: ownUfrag } : null;
    const sections = lines.map((line) => this.#section(line, line === tagged ? ownUfrag : bundleUfrag));
    this.#pending = { lines, transport: next };
    this.#version += 1;
    const bundle = live.map(({ mid }) => mid);
    return {
      sdp: offer(sections, { version: this.#version, bundle }),
      tracks: lines.flatMap(({ mid, track }) =>
        track && track.form !== 'data' ? [{ mid, source: track.source }] : [],
      ),
      version: this.#version,
      newTransport: before !== null && !(stays && isFirst),
      iceRestart: this.#restart,
    };
  }

  /** Without one, a client may come with another certificate. */
  get hasTransport(): boolean {
    const { lines, transport } = this.stable;
    return lines.some(({ mid, track }) => mid === transport?.taggedMid && track !== null);
  }

  /** The offer before the last change of mind, as another PeerConnection would write it. */
  foreignOffer(): string {
    const bundle = this.stable.lines.flatMap(({ mid, track }) => (track ? [mid] : []));
    const sections = this.stable.lines.map((line) => this.#section(line, 'foreign'));
    const sdp = offer(sections, { version: this.#version, bundle });
    return sdp.replaceAll(hash('CD', 32), hash('EF', 32));
  }

  rollback(): void {
    this.#pending = null;
  }

  /** `setRemoteDescription(answer)`. */
  answer(sdp: string, server: { readonly ufrag: string }): void {
    const pending = this.#pending;
    if (!pending) throw new Error('nothing was offered');
    const { media, bundles } = parseSdp(sdp);
    expect(media.map(({ kind, mid }) => [kind, mid])).toEqual(pending.lines.map(({ kind, mid }) => [kind, mid]));
    const open = media.filter(({ port }) => port !== 0).map(({ mid }) => mid);
    expect(bundles).toEqual(open.length > 0 ? [open] : []);
    expect(linesOf(sdp, 'a=ssrc')).toEqual([]);
    expect(linesOf(sdp, 'a=fingerprint')).toEqual([`a=fingerprint:sha-256 ${hash('AB', 32)}`]);
    const lines = pending.lines.map((line, index) => {
      const section = media[index];
      if (!section) throw new Error('a section is missing');
      expect(section.transport).toMatchObject({ iceUfrag: server.ufrag, setup: 'passive' });
      return this.#answered(line, section, sectionText(sdp, index));
    });
    this.stable = { ...pending, lines };
    this.#pending = null;
    this.#restart = false;
  }

  #ufrag(): string {
    return `ufrag${++this.#serial}`;
  }

  /** RFC 8829 §5.2.2: known sections stay, new ones take over stopped m-lines or come last. */
  #assign(): Line[] {
    const stopped = (line: Line): Line => ({ ...line, track: null, sending: false });
    const lines = this.stable.lines.map((line) =>
      line.track && this.tracks.includes(line.track) ? this.#line(line.mid, line.track) : stopped(line),
    );
    const placed = new Set(lines.map(({ track }) => track));
    // Only what was answered as stopped may be taken over.
    const free = this.stable.lines.flatMap(({ track }, index) => (track === null ? [index] : []));
    for (const track of this.tracks) {
      if (placed.has(track)) continue;
      const line = this.#line(`m${++this.#serial}`, track);
      const index = free.shift();
      if (index === undefined) lines.push(line);
      else lines[index] = line;
    }
    return lines;
  }

  #line(mid: string, track: Track): Line {
    const { form, sending, streams } = track;
    const kind = form === 'data' ? 'application' : form === 'audio' ? 'audio' : 'video';
    return { mid, kind, track, sending, streams: `${form} ${form === 'rids' ? '' : streams} ${this.#numbers}` };
  }

  #section({ mid, kind, track, sending }: Line, ufrag: string): SectionSpec {
    const numbers = NUMBERS[this.#numbers];
    const known = this.stable.lines.some((line) => line.mid === mid);
    const transport = [
      `a=ice-ufrag:${ufrag}`,
      'a=ice-pwd:clientPassword0123456789',
      `a=fingerprint:sha-256 ${hash('CD', 32)}`,
      'a=setup:actpass',
    ];
    const bundleOnly = track !== null && this.bundleOnly && !known && this.stable.lines.length > 0;
    const spec: SectionSpec = {
      mid,
      port: track === null || bundleOnly ? 0 : 9,
      direction: sending ? 'sendonly' : 'inactive',
      transport,
      extensions: [`a=extmap:${numbers.mid} urn:ietf:params:rtp-hdrext:sdes:mid`],
    };
    const lines = bundleOnly ? ['a=bundle-only'] : [];
    const ssrc = (track?.streams ?? 0) * 100 + 1000;
    if (kind === 'application')
      return {
        ...spec,
        kind,
        protocol: 'UDP/DTLS/SCTP',
        rtcpMux: false,
        extensions: [],
        lines: [...lines, 'a=sctp-port:5000'],
      };
    if (kind === 'audio') {
      const codecs = [`a=rtpmap:${numbers.opus} opus/48000/2`, `a=fmtp:${numbers.opus} minptime=10;useinbandfec=1`];
      return audio({ ...spec, codecs, lines: [...lines, `a=ssrc:${ssrc} cname:client`] });
    }
    if (track?.form === 'alien')
      return video({ ...spec, codecs: ['a=rtpmap:118 H265/90000'], lines: [...lines, `a=ssrc:${ssrc} cname:client`] });
    const vp8 = [
      `a=rtpmap:${numbers.vp8} VP8/90000`,
      `a=rtcp-fb:${numbers.vp8} nack pli`,
      `a=rtpmap:${numbers.rtx} rtx/90000`,
      `a=fmtp:${numbers.rtx} apt=${numbers.vp8}`,
    ];
    const h264 = [`a=rtpmap:${numbers.h264} H264/90000`, `a=fmtp:${numbers.h264} ${PROFILE}`];
    const codecs = this.h264First ? [...h264, ...vp8] : [...vp8, ...h264];
    const extensions = [...(spec.extensions ?? []), ...RID_URIS.map((uri, index) => `a=extmap:${10 + index} ${uri}`)];
    if (track?.form === 'rids') {
      const rids = [...(['f', 'h', 'q'] as const).map((rid) => `a=rid:${rid} send`), 'a=simulcast:send f;~h;q'];
      return video({ ...spec, codecs, extensions, lines: [...lines, ...rids] });
    }
    const layers = track?.form === 'ssrcs' ? [0, 1, 2] : [0];
    const groups = [
      ...(layers.length > 1 ? [`a=ssrc-group:SIM ${layers.map((layer) => ssrc + layer).join(' ')}`] : []),
      ...layers.map((layer) => `a=ssrc-group:FID ${ssrc + layer} ${ssrc + 50 + layer}`),
      ...layers.flatMap((layer) => [`a=ssrc:${ssrc + layer} cname:client`, `a=ssrc:${ssrc + 50 + layer} cname:client`]),
    ];
    return video({ ...spec, codecs, lines: [...lines, ...groups] });
  }

  #answered(line: Line, section: SdpMedia, text: string): Line {
    const { track } = line;
    if (track === null) {
      expect(section.port).toBe(0);
      return line;
    }
    if (section.port === 0) {
      // Refused for good: the transceiver is stopped by the answer.
      expect(['alien', 'data']).toContain(track.form);
      this.stop(track);
      return { ...line, track: null, sending: false };
    }
    if (line.kind === 'application') return line;
    expect(section.rtcpMux).toBe(true);
    expect(section.rtpmaps.size).toBeGreaterThan(0);
    this.#checkNumbers(section);
    track.refused = line.sending && section.direction === 'inactive';
    if (track.form === 'alien') expect(section.direction).toBe('inactive');
    if (section.direction === 'inactive') return line;
    expect([section.direction, line.sending]).toEqual(['recvonly', true]);
    // RFC 8853 §5: in the order offered, a paused stream stays paused.
    const rids = track.form === 'rids' ? ['a=rid:f recv', 'a=rid:h recv', 'a=rid:q recv'] : [];
    expect(linesOf(text, 'a=rid')).toEqual(rids);
    expect(linesOf(text, 'a=simulcast')).toEqual(rids.length > 0 ? ['a=simulcast:recv f;~h;q'] : []);
    return line;
  }

  /** One meaning per number for the life of the connection, and only numbers that were offered. */
  #checkNumbers({ rtpmaps, extmaps, payloadTypes }: SdpMedia): void {
    const mean = (number: string, meaning: string) => {
      expect(this.#meanings.get(number) ?? meaning).toBe(meaning);
      this.#meanings.set(number, meaning);
    };
    for (const type of payloadTypes) {
      const { name = '', clockRate = 0 } = rtpmaps.get(type) ?? {};
      const { opus, vp8, rtx, h264 } = NUMBERS[this.#numbers];
      expect([opus, vp8, rtx, h264, 118]).toContain(type);
      mean(`payload type ${type}`, `${name}/${clockRate}`);
    }
    for (const { id, uri } of extmaps) mean(`extension ${id}`, uri);
  }
}
