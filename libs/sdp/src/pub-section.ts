import { CODEC_TABLE, type MediaKind, type PublishTrack, type SdpErrorCode } from '@mediaserver/contracts';
import type { RtcpFeedback, RtpParameters } from 'mediasoup/types';
import { allowedRouterCodecs, commonCodecs, routerRtxOf, rtpmapText, type CommonCodec } from './codecs.ts';
import { sectionEncodings } from './encodings.ts';
import { parseFmtp } from './fmtp.ts';
import {
  acceptedExtensions,
  commonFeedback,
  oneBandwidthEstimation,
  type AcceptedExtension,
} from './header-extensions.ts';
import { canProduce } from './ortc.ts';
import type { LivePubSection, PubSection } from './pub-state.ts';
import { isRtpKind, requireMid } from './remote-transport.ts';
import type { SdpMedia } from './sdp-document.ts';
import { SdpError } from './sdp-error.ts';
import type { NegotiationContext, PubAction, PubSectionStatus, SdpWarning } from './types.ts';
import type { WrittenCodec } from './write-sdp.ts';

export interface SectionInput {
  readonly section: SdpMedia;
  /** What was answered at this index before. */
  readonly before: PubSection | undefined;
  readonly live: boolean;
  /** What was produced must be produced anew, on another transport. */
  readonly transportLost: boolean;
  /** Whether it carries the transport of all (RFC 9143 §7): it must not get port 0. */
  readonly isTagged: boolean;
  readonly track: PublishTrack | undefined;
  readonly mixedAllowed: boolean;
  readonly context: NegotiationContext;
}

/** What the answer says in one section. */
export interface SectionAnswer {
  /** False: port 0, not in the BUNDLE group. */
  readonly accepted: boolean;
  readonly direction: 'recvonly' | 'inactive';
  readonly codecs: readonly WrittenCodec[];
  readonly extensions: readonly AcceptedExtension[];
  readonly rids: readonly { readonly rid: string; readonly paused: boolean }[];
  readonly maxBitrate: number | undefined;
}

export interface SectionPlan {
  readonly section: SdpMedia;
  /** Of its track, as told now or before. */
  readonly source: string | null;
  /** A live section that is produced now has an empty producer id until `completePublish`. */
  readonly next: PubSection;
  readonly status: PubSectionStatus;
  readonly code: SdpErrorCode | null;
  readonly actions: readonly PubAction[];
  readonly answer: SectionAnswer;
  readonly warnings: readonly SdpWarning[];
}

/** Decides about one media section of a publish offer. */
export function planSection(told: SectionInput): SectionPlan {
  const { section, before, live } = told;
  if (!live) return stopped(told);
  const mid = requireMid(section);
  const known = before?.phase === 'live' && before.mid === mid ? before : undefined;
  const remembered = before && 'track' in before && before.mid === mid ? before.track : undefined;
  const input = { ...told, track: told.track ?? remembered };
  if (!isRtpKind(section.kind))
    return rejected(input, section.kind === 'application' ? 'data_on_pub_unsupported' : 'no_common_codec');

  const codec = chooseCodec(input, section.kind, known);
  if (!codec) return rejected(input, 'no_common_codec');
  if (isFrozen(codec, input.track)) return rejected(input, 'scalability_unsupported');

  const wantsToSend = section.direction === 'sendonly' || section.direction === 'sendrecv';
  if (!wantsToSend) return notSending(input, mid, codec, known);
  if (before?.phase === 'revoked') {
    return { ...base(input), next: before, status: 'closed', answer: accept(input, 'inactive', codec) };
  }
  return sending(input, mid, section.kind, codec, known);
}

/**
 * The codec asked for by name, if the section has it. Otherwise one once chosen stays while its payload type does;
 * else the client's first (RFC 3264 §8.3.2). One that could only be seen frozen is taken if there is no other.
 */
