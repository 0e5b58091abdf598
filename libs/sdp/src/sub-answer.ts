import type { SdpErrorCode } from '@mediaserver/contracts';
import type { RtpCapabilities } from 'mediasoup/types';
import { profileOf } from './client-profile.ts';
import { capabilitiesOf } from './device-capabilities.ts';
import { limits, SCTP_PORT } from './limits.ts';
import { parseSdp } from './parse-sdp.ts';
import {
  checkMids,
  remoteTransport,
  requireMid,
  sameCertificate,
  taggedSection,
  type RemoteTransport,
} from './remote-transport.ts';
import type { SdpDocument, SdpMedia } from './sdp-document.ts';
import { SdpError } from './sdp-error.ts';
import type { OfferedLine, OutstandingOffer, SubConnection, SubEntry, SubLine, SubState } from './sub-state.ts';
import type { NegotiationContext, SubAction, SubSectionResult, SubSectionStatus } from './types.ts';

export interface ApplyAnswerInput extends NegotiationContext {
  readonly negotiationId: string;
  readonly sdp: string;
}

export interface AppliedAnswer {
  readonly state: SubState;
  /** Run in this order. */
  readonly actions: readonly SubAction[];
  readonly sections: readonly SubSectionResult[];
  /** Set by the answer to a probe; from now on in `state.capabilities`. */
  readonly capabilities: RtpCapabilities | null;
}

/**
 * Applies a client's answer to the outstanding offer (RFC 3264 §6, RFC 8829 §5.11). The answer to an offer that was
 * answered already gives the same sections and no actions (case 52).
 *
 * @throws SdpError, and then nothing has changed anywhere
 */
export function applyAnswer(state: SubState, input: ApplyAnswerInput): AppliedAnswer {
  if (state.lastAnswer?.negotiationId === input.negotiationId) {
    return { state, actions: [], sections: state.lastAnswer.sections, capabilities: null };
  }
  const outstanding = outstandingOffer(state, input.negotiationId);
  const document = parseSdp(input.sdp, Math.max(limits.sections, outstanding.lines.length));
  checkSections(document, outstanding.lines);
  checkMids(document);
  const accepted = acceptedSections(document, outstanding.lines);
  const connection = connect(state.connection, document, accepted);

  const answered = outstanding.lines.map((offered, index) =>
    answerLine(offered, state.lines[index], document.media[index], state.data),
  );
  const lines = answered.map(({ line }) => line);
  const sections = answered.flatMap(({ result }) => (result ? [result] : []));
  const probed = outstanding.lines.some(({ role }) => role === 'probe') ? capabilitiesOf(document, input) : null;
  const actions: SubAction[] = answered.flatMap(({ actions }) => actions);
  const data = answered.find((line) => line.data !== undefined)?.data ?? state.data;
  if (connection && !state.connection) {
    const role = connection.remoteSetup === 'active' ? 'client' : 'server';
    actions.unshift({ type: 'connect', dtlsParameters: { role, fingerprints: [...connection.fingerprints] } });
  }
  // Before anything can arrive: what finds no DataProducer is lost, on a reliable channel too.
  actions.sort((a, b) => Number(b.type === 'openData') - Number(a.type === 'openData'));
  return {
    state: {
      ...state,
      phase: 'idle',
      capabilities: state.capabilities ?? probed,
      profile: state.profile ?? profileOf(document),
      data,
      lines,
      outstanding: null,
      connection,
      lastAnswer: { negotiationId: input.negotiationId, sections },
    },
    actions,
    sections,
    capabilities: state.capabilities ? null : probed,
  };
}

function outstandingOffer(state: SubState, negotiationId: string): OutstandingOffer {
  if (!state.outstanding) {
    if (state.revision === 0) throw new SdpError('no_negotiation', 'No offer was made yet');
    throw new SdpError('stale_negotiation', 'The offer this answers is not current');
  }
  if (state.outstanding.negotiationId !== negotiationId) {
    throw new SdpError('stale_negotiation', 'A newer offer waits for an answer');
  }
  return state.outstanding;
}

/** RFC 3264 §6: the same m-lines in the same order. Clients may drop the mid of a section they refuse. */
function checkSections(document: SdpDocument, offered: readonly OfferedLine[]): void {
  if (document.media.length !== offered.length) {
    throw new SdpError(
      'answer_mismatch',
      `The answer has ${document.media.length} sections, the offer ${offered.length}`,
    );
  }
  for (const [index, { mid, kind }] of offered.entries()) {
    const section = document.media[index];
    const sameMid = section?.mid === mid || (section?.mid === undefined && section?.port === 0);
    if (!sameMid || section?.kind !== kind) {
      throw new SdpError('answer_mismatch', `Section ${index} of the answer is not that of the offer`, mid);
    }
  }
}

/** What the client takes. A section we closed may come back with a port (aiortc, GStreamer): it means nothing. */
function acceptedSections(document: SdpDocument, offered: readonly OfferedLine[]): SdpMedia[] {
  const accepted = document.media.filter(({ port, index }) => port !== 0 && offered[index]?.role !== 'closed');
  for (const { rtcpMux, mid, kind } of accepted) {
    if (!rtcpMux && kind !== 'application') throw new SdpError('rtcp_mux_required', 'a=rtcp-mux is missing', mid);
  }
  return accepted;
}

