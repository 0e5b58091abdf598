/** What a developer would have to say on the command line, guessed from the SDP. */
import type { PublishTrack } from '@mediaserver/contracts';
import type { PubState } from '../src/index.ts';
import type { SdpDocument, SdpMedia } from '../src/sdp-document.ts';

export type SdpRole = 'offer' | 'answer' | 'probe';

/** Port 0 is live with `a=bundle-only` (RFC 8829 §5.2). */
export function isLive({ port, bundleOnly }: SdpMedia): boolean {
  return port !== 0 || bundleOnly;
}

export function isSending({ direction }: SdpMedia): boolean {
  return direction === 'sendonly' || direction === 'sendrecv';
}

/** RFC 8842 §5: offers say `actpass`. An offer that sends nothing and receives is what tells capabilities. */
export function guessRole(document: SdpDocument): { readonly role: SdpRole; readonly because: string } {
  const live = document.media.filter(isLive);
  const setups = new Set([document.transport.setup, ...live.map(({ transport }) => transport.setup)]);
  if (!setups.has('actpass') && (setups.has('active') || setups.has('passive'))) {
    return { role: 'answer', because: 'no a=setup:actpass' };
  }
  const media = live.filter(({ kind }) => kind !== 'application');
  return media.length > 0 && media.every(({ direction }) => direction === 'recvonly')
    ? { role: 'probe', because: 'it only receives' }
    : { role: 'offer', because: 'a=setup:actpass' };
}

const USUAL_SOURCES: Readonly<Record<string, readonly string[]>> = {
  audio: ['microphone', 'screen-audio'],
  video: ['camera', 'screen'],
};

/**
 * The `tracks` of a publish: one for each section that sends. A section that was live before keeps its source;
 * a new one takes the next usual name of its kind. `named` are the sources somebody told, by mid.
 */
export function guessTracks(
  document: SdpDocument,
  state: PubState,
  named: ReadonlyMap<string, string> = new Map(),
): PublishTrack[] {
  const live = new Map(state.sections.flatMap((section) => (section.phase === 'live' ? [[section.mid, section]] : [])));
  const sending = document.media.filter(
    (section) => isLive(section) && isSending(section) && section.kind in USUAL_SOURCES,
  );
  const known = (mid: string) => named.get(mid) ?? live.get(mid)?.track.source;
  const taken = new Set(sending.flatMap(({ mid }) => (mid === undefined ? [] : [known(mid)])));
  const tracks: PublishTrack[] = [];
  for (const { mid, kind } of sending) {
    if (mid === undefined) continue;
    const source = known(mid) ?? freeName(kind, taken);
    taken.add(source);
    tracks.push({ mid, source });
  }
  return tracks;
}

function freeName(kind: string, taken: ReadonlySet<string | undefined>): string {
  const usual = USUAL_SOURCES[kind]?.find((name) => !taken.has(name));
  if (usual !== undefined) return usual;
  let number = 3;
  while (taken.has(`${kind}-${number}`)) number += 1;
  return `${kind}-${number}`;
}
