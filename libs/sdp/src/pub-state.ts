/**
 * The negotiation of one PUB PeerConnection, between two offers (RFC 3264 §8, RFC 8829 §5).
 *
 * Invariants
 * 1. `sections[i]` is what was last answered for m-line i; the list never gets shorter.
 * 2. A producer id stands in exactly one section, and that section is `live`.
 * 3. The sources of live sections differ.
 * 4. `connection` is set by `connect`; its certificate and DTLS role stay until the transport is replaced.
 * 5. `lastOffer.replayOf` is set only while the answer still tells the truth: a producer closed by the server clears it.
 * 6. States are never changed in place; dropping a plan leaves everything as it was.
 */
import type { PublishTrack } from '@mediaserver/contracts';
import type { DtlsFingerprint, RtpParameters } from 'mediasoup/types';
import type { PubSectionResult } from './types.ts';

export interface LivePubSection {
  readonly phase: 'live';
  readonly mid: string;
  readonly kind: 'audio' | 'video';
  /** As last told; an offer that leaves the track out means it as before. */
  readonly track: PublishTrack;
  readonly producerId: string;
  /** The client sends nothing now (`inactive`); mute is another thing and not known here. */
  readonly paused: boolean;
  readonly rtpParameters: RtpParameters;
}

/**
 * `idle`: in the session without a producer; `track`: what was told of it, should it send (again). `revoked`: its producer was closed by the server; nothing is produced
 * from it until the client offers it as not sending. `closed`: answered with port 0, the index may be recycled.
 */
export type PubSection =
  | LivePubSection
  | { readonly phase: 'idle'; readonly mid: string; readonly kind: string; readonly track?: PublishTrack }
  | { readonly phase: 'revoked'; readonly mid: string; readonly kind: string }
  | { readonly phase: 'closed'; readonly mid: string | undefined; readonly kind: string };

export interface PubConnection {
  readonly fingerprints: readonly DtlsFingerprint[];
  readonly iceUfrag: string;
  /** The section whose transport all use: first in the BUNDLE that was answered. */
  readonly taggedMid: string;
  /** `a=setup` of our answers. */
  readonly localSetup: 'active' | 'passive';
}

export interface PubState {
  readonly generation: number;
  readonly connection: PubConnection | null;
  readonly sections: readonly PubSection[];
  /** Version of our `o=` line in the last answer. */
  readonly answerVersion: number;
  readonly lastOffer: {
    readonly sessionId: string;
    readonly version: string;
    readonly replayOf: {
      readonly digest: string;
      readonly sdp: string;
      readonly sections: readonly PubSectionResult[];
    } | null;
  } | null;
}

export function createPubState(generation: number): PubState {
  return { generation, connection: null, sections: [], answerVersion: 0, lastOffer: null };
}

/**
 * A producer was closed by the server (by API, by its Worker). Its section is answered `inactive` from the next
 * offer on, until the client offers it as not sending; ids that are not known change nothing.
 */
export function producerClosed(state: PubState, producerId: string): PubState {
  const index = state.sections.findIndex((section) => section.phase === 'live' && section.producerId === producerId);
  const section = state.sections[index];
  if (section?.phase !== 'live') return state;
  return {
    ...forgetReplay(state),
    sections: state.sections.with(index, { phase: 'revoked', mid: section.mid, kind: section.kind }),
  };
}

/** Invariant 5. */
export function forgetReplay(state: PubState): PubState {
  return state.lastOffer ? { ...state, lastOffer: { ...state.lastOffer, replayOf: null } } : state;
}
