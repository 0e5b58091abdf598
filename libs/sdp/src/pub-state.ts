import type { PublishTrack } from '@mediaserver/contracts';
import type { LocalTransportDescription, NegotiationContext, PubAction, PubSectionResult, SdpWarning } from './types.ts';

/** The negotiation of one PUB PeerConnection between two offers: plain data, never changed in place. */
export interface PubState {
  readonly generation: number;
}

export interface PublishInput extends NegotiationContext {
  readonly sdp: string;
  readonly tracks: readonly PublishTrack[];
}

/** The same offer was answered already (case 25): send this again, do nothing. */
export interface ReplayPlan {
  readonly type: 'replay';
  readonly sdp: string;
  readonly sections: readonly PubSectionResult[];
}
/** A pending offer. Dropping it is the rollback. */
export interface ApplyPlan {
  readonly type: 'apply';
  readonly actions: readonly PubAction[];
  readonly warnings: readonly SdpWarning[];
}
export type PublishPlan = ReplayPlan | ApplyPlan;

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

export function createPubState(generation: number): PubState {
  return { generation };
}
/** @throws SdpError, and then nothing has changed anywhere. */
export function planPublish(_state: PubState, _input: PublishInput): PublishPlan {
  throw new Error('not yet');
}
export function completePublish(_plan: ApplyPlan, _outcome: PublishOutcome): PublishAnswer {
  throw new Error('not yet');
}
/** The state after a plan's actions failed half-way: `done` are those that succeeded, newly produced ones closed again by the caller. */
export function abandonPublish(_plan: ApplyPlan, _done: readonly PubAction[]): PubState {
  throw new Error('not yet');
}
/** A producer was closed by the server. Its section is answered `inactive` from the next offer on, until the client stops it. */
export function producerClosed(_state: PubState, _producerId: string): PubState {
  throw new Error('not yet');
}
