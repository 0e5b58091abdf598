import type { MediaKind } from '@mediaserver/contracts';
import type { RtcpFeedback, RtpCapabilities, RtpHeaderExtension, RtpHeaderExtensionParameters } from 'mediasoup/types';
import type { SdpFeedback, SdpMedia } from './sdp-document.ts';

export const MID_EXTENSION = 'urn:ietf:params:rtp-hdrext:sdes:mid';
export const RID_EXTENSION = 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id';
const ABS_SEND_TIME = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time';
const TRANSPORT_CC = 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01';

/** Extensions the Router sends to (`toClient`) or takes from (`fromClient`) a client. */
export function routerExtensions(
  router: RtpCapabilities,
  kind: MediaKind,
  use: 'toClient' | 'fromClient',
): RtpHeaderExtension[] {
  const other = use === 'toClient' ? 'sendonly' : 'recvonly';
  return (router.headerExtensions ?? []).filter(
    ({ kind: of, direction = 'sendrecv' }) => of === kind && (direction === 'sendrecv' || direction === other),
  );
}

/** One accepted extension of a publish offer; `direction` is what the answer says, if it must say it. */
export interface AcceptedExtension {
  readonly parameters: RtpHeaderExtensionParameters;
  readonly direction: 'recvonly' | undefined;
}

/**
 * The extensions of an offered section that its producer will use, with the client's ids (RFC 8285 §7).
 * Out: what the client only receives, encrypted ones, unknown ones, id 15 (reserved in one-byte headers), ids
 * above 14 where two-byte headers are not allowed.
 */
export function acceptedExtensions(
  section: SdpMedia,
  kind: MediaKind,
  router: RtpCapabilities,
  mixedAllowed: boolean,
): AcceptedExtension[] {
  const wanted = new Map<string, RtpHeaderExtension['uri']>(
    routerExtensions(router, kind, 'fromClient').map(({ uri }) => [uri, uri]),
  );
  const accepted: AcceptedExtension[] = [];
  for (const { id, uri: offered, direction, encrypted } of section.extmaps) {
    const uri = wanted.get(offered);
    if (uri === undefined || encrypted || direction === 'recvonly' || direction === 'inactive') continue;
    if (id < 1 || id === 15 || id > (mixedAllowed ? 255 : 14)) continue;
    if (accepted.some(({ parameters }) => parameters.uri === uri)) continue;
    accepted.push({
      parameters: { uri, id, encrypt: false, parameters: {} },
      direction: direction === 'sendonly' ? 'recvonly' : undefined,
    });
  }
  return accepted;
}

/** Feedback that both ends know for a payload type, in the client's order (RFC 4585 §4.2). */
export function commonFeedback(
  offered: readonly SdpFeedback[],
  payloadType: number,
  router: readonly RtcpFeedback[],
): RtcpFeedback[] {
  const common = new Map<string, RtcpFeedback>();
  for (const { payloadType: of, type, parameter } of offered) {
    if (of !== '*' && of !== payloadType) continue;
    if (router.some((feedback) => feedback.type === type && (feedback.parameter ?? '') === parameter)) {
      common.set(`${type} ${parameter}`, { type, parameter });
    }
  }
  return [...common.values()];
}

/** One way of bandwidth estimation: transport-cc where its extension is there, else REMB, else none (case 14). */
export function oneBandwidthEstimation(
  feedback: readonly RtcpFeedback[],
  extensions: readonly { readonly uri: string }[],
): RtcpFeedback[] {
  const has = (uri: string) => extensions.some((extension) => extension.uri === uri);
  return feedback.filter(({ type }) => {
    if (type === 'transport-cc') return has(TRANSPORT_CC);
    if (type === 'goog-remb') return !has(TRANSPORT_CC) && has(ABS_SEND_TIME);
    return true;
  });
}
