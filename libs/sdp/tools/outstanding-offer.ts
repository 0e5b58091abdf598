import type { RtpCodecParameters, RtpParameters } from 'mediasoup/types';
import { createSubState, SdpError, type SubState } from '../src/index.ts';
import { sectionEncodings } from '../src/encodings.ts';
import { parseFmtp } from '../src/fmtp.ts';
import { parseSdp } from '../src/parse-sdp.ts';
import { isRtpKind, requireMid } from '../src/remote-transport.ts';
import type { SdpMedia } from '../src/sdp-document.ts';
import type { OfferedLine, SubConnection, SubEntry, SubLine } from '../src/sub-state.ts';
import { isSending } from './guess.ts';

export const RECONSTRUCTED_NEGOTIATION = 'reconstructed';

/**
 * The state of a SUB PeerConnection whose offer waits for an answer, from nothing but that offer's text. The ids of
 * users and consumers are those of `a=msid`; what a state knows besides (who publishes what) is not in SDP.
 *
 * @param connection of an earlier answer of the same PeerConnection
 * @throws SdpError if the offer cannot be read
 */
export function outstandingOffer(offerSdp: string, connection: SubConnection | null = null): SubState {
  const document = parseSdp(offerSdp);
  const offered = document.media.map((section) => offeredLine(section, connection !== null));
  const data = document.media.some(({ kind }) => kind === 'application');
  return {
    ...createSubState({ generation: 1, data, capabilities: null, profile: null }),
    phase: 'offered',
    // Data channels are opened by the first answer.
    ...(data && connection ? { data: 'open' } : {}),
    revision: 1,
    nextMid: offered.length + 1,
    lines: offered.map((line): SubLine => ({
      kind: line.kind,
      mid: line.mid,
      phase: phaseOf(line),
      entry: line.entry,
    })),
    outstanding: {
      negotiationId: RECONSTRUCTED_NEGOTIATION,
      offer: {
        generation: 1,
        revision: 1,
        negotiationId: RECONSTRUCTED_NEGOTIATION,
        sdp: offerSdp,
        tracks: [],
        data: [],
      },
      lines: offered,
    },
    connection,
  };
}

function phaseOf({ role }: OfferedLine): SubLine['phase'] {
  return role === 'track' ? 'adding' : role;
}

function offeredLine(section: SdpMedia, connected: boolean): OfferedLine {
  const { kind } = section;
  const mid = requireMid(section);
  if (!isRtpKind(kind) && kind !== 'application') {
    throw new SdpError('malformed_sdp', 'The offer has a section of a kind that this server never offers', mid);
  }
  const role = roleOf(section, connected);
  return {
    mid,
    kind,
    role,
    entry: role === 'track' && isRtpKind(kind) ? offeredTrack(section, kind, mid) : null,
    codecs: Object.fromEntries([...section.rtpmaps].map(([type, { name }]) => [type, name.toLowerCase()])),
    extensions: Object.fromEntries(section.extmaps.map(({ id, uri }) => [id, uri])),
  };
}

function offeredTrack(section: SdpMedia, kind: 'audio' | 'video', mid: string): SubEntry {
  const msid = msidOf(section);
  const [userId = '', consumerId = `consumer-${mid}`] = msid.split(' ').filter(Boolean);
  return {
    mid,
    track: { trackId: msid === '' ? '-' : msid, userId, source: '', kind },
    consumer: {
      mid,
      consumerId,
      producerId: '',
      rtpParameters: consumerParameters(section, kind, mid),
      paused: false,
      replaces: null,
    },
    flowing: false,
  };
}

/** Our offers send, keep a place, or tell that a section has ended; only a first one asks what the device can do. */
function roleOf(section: SdpMedia, connected: boolean): OfferedLine['role'] {
  if (section.port === 0) return 'closed';
  if (isSending(section) && isRtpKind(section.kind)) return 'track';
  return section.index === 0 || connected ? 'anchor' : 'probe';
}

/** `<userId> <consumerId>`, as our offers write it at their SSRCs; empty if another server wrote the offer. */
function msidOf({ ssrcs }: SdpMedia): string {
  return [...ssrcs.values()].find(({ msid }) => msid !== undefined)?.msid ?? '';
}

function consumerParameters(section: SdpMedia, kind: 'audio' | 'video', mid: string): RtpParameters {
  const codecs = section.payloadTypes.flatMap((payloadType): RtpCodecParameters[] => {
    const rtpmap = section.rtpmaps.get(payloadType);
    if (!rtpmap) return [];
    return [
      {
        mimeType: `${kind}/${rtpmap.name}`,
        payloadType,
        clockRate: rtpmap.clockRate,
        ...(rtpmap.channels === undefined ? {} : { channels: rtpmap.channels }),
        parameters: parseFmtp(section.fmtps.get(payloadType) ?? ''),
      },
    ];
  });
  const hasRtx = codecs.some(({ mimeType }) => mimeType.toLowerCase() === 'video/rtx');
  const { encodings } = sectionEncodings(section, section.extmaps, {}, { mimeType: codecs[0]?.mimeType ?? '', hasRtx });
  return { mid, codecs, encodings };
}
