/**
 * The negotiation of one SUB PeerConnection: only the server offers (RFC 3264 §8, RFC 8829 §5).
 *
 * Invariants
 * 1. `lines[i]` is m-line i of every offer made or to be made; the list never gets shorter. Line 0 is the anchor.
 * 2. A line's kind never changes; a mid is given once and never again.
 * 3. At most one offer is outstanding; a renewal (`renewOffer`, `restartIce`) supersedes it.
 * 4. Outstanding lines only move on: a consumer removed meanwhile turns its line to `closing`, which the next offer
 *    tells. Nothing new takes a line before the answer.
 * 5. A line is taken over only by a track of its kind, and only once its close was answered (`free`).
 * 6. A consumer is resumed only after an answer accepted its section, and once per stay in that state.
 * 7. Payload types, their parameters and extension ids come from the Router alone, so they mean one thing for life.
 * 8. `revision` rises with every offer; an answer is applied at most once.
 * 9. States are never changed in place; an answer that throws has changed nothing.
 * 10. The line that carries the transport (`connection.taggedMid`) never gets port 0: that would end all the others.
 */
import type { MediaKind, SubscribeOffer } from '@mediaserver/contracts';
import type { DtlsFingerprint, RtpCapabilities, RtpHeaderExtension } from 'mediasoup/types';
import type { ClientProfile } from './client-profile.ts';
import { MID_EXTENSION } from './header-extensions.ts';
import { limits } from './limits.ts';
import { SdpError } from './sdp-error.ts';
import type { SubConsumer, SubSectionResult, SubTrack } from './types.ts';

/** `none`: nothing was ever offered. `idle`: answered. `offered`: waits. `stalled`: waits too long; an answer is still taken. */
export type SubPhase = 'none' | 'idle' | 'offered' | 'stalled';

/** A track that has, or is about to have, a section. */
export interface SubEntry {
  readonly mid: string;
  readonly track: SubTrack;
  readonly consumer: SubConsumer;
  /** Whether the client was last told, and agreed, to receive it. */
  readonly flowing: boolean;
}

/**
 * `anchor`: carries the transport and no media of its own: data channels, or inactive for life; line 0, or the one
 * that came to carry the transport because the client refused that. `probe`: asks for the device's codecs once. `adding`: offered with a
 * consumer, not yet answered. `live`: accepted. `closing`: to be told. `closed`: told with port 0, not yet answered.
 * `free`: may be taken over. `dead`: the anchor, if a client refused it.
 */
export type SubLinePhase = 'anchor' | 'probe' | 'adding' | 'live' | 'closing' | 'closed' | 'free' | 'dead';

export type SubLineKind = MediaKind | 'application';

export interface SubLine {
  readonly kind: SubLineKind;
  /** As last offered. */
  readonly mid: string;
  readonly phase: SubLinePhase;
  /** Set while `adding` or `live`. */
  readonly entry: SubEntry | null;
}

/** What an outstanding offer said of a line. */
export interface OfferedLine {
  readonly mid: string;
  readonly kind: SubLineKind;
  readonly role: 'anchor' | 'probe' | 'track' | 'closed';
  readonly entry: SubEntry | null;
  /** Payload type → codec name, extension id → URI, as offered. */
  readonly codecs: Readonly<Record<number, string>>;
  readonly extensions: Readonly<Record<number, string>>;
}

export interface OutstandingOffer {
  readonly negotiationId: string;
  readonly offer: SubscribeOffer;
  readonly lines: readonly OfferedLine[];
}

export interface SubConnection {
  readonly fingerprints: readonly DtlsFingerprint[];
  readonly remoteSetup: 'active' | 'passive';
  /** The section whose transport all use: first of the BUNDLE in the first answer (RFC 9143 §7.3). */
  readonly taggedMid: string;
}

