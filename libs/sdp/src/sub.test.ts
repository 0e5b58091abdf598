import type { MediaKind, SubscribeOffer } from '@mediaserver/contracts';
import type { RtpParameters } from 'mediasoup/types';
import { describe, expect, test } from 'vitest';
import {
  addConsumer,
  applyAnswer,
  canRestartIce,
  clientProfile,
  clientProfiles,
  createOffer,
  createSubState,
  currentOffer,
  hasRoomFor,
  deviceCapabilities,
  isDirty,
  markStalled,
  needsOffer,
  offerUrgency,
  releaseSection,
  renewOffer,
  removeConsumer,
  reserveSection,
  restartIce,
  setConsumerPaused,
  type SubState,
} from './index.ts';
import { canProduce } from './ortc.ts';
import { parseSdp } from './parse-sdp.ts';
import { SimulatedSubscriber } from './simulated-subscriber.test-support.ts';
import {
  chromium,
  codeOf,
  consume,
  context,
  errorOf,
  firefox,
  gstreamer,
  hash,
  linesOf,
  plan,
  produced,
  recorded,
  recordedSdps,
  sectionText,
  transport,
} from './sdp.test-support.ts';

const device = deviceCapabilities(chromium('05-probe-recvonly'), context);
const MID = 'urn:ietf:params:rtp-hdrext:sdes:mid';

function producerOf(sdp: string, kind: MediaKind): RtpParameters {
  const action = produced(plan(sdp)).find((candidate) => candidate.kind === kind);
  if (!action) throw new Error(`no ${kind} in the offer`);
  return action.rtpParameters;
}
const microphone = producerOf(chromium('02-av-sendonly'), 'audio');
const camera = producerOf(chromium('02-av-sendonly'), 'video');

/** A session's SUB side with its client, for tests that read as sequences. */
class Subscription {
  state: SubState;
  client: SimulatedSubscriber;
  #negotiation = 0;

  constructor(capabilities = device as typeof device | null, { data = false, grows = false } = {}) {
    this.client = new SimulatedSubscriber({ grows });
    this.state = createSubState({ generation: 1, data, profile: null, capabilities });
  }

  add(
    consumerId: string,
    producer: RtpParameters = camera,
    trackId = `alice:${consumerId}`,
    replaces: string | null = null,
  ): this {
    const kind = producer.codecs[0]?.mimeType.startsWith('audio') ? 'audio' : 'video';
    const reserved = reserveSection(this.state, { trackId, userId: 'alice', source: 'camera', kind });
    const rtpParameters = consume(kind, producer, this.state.capabilities ?? device, reserved.mid);
    this.state = addConsumer(reserved.state, {
      mid: reserved.mid,
      consumerId,
      producerId: `producer-of-${consumerId}`,
      rtpParameters,
      paused: false,
      replaces,
    });
    return this;
  }

  remove(consumerId: string): this {
    this.state = removeConsumer(this.state, consumerId);
    return this;
  }

  offer(ufrag?: string): SubscribeOffer {
    const made = createOffer(this.state, {
      ...context,
      transport: transport(ufrag),
      sdpSessionId: '42',
      negotiationId: `n${++this.#negotiation}`,
    });
    this.state = made.state;
    return made.offer;
  }

  answer(sdp: string, negotiationId = this.state.outstanding?.negotiationId ?? 'none') {
    const applied = applyAnswer(this.state, { ...context, negotiationId, sdp });
    this.state = applied.state;
    return applied;
  }

  /** Offer, client, answer. */
  settle() {
    const made = this.offer();
    return { offer: made, ...this.answer(this.client.answer(made)) };
  }

  phases() {
    return this.state.lines.map(({ phase }) => phase);
  }
}

const ports = (sdp: string) => linesOf(sdp, 'm=').map((line) => line.split(' ').slice(0, 2).join(' '));

