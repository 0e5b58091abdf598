/**
 * The only place that touches `mediasoup/ortc`. It changes the parameters it is given (so they are cloned; the
 * Router's capabilities it leaves alone, which a test holds it to), draws random SSRCs (so its results are thrown
 * away; SSRCs come from `consumer.rtpParameters` alone), and throws errors of its own kinds (so they are caught and
 * read as "no").
 */
import type { MediaKind } from '@mediaserver/contracts';
import { isSameProfile } from 'h264-profile-level-id';
import * as ortc from 'mediasoup/ortc';
import type { RtpCapabilities, RtpCodecCapability, RtpCodecParameters, RtpParameters } from 'mediasoup/types';
import { routerCodecs } from './router-codecs.ts';

/** What `router.rtpCapabilities` of a Router made from `routerCodecs()` is. */
export function routerRtpCapabilities(): RtpCapabilities {
  return ortc.generateRouterRtpCapabilities(routerCodecs());
}

export function isRtx(codec: { readonly mimeType: string }): boolean {
  return codec.mimeType.toLowerCase().endsWith('/rtx');
}

export interface CodecMatch {
  readonly routerCodec: RtpCodecCapability;
  /** The client's parameters; for H264 with the level that both ends can keep to. */
  readonly parameters: Record<string, unknown>;
}

/**
 * Finds the Router's codec for a client's, as `produce()` will: H264 by profile and packetization mode
 * (RFC 6184 §8.2.2), VP9 by profile. AV1 by profile too, which mediasoup leaves out.
 */
export function matchRouterCodec(
  codec: RtpCodecParameters,
  candidates: readonly RtpCodecCapability[],
): CodecMatch | null {
  for (const candidate of candidates) {
    if (!sameName(codec, candidate) || !sameProfile(codec, candidate)) continue;
    // Matching writes the common H264 level into what it is given.
    const clone = { ...codec, parameters: { ...codec.parameters } };
    if (maps({ codecs: [clone], encodings: [] }, { codecs: [candidate] })) {
      return { routerCodec: candidate, parameters: clone.parameters ?? {} };
    }
  }
  return null;
}

function sameName(codec: RtpCodecParameters, candidate: RtpCodecCapability): boolean {
  return codec.mimeType.toLowerCase() === candidate.mimeType.toLowerCase() && codec.clockRate === candidate.clockRate;
}

/** What ortc would refuse is refused here first: there it costs an exception, and an offer can hold thousands. */
function sameProfile({ mimeType, parameters: ours = {} }: RtpCodecParameters, candidate: RtpCodecCapability): boolean {
  const theirs = candidate.parameters ?? {};
  const same = (name: string) => Number(ours[name] ?? 0) === Number(theirs[name] ?? 0);
  switch (mimeType.toLowerCase()) {
    case 'video/av1':
      return same('profile');
    case 'video/vp9':
      return same('profile-id');
    case 'video/h264':
      return same('packetization-mode') && isSameProfile(ours, theirs);
    default:
      return true;
  }
}

function maps(parameters: RtpParameters, capabilities: RtpCapabilities): boolean {
  try {
    ortc.validateAndNormalizeRtpParameters(parameters);
    ortc.getProducerRtpParametersMapping(parameters, capabilities);
    return true;
  } catch {
    return false;
  }
}

/** Whether `transport.produce()` would take these parameters, as far as that is decided before the Worker. */
export function canProduce(kind: MediaKind, parameters: RtpParameters, router: RtpCapabilities): boolean {
  try {
    const clone = structuredClone(parameters);
    ortc.validateAndNormalizeRtpParameters(clone);
    const mapping = ortc.getProducerRtpParametersMapping(clone, router);
    ortc.getConsumableRtpParameters(kind, clone, router, mapping);
    return true;
  } catch {
    return false;
  }
}
