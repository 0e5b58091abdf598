import { createHash } from 'node:crypto';
import type { PublishTrack } from '@mediaserver/contracts';
import { limits } from './limits.ts';
import { parseSdp } from './parse-sdp.ts';
import { planSection, type SectionPlan } from './pub-section.ts';
import type { PubConnection, PubState } from './pub-state.ts';
import {
  checkMids,
  isRtpKind,
  remoteTransport,
  requireMid,
  sameCertificate,
  taggedSection,
  type RemoteTransport,
} from './remote-transport.ts';
import type { SdpDocument, SdpMedia } from './sdp-document.ts';
import { SdpError } from './sdp-error.ts';
import { checkBundleNumbers } from './bundle-numbers.ts';
import type { NegotiationContext, PubAction, PubSectionResult, SdpWarning } from './types.ts';

export interface PublishInput extends NegotiationContext {
  readonly sdp: string;
  /** One for each section that starts to send; sections already live may be left out. */
  readonly tracks: readonly PublishTrack[];
}

/** The same offer was answered already (case 25): send this again, do nothing. */
export interface ReplayPlan {
  readonly type: 'replay';
  readonly sdp: string;
  readonly sections: readonly PubSectionResult[];
}

/** A pending offer: a value. Dropping it is the rollback. */
export interface ApplyPlan {
  readonly type: 'apply';
  /** Run in this order, then call `completePublish`; if one fails, `abandonPublish`. */
  readonly actions: readonly PubAction[];
  readonly warnings: readonly SdpWarning[];
  readonly before: PubState;
  readonly document: SdpDocument;
  readonly sections: readonly SectionPlan[];
  /** As it will be once the actions ran; null while nothing was ever connected. */
  readonly connection: PubConnection | null;
  readonly digest: string;
}
export type PublishPlan = ReplayPlan | ApplyPlan;

/** Whether this very offer was answered already, and the answer still holds. */
export function isReplay(state: PubState, input: PublishInput): boolean {
  return state.lastOffer?.replayOf?.digest === digestOf(input);
}

/**
 * Decides what a publish offer means, without any effect. Every section that will be produced was tried against
 * `mediasoup/ortc`, so that `produce()` has no reason in the SDP to fail.
 *
 * @throws SdpError, and then nothing has changed anywhere
 */
export function planPublish(state: PubState, input: PublishInput): PublishPlan {
  const digest = digestOf(input);
  const replay = state.lastOffer?.replayOf;
  if (replay?.digest === digest) return { type: 'replay', sdp: replay.sdp, sections: replay.sections };

  const document = parseSdp(input.sdp);
  checkMids(document);
  checkOrder(state, document);
  const tracks = tracksByMid(input.tracks, document);
  const live = document.media.filter((section) => isLive(section) && isNegotiated(section));
  for (const section of live) checkLiveSection(section);
  checkBundleNumbers(live);
  const [first] = live;
  const remote = first ? remoteTransport(document, taggedSection(document, live)) : null;
  const lost = transportIsLost(state, document, remote);
  const established = lost ? null : state.connection;
  const connection = remote ? connect(established, remote) : established;

  const hasMedia = live.some(({ kind }) => isRtpKind(kind));
  const sections = document.media.map((section) =>
    planSection({
      section,
      before: state.sections[section.index],
      transportLost: lost,
      live: isLive(section),
      // An m=application that no media rides on is simply refused.
      isTagged: section === remote?.tagged && hasMedia,
      track: section.mid === undefined ? undefined : tracks.get(section.mid),
      mixedAllowed: document.extmapAllowMixed || section.extmapAllowMixed,
      context: input,
    }),
  );
  checkSources(sections);
  checkSsrcs(sections);

  const connected = sections.some(({ answer }) => answer.accepted);
  return {
    type: 'apply',
    actions: actionsOf({ established, lost, connection: connected ? connection : null, sections }),
    warnings: sections.flatMap(({ warnings }) => warnings),
    before: state,
    document,
    sections,
    connection: connected ? connection : established,
    digest,
  };
}