describe('what an offer says', () => {
  test('case 46: Chrome and Firefox Opus producers → identical lines for payload type 100', () => {
    const { sdp } = new Subscription()
      .add('c1', microphone)
      .add('c2', producerOf(firefox('02-av-sendonly'), 'audio'))
      .offer();
    const lines = [0, 1, 2].map((index) =>
      sectionText(sdp, index)
        .split('\r\n')
        .filter((line) => /^a=(?:rtpmap|fmtp|rtcp-fb):100 /.test(line)),
    );
    expect(lines[1]).toEqual(['a=rtpmap:100 opus/48000/2', 'a=fmtp:100 minptime=10;useinbandfec=1;stereo=1']);
    expect(lines).toEqual([lines[1], lines[1], lines[1]]);
  });

  test('case 47: H264 producers of other levels → one canonical fmtp', () => {
    const high = producerOf(chromium('12-h264-only').replaceAll('42e01f', '42e034'), 'video');
    expect(high.codecs[0]?.parameters?.['profile-level-id']).toBe('42e034');
    const { sdp } = new Subscription()
      .add('c1', producerOf(chromium('12-h264-only'), 'video'))
      .add('c2', high)
      .offer();
    expect(linesOf(sdp, 'a=fmtp:105')).toEqual(
      Array.from(
        { length: 2 },
        () => 'a=fmtp:105 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
      ),
    );
  });

  test('the form: actpass, anchor first and inactive, msid and SSRCs in order, all candidates', () => {
    const subscription = new Subscription().add('c1', microphone).add('c2');
    const { sdp, tracks, revision, generation, data } = subscription.offer();
    expect([revision, generation, data]).toEqual([1, 1, []]);
    expect(ports(sdp)).toEqual(['m=audio 9', 'm=audio 9', 'm=video 9']);
    expect(sectionText(sdp, -1)).toContain('a=group:BUNDLE a 1 2\r\n');
    expect(sectionText(sdp, 0)).toContain('a=inactive\r\n');
    expect(linesOf(sdp, 'a=setup').every((line) => line === 'a=setup:actpass')).toBe(true);
    const video = sectionText(sdp, 2);
    expect(video).toContain('a=sendonly\r\na=rtcp-mux\r\n');
    expect(video).toContain('a=msid:alice c2\r\n');
    const [ssrc, rtx] = /ssrc-group:FID (\d+) (\d+)/.exec(video)?.slice(1) ?? [];
    expect(linesOf(video, 'a=ssrc:').map((line) => line.split(' ')[0])).toEqual(
      [ssrc, ssrc, rtx, rtx].map((one) => `a=ssrc:${one}`),
    );
    expect(tracks.map(({ mid, trackId, consumerId, kind }) => [mid, trackId, consumerId, kind])).toEqual([
      ['1', 'alice:c1', 'c1', 'audio'],
      ['2', 'alice:c2', 'c2', 'video'],
    ]);
    expect(linesOf(sdp, 'a=end-of-candidates')).toHaveLength(3);
  });

  test('case 42: a user id that cannot stand in an msid → invalid_identifier', () => {
    const { state } = new Subscription();
    for (const userId of ['a\r\na=candidate:x', 'a b', '', 'a'.repeat(65)]) {
      expect(codeOf(() => reserveSection(state, { trackId: 't', userId, source: 's', kind: 'audio' }))).toBe(
        'invalid_identifier',
      );
    }
    expect(reserveSection(state, { trackId: 't', userId: "anna.o'neil+1@x~y_z", source: 's', kind: 'audio' }).mid).toBe(
      '1',
    );
  });

  test('case 59: one offer holds a track and its replacement under different msids', () => {
    const { sdp, tracks } = new Subscription()
      .add('old', camera, 'alice:camera')
      .add('new', camera, 'alice:camera', 'old')
      .offer();
    expect(linesOf(sdp, 'a=msid:')).toEqual(['a=msid:alice old', 'a=msid:alice new']);
    expect(tracks.map(({ trackId, replaces }) => [trackId, replaces])).toEqual([
      ['alice:camera', null],
      ['alice:camera', 'old'],
    ]);
  });

  test('case 60: a consumer without the mid extension is never offered', () => {
    const { state, mid } = reserveSection(new Subscription().state, {
      trackId: 't',
      userId: 'u',
      source: 's',
      kind: 'video',
    });
    const rtpParameters = consume('video', camera, device, mid);
    const without = {
      ...rtpParameters,
      headerExtensions: rtpParameters.headerExtensions?.filter(({ uri }) => uri !== MID) ?? [],
    };
    const consumer = { mid, consumerId: 'c', producerId: 'p', paused: false, replaces: null };
    expect(() => addConsumer(state, { ...consumer, rtpParameters: without })).toThrow(TypeError);
    expect(() => addConsumer(state, { ...consumer, rtpParameters: { ...rtpParameters, mid: '77' } })).toThrow(
      TypeError,
    );
    expect(() => addConsumer(state, { ...consumer, mid: '77', rtpParameters })).toThrow(TypeError);
  });

  test('a muted track is shown as such from the next offer on, without one of its own', () => {
    const subscription = new Subscription().add('c1');
    subscription.settle();
    subscription.state = setConsumerPaused(subscription.state, 'c1', true);
    expect(isDirty(subscription.state)).toBe(false);
    expect(
      subscription
        .add('c2')
        .offer()
        .tracks.map(({ paused }) => paused),
    ).toEqual([true, false]);
  });
});

