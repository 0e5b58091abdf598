import { forgetReplay, type PubSection, type PubState } from './pub-state.ts';
import type { ApplyPlan } from './pub-plan.ts';
import type { SectionPlan } from './pub-section.ts';
import { isRtpKind } from './remote-transport.ts';
import type { LocalTransportDescription, ProducerAction, PubAction, PubSectionResult } from './types.ts';
import { SdpLines, writeSessionHead, writeTransport } from './write-sdp.ts';

export interface PublishOutcome {
  /** As after the actions ran. */
  readonly transport: LocalTransportDescription;
  /** One for each `produce` action, by mid. */
  readonly producerIds: ReadonlyMap<string, string>;
  /** Decimal, below 2^63; the same for the whole generation. */
  readonly sdpSessionId: string;
}

export interface PublishAnswer {
  readonly state: PubState;
  readonly sdp: string;
  readonly sections: readonly PubSectionResult[];
}

/** All actions of the plan ran: the answer (RFC 8829 §5.3) and the new state. */
export function completePublish(plan: ApplyPlan, outcome: PublishOutcome): PublishAnswer {
  const sections = plan.sections.map(({ next }) => withProducer(next, outcome.producerIds));
  const results = plan.sections.map((section, index) => resultOf(section, sections[index] ?? section.next));
  const answerVersion = plan.before.answerVersion + 1;
  const sdp = writeAnswer(plan, outcome, answerVersion);
  const { sessionId, version } = plan.document.origin;
  return {
    state: {
      generation: plan.before.generation,
      connection: plan.connection,
      sections,
      answerVersion,
      lastOffer: { sessionId, version, replayOf: { digest: plan.digest, sdp, sections: results } },
    },
    sdp,
    sections: results,
  };
}

/**
 * The state after a plan's actions failed half-way. `done` are the actions that succeeded; the caller has closed
 * what was newly produced. The client rolls its offer back, so sections keep their mids; those whose producer is
 * gone will be produced anew from the next offer.
 */
export function abandonPublish(plan: ApplyPlan, done: readonly PubAction[]): PubState {
  const types = new Set(done.map(({ type }) => type));
  const kept = types.has('replaceTransport') ? null : plan.before.connection;
  const undone = done.filter(
    (action): action is ProducerAction =>
      action.type === 'closeProducer' || action.type === 'pauseProducer' || action.type === 'resumeProducer',
  );
  return {
    ...forgetReplay(plan.before),
    connection: types.has('connect') || types.has('restartIce') ? plan.connection : kept,
    sections: undone.reduce<readonly PubSection[]>(afterAction, plan.before.sections),
  };
}

function afterAction(sections: readonly PubSection[], action: ProducerAction): readonly PubSection[] {
  return sections.map((section) => {
    if (section.phase !== 'live' || section.producerId !== action.producerId) return section;
    const { mid, kind, track } = section;
    if (action.type === 'closeProducer') return { phase: 'idle', mid, kind, track };
    return { ...section, paused: action.type === 'pauseProducer' };
  });
}

function withProducer(section: PubSection, producerIds: PublishOutcome['producerIds']): PubSection {
  if (section.phase !== 'live' || section.producerId !== '') return section;
  const producerId = producerIds.get(section.mid);
  if (producerId === undefined) throw new TypeError(`No producer id for mid ${section.mid}`);
  // What the state keeps must not keep all of the client's text: a part of a string is a view of the whole.
  return { ...section, producerId, rtpParameters: structuredClone(section.rtpParameters) };
}

function resultOf({ section, source, status, code }: SectionPlan, next: PubSection): PubSectionResult {
  const live = next.phase === 'live' ? next : null;
  return {
    mid: section.mid ?? '',
    status,
    code,
    producerId: live?.producerId ?? null,
    kind: section.kind,
    source,
  };
}

