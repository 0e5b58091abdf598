/** What the recipe for browsers makes of refusals and of calls without an answer. WebRTC and the backend are stand-ins. */
import wrtc from '@roamhq/wrtc';
import { afterEach, beforeEach, expect, it, vi, type Mock } from 'vitest';
import { CallClient } from '../../libs/sdp/recipes/browser.js';

type Signaling = ConstructorParameters<typeof CallClient>[0];
type Signals = { [Name in keyof Signaling]: Mock<Signaling[Name]> };
type Offer = Parameters<Parameters<Signaling['onOffer']>[0]>[1];

/** Connects as soon as it has a remote description; refuses the one that says `bad`. */
class StandIn extends EventTarget {
  connectionState = 'new';
  signalingState = 'stable';
  localDescription: { type: string; sdp?: string } | null = null;
  remoteDescription: { type: string; sdp?: string } | null = null;
  readonly #transceivers: { mid: string | null }[] = [];

  addTransceiver(_track: unknown, { direction }: { direction: string }) {
    const sender = { replaceTrack: async () => {}, getParameters: () => ({}) };
    const transceiver = { mid: null, direction, sender, receiver: { track: { muted: false } } };
    this.#transceivers.push(transceiver);
    return transceiver;
  }

  getTransceivers() {
    return this.#transceivers;
  }