describe('sequences', () => {
  test('the first answer connects, then resumes; mute states do not matter', () => {
    const { actions, sections } = new Subscription().add('c1', microphone).add('c2').settle();
    expect(actions).toEqual([
      {
        type: 'connect',
        dtlsParameters: { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: expect.any(String) }] },
      },
      { type: 'resumeConsumer', mid: '1', consumerId: 'c1' },
      { type: 'resumeConsumer', mid: '2', consumerId: 'c2' },
    ]);
    expect(sections.map(({ status, trackId }) => [status, trackId])).toEqual([
      ['live', 'alice:c1'],
      ['live', 'alice:c2'],
    ]);
  });

  test('the first offer is made with nothing to receive, to connect early; then there is none until something changes', () => {
    const subscription = new Subscription();
    expect([offerUrgency(subscription.state), currentOffer(subscription.state)]).toEqual(['now', null]);
    expect(ports(subscription.settle().offer.sdp)).toEqual(['m=audio 9']);
    const { state } = subscription;
    expect([needsOffer(state), offerUrgency(state), currentOffer(state)]).toEqual([false, 'none', null]);
    expect(() =>
      createOffer(state, { ...context, transport: transport(), sdpSessionId: '1', negotiationId: 'n' }),
    ).toThrow(TypeError);
  });

  test('case 49: an answer with port 0 closes the consumer and frees the line', () => {
    const subscription = new Subscription().add('c1', microphone).add('c2');
    const made = subscription.offer();
    const { actions, sections } = subscription.answer(subscription.client.answer(made, { '2': 'reject' }));
    expect(actions.slice(1)).toEqual([
      { type: 'resumeConsumer', mid: '1', consumerId: 'c1' },
      { type: 'closeConsumer', mid: '2', consumerId: 'c2', trackId: 'alice:c2', code: 'client_rejected' },
    ]);
    expect(sections[1]).toMatchObject({ status: 'rejected', code: 'client_rejected' });
    expect(subscription.phases()).toEqual(['anchor', 'live', 'free']);
    expect(
      subscription
        .add('c3')
        .settle()
        .offer.tracks.map(({ mid }) => mid),
    ).toEqual(['1', '3']);
    expect(subscription.state.lines).toHaveLength(3);
  });

  test('case 50: a port in the answer for a section we closed is tolerated', () => {
    const subscription = new Subscription().add('c1').add('c2');
    subscription.settle();
    const made = subscription.remove('c1').offer();
    expect(ports(made.sdp)).toEqual(['m=audio 9', 'm=video 0', 'm=video 9']);
    const { sections, actions } = subscription.answer(subscription.client.answer(made, { '1': 'revive' }));
    expect(actions).toEqual([]);
    expect(sections).toEqual([
      { mid: '1', status: 'closed', code: null, trackId: null, consumerId: null },
      expect.objectContaining({ mid: '2', status: 'live' }),
    ]);
    expect(subscription.phases()).toEqual(['anchor', 'free', 'live']);
  });

  test('case 51: another number of sections, or other mids → answer_mismatch, nothing applied', () => {
    const subscription = new Subscription().add('c1');
    const answer = subscription.client.answer(subscription.offer());
    const before = subscription.state;
    const copy = structuredClone(before);
    const [session = '', anchor = '', video = ''] = answer.split(/^(?=m=)/m);
    for (const wrong of [
      session + anchor,
      answer + video.replace('a=mid:1', 'a=mid:9'),
      answer.replaceAll('a=mid:1', 'a=mid:7').replace('BUNDLE a 1', 'BUNDLE a 7'),
      answer.replace('m=video', 'm=audio'),
    ]) {
      expect(codeOf(() => subscription.answer(wrong))).toBe('answer_mismatch');
    }
    expect(subscription.state).toBe(before);
    expect(before).toEqual(copy);
    expect(subscription.answer(answer).actions).toHaveLength(2);
  });

  test('case 52: stale and unknown ids are refused, a duplicate gives the same result and no actions', () => {
    const subscription = new Subscription().add('c1');
    expect(codeOf(() => subscription.answer('v=0', 'n0'))).toBe('no_negotiation');
    const first = subscription.settle();
    const answer = subscription.client.answer(subscription.add('c2').offer());
    expect(codeOf(() => subscription.answer(answer, 'n7'))).toBe('stale_negotiation');
    const duplicate = subscription.answer('whatever it says', 'n1');
    expect([duplicate.actions, duplicate.sections]).toEqual([[], first.sections]);
    expect(subscription.answer(answer, 'n2').actions).toHaveLength(1);
    expect(codeOf(() => subscription.answer(answer, 'n1'))).toBe('stale_negotiation');
  });

  test('case 53: three producers while an offer is out → exactly one more offer', () => {
    const subscription = new Subscription().add('c1');
    const made = subscription.offer();
    subscription.add('c2').add('c3', microphone).add('c4');
    expect([isDirty(subscription.state), needsOffer(subscription.state)]).toEqual([true, false]);
    expect(() => subscription.offer()).toThrow(TypeError);
    subscription.answer(subscription.client.answer(made));
    expect(needsOffer(subscription.state)).toBe(true);
    expect(subscription.settle().offer.tracks).toHaveLength(4);
    expect(isDirty(subscription.state)).toBe(false);
  });

  test('case 54: a closed video line waits for a video track; an audio track is appended', () => {
    const subscription = new Subscription().add('c1', microphone).add('c2');
    subscription.settle();
    subscription.remove('c2').settle();
    expect(ports(subscription.add('c3', microphone).settle().offer.sdp)).toEqual([
      'm=audio 9',
      'm=audio 9',
      'm=video 0',
      'm=audio 9',
    ]);
    const { offer: recycled } = subscription.add('c4').settle();
    expect(ports(recycled.sdp)).toEqual(['m=audio 9', 'm=audio 9', 'm=video 9', 'm=audio 9']);
    expect(sectionText(recycled.sdp, 2)).toContain('a=mid:4\r\n');
  });

  test('case 54: a line is not taken over in the offer that closes it', () => {
    const subscription = new Subscription().add('c1');
    subscription.settle();
    const { offer: both } = subscription.remove('c1').add('c2').settle();
    expect(ports(both.sdp)).toEqual(['m=audio 9', 'm=video 0', 'm=video 9']);
  });

  test('case 55: a producer that closes while its addition is out closes in the next offer', () => {
    const subscription = new Subscription().add('c1').add('c2');
    const made = subscription.offer();
    subscription.remove('c2');
    const { actions, sections } = subscription.answer(subscription.client.answer(made));
    expect(actions.map((action) => ('consumerId' in action ? action.consumerId : action.type))).toEqual([
      'connect',
      'c1',
    ]);
    expect(sections[1]).toMatchObject({ status: 'closed', trackId: 'alice:c2' });
    expect(offerUrgency(subscription.state)).toBe('later');
    expect(ports(subscription.settle().offer.sdp)).toEqual(['m=audio 9', 'm=video 9', 'm=video 0']);
    expect(subscription.phases()).toEqual(['anchor', 'live', 'free']);
  });

  test('a consumer that closes before it was offered leaves no trace but its mid', () => {
    const subscription = new Subscription();
    subscription.settle();
    subscription.add('c1').remove('c1');
    expect(offerUrgency(subscription.state)).toBe('none');
    const reserved = reserveSection(subscription.state, { trackId: 't', userId: 'u', source: 's', kind: 'video' });
    expect(reserved.mid).toBe('2');
    expect(releaseSection(reserved.state, '2').reserved).toEqual([]);
    expect(isDirty(reserved.state)).toBe(false);
  });

  test('a client that answers inactive gets nothing until it answers recvonly', () => {
    const subscription = new Subscription().add('c1');
    const first = subscription.offer();
    expect(subscription.answer(subscription.client.answer(first, { '1': 'inactive' }))).toMatchObject({
      actions: [{ type: 'connect' }],
      sections: [{ status: 'inactive' }],
    });
    const second = subscription.add('c2').offer();
    expect(subscription.answer(subscription.client.answer(second)).actions.map(({ type }) => type)).toEqual([
      'resumeConsumer',
      'resumeConsumer',
    ]);
    const third = subscription.add('c3').offer();
    expect(subscription.answer(subscription.client.answer(third, { '1': 'inactive' })).actions).toEqual([
      { type: 'pauseConsumer', mid: '1', consumerId: 'c1' },
      { type: 'resumeConsumer', mid: '3', consumerId: 'c3' },
    ]);
  });

  test('no answer: the same offer is pushed again, an answer to a stalled one is still taken', () => {
    const subscription = new Subscription().add('c1');
    const made = subscription.offer();
    expect(markStalled(subscription.state, 'other')).toBe(subscription.state);
    subscription.state = markStalled(subscription.state, made.negotiationId);
    expect(subscription.state.phase).toBe('stalled');
    expect(currentOffer(subscription.state)).toBe(made);
    subscription.answer(subscription.client.answer(made));
    expect([subscription.state.phase, currentOffer(subscription.state)]).toEqual(['idle', null]);
  });

  test('ICE restart: the same sections with new credentials under a new id, which supersedes the old', () => {
    const subscription = new Subscription().add('c1');
    expect(restartIce(subscription.state)).toBe(subscription.state);
    const old = subscription.offer();
    subscription.add('c2');
    subscription.state = restartIce(subscription.state);
    expect([needsOffer(subscription.state), offerUrgency(subscription.state)]).toEqual([true, 'now']);
    const restarted = subscription.offer('otherUfrag');
    expect(restarted.revision).toBe(2);
    expect(restarted.sdp).toContain('a=ice-ufrag:otherUfrag\r\n');
    expect(ports(restarted.sdp)).toEqual(['m=audio 9', 'm=video 9', 'm=video 9']);
    const answer = subscription.client.answer(restarted);
    expect(codeOf(() => subscription.answer(answer, old.negotiationId))).toBe('stale_negotiation');
    expect(subscription.answer(answer).actions.map(({ type }) => type)).toEqual([
      'connect',
      'resumeConsumer',
      'resumeConsumer',
    ]);
    subscription.state = restartIce(subscription.state);
    expect(subscription.settle().actions).toEqual([]);
  });
});