function writeAnswer(plan: ApplyPlan, { transport, sdpSessionId }: PublishOutcome, version: number): string {
  const { document, sections, connection } = plan;
  const accepted = new Set(
    sections.flatMap(({ section, answer }) => (answer.accepted && section.mid !== undefined ? [section.mid] : [])),
  );
  const bundle =
    document.bundles.map((mids) => mids.filter((mid) => accepted.has(mid))).find((mids) => mids.length > 0) ?? [];
  const lines = new SdpLines();
  writeSessionHead(lines, {
    sdpSessionId,
    version,
    bundle,
    extmapAllowMixed: document.extmapAllowMixed,
    fingerprints: transport.dtlsParameters.fingerprints,
  });
  const caps = bitrateCaps(sections);
  for (const section of sections) {
    const renomination = [...document.iceOptions, ...section.section.iceOptions].includes('renomination');
    const setup = connection?.localSetup ?? 'passive';
    writeSection(lines, section, transport, { setup, renomination, maxBitrate: caps.get(section) });
  }
  return lines.text();
}

/**
 * Bits per second for `b=TIAS` (RFC 3890) of the sections that get one. libwebrtc takes that of a video section for all
 * it sends on the PeerConnection: so videos get the sum of their caps, and none if one of them has none.
 */
function bitrateCaps(sections: readonly SectionPlan[]): ReadonlyMap<SectionPlan, number> {
  const caps = new Map<SectionPlan, number>();
  const sending = sections.filter(({ answer, section }) => answer.accepted && isRtpKind(section.kind));
  const videos = sending.filter(({ section, next }) => section.kind === 'video' && next.phase === 'live');
  const total = videos.reduce((sum, { answer }) => sum + (answer.maxBitrate ?? Infinity), 0);
  for (const section of sending) {
    const own = section.answer.maxBitrate;
    if (own === undefined) continue;
    if (section.section.kind === 'audio') caps.set(section, own);
    else if (Number.isFinite(total) && videos.includes(section)) caps.set(section, total);
  }
  return caps;
}

function writeSection(
  lines: SdpLines,
  { section, answer }: SectionPlan,
  transport: LocalTransportDescription,
  options: { readonly setup: string; readonly renomination: boolean; readonly maxBitrate: number | undefined },
): void {
  const rtp = isRtpKind(section.kind);
  const formats = answer.codecs.length > 0 ? answer.codecs.map(({ payloadType }) => payloadType) : section.formats;
  lines
    .add(`m=${section.kind} ${answer.accepted ? 9 : 0} ${section.protocol} ${formats.join(' ')}`)
    .add('c=IN IP4 0.0.0.0');
  lines.addIf(options.maxBitrate !== undefined, `b=TIAS:${options.maxBitrate}`);
  lines.addIf(section.mid !== undefined, `a=mid:${section.mid}`);
  writeTransport(lines, transport, { ...options, candidates: answer.accepted });
  if (!rtp) {
    if (section.kind === 'application') writeSctp(lines, section.protocol);
    return;
  }
  lines.add(`a=${answer.direction}`).add('a=rtcp-mux').addIf(section.rtcpReducedSize, 'a=rtcp-rsize');
  lines.addIf(section.extmapAllowMixed, 'a=extmap-allow-mixed');
  for (const codec of answer.codecs) lines.codec(codec);
  for (const { parameters, direction } of answer.extensions) {
    lines.add(`a=extmap:${parameters.id}${direction ? `/${direction}` : ''} ${parameters.uri}`);
  }
  // RFC 8853 §5: what we take, in the order offered; a stream that starts paused is left so.
  for (const { rid } of answer.rids) lines.add(`a=rid:${rid} recv`);
  lines.addIf(
    answer.rids.length > 1,
    `a=simulcast:recv ${answer.rids.map(({ rid, paused }) => (paused ? `~${rid}` : rid)).join(';')}`,
  );
}

/** RFC 8841 §5, and the form before it that old clients write. No association is made behind it. */
function writeSctp(lines: SdpLines, protocol: string): void {
  if (protocol === 'DTLS/SCTP') lines.add('a=sctpmap:5000 webrtc-datachannel 1024');
  else lines.add('a=sctp-port:5000').add('a=max-message-size:16384');
}
