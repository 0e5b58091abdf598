/** What `explain` finds out, and what its parts share. */
import type { CodecName, PublishTrack, SdpErrorCode } from '@mediaserver/contracts';
import { errorGuide, type ErrorAdvice } from '../src/error-guide.ts';
import { SdpError, type NegotiationContext } from '../src/index.ts';
import type { SdpDocument, SdpMedia } from '../src/sdp-document.ts';
import type { ClientLook } from './client-look.ts';
import type { SdpRole } from './guess.ts';
import { locate, mediaLines, type SdpLine } from './locate.ts';
import type { TransportSummary } from './transport-summary.ts';
import type { Verdict } from './verdicts.ts';

export interface ExplainOptions {
  /** The room's codecs. */
  readonly codecs: readonly CodecName[];
  /** What the texts are; null: seen from each. */
  readonly role: SdpRole | null;
  /** The `tracks` of the publish request; null: guessed. */
  readonly tracks: readonly PublishTrack[] | null;
  /** Sources by mid, where they are not as guessed. */
  readonly sources: ReadonlyMap<string, string>;
  /** The server's offer that an answer answers. */
  readonly serverOffer: string | null;
}

export interface Explanation {
  readonly name: string;
  readonly role: SdpRole;
  /** Why it is taken for that; null if it was said. */
  readonly roleBecause: string | null;
  readonly accepted: boolean;
  /** Where in JSON the SDP stood; null if the text was SDP itself. */
  readonly foundIn: string | null;
  /** What was wrong with the text around the SDP. */
  readonly damage: readonly string[];
  /** Whether the text as it stood would have been taken all the same. */
  readonly readAsItStood: boolean;
  readonly client: ClientLook | null;
  readonly transport: TransportSummary | null;
  readonly sections: readonly SectionSummary[];
  readonly refusal: Refusal | null;
  readonly warnings: readonly string[];
  /** What the node would be told to do. */
  readonly actions: readonly string[];
  /** Of a probe, or of an answer to one. */
  readonly capabilities: readonly string[];
  /** The SDP answer to an offer. */
  readonly answer: string | null;
}

export interface SectionSummary {
  readonly mid: string;
  readonly kind: string;
  readonly direction: string;
  readonly port: string;
  /** Of its `m=` line. */
  readonly line: number;
  readonly source: string | null;
  /** Null where the whole SDP was refused. */
  readonly status: string | null;
  readonly refusal: Refusal | null;
  readonly codecs: readonly Verdict[];
  readonly extensions: readonly Verdict[];
  /** Streams, lowest quality first; how losses are repaired; how bandwidth is estimated. */
  readonly media: readonly (readonly [string, string])[];
}

export interface Refusal extends ErrorAdvice {
  readonly code: SdpErrorCode;
  readonly message: string;
  readonly mid: string | null;
  readonly lines: readonly SdpLine[];
}

/** What all parts need of one SDP. */
export interface Given {
  readonly sdp: string;
  readonly context: NegotiationContext;
  readonly options: ExplainOptions;
  readonly requestTracks: readonly PublishTrack[] | null;
}

/** What the negotiation says of it; the rest can be read from any SDP. */
export type Judged = Pick<
  Explanation,
  'accepted' | 'sections' | 'refusal' | 'warnings' | 'actions' | 'capabilities' | 'answer'
>;

export const EMPTY: Judged = {
  accepted: false,
  sections: [],
  refusal: null,
  warnings: [],
  actions: [],
  capabilities: [],
  answer: null,
};

/** Only the library's own error is an answer; all others are bugs. */
export function attempt<T>(run: () => T): T | SdpError {
  try {
    return run();
  } catch (error) {
    if (error instanceof SdpError) return error;
    throw error;
  }
}

/**
 * What is said of a text that may end too early: a refusal that its missing end may explain says so first, and a codec
 * list that is not whole says nothing. `document` is null if it cannot be read.
 */
export function cutOff(explanation: Explanation, document: SdpDocument | null): Explanation {
  const sections = explanation.sections.map((section, index) =>
    index === explanation.sections.length - 1 && document ? cutSection(section, document.media[index]) : section,
  );
  const last = sections.at(-1)?.mid;
  const { refusal } = explanation;
  const byTheEnd = refusal !== null && (refusal.mid === null || refusal.mid === last);
  return { ...explanation, sections, refusal: byTheEnd ? sendAll(refusal) : refusal };
}

function cutSection(section: SectionSummary, media: SdpMedia | undefined): SectionSummary {
  const whole = media?.payloadTypes.every((payloadType) => media.rtpmaps.has(payloadType)) ?? true;
  const { refusal, codecs, extensions } = section;
  return {
    ...section,
    refusal: refusal && sendAll(refusal),
    codecs: whole ? codecs : [],
    extensions: whole ? extensions : [],
  };
}

function sendAll(refusal: Refusal): Refusal {
  return { ...refusal, remedy: `the text seems cut off: send all of it. If this is all: ${refusal.remedy}` };
}

export function refusalOf(sdp: string, error: SdpError): Refusal {
  const { code, message, mid = null } = error;
  return { code, message, mid, ...errorGuide[code], lines: locate(sdp, error) };
}

/** A section as it stands, not yet judged. */
export function outline(sdp: string, section: SdpMedia): SectionSummary {
  const { mid = '-', kind, direction, port, bundleOnly, index } = section;
  return {
    mid,
    kind,
    direction: kind === 'application' ? '-' : direction,
    port: port === 0 ? (bundleOnly ? '0 bundle-only' : '0 not used') : `${port}`,
    line: mediaLines(sdp)[index]?.number ?? 0,
    source: null,
    status: null,
    refusal: null,
    codecs: [],
    extensions: [],
    media: [],
  };
}

export function sectionRefusal(sdp: string, section: SdpMedia, code: SdpErrorCode): Refusal {
  const error = new SdpError(code, 'This section is refused, not the others', section.mid);
  return refusalOf(sdp, error);
}
