import type { ClientProfileName } from '@mediaserver/contracts';
import { parseSdp } from './parse-sdp.ts';
import type { SdpDocument } from './sdp-document.ts';

/** What a client needs that others do not. Code asks for the need, never for the name of a client. */
export interface ClientProfile {
  readonly name: ClientProfileName;
  /** Takes a closed media section over for another track (RFC 8829 §5.2.2); otherwise each track gets a new one. */
  readonly recyclesSections: boolean;
  /** Follows new ICE credentials in an offer (RFC 8839 §4.4.3); otherwise a restart takes a new PeerConnection. */
  readonly restartsIce: boolean;
  /**
   * Goes on with connectivity checks once connected (RFC 7675 §5.1). Of a client that sends indications in their place
   * (RFC 8445 §11), as libnice does, silence says nothing: it must not count as lost.
   */
  readonly checksConsent: boolean;
  /**
   * Asks for a key frame when nothing decodes (RFC 4585 §6.3.1) and tells its bandwidth. For webrtcbin, which does
   * neither by default, both are done unasked.
   */
  readonly givesFeedback: boolean;
}

export const clientProfiles: Readonly<Record<ClientProfileName, ClientProfile>> = {
  standard: {
    name: 'standard',
    recyclesSections: true,
    restartsIce: true,
    checksConsent: true,
    givesFeedback: true,
  },
  grow: { name: 'grow', recyclesSections: false, restartsIce: false, checksConsent: false, givesFeedback: false },
};

/**
 * Which profile fits who wrote this SDP. libwebrtc and Firefox (proven live), Pion and aiortc (by what they are known to
 * write) have `a=msid-semantic` or `a=extmap-allow-mixed`; webrtcbin has neither. Who is not known gets `grow`, which
 * every client understands.
 *
 * @throws SdpError if the text is not SDP
 */
export function clientProfile(sdp: string): ClientProfile {
  return profileOf(parseSdp(sdp));
}

export function profileOf({ hasMsidSemantic, extmapAllowMixed, media }: SdpDocument): ClientProfile {
  const known = hasMsidSemantic || extmapAllowMixed || media.some((section) => section.extmapAllowMixed);
  return known ? clientProfiles.standard : clientProfiles.grow;
}
