/** The two PeerConnections of a session. */
export type Peer = 'publish' | 'subscribe';
/** `new`: never connected. `lost`: was connected and is not now. */
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
  if (lost.length === 0 || lost.length === lostPeers(before).length) return null;
  return { type: 'disconnected', peer: lost.length === 2 ? 'both' : (lost[0] ?? 'both') };
}

/** Whether nothing that was ever connected is connected now: the session's grace time runs. */
export function isGone(state: Connectivity): boolean {
  return lostPeers(state).length > 0 && state.publish !== 'connected' && state.subscribe !== 'connected';
}

/** Whether no PeerConnection has ever connected: the session's first connection is awaited. */
export function isAwaited(state: Connectivity): boolean {
  return [state.publish, state.subscribe].every((peer) => peer === null || peer === 'new');
}

function isUp(state: Connectivity): boolean {
  return lostPeers(state).length === 0 && (state.publish === 'connected' || state.subscribe === 'connected');
}

function lostPeers(state: Connectivity): Peer[] {
  return (['publish', 'subscribe'] as const).filter((peer) => state[peer] === 'lost');
}
