import type { PublishTrack } from '@mediaserver/contracts';
import type { RtpEncodingParameters } from 'mediasoup/types';
import { SdpError } from './sdp-error.ts';
import { MID_EXTENSION, RID_EXTENSION } from './header-extensions.ts';
import type { SdpMedia } from './sdp-document.ts';

type Hints = Pick<PublishTrack, 'ridOrder' | 'scalabilityMode'>;

/** Names that say which layer is lower. */
const KNOWN_ORDERS: readonly (readonly string[])[] = [
  ['q', 'h', 'f'],
  ['l', 'm', 'h'],
  ['low', 'mid', 'high'],
  ['low', 'medium', 'high'],
];

export interface SectionEncodings {
  /** Lowest quality first, as mediasoup counts spatial layers. */
  readonly encodings: RtpEncodingParameters[];
  /** For `a=rid` and `a=simulcast` of the answer, in SDP order; empty without rids. */
  readonly rids: readonly { readonly rid: string; readonly paused: boolean }[];
}

/**
 * What a section sends. Rids win over SSRCs (Firefox lists both), SSRCs over nothing; packets of a section with
 * neither are found by the mid extension.
 *
 * @throws SdpError `unroutable_media`, `plan_b_unsupported`
 */
export function sectionEncodings(
  section: SdpMedia,
  extensions: readonly { readonly uri: string }[],
  hints: Hints,
  codec: { readonly mimeType: string; readonly hasRtx: boolean },
): SectionEncodings {
  refusePlanB(section);
  const has = (uri: string) => extensions.some((extension) => extension.uri === uri);
  const rids = has(RID_EXTENSION) && has(MID_EXTENSION) ? sendRids(section) : [];
  if (rids.length > 0) {
    const ordered = lowToHigh(
      rids.map(({ rid }) => rid),
      hints.ridOrder,
    );
    const mode = scalabilityMode(hints, codec.mimeType, ordered.length);
    return { encodings: ordered.map((rid) => Object.assign({ rid }, mode)), rids };
  }
  const streams = primaryStreams(section, codec.hasRtx);
  const mode = scalabilityMode(hints, codec.mimeType, Math.max(streams.length, 1));
  if (streams.length > 0) return { encodings: streams.map((stream) => Object.assign(stream, mode)), rids: [] };
  if (has(MID_EXTENSION)) return { encodings: [mode], rids: [] };
  throw new SdpError('unroutable_media', 'A sending section has no SSRC, no rid and no mid extension', section.mid);
}

/** RFC 8853 §5: streams of `a=simulcast` that have an `a=rid` with direction `send`. */
function sendRids(section: SdpMedia): { rid: string; paused: boolean }[] {
  const listed = section.simulcastSend.filter(({ rid }) => section.sendRids.includes(rid));
  if (listed.length > 0) return listed;
  // A lone rid needs no a=simulcast; several without it are alternatives nobody asked for.
  const [only] = section.sendRids;
  return only !== undefined && section.ssrcs.size === 0 ? [{ rid: only, paused: false }] : [];
}

function lowToHigh(rids: readonly string[], hint: readonly string[] | undefined): readonly string[] {
  const orders = hint ? [hint, ...KNOWN_ORDERS] : KNOWN_ORDERS;
  const order = orders.find((candidate) => rids.every((rid) => candidate.includes(rid)));
  return order ? order.filter((rid) => rids.includes(rid)) : rids;
}

/**
 * SDP does not carry it. Browsers send simulcast with three temporal layers; a single encoding has the layers its
 * application set, and says so by the hint.
 */
function scalabilityMode(hints: Hints, mimeType: string, encodings: number): { scalabilityMode?: string } {
  const match = /^[LS](\d)T(\d)/.exec(hints.scalabilityMode ?? '');
  if (!mimeType.toLowerCase().startsWith('video/')) return {};
  if (encodings > 1) return { scalabilityMode: `L1T${match?.[2] ?? 3}` };
  if (!match || hints.scalabilityMode === undefined) return {};
  const spatial = /\/(vp9|av1)$/i.test(mimeType);
  return { scalabilityMode: spatial ? hints.scalabilityMode : `L1T${match[2]}` };
}

/** Several tracks in one section (Plan B) show as several msids on its SSRCs. */
function refusePlanB(section: SdpMedia): void {
  const tracks = new Set<string>();
  for (const { msid } of section.ssrcs.values()) {
    if (msid === undefined) continue;
    const [stream = '', track] = msid.split(' ').filter(Boolean);
    tracks.add(track ?? stream);
  }
  if (tracks.size > 1) throw new SdpError('plan_b_unsupported', 'A section has the SSRCs of two tracks', section.mid);
}

/** Primary SSRCs in SIM order (or as written), each with its RTX (RFC 5576 §4.2, RFC 4588 §8). */
function primaryStreams(section: SdpMedia, hasRtx: boolean): RtpEncodingParameters[] {
  const rtxOf = new Map<number, number>();
  for (const { semantics, ssrcs } of section.ssrcGroups) {
    const [primary, rtx] = ssrcs;
    if (semantics === 'FID' && primary !== undefined && rtx !== undefined) rtxOf.set(primary, rtx);
  }
  const repairs = new Set(rtxOf.values());
  for (const { semantics, ssrcs } of section.ssrcGroups) {
    // FEC streams are not taken.
    if (semantics.startsWith('FEC')) for (const ssrc of ssrcs.slice(1)) repairs.add(ssrc);
  }
  const simulcast = section.ssrcGroups.find(({ semantics }) => semantics === 'SIM')?.ssrcs;
  const listed = [...section.ssrcs.keys()].filter((ssrc) => !repairs.has(ssrc));
  const primaries = simulcast ?? (rtxOf.size > 0 ? listed.filter((ssrc) => rtxOf.has(ssrc)) : listed.slice(0, 1));
  const streams: RtpEncodingParameters[] = [];
  for (const ssrc of new Set(primaries)) {
    const rtx = hasRtx ? rtxOf.get(ssrc) : undefined;
    streams.push(rtx === undefined ? { ssrc } : { ssrc, rtx: { ssrc: rtx } });
  }
  // Without SIM only the first stream is the track; simulcast over SSRCs is always said by SIM.
  return simulcast ? streams : streams.slice(0, 1);
}