function digestOf({ sdp, tracks, codecs }: PublishInput): string {
  return createHash('sha256')
    .update(JSON.stringify([withoutCandidates(sdp), tracks, codecs]))
    .digest('base64');
}

/** A client that asks again may have gathered since: addresses and ports are then in its description (RFC 8829 §5.2.1). */
function withoutCandidates(sdp: string): string {
  return sdp
    .replaceAll(/^(?:a=candidate:|a=end-of-candidates|a=rtcp:|c=)[^\n]*\n?/gm, '')
    .replaceAll(/^(m=\S+) [1-9]\d{0,4} /gm, '$1 9 ');
}

/** RFC 8829 §5.2: port 0 is live with `a=bundle-only`, and means "stopped" without. */
function isLive(section: SdpMedia): boolean {
  return section.port !== 0 || section.bundleOnly;
}

/** Kinds that have a transport of their own in WebRTC; others are refused as they stand. */
function isNegotiated({ kind }: SdpMedia): boolean {
  return isRtpKind(kind) || kind === 'application';
}

function checkLiveSection(section: SdpMedia): void {
  const mid = requireMid(section);
  if (!isRtpKind(section.kind)) return;
  if (section.payloadTypes.length === 0)
    throw new SdpError('dtls_required', 'The section is not RTP over DTLS-SRTP', mid);
  if (!section.rtcpMux) throw new SdpError('rtcp_mux_required', 'a=rtcp-mux is missing', mid);
}

/** RFC 3264 §8 (m-lines stay), RFC 8829 §5.2.2 (who may take a stopped one over), and the order of offers. */
function checkOrder(state: PubState, document: SdpDocument): void {
  if (document.media.length === 0) throw new SdpError('malformed_sdp', 'The offer has no media section');
  const { sessionId, version } = document.origin;
  if (state.lastOffer?.sessionId === sessionId && BigInt(version) < BigInt(state.lastOffer.version)) {
    throw new SdpError('stale_offer', 'A newer offer of this PeerConnection was applied already');
  }
  if (document.media.length < state.sections.length) {
    throw new SdpError(
      'mline_count_shrunk',
      `The offer has ${document.media.length} sections, ${state.sections.length} are known`,
    );
  }
  for (const [index, before] of state.sections.entries()) {
    const section = document.media[index];
    if (!section || before.phase === 'closed') continue;
    const sameMid = section.mid === before.mid || (section.mid === undefined && !isLive(section));
    if (!sameMid || section.kind !== before.kind) {
      throw new SdpError('mline_mismatch', `Section ${index} was negotiated as another one`, before.mid);
    }
  }
}

/**
 * Whether the client's end of the connection is, or will be with our answer, another one: ICE and DTLS start anew
 * there, and mediasoup's transport knows one DTLS association, so it has to be replaced as well.
 *
 * A client that stops the tagged section takes the transport of all down with it. libwebrtc builds a new one as
 * soon as it applies its own offer, under the same ufrag. And a new section that comes to stand first (a recycled
 * m-line before the tagged one) brings a transport of its own, under its own ufrag, which then carries all.
 */
function transportIsLost(state: PubState, document: SdpDocument, remote: RemoteTransport | null): boolean {
  if (!state.connection) return false;
  const { taggedMid, iceUfrag } = state.connection;
  const before = document.media.find(({ mid }) => mid === taggedMid);
  if (!before || !isLive(before)) return true;
  if (!remote) return false;
  const { tagged } = remote;
  const known = state.sections[tagged.index];
  const isNew = known === undefined || known.phase === 'closed' || known.mid !== tagged.mid;
  return isNew && remote.iceUfrag !== iceUfrag;
}

