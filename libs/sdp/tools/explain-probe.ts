import { deviceCapabilities } from '../src/index.ts';
import { isRtpKind } from '../src/remote-transport.ts';
import type { SdpDocument } from '../src/sdp-document.ts';
import { EMPTY, outline, type Given, type Judged } from './explanation.ts';
import { capabilityLines } from './short-form.ts';
import { receiverVerdicts } from './verdicts.ts';

/** What the server learns of a device from a `capabilitiesSdp`. */
export function explainProbe({ sdp, context }: Given, document: SdpDocument): Judged {
  const capabilities = deviceCapabilities(sdp, context);
  const sections = document.media.map((section) => ({
    ...outline(sdp, section),
    status: 'read',
    codecs: isRtpKind(section.kind) ? receiverVerdicts(section, section.kind, context) : [],
  }));
  const kinds = (['audio', 'video'] as const).filter(
    (kind) => !capabilities.codecs?.some((codec) => codec.kind === kind),
  );
  return {
    ...EMPTY,
    accepted: true,
    sections,
    warnings: kinds.map(
      (kind) => `The device can receive no ${kind} of this room: no ${kind} track will be offered to it.`,
    ),
    capabilities: capabilityLines(capabilities),
  };
}
