/** What inputs start from: recorded SDPs, answers to our own offers, and inputs that once found a bug. */
import { readdirSync, readFileSync } from 'node:fs';
import type { MediaKind } from '@mediaserver/contracts';
import {
  addConsumer,
  applyAnswer,
  clientProfiles,
  createOffer,
  createPubState,
  createSubState,
  currentOffer,
  deviceCapabilities,
  removeConsumer,
  reserveSection,
  SdpError,
  type PubState,
  type SubState,
} from '../src/index.ts';
import {
  chromium,
  consume,
  context,
  deepFreeze,
  plan,
  produced,
  publish,
  recorded,
  recordedSdps,
  transport,
} from '../src/sdp.test-support.ts';

/** A valid text, and the states that texts made from it are tried on. */
export interface Base {
  readonly name: string;
  readonly sdp: string;
  /** After `sdp` was published, if it can be. */
  readonly pub: PubState;
  /** With an offer outstanding; `sdp` is an answer to it if `name` begins with `answer`. */
  readonly sub: SubState;
}

/** One thing to try. `wish` picks what `tracks` ask for besides the SDP. */
export interface Input {
  readonly base: string;
  readonly sdp: string;
  readonly wish: number;
}

export function bases(): ReadonlyMap<string, Base> {
  const subs = subStates();
  const [, anySub] = subs[0] ?? [];
  if (!anySub) throw new Error('there is no SUB state');
  const found: Base[] = subs.map(([name, sub]) => ({
    name: `answer to ${name}`,
    sdp: answerTo(currentOffer(sub)?.sdp ?? ''),
    pub: createPubState(1),
    sub,
  }));
  for (const { file } of recordedSdps()) {
    const sdp = recorded(file);
    found.push({ name: file, sdp, pub: published(sdp), sub: anySub });
  }
  // A write to a state or to the Router's capabilities shows as a finding.
  return new Map(found.map((base) => [base.name, deepFreeze(base)]));
}

function published(sdp: string): PubState {
  try {
    return publish(sdp).state;
  } catch (error) {
    if (error instanceof SdpError) return createPubState(1);
    throw error;
  }
}

/** As a client that takes everything. */
export function answerTo(offer: string): string {
  return offer
    .replaceAll('a=setup:actpass', 'a=setup:active')
    .replaceAll(/^a=ice-ufrag:.*$/gm, 'a=ice-ufrag:subU')
    .replaceAll(/^a=ice-pwd:.*$/gm, 'a=ice-pwd:subscriberPassword0123456')
    .replaceAll(/^a=sendonly/gm, 'a=recvonly')
    .replaceAll(/^a=(?:candidate|end-of-candidates|ssrc|msid|ice-lite).*\r\n/gm, '');
}

/** SUB in the states an answer may meet: a probe, the first offer, and later ones with every kind of line. */
function subStates(): [string, SubState][] {
  const actions = produced(plan(chromium('02-av-sendonly')));
  const producers = new Map(actions.map((action) => [action.kind, action.rtpParameters]));
  const device = deviceCapabilities(chromium('05-probe-recvonly'), context);
  let serial = 0;
  const add = (state: SubState, kind: MediaKind): SubState => {
    const consumerId = `c${++serial}`;
    const reserved = reserveSection(state, { trackId: `u:${consumerId}`, userId: 'u', source: 's', kind });
    const producer = producers.get(kind);
    if (!producer) throw new Error('the fixture has no such kind');
    const rtpParameters = consume(kind, producer, device, reserved.mid);
    const consumer = { mid: reserved.mid, consumerId, producerId: 'p', rtpParameters, paused: false, replaces: null };
    return addConsumer(reserved.state, consumer);
  };
  const offer = (state: SubState): SubState =>
    createOffer(state, { ...context, transport: transport(), sdpSessionId: '1', negotiationId: `n${++serial}` }).state;
  const answer = (state: SubState): SubState => {
    const { negotiationId = '', sdp = '' } = currentOffer(state) ?? {};
    return applyAnswer(state, { ...context, negotiationId, sdp: answerTo(sdp) }).state;
  };
  const create = (data: boolean, probe: boolean) =>
    createSubState({
      generation: 1,
      data,
      capabilities: probe ? null : device,
      profile: probe ? null : clientProfiles.standard,
    });

  const first = offer(add(add(add(create(true, false), 'audio'), 'video'), 'video'));
  const live = answer(first);
  const closing = offer(removeConsumer(removeConsumer(add(live, 'audio'), 'c2'), 'c1'));
  const later = offer(removeConsumer(add(add(answer(closing), 'video'), 'video'), 'c4'));
  return [
    ['first', first],
    ['first without data', offer(add(create(false, false), 'audio'))],
    ['probe', offer(create(true, true))],
    ['probe without data', offer(create(false, true))],
    ['closing', closing],
    ['later', later],
  ];
}

const REGRESSIONS = new URL('./regressions/', import.meta.url);

/** Inputs that once found a bug, minimised; each file says which. */
export function regressions(): { readonly file: string; readonly input: Input }[] {
  return readdirSync(REGRESSIONS)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => ({ file, input: JSON.parse(readFileSync(new URL(file, REGRESSIONS), 'utf8')) }));
}