describe('what an answer says', () => {
  const answered = (edit: (answer: string) => string) => {
    const subscription = new Subscription().add('c1', microphone).add('c2');
    const answer = subscription.client.answer(subscription.offer());
    const edited = edit(answer);
    expect(edited).not.toBe(answer);
    return { subscription, run: () => subscription.answer(edited) };
  };

  test.each([
    [
      'a payload type',
      (text: string) => text.replace('SAVPF 101 102', 'SAVPF 96 102').replace('a=rtpmap:101', 'a=rtpmap:96'),
    ],
    ['the meaning of a payload type', (text: string) => text.replace('a=rtpmap:101 VP8', 'a=rtpmap:101 H264')],
    ['an extension id', (text: string) => text.replace(/(m=video[^]*)a=extmap:5 /, '$1a=extmap:6 ')],
    [
      'the meaning of an extension id',
      (text: string) => text.replace(/(m=video[^]*a=extmap:5) \S+/, '$1 urn:3gpp:video-orientation'),
    ],
  ])('case 48: an answer that renumbers %s → the consumer is closed, remap_unsupported', (_, edit) => {
    const { subscription, run } = answered(edit);
    expect(run().actions.slice(1)).toEqual([
      { type: 'resumeConsumer', mid: '1', consumerId: 'c1' },
      { type: 'closeConsumer', mid: '2', consumerId: 'c2', trackId: 'alice:c2', code: 'remap_unsupported' },
    ]);
    expect(offerUrgency(subscription.state)).toBe('later');
    expect(ports(subscription.offer().sdp)).toEqual(['m=audio 9', 'm=audio 9', 'm=video 0']);
  });

  test('an answer without the consumer’s codec closes it, no_common_codec; without RTX or some extensions it is fine', () => {
    const none = answered((text) =>
      text.replace('SAVPF 101 102', 'SAVPF 103').replace('a=rtpmap:101 VP8', 'a=rtpmap:103 VP9'),
    );
    expect(none.run().sections[1]).toMatchObject({ status: 'rejected', code: 'no_common_codec' });
    const less = answered((text) =>
      text
        .replace('SAVPF 101 102', 'SAVPF 101')
        .replace(/a=rtpmap:102.*\r\n/, '')
        .replace(/a=extmap:5.*\r\n/, ''),
    );
    expect(less.run().sections[1]?.status).toBe('live');
  });

  test('case 56: passive → connect as server’s opposite; actpass, holdconn or none → bad_setup', () => {
    const { run } = answered((text) => text.replaceAll('a=setup:active', 'a=setup:passive'));
    expect(run().actions[0]).toMatchObject({ type: 'connect', dtlsParameters: { role: 'server' } });
    for (const setup of ['a=setup:actpass', 'a=setup:holdconn', 'a=x']) {
      expect(codeOf(answered((text) => text.replaceAll('a=setup:active', setup)).run)).toBe('bad_setup');
    }
  });

  test('the DTLS role and certificate of later answers are those of the first', () => {
    const subscription = new Subscription().add('c1');
    subscription.settle();
    const answer = subscription.client.answer(subscription.add('c2').offer());
    expect(codeOf(() => subscription.answer(answer.replaceAll('a=setup:active', 'a=setup:passive')))).toBe('bad_setup');
    expect(codeOf(() => subscription.answer(answer.replace(/sha-256 .*/, `sha-256 ${hash('77', 32)}`)))).toBe(
      'dtls_fingerprint_changed',
    );
    expect(subscription.answer(answer).actions).toHaveLength(1);
  });

  test('case 57: an answer without BUNDLE → bundle_required, with a hint', () => {
    const { run } = answered((text) => text.replace(/a=group.*\r\n/, ''));
    expect(run).toThrow(/max-bundle/);
    expect(errorOf(run).code).toBe('bundle_required');
  });

  test('ICE, fingerprint and rtcp-mux are looked for in answers too', () => {
    const without = (line: RegExp) => codeOf(answered((text) => text.replaceAll(line, '')).run);
    expect(without(/a=ice-ufrag.*\r\n/g)).toBe('missing_ice');
    expect(without(/a=fingerprint.*\r\n/g)).toBe('missing_fingerprint');
    expect(without(/a=rtcp-mux\r\n/g)).toBe('rtcp_mux_required');
    expect(codeOf(answered(() => 'garbage').run)).toBe('malformed_sdp');
  });

  test('a client that refuses everything, anchor included, can still be offered more', () => {
    const subscription = new Subscription().add('c1');
    const made = subscription.offer();
    const { actions } = subscription.answer(subscription.client.answer(made, { a: 'reject', '1': 'reject' }));
    expect(actions.map(({ type }) => type)).toEqual(['closeConsumer']);
    expect(subscription.phases()).toEqual(['dead', 'free']);
    expect(ports(subscription.add('c2').settle().offer.sdp)).toEqual(['m=audio 0', 'm=video 9']);
    expect(subscription.phases()).toEqual(['dead', 'live']);
  });
});

