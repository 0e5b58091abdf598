import type { DtlsFingerprint, RtcpFeedback } from 'mediasoup/types';
import { formatFmtp } from './fmtp.ts';
import { SdpError } from './sdp-error.ts';
import type { LocalTransportDescription } from './types.ts';

/** A codec as `a=rtpmap`, `a=fmtp` and `a=rtcp-fb` lines. */
export interface WrittenCodec {
  readonly payloadType: number;
  /** `<name>/<clock rate>[/<channels>]`; undefined for a static payload type nobody named. */
  readonly rtpmap: string | undefined;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly feedback: readonly RtcpFeedback[];
}

/** Collects lines. Whatever is in them, a line stays one line (case 42). */
export class SdpLines {
  readonly #lines: string[] = [];

  add(line: string): this {
    if (/\p{Cc}/u.test(line)) {
      throw new SdpError('invalid_identifier', 'A name has control characters');
    }
    this.#lines.push(line);
    return this;
  }

  addIf(condition: boolean, line: string): this {
    return condition ? this.add(line) : this;
  }

  codec({ payloadType, rtpmap, parameters, feedback }: WrittenCodec): this {
    if (rtpmap !== undefined) this.add(`a=rtpmap:${payloadType} ${rtpmap}`);
    const fmtp = formatFmtp(parameters);
    if (fmtp !== '') this.add(`a=fmtp:${payloadType} ${fmtp}`);
    for (const { type, parameter } of feedback)
      this.add(`a=rtcp-fb:${payloadType} ${type}${parameter ? ` ${parameter}` : ''}`);
    return this;
  }

  text(): string {
    return `${this.#lines.join('\r\n')}\r\n`;
  }
}

export interface SessionHead {
  readonly sdpSessionId: string;
  readonly version: number;
  readonly bundle: readonly string[];
  readonly extmapAllowMixed: boolean;
  readonly fingerprints: readonly DtlsFingerprint[];
}

/** The session part. One sha-256 fingerprint stands here and nowhere else (some clients refuse both levels). */
export function writeSessionHead(lines: SdpLines, head: SessionHead): void {
  if (!/^\d{1,19}$/.test(head.sdpSessionId)) throw new TypeError('sdpSessionId must be decimal and below 2^63');
  const fingerprint = head.fingerprints.find(({ algorithm }) => algorithm === 'sha-256');
  if (!fingerprint) throw new TypeError('The transport has no sha-256 fingerprint');
  lines
    .add('v=0')
    .add(`o=- ${head.sdpSessionId} ${head.version} IN IP4 0.0.0.0`)
    .add('s=-')
    .add('t=0 0')
    .add('a=ice-lite')
    .addIf(head.bundle.length > 0, `a=group:BUNDLE ${head.bundle.join(' ')}`)
    .addIf(head.extmapAllowMixed, 'a=extmap-allow-mixed')
    .add('a=msid-semantic: WMS *')
    .add(`a=fingerprint:${fingerprint.algorithm} ${fingerprint.value.toUpperCase()}`);
}

/** ICE and DTLS lines of one section (RFC 8839 §5, RFC 8842 §5). All sections repeat them; BUNDLE picks one. */
export function writeTransport(
  lines: SdpLines,
  transport: LocalTransportDescription,
  options: { readonly setup: string; readonly renomination: boolean; readonly candidates: boolean },
): void {
  lines
    .add(`a=ice-ufrag:${transport.iceParameters.usernameFragment}`)
    .add(`a=ice-pwd:${transport.iceParameters.password}`);
  lines.addIf(options.renomination, 'a=ice-options:renomination').add(`a=setup:${options.setup}`);
  if (!options.candidates) return;
  for (const { foundation, protocol, priority, address, port, type, tcpType } of transport.iceCandidates) {
    const tcp = tcpType === undefined ? '' : ` tcptype ${tcpType}`;
    lines.add(`a=candidate:${foundation} 1 ${protocol} ${priority} ${address} ${port} typ ${type}${tcp}`);
  }
  lines.add('a=end-of-candidates');
}
