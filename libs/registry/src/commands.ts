import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { toRegistryError } from './errors.ts';
import type { Keys } from './keys.ts';

type Fragment = '_nodes' | '_room' | '_fact' | '_watch';
type KeyGroup = 'cluster' | 'index' | 'room' | 'log' | 'watch' | 'signals';

/**
 * Which keys a command declares and which fragments precede it. The files are small; what they
 * share is in the fragments.
 */
const COMMANDS = {
  register_node: { keys: ['cluster'], with: [] },
  heartbeat: { keys: ['cluster'], with: [] },
  remove_node: { keys: ['cluster'], with: [] },
  list_nodes: { keys: ['cluster'], with: ['_nodes'] },
  create_room: { keys: ['cluster', 'index', 'room', 'log'], with: ['_nodes', '_room'] },
  read_room: { keys: ['room'], with: [] },
  close_room: { keys: ['cluster', 'index', 'room', 'log'], with: ['_nodes', '_room'] },
  expire_room: { keys: ['index', 'room', 'log'], with: ['_room'] },
  admit_session: { keys: ['cluster', 'index', 'room', 'log'], with: ['_nodes', '_room'] },
  withdraw_session: { keys: ['cluster', 'index', 'room', 'log'], with: ['_nodes', '_room'] },
  end_session: { keys: ['cluster', 'index', 'room', 'log'], with: ['_nodes', '_room'] },
  expire_join: { keys: ['cluster', 'index', 'room', 'log'], with: ['_nodes', '_room'] },
  find_sessions: { keys: ['room'], with: [] },
  session_joined: { keys: ['index', 'room', 'log'], with: ['_room', '_fact'] },
  session_left: { keys: ['cluster', 'index', 'room', 'log'], with: ['_nodes', '_room', '_fact'] },
  session_event: { keys: ['index', 'room', 'log'], with: ['_room', '_fact'] },
  track_created: { keys: ['index', 'room', 'log'], with: ['_room', '_fact'] },
  track_updated: { keys: ['index', 'room', 'log'], with: ['_room', '_fact'] },
  track_closed: { keys: ['index', 'room', 'log'], with: ['_room', '_fact'] },
  list_due: { keys: ['index', 'watch'], with: ['_watch'] },
  find_dead_hosts: { keys: ['cluster', 'index', 'watch'], with: ['_nodes', '_watch'] },
  reap_session: { keys: ['cluster', 'index', 'room', 'log'], with: ['_nodes', '_room'] },
  read_events: { keys: ['log'], with: [] },
  advance_cursor: { keys: ['index', 'log'], with: [] },
  push_signal: { keys: ['signals'], with: [] },
} as const satisfies Record<string, { keys: readonly KeyGroup[]; with: readonly Fragment[] }>;
export type CommandName = keyof typeof COMMANDS;

/** What the scripts need to know that is the same in every call. */
export interface CommandSettings {
  readonly channel: string;
  readonly leaseMs: number;
  /** Time in which a reservation fades by e. */
  readonly rampMs: number;
  readonly retentionMs: number;
  readonly maxEvents: number;
  readonly watchGapMs: number;
  readonly forgetNodeMs: number;
  readonly maxSignals: number;
  readonly signalTtlMs: number;
}

/** The parts of a call's arguments that decide its keys. */
export interface CommandArguments {
  readonly tenant?: string;
  readonly roomId?: string;
  readonly roomSessionId?: string;
  readonly [argument: string]: unknown;
}

interface Script {
  readonly lua: string;
  readonly sha: string;
}

const isCommandName = (name: string): name is CommandName => Object.hasOwn(COMMANDS, name);

/** The commands of `commands/*.lua` on one connection. */
export class Commands {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #settings: string;
  readonly #scripts = new Map<CommandName, Script>();

  constructor(redis: Redis, keys: Keys, settings: CommandSettings) {
    this.#redis = redis;
    this.#keys = keys;
    this.#settings = JSON.stringify(settings);
    const folder = join(import.meta.dirname, 'commands');
    const read = (name: string): string => readFileSync(join(folder, `${name}.lua`), 'utf8');
    const prelude = read('_prelude');
    for (const name of Object.keys(COMMANDS).filter(isCommandName)) {
      const names = Object.keys(this.#keysOf(name, { tenant: '-', roomId: '-', roomSessionId: '-' }));
      const declared = `local K = { ${names.map((key, index) => `${key} = KEYS[${index + 1}]`).join(', ')} }\n`;
      const lua = [declared, prelude, ...COMMANDS[name].with.map(read), read(name)].join('\n');
      this.#scripts.set(name, { lua, sha: createHash('sha1').update(lua).digest('hex') });
    }
  }

  /** Runs one command: one round trip, and a second one only where Redis has forgotten the script. */
  async run(name: CommandName, args: CommandArguments): Promise<unknown> {
    const script = this.#scripts.get(name);
    if (script === undefined) {
      throw new TypeError(`no such command: ${name}`);
    }
    const keys = Object.values(this.#keysOf(name, args));
    const rest = [...keys, JSON.stringify(args), this.#settings];
    try {
      return await this.#redis.evalsha(script.sha, keys.length, ...rest);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) {
        throw toRegistryError(error, name);
      }
    }
    try {
      return await this.#redis.eval(script.lua, keys.length, ...rest);
    } catch (error) {
      throw toRegistryError(error, name);
    }
  }

  #keysOf(name: CommandName, { tenant, roomId, roomSessionId }: CommandArguments): Record<string, string> {
    const keys: Record<string, string> = {};
    for (const group of COMMANDS[name].keys) {
      switch (group) {
        case 'cluster':
          Object.assign(keys, this.#keys.cluster);
          break;
        case 'index':
          Object.assign(keys, this.#keys.index);
          break;
        case 'room':
          Object.assign(keys, this.#keys.room(required(tenant), required(roomId)));
          break;
        case 'log':
          Object.assign(keys, this.#keys.log(required(tenant), required(roomSessionId)));
          break;
        case 'watch':
          keys['watch'] = this.#keys.watch;
          break;
        case 'signals':
          keys['signals'] = this.#keys.signals;
          break;
      }
    }
    return keys;
  }
}

function required(value: string | undefined): string {
  if (value === undefined || value === '' || value.includes(':') || value.includes('{')) {
    throw new TypeError(`not usable in a key: ${JSON.stringify(value)}`);
  }
  return value;
}
