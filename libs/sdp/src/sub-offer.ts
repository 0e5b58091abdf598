import {
  dataChannels,
  MAX_DATA_MESSAGE_BYTES,
  type MediaKind,
  type SubscribeOffer,
  type SubscribeTrack,
} from '@mediaserver/contracts';
import type { RtpCodecCapability, RtpHeaderExtensionParameters } from 'mediasoup/types';
import { allowedRouterCodecs, routerRtxOf } from './codecs.ts';
import { oneBandwidthEstimation, routerExtensions } from './header-extensions.ts';
import { isRtx } from './ortc.ts';
import {
  deviceExtensions,
  needsOffer,
  type OfferedLine,
  type SubEntry,
  type SubLine,
  type SubLinePhase,
  type SubState,
} from './sub-state.ts';
import { SCTP_PORT } from './limits.ts';
import type { LocalTransportDescription, NegotiationContext } from './types.ts';
import { SdpLines, writeSessionHead, writeTransport, type WrittenCodec } from './write-sdp.ts';

export interface CreateOfferInput extends NegotiationContext {
  readonly transport: LocalTransportDescription;
  /** Decimal, below 2^63; the same for the whole generation. */
  readonly sdpSessionId: string;
  readonly negotiationId: string;
}

/**
 * Makes the next offer from everything that changed (RFC 8829 §5.2.2): gives waiting consumers a line, tells closed
 * ones with port 0.
 *
 * @throws TypeError unless `needsOffer(state)`
 */
export function createOffer(state: SubState, input: CreateOfferInput): { state: SubState; offer: SubscribeOffer } {
  if (!needsOffer(state)) throw new TypeError('There is nothing to offer, or an answer is still waited for');
  const lines = assignLines(state);
  const book = new CodecBook(state, input);
  const offered = lines.map((line) => offeredLine(line, book));
  const revision = state.revision + 1;
  const offer: SubscribeOffer = {
    generation: state.generation,
    revision,
    negotiationId: input.negotiationId,
    sdp: writeOffer(offered, input, revision),
    tracks: offered.flatMap(({ line: { entry } }) => (entry ? [trackOf(entry)] : [])),
    data: state.data === 'wanted' || state.data === 'open' ? [...dataChannels] : [],
  };
  return {
    state: {
      ...state,
      phase: 'offered',
      revision,
      lines,
      waiting: [],
      renewal: 'none',
      outstanding: { negotiationId: input.negotiationId, offer, lines: offered.map(({ line }) => line) },
    },
    offer,
  };
}

/** Invariants 1, 2, 5 and 10. */
function assignLines(state: SubState): SubLine[] {
  // A probe that was answered has done its work; it goes with the first offer that has another reason.
  const ended = (phase: SubLinePhase) => phase === 'closing' || (phase === 'probe' && state.capabilities !== null);
  const lines: SubLine[] = state.lines.map((line) => {
    if (!ended(line.phase)) return line;
    return { ...line, phase: line.mid === state.connection?.taggedMid ? 'anchor' : 'closed' };
  });
  if (lines.length === 0) lines.push(...firstLines(state));
  for (const entry of state.waiting) {
    const line: SubLine = { kind: entry.track.kind, mid: entry.mid, phase: 'adding', entry };
    const recycles = state.profile?.recyclesSections ?? true;
    const free = recycles ? lines.findIndex(({ phase, kind }) => phase === 'free' && kind === line.kind) : -1;
    if (free === -1) lines.push(line);
    else lines[free] = line;
  }
  return lines;
}

/** An inactive audio section serves as anchor and as audio probe at once. */
function firstLines({ data, capabilities }: SubState): SubLine[] {
  const lines: SubLine[] = [{ kind: data === 'off' ? 'audio' : 'application', mid: 'a', phase: 'anchor', entry: null }];
  if (capabilities) return lines;
  if (data !== 'off') lines.push({ kind: 'audio', mid: 'pa', phase: 'probe', entry: null });
  lines.push({ kind: 'video', mid: 'pv', phase: 'probe', entry: null });
  return lines;
}

