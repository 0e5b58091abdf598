import {
  completePublish,
  planPublish,
  SdpError,
  type ApplyPlan,
  type PubState,
  type SdpWarning,
} from '../src/index.ts';
import type { SectionPlan } from '../src/pub-section.ts';
import { isRtpKind } from '../src/remote-transport.ts';
import type { SdpDocument, SdpMedia } from '../src/sdp-document.ts';
import { EXAMPLE_SDP_SESSION_ID, exampleTransport } from './example-transport.ts';
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
import { guessTracks, isLive } from './guess.ts';
import { actionLines, encodingText, feedbackName } from './short-form.ts';
import { codecVerdicts, extensionVerdicts } from './verdicts.ts';

/** What a publish of this offer does, after those before it. */
export function explainOffer(
  given: Given,
  document: SdpDocument,
  state: PubState,
): { state: PubState; explanation: Judged } {
  const { sdp, context, options, requestTracks } = given;
  const tracks = options.tracks ?? requestTracks ?? guessTracks(document, state, options.sources);
  const plan = attempt(() => planPublish(state, { ...context, sdp, tracks }));
  if (plan instanceof SdpError) {
    const sections = document.media.map((section) => sectionOf(given, document, section, null));
    return { state, explanation: { ...EMPTY, sections, refusal: refusalOf(sdp, plan) } };
  }
  if (plan.type === 'replay') {
    const warnings = ['The same offer again: the answer it had is given again, and nothing is done.'];
    return { state, explanation: { ...EMPTY, accepted: true, warnings, answer: plan.sdp } };
  }
  const producerIds = new Map(document.media.map(({ mid = '' }) => [mid, `producer-${mid}`]));
  const answer = completePublish(plan, {
    transport: exampleTransport,
    producerIds,
    sdpSessionId: EXAMPLE_SDP_SESSION_ID,
  });
  const explanation: Judged = {
    ...EMPTY,
    accepted: true,
    sections: plan.sections.map((planned) => sectionOf(given, document, planned.section, planned)),
    warnings: [...plan.warnings.map(warningText), ...hints(plan, sdp)],
    actions: plan.actions.flatMap(actionLines),
    answer: answer.sdp,
  };
  return { state: answer.state, explanation };
}

const WARNINGS: Readonly<Record<SdpWarning['code'], string>> = {
  recvonly_on_pub:
    'wants to receive, but this PeerConnection only sends: what a user receives comes over the other one, which the server offers',
  no_bandwidth_estimation:
    'sends video without transport-cc and without abs-send-time: its bitrate cannot follow the network, so set a fixed one that fits',
};

function warningText({ code, mid }: SdpWarning): string {
  return `mid ${mid} ${WARNINGS[code]} (${code})`;
}

/** What goes wrong often, and is no error. */
function hints({ sections }: ApplyPlan, sdp: string): string[] {
  const mistaken = /^a=ice-lite/m.test(sdp)
    ? ["a=ice-lite: this looks like an offer of the server. To explain a client's answer to it, name it with --offer"]
    : [];
  return mistaken.concat(sections.flatMap(simulcastHint));
}

/** Chrome sends VP9 and AV1 as SVC in one stream unless both are set (discuss-webrtc, "VP9/AV1 simulcast", M113). */
function simulcastHint({ next }: SectionPlan): string[] {
  if (next.phase !== 'live' || (next.rtpParameters.encodings ?? []).length < 2) return [];
  if (!/\/(?:vp9|av1)$/i.test(next.rtpParameters.codecs[0]?.mimeType ?? '')) return [];
  return [
    `mid ${next.mid} offers simulcast in VP9 or AV1: set scalabilityMode (L1T1 to L1T3) and scaleResolutionDownBy on every encoding, or libwebrtc sends one SVC stream instead`,
  ];
}

function sectionOf(
  given: Given,
  document: SdpDocument,
  section: SdpMedia,
  planned: SectionPlan | null,
): SectionSummary {
  const { context, sdp } = given;
  const rtp = isRtpKind(section.kind) && isLive(section) ? section.kind : null;
  const mixed = document.extmapAllowMixed || section.extmapAllowMixed;
  const answered = planned?.code === null && planned.answer.accepted ? planned.answer.codecs : [];
  const payloadTypes = answered.map(({ payloadType }) => payloadType);
  const next = planned?.next;
  return {
    ...outline(sdp, section),
    source: next?.phase === 'live' ? next.track.source : null,
    status: planned?.status ?? null,
    refusal: planned?.code ? sectionRefusal(sdp, section, planned.code) : null,
    codecs: rtp ? codecVerdicts(section, rtp, context, payloadTypes) : [],
    extensions: rtp ? extensionVerdicts(section, rtp, context, mixed) : [],
    media: next?.phase === 'live' ? mediaOf(next) : [],
  };
}

function mediaOf({ rtpParameters }: Extract<SectionPlan['next'], { phase: 'live' }>): (readonly [string, string])[] {
  const { encodings = [], codecs } = rtpParameters;
  const [codec, rtx] = codecs;
  const feedback = (codec?.rtcpFeedback ?? []).map(feedbackName);
  const video = codec?.mimeType.startsWith('video/') ?? false;
  const streams = encodings.map(encodingText);
  const estimation = feedback.find((name) => name === 'transport-cc' || name === 'goog-remb');
  const repair = [
    ...(feedback.includes('nack') ? ['NACK'] : []),
    ...(rtx ? [`RTX ${rtx.payloadType}`] : []),
    ...(codec?.parameters?.['useinbandfec'] === '1' ? ['Opus in-band FEC'] : []),
  ];
  return [
    [
      streams.length > 1 ? 'layers' : 'stream',
      streams.length > 1 ? `${streams.join('  <  ')}   (low to high)` : streams.join(''),
    ],
    ['losses', repair.join(', ') || 'not repaired'],
    ...(video
      ? [['key frames', feedback.filter((name) => /pli|fir/.test(name)).join(', ') || 'cannot be asked for'] as const]
      : []),
    ...(video || estimation ? [['bandwidth', estimation ?? 'not estimated'] as const] : []),
  ];
}
