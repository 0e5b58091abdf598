import type { SdpErrorCode } from '@mediaserver/contracts';
import { parseSdp } from '../src/parse-sdp.ts';
import { SdpError } from '../src/sdp-error.ts';

export interface SdpLine {
  /** From 1. */
  readonly number: number;
  readonly text: string;
}

/** Attributes that an error of this code is about. */
const ABOUT: Partial<Record<SdpErrorCode, RegExp>> = {
  bad_mid: /^a=(?:mid|group):?/,
  bundle_required: /^a=(?:mid|group):/,
  missing_ice: /^a=ice-(?:ufrag|pwd):/,
  bad_setup: /^a=setup:/,
  bad_fingerprint: /^a=fingerprint:/,
  dtls_fingerprint_changed: /^a=fingerprint:/,
  dtls_required: /^a=crypto:/,
  plan_b_unsupported: /^a=ssrc:\d+ msid:/,
  stale_offer: /^o=/,
  invalid_identifier: /^a=ssrc:\d+ cname:/,
  unroutable_media: /^a=(?:sendonly|sendrecv)/,
};

export function linesOf(sdp: string): SdpLine[] {
  return sdp.split('\n').map((line, index) => ({ number: index + 1, text: line.replace(/\r$/, '') }));
}

/** The `m=` line of each section. */
export function mediaLines(sdp: string): SdpLine[] {
  return linesOf(sdp).filter(({ text }) => text.startsWith('m='));
}

/** The lines that an error is about: at most a handful, none if it is about what is missing everywhere. */
export function locate(sdp: string, error: SdpError): SdpLine[] {
  const unreadable = firstUnreadable(sdp, error);
  if (unreadable) return [unreadable];
  const lines = linesOf(sdp);
  const session = lines.slice(0, Math.max(0, lines.findIndex(isMediaLine)));
  const section = sectionOf(lines, error);
  const number = /\b(?:Payload type|Header extension id) (\d+)\b/.exec(error.message)?.[1];
  if (number !== undefined) return few(lines, section, new RegExp(`^a=(?:rtpmap|extmap):${number}[ /]`));
  const about = ABOUT[error.code];
  if (!about) return section.slice(0, 1);
  const everywhere = section.length === 0 || error.code === 'bad_mid' || error.code === 'bundle_required';
  return few(everywhere ? lines : [...session, ...section], section, about);
}

/** The section's `m=` line and those that match; more than a dozen help nobody. */
function few(lines: readonly SdpLine[], section: readonly SdpLine[], pattern: RegExp): SdpLine[] {
  return lines.filter((line) => line.number === section[0]?.number || pattern.test(line.text)).slice(0, 12);
}

const isMediaLine = ({ text }: SdpLine) => text.startsWith('m=');

/** By the error's mid; some errors about mids name the section by its index. */
function sectionOf(lines: readonly SdpLine[], { mid, message }: SdpError): SdpLine[] {
  const index = /\bsection (\d+)\b/i.exec(message)?.[1];
  const begins = lines.flatMap((line, at) => (isMediaLine(line) ? [at] : []));
  const sections = begins.map((begin, number) => lines.slice(begin, begins[number + 1]));
  if (index !== undefined) return sections[Number(index)] ?? [];
  return sections.find((section) => section.some(({ text }) => mid !== undefined && text === `a=mid:${mid}`)) ?? [];
}

/** A line that cannot be read stops every longer piece of the text as well, so it is found by halving. */
function firstUnreadable(sdp: string, error: SdpError): SdpLine | null {
  const lines = linesOf(sdp);
  const fails = (count: number) => {
    try {
      parseSdp(
        lines
          .slice(0, count)
          .map(({ text }) => text)
          .join('\r\n'),
      );
      return false;
    } catch (found) {
      if (!(found instanceof SdpError)) throw found;
      return found.code === error.code && found.message === error.message;
    }
  };
  if (!fails(lines.length)) return null;
  if (fails(1)) return lines[0]?.text === 'v=0' ? null : (lines[0] ?? null);
  let [readable, unreadable] = [1, lines.length];
  while (unreadable - readable > 1) {
    const middle = Math.floor((readable + unreadable) / 2);
    if (fails(middle)) unreadable = middle;
    else readable = middle;
  }
  return lines[unreadable - 1] ?? null;
}
