import assert from 'node:assert/strict';
import {
  addConsumer,
  applyAnswer,
  createOffer,
  createSubState,
  removeConsumer,
  reserveSection,
  type SubState,
} from '@mediaserver/sdp';
import { chromium, consume, context, produced, publish, transport } from '../../libs/sdp/src/sdp.test-support.ts';

/**
 * Case 59: offers hold a track beside the one that takes over from it, as a move to another node will make them: the
 * same trackId under another msid. The client's answers are real; what they say is read as a node reads it.
 */
export async function checkReplacement(answer: (offer: string) => Promise<string>): Promise<void> {
  let state: SubState = createSubState({ generation: 1, data: false, capabilities: null, profile: null });
  let turns = 0;
  /** @returns the live consumers by the answer. */
  const negotiate = async (): Promise<(string | null)[]> => {
    turns += 1;
    const negotiationId = String(turns);
    const made = createOffer(state, { ...context, transport: transport(), sdpSessionId: '1', negotiationId });
    const sdp = await answer(made.offer.sdp);
    const applied = applyAnswer(made.state, { ...context, negotiationId, sdp });
    state = applied.state;
    return applied.sections.filter(({ status }) => status === 'live').map(({ consumerId }) => consumerId);
  };
  assert.deepEqual(await negotiate(), [], 'the first offer asks for capabilities');
  state = consuming(state, 'old', null);
  assert.deepEqual(await negotiate(), ['old']);
  state = consuming(state, 'new', 'old');
  assert.deepEqual(new Set(await negotiate()), new Set(['old', 'new']), 'both at once');
  state = removeConsumer(state, 'old');
  assert.deepEqual(await negotiate(), ['new'], 'the old one has gone');
}

const camera = produced(publish(chromium('02-av-sendonly')).plan).find(({ kind }) => kind === 'video');

function consuming(state: SubState, consumerId: string, replaces: string | null): SubState {
  assert(camera && state.capabilities);
  const track = { trackId: 'anna:camera', userId: 'anna', source: 'camera', kind: 'video' as const };
  const reserved = reserveSection(state, track);
  const rtpParameters = consume('video', camera.rtpParameters, state.capabilities, reserved.mid);
  const producerId = `producer-${consumerId}`;
  return addConsumer(reserved.state, {
    mid: reserved.mid,
    consumerId,
    producerId,
    rtpParameters,
    paused: false,
    replaces,
  });
}