function trackOf({ mid, track, consumer }: SubEntry): SubscribeTrack {
  return {
    mid,
    trackId: track.trackId,
    consumerId: consumer.consumerId,
    producerId: consumer.producerId,
    userId: track.userId,
    kind: track.kind,
    source: track.source,
    paused: consumer.paused,
    replaces: consumer.replaces,
  };
}

/** The codec lines of a payload type are always the Router's, whoever publishes (invariant 7, cases 46 and 47). */
class CodecBook {
  readonly #state: SubState;
  readonly #context: NegotiationContext;
  readonly #written = new Map<number, WrittenCodec>();

  constructor(state: SubState, context: NegotiationContext) {
    this.#state = state;
    this.#context = context;
  }

  /** Codecs of a section without a consumer: enough for clients that want a codec in every section. */
  idle(kind: MediaKind, all: boolean): WrittenCodec[] {
    const { routerRtpCapabilities: router, codecs } = this.#context;
    const allowed = allowedRouterCodecs(router, kind, codecs);
    const known =
      allowed.length > 0 ? allowed : (router.codecs ?? []).filter((codec) => codec.kind === kind && !isRtx(codec));
    return (all ? known : known.slice(0, 1)).flatMap((codec) => {
      const rtx = routerRtxOf(router, codec.preferredPayloadType);
      return rtx ? [this.#write(codec), this.#write(rtx)] : [this.#write(codec)];
    });
  }

  ofConsumer({ consumer }: SubEntry): WrittenCodec[] {
    return consumer.rtpParameters.codecs.map(({ payloadType }) => {
      const codec = this.#context.routerRtpCapabilities.codecs?.find(
        (candidate) => candidate.preferredPayloadType === payloadType,
      );
      if (!codec) throw new TypeError(`The Router has no payload type ${payloadType}`);
      return this.#write(codec);
    });
  }

  extensions(kind: MediaKind): RtpHeaderExtensionParameters[] {
    const router = routerExtensions(this.#context.routerRtpCapabilities, kind, 'toClient');
    return deviceExtensions(this.#state, kind, router).map(({ uri, preferredId }) => ({ uri, id: preferredId }));
  }

  #write(codec: RtpCodecCapability): WrittenCodec {
    const payloadType = codec.preferredPayloadType;
    const known = this.#written.get(payloadType);
    if (known) return known;
    const name = codec.mimeType.slice(codec.mimeType.indexOf('/') + 1);
    const channels = codec.channels !== undefined && codec.channels > 1 ? `/${codec.channels}` : '';
    const device = this.#state.capabilities?.codecs?.find(
      (candidate) => candidate.preferredPayloadType === payloadType,
    );
    const written: WrittenCodec = {
      payloadType,
      rtpmap: `${name}/${codec.clockRate}${channels}`,
      parameters: codec.parameters ?? {},
      feedback: oneBandwidthEstimation((device ?? codec).rtcpFeedback ?? [], this.extensions(codec.kind)),
    };
    this.#written.set(payloadType, written);
    return written;
  }
}

interface SectionContent {
  readonly line: OfferedLine;
  readonly written: readonly WrittenCodec[];
  readonly headerExtensions: readonly RtpHeaderExtensionParameters[];
}

function offeredLine(line: SubLine, book: CodecBook): SectionContent {
  const { mid, kind, phase, entry } = line;
  if (kind === 'application') {
    return {
      line: { mid, kind, role: roleOf(line), entry, codecs: {}, extensions: {} },
      written: [],
      headerExtensions: [],
    };
  }
  const written = entry ? book.ofConsumer(entry) : book.idle(kind, phase === 'anchor' || phase === 'probe');
  const headerExtensions = entry?.consumer.rtpParameters.headerExtensions ?? book.extensions(kind);
  return {
    line: {
      mid,
      kind,
      role: roleOf(line),
      entry,
      codecs: Object.fromEntries(written.map(({ payloadType, rtpmap }) => [payloadType, nameOf(rtpmap)])),
      extensions: Object.fromEntries(headerExtensions.map(({ id, uri }) => [id, uri])),
    },
    written,
    headerExtensions,
  };
}

