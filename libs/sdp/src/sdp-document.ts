/**
 * SDP as read: every value is of one type, numbers are numbers and everything else a string. Nothing here is
 * judged for meaning; that is for the negotiation.
 */
export interface SdpDocument {
  readonly origin: { readonly sessionId: string; readonly version: string };
  /** Mids of each `a=group:BUNDLE` (RFC 9143 §7). */
  readonly bundles: readonly (readonly string[])[];
  readonly extmapAllowMixed: boolean;
  /** Whether `a=msid-semantic` stands at session level (draft-ietf-mmusic-msid-16; RFC 8830 dropped it). */
  readonly hasMsidSemantic: boolean;
  readonly iceOptions: readonly string[];
  readonly transport: SdpTransportAttributes;
  readonly media: readonly SdpMedia[];
}

/** The attributes that may stand at session level or in a section (RFC 8839 §4.4, RFC 8842 §5). */
export interface SdpTransportAttributes {
  readonly iceUfrag: string | undefined;
  readonly icePwd: string | undefined;
  readonly setup: string | undefined;
  readonly fingerprints: readonly SdpFingerprint[];
}

export interface SdpFingerprint {
  readonly algorithm: string;
  readonly value: string;
}

export type SdpDirection = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

export interface SdpRtpmap {
  readonly name: string;
  readonly clockRate: number;
  readonly channels: number | undefined;
}

export interface SdpFeedback {
  /** `*` stands for every payload type of the section (RFC 4585 §4.2). */
  readonly payloadType: number | '*';
  readonly type: string;
  readonly parameter: string;
}

export interface SdpExtmap {
  readonly id: number;
  readonly direction: SdpDirection;
  readonly uri: string;
  readonly encrypted: boolean;
}

export interface SdpSsrc {
  cname: string | undefined;
  msid: string | undefined;
}

export interface SdpSsrcGroup {
  readonly semantics: string;
  readonly ssrcs: readonly number[];
}

export interface SdpSimulcastStream {
  readonly rid: string;
  readonly paused: boolean;
}

export interface SdpMedia {
  readonly index: number;
  /** `audio`, `video`, `application`, or anything else a client writes. */
  readonly kind: string;
  readonly port: number;
  readonly protocol: string;
  readonly formats: readonly string[];
  /** The formats as numbers; empty for sections that are not RTP. */
  readonly payloadTypes: readonly number[];
  readonly mid: string | undefined;
  readonly direction: SdpDirection;
  readonly transport: SdpTransportAttributes;
  readonly rtcpMux: boolean;
  readonly rtcpReducedSize: boolean;
  readonly bundleOnly: boolean;
  readonly extmapAllowMixed: boolean;
  readonly hasCrypto: boolean;
  readonly iceOptions: readonly string[];
  readonly rtpmaps: ReadonlyMap<number, SdpRtpmap>;
  readonly fmtps: ReadonlyMap<number, string>;
  readonly feedback: readonly SdpFeedback[];
  readonly extmaps: readonly SdpExtmap[];
  readonly ssrcs: ReadonlyMap<number, SdpSsrc>;
  readonly ssrcGroups: readonly SdpSsrcGroup[];
  /** Rids with direction `send` (RFC 8851 §4). */
  readonly sendRids: readonly string[];
  /** The send part of `a=simulcast`, first alternative of each (RFC 8853 §5.1). */
  readonly simulcastSend: readonly SdpSimulcastStream[];
  readonly sctpPort: number | undefined;
}
