import { parseFmtp } from './fmtp.ts';
import type { SdpMedia } from './sdp-document.ts';
import { SdpError } from './sdp-error.ts';

/** Parameters that make two codecs of one name different codecs. */
const DISTINGUISHING = ['apt', 'packetization-mode', 'profile-level-id', 'profile-id', 'profile'];

/**
 * In a BUNDLE a payload type and a header extension id mean one thing in all sections (RFC 9143 §9, RFC 8285
 * §5): packets of all of them come over one transport, on which mediasoup and libwebrtc look them up.
 *
 * @throws SdpError `pt_collision`, `malformed_sdp`
 */
export function checkBundleNumbers(sections: readonly SdpMedia[]): void {
  const codecs = new Map<number, string>();
  const extensions = new Map<number, string>();
  for (const section of sections) {
    for (const payloadType of section.payloadTypes) {
      const codec = codecIdentity(section, payloadType);
      if (codec === undefined) continue;
      if ((codecs.get(payloadType) ?? codec) !== codec) {
        throw new SdpError('pt_collision', `Payload type ${payloadType} means two codecs`, section.mid);
      }
      codecs.set(payloadType, codec);
    }
    for (const { id, uri, encrypted } of section.extmaps) {
      const extension = `${encrypted ? 'encrypted ' : ''}${uri}`;
      if ((extensions.get(id) ?? extension) !== extension) {
        throw new SdpError('malformed_sdp', `Header extension id ${id} means two extensions`, section.mid);
      }
      extensions.set(id, extension);
    }
  }
}

function codecIdentity(section: SdpMedia, payloadType: number): string | undefined {
  const rtpmap = section.rtpmaps.get(payloadType);
  if (!rtpmap) return undefined;
  const parameters = parseFmtp(section.fmtps.get(payloadType) ?? '');
  const parts = DISTINGUISHING.map((name) => String(parameters[name] ?? ''));
  return [section.kind, rtpmap.name, rtpmap.clockRate, rtpmap.channels ?? 1, ...parts].join('/').toLowerCase();
}