function nameOf(rtpmap: string | undefined): string {
  return (rtpmap ?? '').split('/', 1).join('').toLowerCase();
}

function roleOf({ phase, entry }: SubLine): OfferedLine['role'] {
  if (entry) return 'track';
  return phase === 'anchor' || phase === 'probe' ? phase : 'closed';
}

function writeOffer(offered: readonly SectionContent[], input: CreateOfferInput, version: number): string {
  const lines = new SdpLines();
  writeSessionHead(lines, {
    sdpSessionId: input.sdpSessionId,
    version,
    bundle: offered.flatMap(({ line: { role, mid } }) => (role === 'closed' ? [] : [mid])),
    extmapAllowMixed: false,
    fingerprints: input.transport.dtlsParameters.fingerprints,
  });
  for (const section of offered) writeSection(lines, section, input.transport);
  return lines.text();
}

function writeSection(lines: SdpLines, section: SectionContent, transport: LocalTransportDescription): void {
  const { line, written, headerExtensions } = section;
  const { mid, kind, role, entry } = line;
  const closed = role === 'closed';
  if (kind === 'application') {
    // RFC 8841 §5, §6. Firefox and Pion write the direction too, and Pion passes over sections without one.
    lines
      .add(`m=application ${closed ? 0 : 9} UDP/DTLS/SCTP webrtc-datachannel`)
      .add('c=IN IP4 0.0.0.0')
      .add(`a=mid:${mid}`);
    writeTransport(lines, transport, { setup: 'actpass', renomination: true, candidates: !closed });
    lines.add('a=sendrecv').add(`a=sctp-port:${SCTP_PORT}`).add(`a=max-message-size:${MAX_DATA_MESSAGE_BYTES}`);
    return;
  }
  const formats = written.map(({ payloadType }) => payloadType).join(' ');
  lines
    .add(`m=${kind} ${closed ? 0 : 9} UDP/TLS/RTP/SAVPF ${formats}`)
    .add('c=IN IP4 0.0.0.0')
    .add(`a=mid:${mid}`);
  writeTransport(lines, transport, { setup: 'actpass', renomination: true, candidates: !closed });
  lines
    .add(role === 'track' ? 'a=sendonly' : 'a=inactive')
    .add('a=rtcp-mux')
    .add('a=rtcp-rsize');
  for (const codec of written) lines.codec(codec);
  for (const { id, uri } of headerExtensions) lines.add(`a=extmap:${id} ${uri}`);
  if (entry) writeStream(lines, entry);
}

/** RFC 8830 §2 (msid), RFC 5576 §4 (ssrc; RTX second: some clients go by position), RFC 4588 §8 (FID). */
function writeStream(lines: SdpLines, { track, consumer }: SubEntry): void {
  const msid = `${track.userId} ${consumer.consumerId}`;
  const { encodings = [], rtcp } = consumer.rtpParameters;
  const [encoding] = encodings;
  lines.add(`a=msid:${msid}`);
  if (encoding?.ssrc === undefined) throw new TypeError('The consumer has no SSRC');
  const ssrcs = [encoding.ssrc, ...(encoding.rtx ? [encoding.rtx.ssrc] : [])];
  lines.addIf(ssrcs.length > 1, `a=ssrc-group:FID ${ssrcs.join(' ')}`);
  for (const ssrc of ssrcs) lines.add(`a=ssrc:${ssrc} cname:${rtcp?.cname ?? '-'}`).add(`a=ssrc:${ssrc} msid:${msid}`);
}