describe('data channels', () => {
  const withData = () => new Subscription(device, { data: true });

  test('the anchor is their section, the offer lists them, and they open once, by the answer that takes it', () => {
    const subscription = withData().add('c1');
    const { offer: first, actions } = subscription.settle();
    expect(sectionText(first.sdp, 0).split('\r\n')).toEqual([
      'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
      'c=IN IP4 0.0.0.0',
      'a=mid:a',
      'a=ice-ufrag:serverUfrag',
      'a=ice-pwd:serverPassword0123456789abcdef',
      'a=ice-options:renomination',
      'a=setup:actpass',
      'a=candidate:udpcandidate 1 udp 1076302079 192.0.2.1 44444 typ host',
      'a=candidate:tcpcandidate 1 tcp 1076276479 192.0.2.1 44444 typ host tcptype passive',
      'a=end-of-candidates',
      'a=sendrecv',
      'a=sctp-port:5000',
      'a=max-message-size:16384',
      '',
    ]);
    expect(first.data).toEqual([
      { label: 'server', id: 0, ordered: true },
      { label: 'server-lossy', id: 1, ordered: false, maxRetransmits: 0 },
    ]);
    expect(actions.map(({ type }) => type)).toEqual(['openData', 'connect', 'resumeConsumer']);
    const { offer: second, actions: later } = subscription.remove('c1').settle();
    expect(ports(second.sdp)).toEqual(['m=application 9', 'm=video 0']);
    expect(second.data).toEqual(first.data);
    expect(later).toEqual([]);
  });

  test('without a capabilities SDP the probe asks for audio and video beside them', () => {
    const subscription = new Subscription(null, { data: true });
    const { offer: probe, capabilities } = subscription.settle();
    expect(ports(probe.sdp)).toEqual(['m=application 9', 'm=audio 9', 'm=video 9']);
    expect(new Set(capabilities?.codecs?.map((codec) => codec.kind))).toEqual(new Set(['audio', 'video']));
    expect(ports(subscription.add('c1', microphone).settle().offer.sdp)).toEqual([
      'm=application 9',
      'm=audio 0',
      'm=video 0',
      'm=audio 9',
    ]);
  });

  test('case 69: a client that refuses them receives media all the same, and is not offered them again', () => {
    const subscription = withData().add('c1');
    const answer = subscription.client.answer(subscription.offer(), { a: 'reject' });
    const { actions, sections } = subscription.answer(answer);
    expect(actions.map(({ type }) => type)).toEqual(['connect', 'resumeConsumer']);
    expect(sections.map(({ mid, status, code }) => [mid, status, code])).toEqual([
      ['a', 'rejected', 'client_rejected'],
      ['1', 'live', null],
    ]);
    const { offer: next } = subscription.add('c2').settle();
    expect([ports(next.sdp), next.data]).toEqual([['m=application 0', 'm=video 9', 'm=video 9'], []]);
  });

  test('case 45: an answer with another sctp-port → no data channels, the section stays; without one it is 5000', () => {
    const answered = (line: string) => {
      const subscription = withData().add('c1');
      const text = subscription.client.answer(subscription.offer());
      return { subscription, ...subscription.answer(text.replace('a=sctp-port:5000\r\n', line)) };
    };
    const { subscription, actions, sections } = answered('a=sctp-port:6000\r\n');
    expect(actions.map(({ type }) => type)).toEqual(['connect', 'resumeConsumer']);
    expect(sections[0]).toMatchObject({ mid: 'a', status: 'rejected', code: 'data_unsupported' });
    expect(ports(subscription.add('c2').offer().sdp)[0]).toBe('m=application 9');
    expect(answered('').actions.map(({ type }) => type)).toContain('openData');
  });
});

