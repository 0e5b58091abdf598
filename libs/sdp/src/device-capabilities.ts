import type { MediaKind } from '@mediaserver/contracts';
import type { RtpCapabilities, RtpCodecCapability, RtpHeaderExtension } from 'mediasoup/types';
import { allowedRouterCodecs, commonCodecs, routerRtxOf } from './codecs.ts';
import { commonFeedback, MID_EXTENSION, routerExtensions } from './header-extensions.ts';
import { parseSdp } from './parse-sdp.ts';
import type { SdpDocument, SdpMedia } from './sdp-document.ts';
import type { NegotiationContext } from './types.ts';

/**
 * What a device can receive, told by the offer of a throw-away PeerConnection with recvonly audio and video, and
 * re-expressed in the Router's payload types and header extension ids: with the client's own ids `consume()`
 * silently gives consumers without header extensions.
 *
 * The mid extension is in the result even where the client does not name it (GStreamer): it is what routes the
 * packets, and RFC 8285 §4 has receivers skip what they do not know.
 *
 * @throws SdpError if the text is not SDP; a device without a common codec has an empty list
 */
export function deviceCapabilities(capabilitiesSdp: string, context: NegotiationContext): RtpCapabilities {
  return capabilitiesOf(parseSdp(capabilitiesSdp), context);
}

export function capabilitiesOf(document: SdpDocument, context: NegotiationContext): RtpCapabilities {
  const codecs: RtpCodecCapability[] = [];
  const headerExtensions: RtpHeaderExtension[] = [];
  for (const kind of ['audio', 'video'] as const) {
    const sections = document.media.filter(
      (section) => section.kind === kind && (section.port !== 0 || section.bundleOnly),
    );
    codecs.push(...receivableCodecs(sections, kind, context));
    const offered = new Set(
      sections.flatMap(({ extmaps }) =>
        extmaps.filter(({ encrypted, direction }) => !encrypted && direction !== 'sendonly').map(({ uri }) => uri),
      ),
    );
    headerExtensions.push(
      ...routerExtensions(context.routerRtpCapabilities, kind, 'toClient').filter(
        ({ uri }) => uri === MID_EXTENSION || offered.has(uri),
      ),
    );
  }
  return structuredClone({ codecs, headerExtensions });
}

function receivableCodecs(
  sections: readonly SdpMedia[],
  kind: MediaKind,
  context: NegotiationContext,
): RtpCodecCapability[] {
  const allowed = allowedRouterCodecs(context.routerRtpCapabilities, kind, context.codecs);
  // Those still looked for: what was found is not compared again, however often a client names it.
  const missing = [...allowed];
  const receivable = new Map<RtpCodecCapability, { feedback: RtpCodecCapability['rtcpFeedback']; rtx: boolean }>();
  for (const section of sections) {
    for (const { routerCodec, payloadType, rtxPayloadType } of commonCodecs(section, kind, missing)) {
      missing.splice(missing.indexOf(routerCodec), 1);
      const feedback = commonFeedback(section.feedback, payloadType, routerCodec.rtcpFeedback ?? []);
      receivable.set(routerCodec, { feedback, rtx: rtxPayloadType !== undefined });
    }
  }
  return allowed.flatMap((routerCodec) => {
    const found = receivable.get(routerCodec);
    if (!found) return [];
    const codec: RtpCodecCapability = { ...routerCodec, rtcpFeedback: found.feedback ?? [] };
    const rtx = found.rtx ? routerRtxOf(context.routerRtpCapabilities, routerCodec.preferredPayloadType) : undefined;
    return rtx ? [codec, rtx] : [codec];
  });
}
