import { CODEC_TABLE, type CodecName, type MediaKind } from '@mediaserver/contracts';
import type { RtpCapabilities, RtpCodecCapability, RtpCodecParameters } from 'mediasoup/types';
import { parseFmtp } from './fmtp.ts';
import { isRtx, matchRouterCodec, type CodecMatch } from './ortc.ts';
import type { SdpMedia } from './sdp-document.ts';

/** A codec of a section that the Router knows. */
export interface CommonCodec extends CodecMatch {
  readonly payloadType: number;
  /** As `produce()` wants it, feedback left out. */
  readonly codec: RtpCodecParameters;
  readonly rtxPayloadType: number | undefined;
}

/** Payload types without `a=rtpmap` that still have a meaning (RFC 3551 §6). */
const STATIC_NAMES: Readonly<Record<number, string>> = {
  0: 'PCMU/8000',
  8: 'PCMA/8000',
  9: 'G722/8000',
  13: 'CN/8000',
};

/** `<name>/<rate>[/<channels>]` of an offered payload type. */
export function rtpmapText(section: SdpMedia, payloadType: number): string | undefined {
  const rtpmap = section.rtpmaps.get(payloadType);
  if (!rtpmap) return STATIC_NAMES[payloadType];
  return `${rtpmap.name}/${rtpmap.clockRate}${rtpmap.channels === undefined ? '' : `/${rtpmap.channels}`}`;
}

/** What the client wrote for a payload type, as mediasoup's codec parameters. */
function offeredCodec(section: SdpMedia, kind: MediaKind, payloadType: number): RtpCodecParameters | null {
  const rtpmap = section.rtpmaps.get(payloadType);
  if (!rtpmap) return null;
  return {
    mimeType: `${kind}/${rtpmap.name}`,
    payloadType,
    clockRate: rtpmap.clockRate,
    ...(kind === 'audio' ? { channels: rtpmap.channels ?? 1 } : {}),
    parameters: parseFmtp(section.fmtps.get(payloadType) ?? ''),
    rtcpFeedback: [],
  };
}

/** Codecs of the Router that the room allows, without RTX, in the Router's order. */
export function allowedRouterCodecs(
  router: RtpCapabilities,
  kind: MediaKind,
  codecs: readonly CodecName[],
): RtpCodecCapability[] {
  const mimeTypes = new Set(
    CODEC_TABLE.filter(({ name }) => codecs.includes(name)).map(({ mimeType }) => mimeType.toLowerCase()),
  );
  return (router.codecs ?? []).filter((codec) => codec.kind === kind && mimeTypes.has(codec.mimeType.toLowerCase()));
}

export function routerRtxOf(router: RtpCapabilities, payloadType: number): RtpCodecCapability | undefined {
  return (router.codecs ?? []).find((codec) => isRtx(codec) && codec.parameters?.['apt'] === payloadType);
}

/**
 * The codecs a section and the room have in common. Found one by one: most sections need no more than their first.
 *
 * @param allowed looked at anew for each codec
 * @param payloadTypes in the order they are tried; usually that of the client (RFC 8829 §5.3.1)
 */
export function* commonCodecs(
  section: SdpMedia,
  kind: MediaKind,
  allowed: readonly RtpCodecCapability[],
  payloadTypes: readonly number[] = section.payloadTypes,
): Generator<CommonCodec> {
  let repairs: ReadonlyMap<unknown, number> | undefined;
  for (const payloadType of payloadTypes) {
    const codec = offeredCodec(section, kind, payloadType);
    if (!codec || isRtx(codec)) continue;
    const match = matchRouterCodec(codec, allowed);
    if (!match) continue;
    repairs ??= rtxPayloadTypes(section, kind);
    yield {
      ...match,
      payloadType,
      codec: { ...codec, parameters: match.parameters },
      rtxPayloadType: repairs.get(payloadType),
    };
  }
}

/** RTX payload types by the payload type they repair (RFC 4588 §8.1: `apt`); of several the first. */
function rtxPayloadTypes(section: SdpMedia, kind: MediaKind): ReadonlyMap<unknown, number> {
  const repairs = new Map<unknown, number>();
  if (kind !== 'video') return repairs;
  for (const payloadType of section.payloadTypes) {
    if (section.rtpmaps.get(payloadType)?.name.toLowerCase() !== 'rtx') continue;
    const { apt } = parseFmtp(section.fmtps.get(payloadType) ?? '');
    if (apt !== undefined && !repairs.has(apt)) repairs.set(apt, payloadType);
  }
  return repairs;
}