describe('the section that carries the transport', () => {
  const refusingAnchor = () => {
    const subscription = new Subscription().add('c1').add('c2');
    subscription.answer(subscription.client.answer(subscription.offer(), { a: 'reject' }));
    return subscription;
  };

  test('case 63: a client that refuses the anchor: the first section it takes becomes one when its track ends', () => {
    const subscription = refusingAnchor();
    const { offer: next } = subscription.remove('c1').settle();
    expect(ports(next.sdp)).toEqual(['m=audio 0', 'm=video 9', 'm=video 9']);
    expect(sectionText(next.sdp, 1)).toContain('a=inactive\r\n');
    expect(subscription.phases()).toEqual(['dead', 'anchor', 'live']);
    // It is never taken over; the other one is.
    expect(ports(subscription.remove('c2').settle().offer.sdp)).toEqual(['m=audio 0', 'm=video 9', 'm=video 0']);
    subscription.add('c3').settle();
    expect(subscription.phases()).toEqual(['dead', 'anchor', 'live']);
  });

  test('case 64: an answer that refuses it later is refused: the client has no transport any more', () => {
    const subscription = refusingAnchor();
    const text = subscription.client.answer(subscription.add('c3').offer());
    const gone = text.replace(/(a=group:BUNDLE) 1/, '$1').replace('m=video 9', 'm=video 0');
    expect(errorOf(() => subscription.answer(gone))).toEqual({ code: 'answer_mismatch', mid: '1' });
    expect(subscription.answer(text).actions).toHaveLength(1);
  });
});

