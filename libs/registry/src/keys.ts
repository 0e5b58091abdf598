/**
 * Every key the registry has in Redis, and nothing else makes one.
 *
 * All of them share the hash tag of the namespace, so that a script may touch them together on
 * Redis Cluster. Ids never contain `:` (see `libs/contracts/src/identifiers.ts`), so it separates.
 *
 * | Key | Type | Holds |
 * |---|---|---|
 * | `nodes` | hash | nodeId → descriptor |
 * | `nodes:status` | hash | nodeId → `{bootId, state, load}`, as of the last heartbeat |
 * | `nodes:leases` | zset | nodeId, scored with the end of its lease (Redis' clock) |
 * | `nodes:reserved` | hash | nodeId → sessions placed on it lately and when, see `_nodes.lua` |
 * | `epoch` | string | the highest epoch given out, over all rooms |
 * | `due` | zset | what must be looked at, scored with when: `dueRoom`, `dueJoin` |
 * | `hosted` | zset, by lex | one member per session, sorted by the process that hosts it |
 * | `pending` | zset | event logs with undelivered facts, scored with since when |
 * | `watch` | hash | when somebody last looked for what is due and who is dead |
 * | `signals` | list | pointers that any coordinator takes |
 * | `t:<tenant>:rooms` | zset, by lex | roomIds |
 * | `t:<tenant>:room:<roomId>` | hash | the room |
 * | `…:sessions` | hash | sessionId → session, see `_room.lua` |
 * | `…:users` | hash | userId → sessionIds |
 * | `…:tracks` | hash | trackId → track |
 * | `…:members` | hash | nodeId → how many sessions of the room it has |
 * | `t:<tenant>:events:<roomSessionId>` | stream | facts; the entry's id is `<seq>-0` |
 * | `t:<tenant>:cursor:<roomSessionId>` | string | seq of the last delivered fact |
 */

export interface ClusterKeys {
  readonly nodes: string;
  readonly status: string;
  readonly leases: string;
  readonly reserved: string;
  readonly epoch: string;
}
export interface IndexKeys {
  readonly due: string;
  readonly hosted: string;
  readonly pending: string;
}
export interface RoomKeys {
  readonly rooms: string;
  readonly room: string;
  readonly sessions: string;
  readonly users: string;
  readonly tracks: string;
  readonly members: string;
}
export interface LogKeys {
  readonly events: string;
  readonly cursor: string;
}

export class Keys {
  readonly #tag: string;
  readonly cluster: ClusterKeys;
  readonly index: IndexKeys;
  readonly watch: string;
  readonly signals: string;
  /** Pub/sub channel, not a key: one message per script that appended facts. */
  readonly appendedChannel: string;

  constructor(namespace: string) {
    if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(namespace)) {
      throw new TypeError(`registry namespace must match [a-z0-9-]{1,32}, got ${JSON.stringify(namespace)}`);
    }
    const tag = `{${namespace}}`;
    this.#tag = tag;
    this.cluster = {
      nodes: `${tag}:nodes`,
      status: `${tag}:nodes:status`,
      leases: `${tag}:nodes:leases`,
      reserved: `${tag}:nodes:reserved`,
      epoch: `${tag}:epoch`,
    };
    this.index = { due: `${tag}:due`, hosted: `${tag}:hosted`, pending: `${tag}:pending` };
    this.watch = `${tag}:watch`;
    this.signals = `${tag}:signals`;
    this.appendedChannel = `${tag}:appended`;
  }

  rooms(tenant: string): string {
    return `${this.#tag}:t:${tenant}:rooms`;
  }

  room(tenant: string, roomId: string): RoomKeys {
    const room = `${this.#tag}:t:${tenant}:room:${roomId}`;
    return {
      rooms: this.rooms(tenant),
      room,
      sessions: `${room}:sessions`,
      users: `${room}:users`,
      tracks: `${room}:tracks`,
      members: `${room}:members`,
    };
  }

  log(tenant: string, roomSessionId: string): LogKeys {
    return {
      events: `${this.#tag}:t:${tenant}:events:${roomSessionId}`,
      cursor: `${this.#tag}:t:${tenant}:cursor:${roomSessionId}`,
    };
  }
}

/** Members of the sets above. The Lua side builds the same texts (`_room.lua`); a test holds them together. */
export type DueMember =
  | { readonly kind: 'room'; readonly tenant: string; readonly roomId: string; readonly roomSessionId: string }
  | {
      readonly kind: 'join';
      readonly tenant: string;
      readonly roomId: string;
      readonly roomSessionId: string;
      readonly sessionId: string;
    };

export function parseDueMember(text: string): DueMember | null {
  const [kind, tenant, roomId, roomSessionId, sessionId] = text.split(':');
  if (tenant === undefined || roomId === undefined || roomSessionId === undefined) {
    return null;
  }
  if (kind === 'room') {
    return { kind, tenant, roomId, roomSessionId };
  }
  return kind === 'join' && sessionId !== undefined ? { kind, tenant, roomId, roomSessionId, sessionId } : null;
}

export interface HostedMember {
  readonly nodeId: string;
  readonly bootId: string;
  readonly tenant: string;
  readonly roomId: string;
  readonly roomSessionId: string;
  readonly sessionId: string;
}

export function parseHostedMember(text: string): HostedMember | null {
  const [nodeId, bootId, tenant, roomId, roomSessionId, sessionId] = text.split(':');
  return nodeId === undefined ||
    bootId === undefined ||
    tenant === undefined ||
    roomId === undefined ||
    roomSessionId === undefined ||
    sessionId === undefined
    ? null
    : { nodeId, bootId, tenant, roomId, roomSessionId, sessionId };
}

/** Range of all members of one process in `hosted`; `;` follows `:`. */
export function hostedRange(nodeId: string, bootId: string): readonly [string, string] {
  return [`[${nodeId}:${bootId}:`, `(${nodeId}:${bootId};`];
}

export function parsePendingMember(text: string): { readonly tenant: string; readonly roomSessionId: string } | null {
  const [tenant, roomSessionId] = text.split(':');
  return tenant === undefined || roomSessionId === undefined ? null : { tenant, roomSessionId };
}