function chooseCodec(
  { section, context, track }: SectionInput,
  kind: MediaKind,
  known: LivePubSection | undefined,
): CommonCodec | undefined {
  const allowed = allowedRouterCodecs(context.routerRtpCapabilities, kind, context.codecs);
  const chosen = known?.rtpParameters.codecs[0]?.payloadType;
  const wanted = track?.codec?.toLowerCase();
  const rank = (payloadType: number) => {
    const isWanted = wanted !== undefined && section.rtpmaps.get(payloadType)?.name.toLowerCase() === wanted;
    return (isWanted ? 2 : 0) + (payloadType === chosen ? 1 : 0);
  };
  const order = section.payloadTypes.toSorted((a, b) => rank(b) - rank(a));
  let frozen: CommonCodec | undefined;
  for (const codec of commonCodecs(section, kind, allowed, order)) {
    if (!isFrozen(codec, track)) return codec;
    frozen ??= codec;
  }
  return frozen;
}

/**
 * mediasoup takes the dependency descriptor but does not pass it on (versatica/mediasoup#1536, #1610). Without it
 * Chromium cannot tell that spatial layers of AV1 were left out, and waits for them.
 */
function isFrozen({ codec }: CommonCodec, track: PublishTrack | undefined): boolean {
  return codec.mimeType.toLowerCase() === 'video/av1' && /^[LS][2-9]/.test(track?.scalabilityMode ?? '');
}

function sending(
  input: SectionInput,
  mid: string,
  kind: 'audio' | 'video',
  codec: CommonCodec,
  known: LivePubSection | undefined,
): SectionPlan {
  const { section, track } = input;
  if (!track) throw new SdpError('missing_track', 'A sending section has no entry in tracks', mid);
  if (known && track.source !== known.track.source)
    throw new SdpError('track_changed', `The source of a live section cannot change`, mid);

  const extensions = acceptedExtensions(section, kind, input.context.routerRtpCapabilities, input.mixedAllowed);
  const { rtpParameters, rids } = producerParameters(input, mid, codec, extensions);
  if (!canProduce(kind, rtpParameters, input.context.routerRtpCapabilities)) return rejected(input, 'no_common_codec');
  const answer: SectionAnswer = { ...accept(input, 'recvonly', codec), rids };

  if (known && !input.transportLost && sameStream(known.rtpParameters, rtpParameters)) {
    const resume: PubAction = { type: 'resumeProducer', mid, producerId: known.producerId };
    return {
      ...base(input),
      next: { ...known, track, paused: false },
      status: 'live',
      answer,
      actions: known.paused ? [resume] : [],
    };
  }
  const estimation = rtpParameters.codecs[0]?.rtcpFeedback?.some(
    ({ type }) => type === 'transport-cc' || type === 'goog-remb',
  );
  return {
    ...base(input),
    next: { phase: 'live', mid, kind, track, producerId: '', paused: false, rtpParameters },
    status: 'live',
    answer,
    actions: [
      ...(known ? [{ type: 'closeProducer', mid, producerId: known.producerId } as const] : []),
      { type: 'produce', mid, kind, source: track.source, rtpParameters, paused: false },
    ],
    warnings: kind === 'video' && !estimation ? [{ code: 'no_bandwidth_estimation', mid }] : [],
  };
}

function notSending(
  input: SectionInput,
  mid: string,
  codec: CommonCodec,
  known: LivePubSection | undefined,
): SectionPlan {
  const answer = accept(input, 'inactive', codec);
  const warnings: SdpWarning[] = input.section.direction === 'recvonly' ? [{ code: 'recvonly_on_pub', mid }] : [];
  if (!known) {
    return {
      ...base(input),
      next: { phase: 'idle', mid, kind: input.section.kind, ...remembering(input) },
      status: 'inactive',
      answer,
      warnings,
    };
  }
  if (input.transportLost) {
    return {
      ...base(input),
      next: { phase: 'idle', mid, kind: known.kind, track: known.track },
      status: 'inactive',
      answer,
      warnings,
      actions: closing(input),
    };
  }
  const pause: PubAction = { type: 'pauseProducer', mid, producerId: known.producerId };
  return {
    ...base(input),
    next: { ...known, paused: true },
    status: 'paused',
    answer,
    warnings,
    actions: known.paused ? [] : [pause],
  };
}