describe('profiles', () => {
  test('are read from the SDP itself', () => {
    const names = recordedSdps().map(({ file, client }) => [client, clientProfile(recorded(file)).name]);
    expect(new Set(names.map(([client, name]) => `${client}: ${name}`))).toEqual(
      new Set(['chromium: standard', 'firefox: standard', 'wrtc: standard', 'gstreamer: grow']),
    );
  });

  test('case 66: grow: closed sections stay closed and a new track gets a new one; restarts take a new PeerConnection', () => {
    const subscription = new Subscription(device, { grows: true }).add('c1');
    expect(canRestartIce(subscription.state)).toBe(true);
    subscription.settle();
    expect(canRestartIce(subscription.state)).toBe(false);
    subscription.remove('c1').settle();
    expect(ports(subscription.add('c2').settle().offer.sdp)).toEqual(['m=audio 9', 'm=video 0', 'm=video 9']);
  });

  test('one that is chosen stays, whatever the answer looks like', () => {
    const subscription = new Subscription();
    subscription.state = { ...subscription.state, profile: clientProfiles.grow };
    subscription.add('c1').settle();
    expect(subscription.state.profile).toBe(clientProfiles.grow);
  });
});

describe('the number of sections', () => {
  test('case 68: is bounded; what ends makes room for a client that takes sections over', () => {
    const subscription = new Subscription();
    const held: string[] = [];
    while (hasRoomFor(subscription.state, 'audio')) {
      const id = `c${held.length}`;
      subscription.add(id, microphone);
      held.push(id);
    }
    expect(held.length).toBe(397);
    const { sections } = subscription.settle();
    expect(sections.map(({ status }) => status)).toEqual(held.map(() => 'live'));
    expect(hasRoomFor(subscription.state, 'audio')).toBe(true);
    for (const id of ['d1', 'd2']) subscription.add(id, microphone);
    expect(hasRoomFor(subscription.state, 'audio')).toBe(false);
    subscription.settle();
    expect(subscription.state.lines).toHaveLength(400);

    subscription.remove('c0').settle();
    expect(
      ['audio', 'video'].map((kind) => hasRoomFor(subscription.state, kind === 'audio' ? 'audio' : 'video')),
    ).toEqual([true, false]);
    expect(hasRoomFor({ ...subscription.state, profile: clientProfiles.grow }, 'audio')).toBe(false);
  });
});

describe('a renewal', () => {
  test('case 65: gives a newer offer with nothing new, and supersedes one whose answer may be lost', () => {
    const subscription = new Subscription().add('c1');
    const lost = subscription.offer();
    subscription.state = renewOffer(subscription.state);
    const { offer: renewed, actions } = subscription.settle();
    expect([renewed.revision, renewed.tracks]).toEqual([2, lost.tracks]);
    expect(actions.map(({ type }) => type)).toEqual(['connect', 'resumeConsumer']);
    expect(codeOf(() => subscription.answer('v=0', lost.negotiationId))).toBe('stale_negotiation');

    subscription.state = renewOffer(subscription.state);
    const { offer: again, actions: none } = subscription.settle();
    expect([again.revision, again.tracks, none]).toEqual([3, lost.tracks, []]);
    expect(isDirty(subscription.state)).toBe(false);
  });

  test('an ICE restart asked for is not forgotten by a renewal', () => {
    const subscription = new Subscription().add('c1');
    subscription.settle();
    subscription.state = renewOffer(restartIce(subscription.state));
    expect(subscription.state.renewal).toBe('ice');
  });
});

