import type { DtlsFingerprint, FingerprintAlgorithm } from 'mediasoup/types';
import { limits } from './limits.ts';
import type { SdpDocument, SdpFingerprint, SdpMedia } from './sdp-document.ts';
import { SdpError } from './sdp-error.ts';

export type SetupRole = 'actpass' | 'active' | 'passive';

/** What the client's end of the one transport is, as its BUNDLE-tagged section says (RFC 9143 §7). */
export interface RemoteTransport {
  readonly tagged: SdpMedia;
  readonly iceUfrag: string;
  readonly icePwd: string;
  readonly setup: SetupRole;
  /** Strongest first: mediasoup takes the first. */
  readonly fingerprints: readonly DtlsFingerprint[];
}

const TOKEN = /^[\x21\x23-\x27\x2a\x2b\x2d\x2e\x30-\x39\x41-\x5a\x5e-\x7e]+$/;
const STRONGEST_FIRST = ['sha-512', 'sha-384', 'sha-256', 'sha-224', 'sha-1'] as const satisfies FingerprintAlgorithm[];
const HASH_BYTES: Readonly<Record<FingerprintAlgorithm, number>> = {
  'sha-1': 20,
  'sha-224': 28,
  'sha-256': 32,
  'sha-384': 48,
  'sha-512': 64,
};

/** An RTP section carried by DTLS-SRTP, or one that once was and still says so. */
export function isRtpKind(kind: string): kind is 'audio' | 'video' {
  return kind === 'audio' || kind === 'video';
}

/** The mid of a section that must have one. */
export function requireMid(section: SdpMedia): string {
  if (section.mid === undefined) throw new SdpError('bad_mid', `Section ${section.index} has no mid`);
  return section.mid;
}

/** RFC 5888 §4, §5: tokens, unique, and every mid of a group is there. */
export function checkMids(document: SdpDocument): void {
  const mids = new Set<string>();
  for (const { mid, index } of document.media) {
    if (mid === undefined) continue;
    if (mid.length > limits.midLength || !TOKEN.test(mid))
      throw new SdpError('bad_mid', `The mid of section ${index} is not usable`);
    if (mids.has(mid)) throw new SdpError('bad_mid', 'Two sections have the same mid', mid);
    mids.add(mid);
  }
  for (const bundle of document.bundles) {
    if (new Set(bundle).size !== bundle.length || !bundle.every((mid) => mids.has(mid))) {
      throw new SdpError('bad_mid', 'A BUNDLE group names an unknown mid, or one twice');
    }
  }
}

/**
 * Finds the section whose transport all live sections share. A single section needs no group.
 *
 * @throws SdpError `bundle_required`
 */
export function taggedSection(document: SdpDocument, live: readonly SdpMedia[]): SdpMedia {
  const [first, ...others] = live;
  if (!first) throw new TypeError('taggedSection needs a live section');
  if (others.length === 0) return first;
  const byMid = new Map(live.map((section) => [requireMid(section), section]));
  const bundle = document.bundles.find((mids) => mids.includes(requireMid(first))) ?? [];
  for (const mid of byMid.keys()) {
    if (!bundle.includes(mid)) {
      throw new SdpError(
        'bundle_required',
        "All media sections must be in one a=group:BUNDLE: use bundlePolicy 'max-bundle'",
        mid,
      );
    }
  }
  return bundle.map((mid) => byMid.get(mid)).find((section) => section !== undefined) ?? first;
}

/**
 * Checks and reads the transport of the tagged section; session level attributes stand in for missing ones.
 *
 * @throws SdpError `missing_ice`, `bad_setup`, `dtls_required`, `missing_fingerprint`, `bad_fingerprint`
 */
export function remoteTransport(document: SdpDocument, tagged: SdpMedia): RemoteTransport {
  const { transport: own, mid } = tagged;
  const iceUfrag = own.iceUfrag ?? document.transport.iceUfrag;
  const icePwd = own.icePwd ?? document.transport.icePwd;
  const fingerprints = own.fingerprints.length > 0 ? own.fingerprints : document.transport.fingerprints;
  if (fingerprints.length === 0) {
    if (tagged.hasCrypto) throw new SdpError('dtls_required', 'SDES keys cannot be used; DTLS-SRTP is required', mid);
    throw new SdpError('missing_fingerprint', 'There is no a=fingerprint', mid);
  }
  // RFC 8839 §5.4: 4 to 256 and 22 to 256 characters.
  if (!isIceText(iceUfrag, 4) || !isIceText(icePwd, 22)) {
    throw new SdpError('missing_ice', 'a=ice-ufrag or a=ice-pwd is missing or too short', mid);
  }
  const setup = own.setup ?? document.transport.setup;
  if (setup !== 'actpass' && setup !== 'active' && setup !== 'passive') {
    throw new SdpError('bad_setup', 'a=setup is missing or not usable', mid);
  }
  return { tagged, iceUfrag, icePwd, setup, fingerprints: usableFingerprints(fingerprints, mid) };
}

function isIceText(text: string | undefined, min: number): text is string {
  return text !== undefined && text.length >= min && text.length <= 256 && /^[\x21-\x7e]+$/.test(text);
}

/** RFC 8122 §5. Algorithms we do not know are passed over while another remains. */
function usableFingerprints(offered: readonly SdpFingerprint[], mid: string | undefined): DtlsFingerprint[] {
  const usable: DtlsFingerprint[] = [];
  for (const algorithm of STRONGEST_FIRST) {
    for (const { algorithm: name, value } of offered) {
      if (name !== algorithm) continue;
      if (!/^[0-9A-F]{2}(?::[0-9A-F]{2})*$/.test(value) || value.length !== HASH_BYTES[algorithm] * 3 - 1) {
        throw new SdpError('bad_fingerprint', `A ${algorithm} fingerprint is not hex of the right length`, mid);
      }
      usable.push({ algorithm, value });
    }
  }
  if (usable.length === 0)
    throw new SdpError('bad_fingerprint', 'No fingerprint has an algorithm that can be used', mid);
  return usable;
}

/** A certificate is the same if a hash of it is; a client may list other algorithms later. */
export function sameCertificate(before: readonly DtlsFingerprint[], now: readonly DtlsFingerprint[]): boolean {
  return now.some(({ algorithm, value }) =>
    before.some((known) => known.algorithm === algorithm && known.value === value),
  );
}
