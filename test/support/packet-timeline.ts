import { setTimeout as sleep } from 'node:timers/promises';
import type { WrtcUser } from './wrtc-user.ts';

/** libwebrtc renews its statistics every 50 ms: looking more often shows nothing more. */
const LOOK_EVERY_MS = 25;

/** When packets of each track came, as far as statistics tell; times as of `Date.now()`. */
export class PacketTimeline {
  readonly #arrivals = new Map<string, number[]>();

  note(trackId: string, at: number): void {
    const times = this.#arrivals.get(trackId);
    if (times) times.push(at);
    else this.#arrivals.set(trackId, [at]);
  }

  /** Whether a track's packets came after a time. */
  hasSince(trackId: string, at: number): boolean {
    return (this.#arrivals.get(trackId)?.at(-1) ?? 0) > at;
  }

  /** The longest time without a packet of any of the tracks that ended after `since`, ms. */
  longestGap(trackIds: readonly string[], since: number): number {
    let longest = 0;
    for (const trackId of trackIds) {
      const times = this.#arrivals.get(trackId) ?? [];
      for (const [index, at] of times.entries()) {
        if (at > since) longest = Math.max(longest, at - (times[index - 1] ?? since));
      }
    }
    return longest;
  }
}

/**
 * Looks at what a user receives until they are gone.
 * @param note told whenever packets of a track came since the last look.
 */
export async function watchPackets(user: WrtcUser, note: (trackId: string, at: number) => void): Promise<void> {
  const known = new Map<string, number>();
  while (user.sub.connectionState !== 'closed') {
    for (const { trackId } of user.tracks) {
      const { packets } = await user.received(trackId);
      if (packets > (known.get(trackId) ?? 0)) note(trackId, Date.now());
      known.set(trackId, packets);
    }
    await sleep(LOOK_EVERY_MS);
  }
}
