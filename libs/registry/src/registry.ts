import type { LoadReport, NodeDescriptor, NodeRecord, NodeState, RoomRecord } from '@mediaserver/contracts';
import type {
  AdmitSessionInput,
  AdmitSessionResult,
  AppendedEvents,
  CloseRoomInput,
  CloseRoomResult,
  CommitFactResult,
  CreateRoomInput,
  CreateRoomResult,
  DeadHost,
  FoundSessions,
  HeartbeatResult,
  LifeRef,
  NodeFact,
  ReadEventsResult,
  ReapResult,
  RegisterResult,
  RoomPage,
  RoomPlacement,
  RoomSnapshot,
  SessionRef,
  Signal,
  Swept,
} from './types.ts';

/** What the registry logs with; pino fits. */
export interface RegistryLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface RegistryOptions {
  /** `redis://…` or `rediss://…`. */
  readonly url: string;
  /** Shown in `CLIENT LIST`. */
  readonly name: string;
  readonly log: RegistryLog;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** How long a node counts as alive after a heartbeat. Default 4000. */
  readonly leaseMs?: number;
  /** How long an answer is waited for. Default 2000. */
  readonly commandTimeoutMs?: number;
  /** How long the log of a closed room is kept. Default 24 h. */
  readonly eventRetentionMs?: number;
  /** How many facts of one room are kept. Default 10,000. */
  readonly maxEventsPerRoom?: number;
  /** Separates deployments that share one Redis. Default `ms`. */
  readonly namespace?: string;
}

function todo(): never {
  throw new Error('not written yet');
}

export class Registry {
  /** Connects in the background and keeps reconnecting; calls fail fast with `registry_unavailable` meanwhile. */
  static open(_options: RegistryOptions): Registry {
    todo();
  }
  /** `open`, then waits for the connection; rejects with `registry_unavailable` after `timeoutMs` (default 5000). */
  static async connect(_options: RegistryOptions & { readonly timeoutMs?: number }): Promise<Registry> {
    todo();
  }

  get connected(): boolean {
    todo();
  }
  /** Called each time the connection (again) stands. Returns the way to stop it. */
  onConnected(_listener: () => void): () => void {
    todo();
  }
  /** Round trip in ms. */
  async ping(): Promise<number> {
    todo();
  }
  async close(): Promise<void> {
    todo();
  }

  /** Refuses a second live node of the same id. */
  async registerNode(_descriptor: NodeDescriptor, _load: LoadReport, _state?: NodeState): Promise<RegisterResult> {
    todo();
  }
  /** Renews the lease. `unknown`: this boot is not registered (any more); register again. */
  async heartbeat(_nodeId: string, _bootId: string, _load: LoadReport, _state: NodeState): Promise<HeartbeatResult> {
    todo();
  }
  async removeNode(_nodeId: string, _bootId: string): Promise<void> {
    todo();
  }
  async listNodes(): Promise<NodeRecord[]> {
    todo();
  }

  async createRoom(_input: CreateRoomInput): Promise<CreateRoomResult> {
    todo();
  }
  async getRoom(_tenant: string, _roomId: string): Promise<RoomRecord | null> {
    todo();
  }
  /** What placing one more session needs to know of a room. */
  async getRoomPlacement(_tenant: string, _roomId: string): Promise<RoomPlacement | null> {
    todo();
  }
  async listRooms(_tenant: string, _page: { cursor?: string; limit: number }): Promise<RoomPage> {
    todo();
  }
  async readRoom(_tenant: string, _roomId: string): Promise<RoomSnapshot | null> {
    todo();
  }
  async closeRoom(_input: CloseRoomInput): Promise<CloseRoomResult> {
    todo();
  }

  async admitSession(_input: AdmitSessionInput): Promise<AdmitSessionResult> {
    todo();
  }
  /** Takes back an admission whose node did not create the session. Without effect once it joined. No event. */
  async withdrawSession(_ref: SessionRef): Promise<void> {
    todo();
  }
  /** The sessions of one user, joining ones too. Null: no such room. */
  async findSessions(_tenant: string, _roomId: string, _userId: string): Promise<FoundSessions | null> {
    todo();
  }

  async commitFact(_fact: NodeFact): Promise<CommitFactResult> {
    todo();
  }

  /** Closes rooms past their empty timeout, withdraws sessions that never joined. Safe from any number of callers. */
  async sweep(_limit?: number): Promise<Swept[]> {
    todo();
  }
  /** Hosts of sessions on record whose lease lapsed more than `graceMs` ago, or whose process was replaced. */
  async findDeadHosts(_graceMs: number): Promise<DeadHost[]> {
    todo();
  }
  /** Ends a bounded number of sessions of a dead host (`user.left {node_lost}`); refuses while it is alive. */
  async reapSessions(_host: { nodeId: string; bootId: string }, _limit?: number): Promise<ReapResult> {
    todo();
  }

  /** Facts after `afterSeq` in order. Works until the log expires, also after the room closed. */
  async readEvents(_life: LifeRef, _afterSeq: number, _limit: number): Promise<ReadEventsResult> {
    todo();
  }
  /** Logs with facts behind their delivery cursor, longest waiting first. */
  async livesToDeliver(_page?: { offset?: number; limit?: number }): Promise<LifeRef[]> {
    todo();
  }
  /** `seq` of the last delivered fact; 0 at first. */
  async getCursor(_life: LifeRef): Promise<number> {
    todo();
  }
  /** Only forward. `caughtUp`: nothing is waiting any more. */
  async advanceCursor(_life: LifeRef, _seq: number): Promise<{ caughtUp: boolean }> {
    todo();
  }
  /** At most once per append; pair it with `livesToDeliver` for what was missed. Returns the way to stop it. */
  onEventsAppended(_listener: (appended: AppendedEvents) => void): () => void {
    todo();
  }

  async publishSignal(_signal: Signal): Promise<void> {
    todo();
  }
  /**
   * Each signal goes to one taker. Waits up to `blockMs`; the newest per session and type, none
   * older than 30 s. One caller at a time per Registry. Empty after `close()`.
   */
  async takeSignals(_blockMs: number, _limit?: number): Promise<Signal[]> {
    todo();
  }
}
