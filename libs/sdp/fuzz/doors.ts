/**
 * Takes one input through every way into the library: as an offer of a new PeerConnection, as one that follows
 * another, as capabilities, and as an answer.
 */
import type { PublishTrack } from '@mediaserver/contracts';
import {
  abandonPublish,
  addConsumer,
  applyAnswer,
  completePublish,
  createOffer,
  createPubState,
  createSubState,
  currentOffer,
  deviceCapabilities,
  needsOffer,
  planPublish,
  producerClosed,
  reserveSection,
  type ApplyPlan,
  type PubState,
  type SubState,
} from '../src/index.ts';
import { parseSdp } from '../src/parse-sdp.ts';
import { chromium, consume, context, deepFreeze, produced, tracksOf, transport } from '../src/sdp.test-support.ts';
import { answerTo, type Base, type Input } from './corpus.ts';
import { checkAnswersAll, checkError, checkPrototypes, checkWritten, Finding } from './oracles.ts';

type Door = 'parser' | 'offer' | 'next offer' | 'back again' | 'capabilities' | 'answer' | 'relayed';
/** `accepted`, or the code of the refusal; a door that was not come to is left out. */
export type Outcome = Readonly<Partial<Record<Door, string>>>;

const WISHES: readonly Partial<PublishTrack>[] = [
  {},
  {},
  { ridOrder: ['f', 'h', 'q'], scalabilityMode: 'L1T2' },
  { scalabilityMode: 'L3T3_KEY', codec: 'VP9', stereo: true, dtx: true, maxBitrate: 500_000 },
];
export const WISH_COUNT = WISHES.length;

deepFreeze(context);
const device = deviceCapabilities(chromium('05-probe-recvonly'), context);
const freshPub = deepFreeze(createPubState(1));

/** @throws Finding if something does not hold that must */
export function tryDoors(base: Base, { sdp, wish }: Input): Outcome {
  const outcome: Partial<Record<Door, string>> = {};
  const tracks = tracksFor(sdp, wish);
  const enter = (door: Door, run: () => void) => {
    try {
      run();
      outcome[door] = 'accepted';
    } catch (error) {
      outcome[door] = checkError(error);
    }
  };
  enter('parser', () => parseSdp(sdp));
  // Every door begins with the parser.
  if (outcome.parser !== 'accepted') return outcome;
  let fresh: ApplyPlan | undefined;
  let after: PubState | undefined;
  enter('offer', () => ({ plan: fresh } = publishOn(freshPub, sdp, tracks)));
  enter('next offer', () => ({ state: after } = publishOn(base.pub, sdp, tracks)));
  const before = after;
  if (before) enter('back again', () => publishOn(before, base.sdp, tracksFor(base.sdp, wish)));
  enter('capabilities', () => deviceCapabilities(sdp, context));
  enter('answer', () => answer(base.sub, sdp));
  const plan = fresh;
  // The slowest, so only one in four comes to it.
  if (plan && sdp.length % 4 === 0) enter('relayed', () => relay(plan));
  checkPrototypes();
  return outcome;
}

/** `a=mid` is read naively on purpose; a backend sends each mid once. */
function tracksFor(sdp: string, wish: number): PublishTrack[] {
  const tracks = new Map(tracksOf(sdp).map((track) => [track.mid, track]));
  return [...tracks.values()].map((track) => Object.assign(track, WISHES[wish]));
}

function publishOn(state: PubState, sdp: string, tracks: readonly PublishTrack[]) {
  const plan = planPublish(state, { ...context, sdp, tracks });
  if (plan.type === 'replay') return { plan: undefined, state };
  // Actions that fail half-way leave a state that is usable.
  deepFreeze(abandonPublish(plan, plan.actions.slice(0, Math.ceil(plan.actions.length / 2))));
  const producerIds = new Map(produced(plan).map(({ mid }, index) => [mid, `p${state.answerVersion}-${index}`]));
  const answer = completePublish(plan, { transport: transport(), producerIds, sdpSessionId: '8123456789' });
  checkWritten(answer.sdp, 'answer');
  checkAnswersAll(plan.document, answer.sdp);
  if (answer.sections.length !== answer.state.sections.length) throw new Finding('A section has no result');
  const live = answer.state.sections.flatMap((section) => (section.phase === 'live' ? [section.producerId] : []));
  if (new Set(live).size !== live.length) throw new Finding('Two sections have one producer');
  const again = planPublish(deepFreeze(answer.state), { ...context, sdp, tracks });
  if (again.type !== 'replay' || again.sdp !== answer.sdp) throw new Finding('The same offer is not answered alike');
  for (const id of live) deepFreeze(producerClosed(answer.state, id));
  return { plan, state: answer.state };
}

function answer(state: SubState, sdp: string): void {
  const { negotiationId = '' } = currentOffer(state) ?? {};
  const applied = applyAnswer(state, { ...context, negotiationId, sdp });
  const repeated = applyAnswer(deepFreeze(applied.state), { ...context, negotiationId, sdp });
  if (repeated.actions.length > 0) throw new Finding('An answer was applied twice');
  if (needsOffer(applied.state)) offerOf(applied.state);
}

/** What one client sent comes to stand in the offers to others. */
function relay(plan: ApplyPlan): void {
  let state = createSubState({ generation: 1, data: true, capabilities: device, profile: null });
  for (const [index, { kind, rtpParameters }] of produced(plan).slice(0, 2).entries()) {
    const consumerId = `c${index}`;
    const reserved = reserveSection(state, { trackId: `u:${consumerId}`, userId: 'u', source: 's', kind });
    const consumer = consume(kind, rtpParameters, device, reserved.mid);
    // A device that cannot receive a codec is not given a consumer.
    if (consumer.codecs.length === 0) continue;
    state = addConsumer(reserved.state, {
      mid: reserved.mid,
      consumerId,
      producerId: 'p',
      rtpParameters: consumer,
      paused: false,
      replaces: null,
    });
  }
  const offered = offerOf(state);
  const { negotiationId = '', sdp = '' } = currentOffer(offered) ?? {};
  const { sections } = applyAnswer(offered, { ...context, negotiationId, sdp: answerTo(sdp) });
  if (sections.some(({ status }) => status !== 'live')) throw new Finding('An honest answer is not taken');
}

function offerOf(state: SubState): SubState {
  const input = { ...context, transport: transport(), sdpSessionId: '1', negotiationId: 'next' };
  const made = createOffer(deepFreeze(state), input);
  checkWritten(made.offer.sdp, 'offer');
  return made.state;
}