/** Port 0 without bundle-only: the client stopped it (RFC 8829 §5.2.2). */
function stopped(input: SectionInput): SectionPlan {
  return {
    ...base(input),
    next: { phase: 'closed', mid: input.section.mid, kind: input.section.kind },
    status: 'closed',
    actions: closing(input),
  };
}

/**
 * RFC 3264 §6: port 0, and the others proceed. In the section that carries the transport of all that would end
 * all, so it stays open and idle (case 13).
 */
function rejected(input: SectionInput, code: SdpErrorCode): SectionPlan {
  const { section, isTagged } = input;
  const common = { ...base(input), status: 'rejected' as const, code, actions: closing(input) };
  if (!isTagged) return { ...common, next: { phase: 'closed', mid: section.mid, kind: section.kind } };
  return {
    ...common,
    next: { phase: 'idle', mid: requireMid(section), kind: section.kind },
    answer: { ...common.answer, accepted: true },
  };
}

function closing({ before }: SectionInput): PubAction[] {
  return before?.phase === 'live' ? [{ type: 'closeProducer', mid: before.mid, producerId: before.producerId }] : [];
}

function remembering({ track }: SectionInput): { readonly track?: PublishTrack } {
  return track ? { track } : {};
}

function base({ section, track }: SectionInput) {
  const placeholder = section.payloadTypes.find((payloadType) => rtpmapText(section, payloadType) !== undefined);
  const codecs: WrittenCodec[] =
    placeholder === undefined
      ? []
      : [{ payloadType: placeholder, rtpmap: rtpmapText(section, placeholder), parameters: {}, feedback: [] }];
  const answer: SectionAnswer = {
    accepted: false,
    direction: 'inactive',
    codecs,
    extensions: [],
    rids: [],
    maxBitrate: undefined,
  };
  return { section, source: track?.source ?? null, code: null, actions: [], warnings: [], answer } as const;
}

function accept(input: SectionInput, direction: SectionAnswer['direction'], codec: CommonCodec): SectionAnswer {
  const { section, context, track, mixedAllowed } = input;
  const kind = codec.routerCodec.kind;
  const extensions = acceptedExtensions(section, kind, context.routerRtpCapabilities, mixedAllowed);
  const feedback = feedbackOf(section, codec, extensions);
  const codecs: WrittenCodec[] = [
    {
      payloadType: codec.payloadType,
      rtpmap: rtpmapText(section, codec.payloadType),
      parameters: answerParameters(codec, track),
      feedback,
    },
  ];
  const rtx = rtxOf(input, codec);
  if (rtx !== undefined) {
    codecs.push({
      payloadType: rtx,
      rtpmap: rtpmapText(section, rtx),
      parameters: { apt: codec.payloadType },
      feedback: [],
    });
  }
  return { accepted: true, direction, codecs, extensions, rids: [], maxBitrate: track?.maxBitrate };
}

function rtxOf({ context }: SectionInput, { routerCodec, rtxPayloadType }: CommonCodec): number | undefined {
  return routerRtxOf(context.routerRtpCapabilities, routerCodec.preferredPayloadType) ? rtxPayloadType : undefined;
}

function feedbackOf(section: SdpMedia, codec: CommonCodec, extensions: readonly AcceptedExtension[]): RtcpFeedback[] {
  const common = commonFeedback(section.feedback, codec.payloadType, codec.routerCodec.rtcpFeedback ?? []);
  return oneBandwidthEstimation(
    common,
    extensions.map(({ parameters }) => parameters),
  );
}

