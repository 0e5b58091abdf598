import { applyAnswer, SdpError, type SubState } from '../src/index.ts';
import { checkMids, isRtpKind, remoteTransport, taggedSection } from '../src/remote-transport.ts';
import type { SdpDocument } from '../src/sdp-document.ts';
import type { SubLinePhase } from '../src/sub-state.ts';
import {
  attempt,
  EMPTY,
  outline,
  refusalOf,
  sectionRefusal,
  type Given,
  type Judged,
  type SectionSummary,
} from './explanation.ts';
import { RECONSTRUCTED_NEGOTIATION } from './outstanding-offer.ts';
import { actionLines, capabilityLines } from './short-form.ts';
import { answerVerdicts } from './verdicts.ts';

/** Sections of an offer that carry no track, after the answer. */
const WITHOUT_TRACK: Readonly<Record<SubLinePhase, string>> = {
  anchor: 'open, no media',
  probe: 'open, no media',
  adding: 'waits',
  live: 'live',
  closing: 'to be closed',
  closed: 'closed',
  free: 'closed',
  dead: 'refused by the client',
};

/** What an answer does to the offer that waits for it in `state`; with null it is only checked in itself. */
export function explainAnswer(given: Given, document: SdpDocument, state: SubState | null): Judged {
  return state ? applied(given, document, state) : checkedAlone(given, document);
}

function applied(given: Given, document: SdpDocument, state: SubState): Judged {
  const { sdp, context } = given;
  const outcome = attempt(() => applyAnswer(state, { ...context, negotiationId: RECONSTRUCTED_NEGOTIATION, sdp }));
  const offered = state.outstanding?.lines ?? [];
  const summaries = (judge: (index: number) => Partial<SectionSummary>) =>
    document.media.map((section) => {
      const line = offered[section.index];
      const codecs = isRtpKind(section.kind) ? answerVerdicts(section, line) : [];
      return { ...outline(sdp, section), codecs, ...judge(section.index) };
    });
  if (outcome instanceof SdpError) {
    return { ...EMPTY, sections: summaries(() => ({})), refusal: refusalOf(sdp, outcome) };
  }
  const sections = summaries((index) => {
    const mid = offered[index]?.mid;
    const result = outcome.sections.find((section) => section.mid === mid);
    const section = document.media[index];
    return {
      ...(mid === undefined ? {} : { mid }),
      source: result?.trackId ?? null,
      status: result?.status ?? WITHOUT_TRACK[outcome.state.lines[index]?.phase ?? 'free'],
      refusal: result?.code && section ? sectionRefusal(sdp, section, result.code) : null,
    };
  });
  return {
    ...EMPTY,
    accepted: true,
    sections,
    actions: outcome.actions.flatMap(actionLines),
    capabilities: outcome.capabilities ? capabilityLines(outcome.capabilities) : [],
  };
}

/** Without the offer only what an answer must have in itself can be judged. */
function checkedAlone({ sdp }: Given, document: SdpDocument): Judged {
  const taken = document.media.filter(({ port }) => port !== 0);
  const fault = attempt(() => {
    checkMids(document);
    for (const { rtcpMux, mid, kind } of taken) {
      if (!rtcpMux && kind !== 'application') throw new SdpError('rtcp_mux_required', 'a=rtcp-mux is missing', mid);
    }
    if (taken.length === 0) return;
    const { setup, tagged } = remoteTransport(document, taggedSection(document, taken));
    if (setup === 'actpass') throw new SdpError('bad_setup', 'An answer cannot be actpass', tagged.mid);
  });
  const sections = document.media.map((section) => ({
    ...outline(sdp, section),
    status: section.port === 0 ? 'refused by the client' : 'taken by the client',
    codecs: isRtpKind(section.kind) ? answerVerdicts(section, undefined) : [],
  }));
  return {
    ...EMPTY,
    accepted: !(fault instanceof SdpError),
    sections,
    warnings: ["Only the answer itself was checked. With --offer and the server's offer it is checked against that."],
    refusal: fault instanceof SdpError ? refusalOf(sdp, fault) : null,
  };
}