  async createOffer() {
    return { type: 'offer', sdp: this.#transceivers.map((_, index) => `a=mid:${index}\r\n`).join('') };
  }

  async createAnswer() {
    return { type: 'answer', sdp: '' };
  }

  async setLocalDescription(description: { type: string; sdp?: string }) {
    this.signalingState = description.type === 'offer' ? 'have-local-offer' : 'stable';
    if (description.type === 'rollback') return;
    this.localDescription = description;
    for (const [index, transceiver] of this.#transceivers.entries()) transceiver.mid = String(index);
  }

  async setRemoteDescription(description: { type: string; sdp?: string }) {
    if (description.sdp === 'bad') throw new DOMException('bad');
    this.remoteDescription = description;
    if (description.type === 'offer') this.addTransceiver('audio', { direction: 'recvonly' });
    this.connectionState = 'connected';
    this.dispatchEvent(new Event('connectionstatechange'));
  }

  setConfiguration() {}
  createDataChannel() {
    return new EventTarget();
  }
  close() {
    this.connectionState = 'closed';
  }
}

const microphone = new wrtc.nonstandard.RTCAudioSource().createTrack();
const refusal = (code: string) => Object.assign(new Error(code), { code, retryable: false });

let session = 0;
let revision = 0;
const offer = (sdp = ''): Offer => {
  revision += 1;
  const track = { trackId: 'b:mic', consumerId: 'c', userId: 'b', kind: 'audio', source: 'mic' };
  const tracks = [{ ...track, mid: '0', paused: false, replaces: null }];
  return { generation: 1, revision, negotiationId: String(revision), sdp, tracks, data: [] };
};
const published = { generation: 1, sdp: '', sections: [] };

/** A backend where all goes well, but for what a test gives. */
function makeCall(given: Partial<Signals> = {}, subscribes = true) {
  const heard: string[] = [];
  const problems: unknown[] = [];
  const answer = (resumed: boolean) => ({
    user: { sessionId: resumed ? String(session) : String((session += 1)) },
    publish: published,
    subscribe: subscribes ? offer() : null,
    iceServers: [],
  });
  const signaling: Signals = {
    join: vi.fn<Signaling['join']>(async () => answer(false)),
    resume: vi.fn<Signaling['resume']>(async () => answer(true)),
    publish: vi.fn<Signaling['publish']>(async () => published),
    answer: vi.fn<Signaling['answer']>(async () => ({ next: null })),
    leave: vi.fn<Signaling['leave']>(),
    onOffer: vi.fn<Signaling['onOffer']>(),
    ...given,
  };
  const handlers = {
    ontrack: vi.fn<() => void>(),
    onstate: (state: string) => heard.push(state),
    onreplaced: () => heard.push('replaced'),
    onproblem: (problem: unknown) => problems.push(problem),
  };
  const call = new CallClient(signaling, handlers, { storageKey: '' });
  return { call, signaling, handlers, heard, problems };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('RTCPeerConnection', StandIn);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Longer than one attempt to connect, and than all tries of a publish. */
const aWhile = () => vi.advanceTimersByTimeAsync(15_000);

it('a replaced session ends and does not take the call back', async () => {
  const resume = vi.fn<Signaling['resume']>().mockRejectedValue(refusal('stale_session'));
  const { call, signaling, heard } = makeCall({ resume });
  await call.join();
  await call.restartIce();
  await aWhile();
  expect(heard.slice(-2)).toEqual(['replaced', 'ended']);
  expect(signaling.join).toHaveBeenCalledTimes(1);
});

it('a session that is gone is joined anew, and not in a hurry if that is refused too', async () => {
  const resume = vi.fn<Signaling['resume']>().mockRejectedValue(refusal('session_gone'));
  const { call, signaling } = makeCall({ resume });
  await call.join();
  signaling.join.mockRejectedValue(refusal('room_not_found'));
  void call.restartIce();
  await aWhile();
  const times = signaling.join.mock.calls.length;
  expect(times).toBeGreaterThan(2);
  expect(times).toBeLessThan(10);
  call.close();
});

it('a session that neither sends nor receives has nothing to heal', async () => {
  const { call, signaling, heard } = makeCall({}, false);
  await call.join();
  await call.restartIce();
  await aWhile();
  expect(signaling.resume).toHaveBeenCalledTimes(1);
  expect(heard.at(-1)).toBe('connected');
  call.close();
});

it('a publish without an answer is repeated, told once, and given up for a new connection', async () => {
  const { call, signaling, problems } = makeCall();
  await call.join();
  signaling.publish.mockRejectedValue(new DOMException('too long', 'TimeoutError'));
  const sent = expect(call.send('microphone', microphone)).rejects.toThrow('There was no answer');
  await aWhile();
  await sent;
  expect(signaling.publish).toHaveBeenCalledTimes(5);
  expect(problems).toHaveLength(1);
  expect(signaling.resume).toHaveBeenCalledTimes(1);
  expect(signaling.resume.mock.calls[0]?.[0]).toMatchObject({ reset: 'all' });
  signaling.publish.mockResolvedValue(published);
  await call.send('microphone', microphone);
  call.close();
});

it('a refusal of the own backend is not repeated', async () => {
  const { call, signaling } = makeCall();
  await call.join();
  signaling.publish.mockRejectedValue(refusal('not_in_your_plan'));
  await expect(call.send('microphone', microphone)).rejects.toMatchObject({ code: 'not_in_your_plan' });
  expect(signaling.publish).toHaveBeenCalledTimes(1);
  call.close();
});

it.each(['mline_mismatch', 'stale_offer', 'the answer cannot be applied'])('%s: PUB is made anew', async (trouble) => {
  const { call, signaling } = makeCall();
  await call.join();
  if (trouble.includes(' ')) signaling.publish.mockResolvedValueOnce({ ...published, sdp: 'bad' });
  else signaling.publish.mockRejectedValueOnce(refusal(trouble));
  await expect(call.send('microphone', microphone)).rejects.toThrow();
  await aWhile();
  expect(signaling.resume).toHaveBeenCalledTimes(1);
  expect(signaling.resume.mock.calls[0]?.[0]).toMatchObject({ reset: 'all' });
  await call.send('microphone', microphone);
  expect(signaling.publish).toHaveBeenLastCalledWith(
    expect.objectContaining({ tracks: [expect.objectContaining({ source: 'microphone' })] }),
  );
  call.close();
});

it('a publish of a session that is gone leads to a new one', async () => {
  const { call, signaling } = makeCall();
  for (const each of [signaling.publish, signaling.resume]) each.mockRejectedValue(refusal('session_gone'));
  await call.join();
  await expect(call.send('microphone', microphone)).rejects.toMatchObject({ code: 'session_gone' });
  await aWhile();
  expect(signaling.join).toHaveBeenCalledTimes(2);
  call.close();
});

it('an answer that is refused leads to new connections', async () => {
  const answer = vi.fn<Signaling['answer']>(async () => ({ next: null }));
  answer.mockRejectedValueOnce(refusal('answer_mismatch'));
  const { call, signaling, problems } = makeCall({ answer });
  await call.join();
  await aWhile();
  expect(signaling.resume.mock.calls.map(([{ reset }]) => reset)).toEqual(['all']);
  expect(problems).toEqual([expect.objectContaining({ code: 'answer_mismatch' })]);
  call.close();
});

it('an offer that cannot be applied leads to new connections; one of another session is ignored', async () => {
  const { call, signaling } = makeCall();
  await call.join();
  await aWhile();
  const push = signaling.onOffer.mock.calls[0]?.[0];
  push?.('another', offer('bad'));
  await aWhile();
  expect(signaling.resume).not.toHaveBeenCalled();
  push?.(String(session), offer('bad'));
  await aWhile();
  expect(signaling.resume.mock.calls.map(([{ reset }]) => reset)).toEqual(['all']);
  call.close();
});

it('what a handler throws is told, and the answer goes out all the same', async () => {
  const { call, signaling, handlers, problems } = makeCall();
  const bug = new Error('a bug of the page');
  handlers.ontrack.mockImplementation(() => {
    throw bug;
  });
  await call.join();
  await aWhile();
  expect(handlers.ontrack).toHaveBeenCalled();
  expect(problems).toEqual([bug]);
  expect(signaling.answer).toHaveBeenCalledTimes(1);
  expect(call.state).toBe('connected');
  call.close();
});
