import type {
  Candidate,
  EventEnvelope,
  LeaveReason,
  Metadata,
  Permissions,
  RoomRecord,
  RoomSpec,
  SessionRecord,
  SubscribeMode,
  TrackRecord,
} from '@mediaserver/contracts';

/** Why a script did not take a candidate. */
export const refusalReasons = ['unknown_node', 'other_boot', 'lease_lapsed', 'not_ready', 'full'] as const;
export type RefusalReason = (typeof refusalReasons)[number];
export type Refusals = Readonly<Record<string, RefusalReason>>;

/** Which life of which room. */
export interface RoomRef {
  readonly tenant: string;
  readonly roomId: string;
  readonly roomSessionId: string;
}
export interface SessionRef extends RoomRef {
  readonly sessionId: string;
}

export type RegisterResult = 'ok' | 'duplicate';
export type HeartbeatResult = 'ok' | 'unknown';

export interface CreateRoomInput extends RoomRef {
  readonly spec: RoomSpec;
  /** Tried in this order; the first that the script accepts is the home node. */
  readonly candidates: readonly Candidate[];
}
export type CreateRoomResult =
  | { readonly status: 'created' | 'exists'; readonly room: RoomRecord }
  | { readonly status: 'no_candidate'; readonly refusals: Refusals };

export interface RoomPlacement {
  readonly room: RoomRecord;
  /** Sessions of this room (joining ones too) per node; nodes without sessions are not in it. */
  readonly sessionsPerNode: Readonly<Record<string, number>>;
}

export interface ListedRoom {
  readonly room: RoomRecord;
  readonly userCount: number;
}
export interface RoomPage {
  readonly rooms: readonly ListedRoom[];
  /** Opaque; null on the last page. */
  readonly nextCursor: string | null;
}

export interface RoomNode {
  readonly nodeId: string;
  readonly role: 'home' | 'edge';
}
export interface RoomSnapshot {
  readonly room: RoomRecord;
  /** Joining sessions too: filter by `state` for what callers may see. */
  readonly sessions: readonly SessionRecord[];
  readonly tracks: readonly TrackRecord[];
  /** The home node, with or without sessions, and every other node that has a session. */
  readonly nodes: readonly RoomNode[];
  readonly lastSeq: number;
}

export interface CloseRoomInput {
  readonly tenant: string;
  readonly roomId: string;
  /** Closes only this life. */
  readonly roomSessionId?: string;
  readonly reason: string;
}
export type CloseRoomResult =
  /** `nodeIds`: nodes that had sessions of it and must be told. */
  | { readonly status: 'closed'; readonly room: RoomRecord; readonly nodeIds: readonly string[] }
  | { readonly status: 'not_found' }
  | { readonly status: 'mismatch'; readonly room: RoomRecord };

/** What a session wants, as far as a rebuild elsewhere needs it. */
export interface SessionIntent {
  readonly userId: string;
  readonly sessionId: string;
  readonly deviceId: string | null;
  readonly displayName: string | null;
  readonly metadata: Metadata;
  readonly permissions: Permissions;
  readonly subscribe: SubscribeMode;
}
export interface AdmitSessionInput extends RoomRef {
  readonly session: SessionIntent;
  /** Tried in this order. */
  readonly candidates: readonly Candidate[];
  /** A session that has not joined by then is swept. */
  readonly joinTimeoutMs: number;
}
export type AdmitSessionResult =
  | {
      readonly status: 'admitted';
      readonly room: RoomRecord;
      /** `state: 'joining'` until its node commits `session.joined`. */
      readonly session: SessionRecord;
      /** Every node with sessions of this room, the chosen one included. */
      readonly memberNodeIds: readonly string[];
      /** The user's sessions this one takes over from: close them (`replaced`) once it stands. */
      readonly replaces: readonly SessionRecord[];
    }
  | { readonly status: 'room_not_found' | 'room_full' | 'second_device_refused' }
  | { readonly status: 'no_candidate'; readonly refusals: Refusals };

