import { profileOf } from '../src/client-profile.ts';
import type { SdpDocument } from '../src/sdp-document.ts';

export interface ClientLook {
  /** The stack, as far as its writing shows it; only for the reader, nothing is decided by it. */
  readonly stack: string;
  readonly because: string;
  /** What the library treats it as, and what that means. */
  readonly profile: string;
  readonly meaning: string;
}

const STACKS: readonly { readonly stack: string; readonly because: string; readonly marks: readonly RegExp[] }[] = [
  { stack: 'Firefox', because: 'its o= line names mozilla', marks: [/^o=mozilla/m] },
  { stack: 'GStreamer webrtcbin', because: 'a=rtcp-mux-only, which only it writes', marks: [/^a=rtcp-mux-only/m] },
  {
    stack: 'libwebrtc (Chrome, Edge, Safari, the Android and iOS SDKs)',
    because: 'the way it writes a=msid-semantic: WMS',
    marks: [/^a=msid-semantic: WMS/m],
  },
];

export function clientLook(sdp: string, document: SdpDocument): ClientLook {
  const known = STACKS.find(({ marks }) => marks.every((mark) => mark.test(sdp)));
  const { name, recyclesSections, restartsIce } = profileOf(document);
  return {
    stack: known?.stack ?? 'not known',
    because: known?.because ?? 'none of the marks of the stacks we know',
    profile: name,
    meaning: [
      recyclesSections ? 'sections of ended tracks are used again' : 'each track gets a section of its own',
      restartsIce ? 'ICE restarts in place' : 'an ICE restart takes a new PeerConnection',
    ].join('; '),
  };
}
