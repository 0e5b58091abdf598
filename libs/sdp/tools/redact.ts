import type { Explanation, Refusal } from './explanation.ts';

const HIDDEN = '(hidden)';

/**
 * SDP that may be shown to others: without passwords, keys, the rest of fingerprints and network addresses. Everything
 * that a negotiation is decided by stays.
 */
export function redact(sdp: string): string {
  return sdp
    .replaceAll(/^a=ice-pwd:(.*?)\r?$/gm, (_, password: string) => `a=ice-pwd:(hidden, ${password.length} characters)`)
    .replaceAll(/^(a=fingerprint:\S+ +[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}):\S*/gm, `$1:…`)
    .replaceAll(/^(a=crypto:.*?inline:)\S+/gm, `$1${HIDDEN}`)
    .replaceAll(/^(a=candidate:(?:\S+ ){4})\S+/gm, `$1${HIDDEN}`)
    .replaceAll(/^(a=candidate:.* raddr )\S+/gm, `$1${HIDDEN}`)
    .replaceAll(/^((?:c=|a=rtcp:\d+ )IN IP[46] )(?!0\.0\.0\.0)\S+/gm, `$1${HIDDEN}`)
    .replaceAll(/^(o=\S+ \S+ \S+ IN IP[46] )(?!0\.0\.0\.0)\S+/gm, `$1${HIDDEN}`);
}

/** The same for everything of an explanation that quotes the client; the answer holds nothing of its secrets. */
export function redactExplanation(explanation: Explanation): Explanation {
  const quiet = (refusal: Refusal | null) =>
    refusal && { ...refusal, lines: refusal.lines.map(({ number, text }) => ({ number, text: redact(text) })) };
  return {
    ...explanation,
    refusal: quiet(explanation.refusal),
    sections: explanation.sections.map((section) => ({ ...section, refusal: quiet(section.refusal) })),
  };
}
