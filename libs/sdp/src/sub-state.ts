import type { SubscribeOffer } from '@mediaserver/contracts';
import type { RtpCapabilities } from 'mediasoup/types';
import type {
  LocalTransportDescription,
  NegotiationContext,
  SubAction,
  SubConsumer,
  SubSectionResult,
  SubTrack,
} from './types.ts';

/** `none`: nothing was ever offered. `idle`: answered. `offered`: waits. `stalled`: waits too long; an answer is still taken. */
export type SubPhase = 'none' | 'idle' | 'offered' | 'stalled';

/** The negotiation of one SUB PeerConnection: plain data, never changed in place. */
export interface SubState {
  readonly generation: number;
  readonly phase: SubPhase;
  /** What the device can receive, in the Router's numbers; null until told or probed. `consume()` needs it. */
  readonly capabilities: RtpCapabilities | null;
}

export interface CreateSubInput {
  readonly generation: number;
  /** The section kept at index 0. */
  readonly anchor: 'audio';
  /** From `deviceCapabilities()`; null makes the first offer a probe. */
  readonly capabilities: RtpCapabilities | null;
}
export function createSubState(_input: CreateSubInput): SubState {
  throw new Error('not yet');
}

/** Takes a section (a free one of the kind, or a new one). Before `transport.consume({mid})`, which needs the mid. */
export function reserveSection(_state: SubState, _track: SubTrack): { state: SubState; mid: string } {
  throw new Error('not yet');
}
/** `consume()` succeeded. Throws a plain Error if the parameters lack the MID header extension (case 60). */
export function addConsumer(_state: SubState, _consumer: SubConsumer): SubState {
  throw new Error('not yet');
}
/** `consume()` failed, or was not tried: gives a reserved section back. */
export function releaseSection(_state: SubState, _mid: string): SubState {
  throw new Error('not yet');
}
/** A consumer was closed (its producer closed, unsubscribed). Unknown ids change nothing. */
export function removeConsumer(_state: SubState, _consumerId: string): SubState {
  throw new Error('not yet');
}
/** The track was muted or unmuted: shown in later offers' track lists, needs no offer. */
export function setConsumerPaused(_state: SubState, _consumerId: string, _paused: boolean): SubState {
  throw new Error('not yet');
}
/** Asks for new ICE credentials. Run `transport.restartIce()`, then `createOffer`, which supersedes an outstanding offer. */
export function restartIce(_state: SubState): SubState {
  throw new Error('not yet');
}
/** No answer came in time. */
export function markStalled(_state: SubState, _negotiationId: string): SubState {
  throw new Error('not yet');
}

/** Whether `createOffer` should be called now: there is something to tell and no offer is outstanding (or a restart supersedes it). */
export function needsOffer(_state: SubState): boolean {
  throw new Error('not yet');
}
/** Whether something changed that the outstanding offer does not tell. */
export function isDirty(_state: SubState): boolean {
  throw new Error('not yet');
}
/** The offer that waits for an answer, as it was made; null if none. */
export function currentOffer(_state: SubState): SubscribeOffer | null {
  throw new Error('not yet');
}

export interface CreateOfferInput extends NegotiationContext {
  readonly transport: LocalTransportDescription;
  /** Decimal, below 2^63; the same for the whole generation. */
  readonly sdpSessionId: string;
  readonly negotiationId: string;
}
/** Call only if `needsOffer(state)`; throws a plain Error otherwise. */
export function createOffer(_state: SubState, _input: CreateOfferInput): { state: SubState; offer: SubscribeOffer } {
  throw new Error('not yet');
}

export interface ApplyAnswerInput extends NegotiationContext {
  readonly negotiationId: string;
  readonly sdp: string;
}
export interface AppliedAnswer {
  readonly state: SubState;
  readonly actions: readonly SubAction[];
  readonly sections: readonly SubSectionResult[];
  /** Set by the answer to a probe: from now on `state.capabilities`. */
  readonly capabilities: RtpCapabilities | null;
}
/** A duplicate of the last applied answer gives the same sections and no actions. @throws SdpError, and nothing changed. */
export function applyAnswer(_state: SubState, _input: ApplyAnswerInput): AppliedAnswer {
  throw new Error('not yet');
}
