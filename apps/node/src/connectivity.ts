/** The two PeerConnections of a session. */
const PEERS = ['publish', 'subscribe'] as const;
export type Peer = (typeof PEERS)[number];
/** `new`: never connected. `lost`: was connected and is not now; so is what replaces it, until it connects. */
export type PeerState = 'new' | 'connected' | 'lost';

/** What a session's transports say, plain data. */
export interface Connectivity {
  readonly publish: PeerState | null;
  readonly subscribe: PeerState | null;
}

export type ConnectivityChange =
  | { readonly type: 'connected' }
  | { readonly type: 'disconnected'; readonly peer: Peer | 'both' }
  | null;

export const NOT_CONNECTED: Connectivity = { publish: null, subscribe: null };

/** @returns the change to tell: connected when no PeerConnection is lost and one is up, disconnected when one was lost. */
export function connectivityChange(before: Connectivity, after: Connectivity): ConnectivityChange {
  const lost = lostPeers(after);
  const wasUp = isUp(before);
  if (isUp(after)) return wasUp ? null : { type: 'connected' };
  // One that is given up was told as lost, and is not lost once more.
  const changed = PEERS.some((peer) => after[peer] !== null && (after[peer] === 'lost') !== (before[peer] === 'lost'));
  if (lost.length === 0 || !changed) return null;
  return { type: 'disconnected', peer: lost.length === 2 ? 'both' : (lost[0] ?? 'both') };
}

/** Whether a PeerConnection was connected and is not now. */
export function isLost(state: Connectivity): boolean {
  return lostPeers(state).length > 0;
}

/** Whether nothing that was ever connected is connected now: the session's grace time runs. */
export function isGone(state: Connectivity): boolean {
  return isLost(state) && state.publish !== 'connected' && state.subscribe !== 'connected';
}

/** Whether no PeerConnection has ever connected: the session's first connection is awaited. */
export function isAwaited(state: Connectivity): boolean {
  return PEERS.every((peer) => state[peer] === null || state[peer] === 'new');
}

function isUp(state: Connectivity): boolean {
  return !isLost(state) && (state.publish === 'connected' || state.subscribe === 'connected');
}

function lostPeers(state: Connectivity): Peer[] {
  return PEERS.filter((peer) => state[peer] === 'lost');
}