export interface SubState {
  readonly generation: number;
  readonly phase: SubPhase;
  /** What the device can receive, in the Router's numbers; null until told or probed. `consume()` needs it. */
  readonly capabilities: RtpCapabilities | null;
  /** What the client needs; null until its SDP was seen. */
  readonly profile: ClientProfile | null;
  /** `wanted`: offered, or to be. `open`: the client took it. `refused` and `off`: the session has none. */
  readonly data: 'off' | 'wanted' | 'open' | 'refused';
  readonly revision: number;
  readonly nextMid: number;
  readonly lines: readonly SubLine[];
  /** Mids that were reserved and have no consumer yet. */
  readonly reserved: readonly { readonly mid: string; readonly track: SubTrack }[];
  /** Consumers that the next offer will give a line. */
  readonly waiting: readonly SubEntry[];
  readonly outstanding: OutstandingOffer | null;
  readonly connection: SubConnection | null;
  /** Whether an offer is wanted although nothing changed, or with new ICE credentials. */
  readonly renewal: 'none' | 'offer' | 'ice';
  readonly lastAnswer: { readonly negotiationId: string; readonly sections: readonly SubSectionResult[] } | null;
}

export interface CreateSubInput {
  /** Counts the PeerConnections of a session, from 1. */
  readonly generation: number;
  /** Whether the session shall have data channels; the anchor is `m=application` then, else inactive audio. */
  readonly data: boolean;
  /** From `deviceCapabilities()`; null makes the first offer a probe, whose answer tells them. */
  readonly capabilities: RtpCapabilities | null;
  /** From `clientProfile()`, or chosen by the caller; null: the first answer shows it. */
  readonly profile: ClientProfile | null;
}

export function createSubState({ generation, data, capabilities, profile }: CreateSubInput): SubState {
  return {
    generation,
    phase: 'none',
    capabilities,
    profile,
    data: data ? 'wanted' : 'off',
    revision: 0,
    nextMid: 1,
    lines: [],
    reserved: [],
    waiting: [],
    outstanding: null,
    connection: null,
    renewal: 'none',
    lastAnswer: null,
  };
}

/** RFC 8830 §2: ids of an msid are tokens; `@` is not one, but every client takes it. */
const MSID_ID = /^[\x21\x23-\x27\x2a\x2b\x2d\x2e\x30-\x39\x40-\x5a\x5e-\x7e]{1,64}$/;

/**
 * Whether an offer has room for one more track of this kind. If not, sections that are `free` later make room; for
 * a client that does not take sections over, only a new generation does.
 */
export function hasRoomFor(state: SubState, kind: MediaKind): boolean {
  const taken = Math.max(state.lines.length, FIRST_LINES) + newLines(state, 'audio') + newLines(state, 'video');
  const pending = pendingOf(state, kind);
  return taken < limits.subscribeSections || pending < freeOf(state, kind);
}

/** The anchor and two probes. */
const FIRST_LINES = 3;
const newLines = (state: SubState, kind: MediaKind) => Math.max(0, pendingOf(state, kind) - freeOf(state, kind));
const pendingOf = ({ waiting, reserved }: SubState, kind: MediaKind) =>
  [...waiting, ...reserved].filter(({ track }) => track.kind === kind).length;
const freeOf = ({ lines, profile }: SubState, kind: MediaKind) =>
  (profile?.recyclesSections ?? true) ? lines.filter((line) => line.phase === 'free' && line.kind === kind).length : 0;

/**
 * Gives the mid that `transport.consume({mid})` needs: mediasoup writes it into every packet. At most 8 bytes,
 * which is what mediasoup has room for.
 *
 * @throws SdpError `invalid_identifier` where the user's id cannot stand in an msid
 */
export function reserveSection(state: SubState, track: SubTrack): { state: SubState; mid: string } {
  if (!MSID_ID.test(track.userId)) throw new SdpError('invalid_identifier', 'The user id cannot stand in an msid');
  const mid = String(state.nextMid);
  return { state: { ...state, nextMid: state.nextMid + 1, reserved: [...state.reserved, { mid, track }] }, mid };
}

/** `consume()` failed, or was not tried: forgets the reserved mid. */
export function releaseSection(state: SubState, mid: string): SubState {
  return { ...state, reserved: state.reserved.filter((reserved) => reserved.mid !== mid) };
}

/**
 * `consume()` succeeded; the next offer will carry it.
 *
 * @throws TypeError if the parameters lack the mid extension (case 60): the client could not tell its packets apart
 */
