import type { MediaKind } from '@mediaserver/contracts';
import { expect, test } from 'vitest';
import {
  addConsumer,
  applyAnswer,
  createOffer,
  createSubState,
  deviceCapabilities,
  removeConsumer,
  reserveSection,
  type AppliedAnswer,
  type SubState,
} from '../src/index.ts';
import { chromium, consume, context, plan, produced, transport } from '../src/sdp.test-support.ts';
import { SimulatedSubscriber, type Reaction } from '../src/simulated-subscriber.test-support.ts';
import { outstandingOffer, RECONSTRUCTED_NEGOTIATION } from './outstanding-offer.ts';

const device = deviceCapabilities(chromium('05-probe-recvonly'), context);
const producers = produced(plan(chromium('02-av-sendonly')));

function subscribed(before: SubState, kind: MediaKind, consumerId: string): SubState {
  const producer = producers.find((action) => action.kind === kind);
  if (!producer) throw new Error(`no ${kind} is published`);
  const { state, mid } = reserveSection(before, { trackId: `alice:${consumerId}`, userId: 'alice', source: 'x', kind });
  const rtpParameters = consume(kind, producer.rtpParameters, device, mid);
  return addConsumer(state, { mid, consumerId, producerId: 'p', rtpParameters, paused: false, replaces: null });
}

/** Whether a section was closed just now or long ago is not in an offer, so those are left out. */
const outcomeOf = ({ sections, state, capabilities }: AppliedAnswer) => ({
  sections: sections.flatMap(({ mid, status, code }) => (status === 'closed' ? [] : [[mid, status, code]])),
  phases: state.lines.map(({ phase }) => phase),
  capabilities,
});

test.each([true, false])('an answer means the same to the state and to its offer alone (data channels: %s)', (data) => {
  const client = new SimulatedSubscriber();
  let state = createSubState({ generation: 1, data, profile: null, capabilities: null });
  let revision = 0;
  const settle = (reactions: Readonly<Record<string, Reaction>> = {}) => {
    revision += 1;
    const negotiationId = `n${revision}`;
    const { connection } = state;
    const made = createOffer(state, { ...context, transport: transport(), sdpSessionId: '42', negotiationId });
    const sdp = client.answer(made.offer, reactions);
    const applied = applyAnswer(made.state, { ...context, negotiationId, sdp });
    const alone = applyAnswer(outstandingOffer(made.offer.sdp, connection), {
      ...context,
      negotiationId: RECONSTRUCTED_NEGOTIATION,
      sdp,
    });
    expect(outcomeOf(alone)).toEqual(outcomeOf(applied));
    state = applied.state;
    return { applied, alone };
  };

  const probed = settle();
  expect(probed.alone.actions).toEqual(probed.applied.actions);
  expect(probed.alone.capabilities?.codecs).not.toEqual([]);

  state = subscribed(subscribed(subscribed(state, 'audio', 'c1'), 'video', 'c2'), 'video', 'c3');
  const { applied, alone } = settle({ 2: 'reject', 3: 'inactive' });
  expect(applied.sections.map(({ status }) => status)).toContain('rejected');
  const named = (answer: AppliedAnswer) =>
    answer.actions.map((action) => [action.type, 'consumerId' in action ? action.consumerId : null]);
  expect(named(alone)).toEqual(named(applied));

  state = removeConsumer(state, 'c1');
  settle();
});