function producerParameters(
  input: SectionInput,
  mid: string,
  codec: CommonCodec,
  extensions: readonly AcceptedExtension[],
): { rtpParameters: RtpParameters; rids: SectionAnswer['rids'] } {
  const { section, track } = input;
  const rtx = rtxOf(input, codec);
  const headerExtensions = extensions.map(({ parameters }) => parameters);
  const { encodings, rids } = sectionEncodings(section, headerExtensions, track ?? {}, {
    mimeType: codec.codec.mimeType,
    hasRtx: rtx !== undefined,
  });
  const cname = cnameOf(section);
  const rtpParameters: RtpParameters = {
    mid,
    codecs: [
      { ...codec.codec, rtcpFeedback: feedbackOf(section, codec, extensions) },
      ...(rtx === undefined
        ? []
        : [
            {
              mimeType: `${codec.routerCodec.kind}/rtx`,
              payloadType: rtx,
              clockRate: codec.codec.clockRate,
              parameters: { apt: codec.payloadType },
              rtcpFeedback: [],
            },
          ]),
    ],
    headerExtensions,
    encodings,
    rtcp: { ...(cname === undefined ? {} : { cname }), reducedSize: true },
  };
  return { rtpParameters, rids };
}

/** mediasoup gives it to consumers, and so it comes to stand in other users' SDP. */
function cnameOf(section: SdpMedia): string | undefined {
  for (const { cname } of section.ssrcs.values()) {
    if (cname === undefined) continue;
    if (!/^[\x21-\x7e]{1,255}$/.test(cname))
      throw new SdpError('invalid_identifier', 'A cname has characters that are not allowed', section.mid);
    return cname;
  }
  return undefined;
}

/** What we, receiving, want of the client: its own wishes as a receiver (Firefox' `max-fs`) are not repeated. */
function answerParameters(
  { codec, routerCodec }: CommonCodec,
  track: PublishTrack | undefined,
): Record<string, unknown> {
  const offered = parseFmtp('');
  for (const name of ANSWERED_PARAMETERS[routerCodec.mimeType.toLowerCase()] ?? []) {
    const value = codec.parameters?.[name];
    if (typeof value === 'string' || typeof value === 'number') offered[name] = value;
  }
  if (routerCodec.mimeType.toLowerCase() !== 'audio/opus') return offered;
  const stereo = track?.stereo ?? Number(codec.parameters?.['sprop-stereo'] ?? 0) === 1;
  return { ...offered, ...(stereo ? { stereo: 1 } : {}), ...(track?.dtx ? { usedtx: 1 } : {}) };
}

/** By codec: parameters that the answer repeats. Codecs are those of the table. */
const ANSWERED_PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(CODEC_TABLE.map(({ mimeType }) => [mimeType.toLowerCase(), []])),
  'audio/opus': ['minptime', 'useinbandfec'],
  'video/vp9': ['profile-id'],
  'video/h264': ['level-asymmetry-allowed', 'packetization-mode', 'profile-level-id'],
  'video/av1': ['level-idx', 'profile', 'tier'],
};

/** Whether a producer made from `before` can go on with what is offered now. */
function sameStream(before: RtpParameters, now: RtpParameters): boolean {
  const codecs = (parameters: RtpParameters) =>
    parameters.codecs.map(({ payloadType, mimeType }) => `${payloadType} ${mimeType}`).join();
  const encodings = (parameters: RtpParameters) =>
    (parameters.encodings ?? [])
      .map(({ ssrc, rid, rtx, scalabilityMode }) => `${ssrc} ${rid} ${rtx?.ssrc} ${scalabilityMode}`)
      .sort()
      .join();
  const order = (parameters: RtpParameters) => (parameters.encodings ?? []).map(({ rid }) => rid).join();
  const moved = (now.headerExtensions ?? []).some(({ uri, id }) =>
    (before.headerExtensions ?? []).some((known) => (known.uri === uri) !== (known.id === id)),
  );
  if (codecs(before) !== codecs(now) || encodings(before) !== encodings(now)) return false;
  return order(before) === order(now) && !moved;
}