/** RFC 8842 §5: the answer settles who is the DTLS client, for the life of the connection. */
function connect(
  before: SubConnection | null,
  document: SdpDocument,
  accepted: readonly SdpMedia[],
): SubConnection | null {
  if (before && !accepted.some(({ mid }) => mid === before.taggedMid)) {
    const message = 'The answer refuses the section that carries the transport: make a new PeerConnection';
    throw new SdpError('answer_mismatch', message, before.taggedMid);
  }
  if (accepted.length === 0) return null;
  const remote: RemoteTransport = remoteTransport(document, taggedSection(document, accepted));
  const { setup, fingerprints, tagged } = remote;
  if (setup === 'actpass') throw new SdpError('bad_setup', 'An answer cannot be actpass', tagged.mid);
  if (!before) return { fingerprints, remoteSetup: setup, taggedMid: requireMid(tagged) };
  if (!sameCertificate(before.fingerprints, fingerprints)) {
    throw new SdpError('dtls_fingerprint_changed', 'The certificate changed: this is a new PeerConnection', tagged.mid);
  }
  if (setup !== before.remoteSetup)
    throw new SdpError('bad_setup', 'a=setup contradicts the DTLS role agreed on', tagged.mid);
  return before;
}

interface AnsweredLine {
  readonly line: SubLine;
  readonly actions: readonly SubAction[];
  readonly result: SubSectionResult | null;
  /** What became of the data channels, if this is their section and that changed. */
  readonly data?: SubState['data'];
}

/** Joins what was offered, what is now (a consumer may be gone), and what the client says. */
function answerLine(
  offered: OfferedLine,
  now: SubLine | undefined,
  section: SdpMedia | undefined,
  data: SubState['data'],
): AnsweredLine {
  if (!now || !section) throw new TypeError('The lines of state and offer differ');
  const refused = section.port === 0;
  switch (offered.role) {
    case 'closed':
      if (now.phase !== 'closed') return { line: now, actions: [], result: null };
      return settled({ ...now, phase: 'free' }, offered, 'closed');
    case 'anchor':
      if (data === 'wanted' && offered.kind === 'application') return answerData(now, section);
      return { line: { ...now, phase: refused ? 'dead' : 'anchor' }, actions: [], result: null };
    case 'probe':
      return { line: { ...now, phase: refused ? 'free' : 'probe' }, actions: [], result: null };
    case 'track':
      break;
  }
  if (!now.entry) return settled({ ...now, phase: refused ? 'free' : 'closing' }, offered, 'closed');
  if (refused) return closed(now, now.entry, 'free', 'client_rejected');
  const code = incompatibility(now.entry, offered, section);
  if (code) return closed(now, now.entry, 'closing', code);
  return accepted(now, now.entry, section);
}

/** Data channels are made once the client accepted their section, or never (RFC 8841 §5.3; case 45). */
function answerData(line: SubLine, section: SdpMedia): AnsweredLine {
  const refused = section.port === 0;
  if (!refused && (section.sctpPort ?? SCTP_PORT) === SCTP_PORT) {
    return { line, actions: [{ type: 'openData' }], result: null, data: 'open' };
  }
  const code = refused ? 'client_rejected' : 'data_unsupported';
  return {
    line: { ...line, phase: refused ? 'dead' : 'anchor' },
    actions: [],
    result: { mid: line.mid, status: 'rejected', code, trackId: null, consumerId: null },
    data: 'refused',
  };
}

function settled(line: SubLine, offered: OfferedLine, status: SubSectionStatus): AnsweredLine {
  const { mid, entry } = offered;
  return {
    line,
    actions: [],
    result: {
      mid,
      status,
      code: null,
      trackId: entry?.track.trackId ?? null,
      consumerId: entry?.consumer.consumerId ?? null,
    },
  };
}

function closed(
  line: SubLine,
  { mid, track, consumer }: SubEntry,
  phase: 'free' | 'closing',
  code: SdpErrorCode,
): AnsweredLine {
  const { consumerId } = consumer;
  return {
    line: { ...line, phase, entry: null },
    actions: [{ type: 'closeConsumer', mid, consumerId, trackId: track.trackId, code }],
    result: { mid, status: 'rejected', code, trackId: track.trackId, consumerId },
  };
}

/** Invariant 6. */
function accepted(line: SubLine, entry: SubEntry, section: SdpMedia): AnsweredLine {
  const { mid, track, consumer } = entry;
  const { consumerId } = consumer;
  const flowing = section.direction === 'recvonly' || section.direction === 'sendrecv';
  return {
    line: { ...line, phase: 'live', entry: { ...entry, flowing } },
    actions: flowing === entry.flowing ? [] : [{ type: flowing ? 'resumeConsumer' : 'pauseConsumer', mid, consumerId }],
    result: { mid, status: flowing ? 'live' : 'inactive', code: null, trackId: track.trackId, consumerId },
  };
}

/** A consumer's numbers are fixed; an answer with others cannot be followed (case 48). */
function incompatibility({ consumer }: SubEntry, offered: OfferedLine, section: SdpMedia): SdpErrorCode | null {
  const payloadType = consumer.rtpParameters.codecs[0]?.payloadType ?? -1;
  const name = offered.codecs[payloadType];
  const answeredName = (type: number) => section.rtpmaps.get(type)?.name.toLowerCase();
  for (const type of section.payloadTypes) {
    const meant = offered.codecs[type];
    if (meant !== undefined && (answeredName(type) ?? meant) !== meant) return 'remap_unsupported';
  }
  if (!section.payloadTypes.includes(payloadType)) {
    const moved = section.payloadTypes.some((type) => answeredName(type) === name);
    return moved ? 'remap_unsupported' : 'no_common_codec';
  }
  const uris = new Map(Object.entries(offered.extensions).map(([id, uri]) => [uri, Number(id)]));
  const moved = section.extmaps.some(
    ({ id, uri }) => (offered.extensions[id] ?? uri) !== uri || (uris.get(uri) ?? id) !== id,
  );
  return moved ? 'remap_unsupported' : null;
}