export function addConsumer(state: SubState, consumer: SubConsumer): SubState {
  const reserved = state.reserved.find(({ mid }) => mid === consumer.mid);
  if (!reserved) throw new TypeError(`The mid ${consumer.mid} is not reserved`);
  const { rtpParameters } = consumer;
  if (rtpParameters.mid !== consumer.mid) throw new TypeError('The consumer was made with another mid');
  if (!rtpParameters.headerExtensions?.some(({ uri }) => uri === MID_EXTENSION)) {
    throw new TypeError('The consumer lacks the mid header extension: were its capabilities in the Router’s numbers?');
  }
  if (!MSID_ID.test(consumer.consumerId)) throw new TypeError('The consumer id cannot stand in an msid');
  const entry: SubEntry = { mid: consumer.mid, track: reserved.track, consumer, flowing: false };
  return { ...releaseSection(state, consumer.mid), waiting: [...state.waiting, entry] };
}

/** A consumer was closed (its producer closed, unsubscribed). Unknown ids change nothing. */
export function removeConsumer(state: SubState, consumerId: string): SubState {
  return {
    ...state,
    waiting: state.waiting.filter(({ consumer }) => consumer.consumerId !== consumerId),
    lines: state.lines.map((line) =>
      line.entry?.consumer.consumerId === consumerId ? { ...line, phase: 'closing', entry: null } : line,
    ),
  };
}

/** The track was muted or unmuted: shown in the track lists of later offers, needs no offer. */
export function setConsumerPaused(state: SubState, consumerId: string, paused: boolean): SubState {
  const change = (entry: SubEntry): SubEntry =>
    entry.consumer.consumerId === consumerId ? { ...entry, consumer: { ...entry.consumer, paused } } : entry;
  return {
    ...state,
    waiting: state.waiting.map(change),
    lines: state.lines.map((line) => (line.entry ? { ...line, entry: change(line.entry) } : line)),
  };
}

/**
 * Asks for an offer although nothing may have changed, for a client that may have lost the last one or its answer.
 * It supersedes an outstanding offer.
 */
export function renewOffer(state: SubState): SubState {
  return state.renewal === 'none' ? { ...state, renewal: 'offer' } : state;
}

/**
 * Asks for an offer with new ICE credentials (RFC 8839 §4.4), which supersedes an outstanding one. Run
 * `transport.restartIce()`, then `createOffer`. Before the first offer there is nothing to restart.
 */
export function restartIce(state: SubState): SubState {
  return state.phase === 'none' ? state : { ...state, renewal: 'ice' };
}

/** Whether the client follows new ICE credentials; if not, a restart takes a new generation. */
export function canRestartIce({ profile }: SubState): boolean {
  return profile?.restartsIce ?? true;
}

/** No answer came in time. Anything but the outstanding offer's id changes nothing. */
export function markStalled(state: SubState, negotiationId: string): SubState {
  return state.outstanding?.negotiationId === negotiationId ? { ...state, phase: 'stalled' } : state;
}

/**
 * What the next offer would tell. `now`: something to receive, or new credentials. `later`: only sections to
 * close, which can wait a second or two for company.
 */
export function offerUrgency(state: SubState): 'none' | 'later' | 'now' {
  if (state.waiting.length > 0 || state.renewal !== 'none') return 'now';
  // The first offer is made even with nothing to receive: ICE and DTLS are then done when the first track comes.
  if (state.phase === 'none') return 'now';
  return state.lines.some(({ phase }) => phase === 'closing') ? 'later' : 'none';
}

/** Whether something changed that no offer told yet. */
export function isDirty(state: SubState): boolean {
  return offerUrgency(state) !== 'none';
}

/** Whether `createOffer` may be called now: there is something to tell and no answer is waited for (invariant 3). */
export function needsOffer(state: SubState): boolean {
  return isDirty(state) && (state.outstanding === null || state.renewal !== 'none');
}

/** The offer that waits for an answer, as it was made; null if none. */
export function currentOffer(state: SubState): SubscribeOffer | null {
  return state.outstanding?.offer ?? null;
}

/** Extensions a consumer of this device may have (RFC 8285 §7): also what closed and idle sections show. */
export function deviceExtensions(
  state: SubState,
  kind: MediaKind,
  router: readonly RtpHeaderExtension[],
): RtpHeaderExtension[] {
  const device = state.capabilities?.headerExtensions;
  if (!device) return [...router];
  return router.filter(({ uri }) => device.some((extension) => extension.kind === kind && extension.uri === uri));
}