function tracksByMid(tracks: readonly PublishTrack[], document: SdpDocument): ReadonlyMap<string, PublishTrack> {
  const byMid = new Map<string, PublishTrack>();
  for (const track of tracks) {
    if (track.mid.length > limits.midLength || !document.media.some(({ mid }) => mid === track.mid)) {
      throw new SdpError('unknown_track_mid', 'tracks names a mid that is not in the SDP', printableMid(track.mid));
    }
    if (byMid.has(track.mid)) throw new SdpError('bad_mid', 'tracks names a mid twice', track.mid);
    byMid.set(track.mid, track);
  }
  return byMid;
}

/** An error's mid is shown and logged; one that is no mid is left out. */
function printableMid(mid: string): string | undefined {
  return mid.length <= limits.midLength ? mid : undefined;
}

/** RFC 8842 §5: who is the DTLS client is settled by the first answer and stays. */
function connect(before: PubConnection | null, remote: RemoteTransport): PubConnection {
  const mid = remote.tagged.mid;
  const localSetup = before?.localSetup ?? (remote.setup === 'passive' ? 'active' : 'passive');
  if (remote.setup === localSetup) {
    throw new SdpError('bad_setup', 'a=setup contradicts the DTLS role agreed on', mid);
  }
  if (before && !sameCertificate(before.fingerprints, remote.fingerprints)) {
    throw new SdpError('dtls_fingerprint_changed', 'The certificate changed: this is a new PeerConnection', mid);
  }
  return {
    fingerprints: before?.fingerprints ?? remote.fingerprints,
    iceUfrag: remote.iceUfrag,
    taggedMid: requireMid(remote.tagged),
    localSetup,
  };
}

function checkSources(sections: readonly SectionPlan[]): void {
  const sources = new Set<string>();
  for (const { next } of sections) {
    if (next.phase !== 'live') continue;
    const { source } = next.track;
    if (sources.has(source)) throw new SdpError('duplicate_source', 'Two tracks have the same source', next.mid);
    sources.add(source);
  }
}

/** One SSRC in two sections would make the second `produce()` fail. */
function checkSsrcs(sections: readonly SectionPlan[]): void {
  const ssrcs = new Set<number>();
  for (const { next } of sections) {
    if (next.phase !== 'live') continue;
    for (const { ssrc, rtx } of next.rtpParameters.encodings ?? []) {
      for (const one of [ssrc, rtx?.ssrc]) {
        if (one === undefined) continue;
        if (ssrcs.has(one)) throw new SdpError('malformed_sdp', 'An SSRC stands for two streams', next.mid);
        ssrcs.add(one);
      }
    }
  }
}

interface Decided {
  /** The connection that goes on; null if there was none, or it is lost. */
  readonly established: PubConnection | null;
  readonly lost: boolean;
  /** The connection there will be; null if no section is accepted. */
  readonly connection: PubConnection | null;
  readonly sections: readonly SectionPlan[];
}

/** Closing goes before producing: what is closed may hold the mid or an SSRC that is produced anew. */
function actionsOf({ established, lost, connection, sections }: Decided): PubAction[] {
  const wanted = sections.flatMap(({ actions }) => actions);
  const actions: PubAction[] = wanted.filter(({ type }) => type === 'closeProducer');
  if (lost) actions.push({ type: 'replaceTransport' });
  if (connection && !established) {
    const role = connection.localSetup === 'passive' ? 'client' : 'server';
    actions.push({ type: 'connect', dtlsParameters: { role, fingerprints: [...connection.fingerprints] } });
  }
  // RFC 8839 §4.4: an ICE restart is a new ufrag, and the tagged section's is the only one that counts.
  if (connection && established && established.iceUfrag !== connection.iceUfrag) actions.push({ type: 'restartIce' });
  actions.push(...wanted.filter(({ type }) => type === 'produce'));
  actions.push(...wanted.filter(({ type }) => type === 'pauseProducer' || type === 'resumeProducer'));
  return actions;
}