export interface FoundSessions {
  readonly room: RoomRecord;
  /** Oldest first; empty when the user is not in the room. */
  readonly sessions: readonly SessionRecord[];
  /** `seq` of the room's last fact. */
  readonly lastSeq: number;
}

/**
 * A fact born on a node. Facts of one room life are committed one after the other by their node, in
 * the order of `nodeSeq`; a repeated one (lost answer) is answered as the first time and has no
 * second effect.
 */
export type NodeFact = RoomRef & {
  readonly nodeId: string;
  readonly bootId: string;
  /** Rises with every fact of this boot; gaps are fine. From 1. */
  readonly nodeSeq: number;
  /** Unix ms when it happened, if it could not be committed at once; else Redis stamps it. */
  readonly at?: number;
} & NodeFactBody;

export type NodeFactBody =
  | { readonly op: 'session.joined'; readonly sessionId: string }
  /** Also ends its tracks (`producer.closed` before `user.left`). */
  | { readonly op: 'session.left'; readonly sessionId: string; readonly reason: LeaveReason }
  | { readonly op: 'session.connected'; readonly sessionId: string }
  | {
      readonly op: 'session.disconnected';
      readonly sessionId: string;
      readonly peer: 'publish' | 'subscribe' | 'both';
    }
  /** Takes the trackId over if another producer has it: that one's `producer.closed` comes first. */
  | { readonly op: 'track.created'; readonly track: TrackRecord }
  /** `producer.paused` or `producer.resumed` when `paused` flips, else only the record changes. */
  | { readonly op: 'track.updated'; readonly track: TrackRecord }
  /** Without effect (and `ok`) if the track has another producer by now. */
  | { readonly op: 'track.closed'; readonly trackId: string; readonly producerId: string }
  | {
      readonly op: 'consumer.failed';
      readonly sessionId: string;
      readonly trackId: string;
      readonly code: string;
    };

export type CommitFactResult =
  /** `lastSeq`: the room's last fact right after this one. */
  | { readonly status: 'ok'; readonly lastSeq: number }
  /** The room life or session is not, or no more, on this node and boot: end it locally. */
  | { readonly status: 'fenced' };

/** What the sweep did; tell the nodes. */
export type Swept =
  /** It was empty for its `emptyTimeoutSeconds`. */
  | { readonly kind: 'room.closed'; readonly room: RoomRecord }
  /** It was admitted and never joined. */
  | { readonly kind: 'session.withdrawn'; readonly ref: RoomRef; readonly session: SessionRecord };

/** A process that hosts sessions on record and is not alive. */
export interface DeadHost {
  readonly nodeId: string;
  readonly bootId: string;
  readonly cause: 'lease_lapsed' | 'other_boot' | 'unknown_node';
}
export interface ReapResult {
  readonly reaped: readonly SessionRef[];
  /** Call again. */
  readonly more: boolean;
}

export type ReadEventsResult =
  | { readonly status: 'ok'; readonly events: readonly FactEnvelope[]; readonly lastSeq: number }
  /** `afterSeq` is older than what is kept. */
  | { readonly status: 'expired'; readonly firstSeq: number; readonly lastSeq: number }
  | { readonly status: 'not_found' };
export type FactEnvelope = EventEnvelope & { readonly seq: number };

/** One event log. */
export interface LifeRef {
  readonly tenant: string;
  readonly roomSessionId: string;
}
export interface AppendedEvents extends LifeRef {
  readonly lastSeq: number;
}

/** A pointer to something only its node holds (no SDP in Redis): whoever takes it asks the node. */
export interface Signal extends SessionRef {
  readonly type: 'subscribe.offer';
  readonly userId: string;
  readonly nodeId: string;
  readonly bootId: string;
  /** Unix ms. */
  readonly at: number;
}