describe('what a device can receive', () => {
  const names = (capabilities: typeof device) =>
    capabilities.codecs?.map(
      ({ mimeType, preferredPayloadType }) => `${mimeType.split('/')[1]}:${preferredPayloadType}`,
    );

  test('the client’s codecs and extensions, in the Router’s numbers', () => {
    expect(names(device)).toEqual([
      'opus:100',
      'VP8:101',
      'rtx:102',
      'VP9:103',
      'rtx:104',
      'H264:105',
      'rtx:106',
      'H264:109',
      'rtx:110',
      'AV1:111',
      'rtx:112',
    ]);
    expect(names(deviceCapabilities(firefox('05-probe-recvonly'), context))).toEqual([
      'opus:100',
      'VP8:101',
      'rtx:102',
      'VP9:103',
      'rtx:104',
      'AV1:111',
      'rtx:112',
    ]);
    const router = context.routerRtpCapabilities.headerExtensions ?? [];
    for (const { uri, preferredId, kind } of device.headerExtensions ?? []) {
      expect(router).toContainEqual(expect.objectContaining({ uri, preferredId, kind }));
    }
    expect(consume('video', camera, device, 'm').headerExtensions?.length).toBeGreaterThan(3);
  });

  test('the room’s codecs limit it; the mid extension is always there (GStreamer names none)', () => {
    expect(names(deviceCapabilities(chromium('05-probe-recvonly'), { ...context, codecs: ['VP8'] }))).toEqual([
      'VP8:101',
      'rtx:102',
    ]);
    const gst = deviceCapabilities(gstreamer('05-probe-recvonly'), context);
    expect(gst.headerExtensions?.map(({ kind, uri }) => [kind, uri])).toEqual([
      ['audio', MID],
      ['video', MID],
    ]);
  });

  test('REMB where that is all a client has', () => {
    const remb = chromium('05-probe-recvonly')
      .split('\r\n')
      .filter((line) => !/transport-(?:cc|wide)/.test(line))
      .join('\r\n');
    const { sdp } = new Subscription(deviceCapabilities(remb, context)).add('c1').offer();
    const feedback = linesOf(sectionText(sdp, 1), 'a=rtcp-fb:101');
    expect(feedback).toContain('a=rtcp-fb:101 goog-remb');
    expect(feedback).not.toContain('a=rtcp-fb:101 transport-cc');
    expect(linesOf(sectionText(new Subscription().add('c1').offer().sdp, 1), 'a=rtcp-fb:101')).toEqual(
      expect.arrayContaining([
        'a=rtcp-fb:101 transport-cc',
        'a=rtcp-fb:101 nack',
        'a=rtcp-fb:101 nack pli',
        'a=rtcp-fb:101 ccm fir',
      ]),
    );
  });

  test('case 58: nothing in common → consume() is impossible, so nothing is offered', () => {
    const h264Only = deviceCapabilities(chromium('12-h264-only'), { ...context, codecs: ['H264'] });
    expect(canProduce('video', camera, context.routerRtpCapabilities)).toBe(true);
    expect(() => consume('video', camera, h264Only, '1')).toThrow(/no compatible media codecs/);
    expect(deviceCapabilities(chromium('05-probe-recvonly'), { ...context, codecs: [] }).codecs).toEqual([]);
  });

  test('without a capabilities SDP the first offer asks, and the answer tells', () => {
    const subscription = new Subscription(null);
    expect(needsOffer(subscription.state)).toBe(true);
    const { offer: probe, capabilities, actions } = subscription.settle();
    expect(probe.tracks).toEqual([]);
    expect(linesOf(probe.sdp, 'm=')).toEqual([
      'm=audio 9 UDP/TLS/RTP/SAVPF 100',
      'm=video 9 UDP/TLS/RTP/SAVPF 101 102 103 104 105 106 107 108 109 110 111 112',
    ]);
    expect(actions.map(({ type }) => type)).toEqual(['connect']);
    expect(capabilities).toEqual(subscription.state.capabilities);
    expect(capabilities?.codecs?.length).toBeGreaterThan(5);
    expect(offerUrgency(subscription.state)).toBe('none');
    const { offer: second } = subscription.add('c1', microphone).add('c2').settle();
    expect(ports(second.sdp)).toEqual(['m=audio 9', 'm=video 0', 'm=audio 9', 'm=video 9']);
    expect(subscription.phases()).toEqual(['anchor', 'free', 'live', 'live']);
  });

  test('a client that refuses the probe’s video can receive none', () => {
    const subscription = new Subscription(null);
    const { capabilities } = subscription.answer(subscription.client.answer(subscription.offer(), { pv: 'reject' }));
    expect(capabilities?.codecs?.map(({ mimeType }) => mimeType)).toEqual(['audio/opus']);
    expect(subscription.phases()).toEqual(['anchor', 'free']);
  });

  test.each(
    recordedSdps()
      .filter(({ role }) => role === 'offer')
      .map(({ file }) => file),
  )('%s tells capabilities', (file) => {
    const capabilities = deviceCapabilities(recorded(file), context);
    for (const codec of capabilities.codecs ?? [])
      expect(context.routerRtpCapabilities.codecs).toContainEqual(
        expect.objectContaining({ preferredPayloadType: codec.preferredPayloadType, mimeType: codec.mimeType }),
      );
  });
});

describe('recorded answers', () => {
  const answers = recordedSdps()
    .filter(({ role }) => role === 'answer')
    .map(({ file }) => file);

  /** The mids of the anchor and the sections are those of the recording. */
  function offeredAs(mids: readonly (string | undefined)[], kinds: readonly string[]): SubState {
    const subscription = new Subscription();
    kinds.forEach((kind, index) => subscription.add(`c${index}`, kind === 'audio' ? microphone : camera));
    subscription.offer();
    const rename = <T extends { mid: string }>(items: readonly T[]): T[] =>
      structuredClone(items.slice(1)).map((item, index) => Object.assign(item, { mid: mids[index] ?? '' }));
    const { state } = subscription;
    return {
      ...state,
      lines: rename(state.lines),
      outstanding: state.outstanding && { ...state.outstanding, lines: rename(state.outstanding.lines) },
    };
  }

  test.each(answers)('%s is understood as an answer to an offer of its sections', (file) => {
    const sdp = recorded(file);
    const { media } = parseSdp(sdp);
    const state = offeredAs(
      media.map(({ mid }) => mid),
      media.map(({ kind }) => kind),
    );
    const { sections } = applyAnswer(state, { ...context, negotiationId: 'n1', sdp });
    for (const [index, { port, direction }] of media.entries()) {
      const receives = direction === 'recvonly' || direction === 'sendrecv';
      // The recorded server numbered ssrc-audio-level 10, so answers that name it look renumbered to us.
      const renumbered = /extmap:10 urn:ietf:params:rtp-hdrext:ssrc-audio-level/.test(sectionText(sdp, index));
      const expected = port === 0 || renumbered ? 'rejected' : receives ? 'live' : 'inactive';
      expect([file, sections[index]?.status]).toEqual([file, expected]);
    }
  });
});
