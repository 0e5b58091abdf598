import type { FoundSessions } from '@mediaserver/registry';

/**
 * Where users were last seen, for the time the registry does not answer. It holds nothing that
 * matters: a wrong entry makes a call that its node refuses.
 */
export class SessionCache {
  readonly #limit: number;
  /** Least recently used first. */
  readonly #entries = new Map<string, FoundSessions>();

  constructor(limit = 10_000) {
    this.#limit = limit;
  }

  get(tenant: string, roomId: string, userId: string): FoundSessions | undefined {
    return this.#entries.get(keyOf(tenant, roomId, userId));
  }

  put(tenant: string, roomId: string, userId: string, found: FoundSessions | null): void {
    const key = keyOf(tenant, roomId, userId);
    this.#entries.delete(key);
    if (!found || found.sessions.length === 0) return;
    this.#entries.set(key, found);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limit) break;
      this.#entries.delete(oldest);
    }
  }
}

/** `/` is not in any of the ids. */
function keyOf(tenant: string, roomId: string, userId: string): string {
  return `${tenant}/${roomId}/${userId}`;
}
