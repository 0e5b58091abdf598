import { describe, expect, test } from 'vitest';
import type { PublishTrack } from '@mediaserver/contracts';
import {
  abandonPublish,
  createPubState,
  planPublish,
  producerClosed,
  type ProduceAction,
  type PubState,
} from './index.ts';
import { parseFmtp } from './fmtp.ts';
import { parseSdp } from './parse-sdp.ts';
import {
  AST_EXTMAP,
  audio,
  chromium,
  codeOf,
  context,
  errorOf,
  firefox,
  gstreamer,
  h264,
  hash,
  linesOf,
  MID_EXTMAP,
  offer,
  OPUS,
  plan,
  produced,
  publish,
  recorded,
  recordedSdps,
  RID_EXTMAPS,
  sectionText,
  TCC_EXTMAP,
  tracksOf,
  TRANSPORT_LINES,
  video,
  VP8,
  type SectionSpec,
} from './sdp.test-support.ts';

const MID = 'urn:ietf:params:rtp-hdrext:sdes:mid';

function firstOf(sdp: string, mid: string): ProduceAction {
  const action = produced(plan(sdp)).find((candidate) => candidate.mid === mid);
  if (!action) throw new Error(`nothing is produced from ${mid}`);
  return action;
}

const codecOf = ({ rtpParameters }: ProduceAction) =>
  rtpParameters.codecs.map(({ mimeType, payloadType }) => `${mimeType}:${payloadType}`);
const withTransport = (lines: readonly string[]) => offer([audio({ transport: lines })]);
const transportBut = (drop: RegExp, ...add: string[]) =>
  withTransport([...TRANSPORT_LINES.filter((line) => !drop.test(line)), ...add]);
const simulcast = (list: string): SectionSpec => {
  const rids = [...list.matchAll(/[A-Za-z0-9]+/g)].map(([rid]) => rid);
  return video({
    extensions: [MID_EXTMAP, TCC_EXTMAP, ...RID_EXTMAPS],
    lines: [...rids.map((rid) => `a=rid:${rid} send`), `a=simulcast:send ${list}`],
  });
};

describe('what a section sends', () => {
  test('case 1: Chrome rids q;h;f', () => {
    const { plan: applied, sdp } = publish(chromium('03-av-simulcast3'));
    const [, action] = produced(applied);
    expect(action?.rtpParameters.encodings).toEqual(['q', 'h', 'f'].map((rid) => ({ rid, scalabilityMode: 'L1T3' })));
    const uris = action?.rtpParameters.headerExtensions?.map(({ uri }) => uri);
    expect(uris).toEqual(
      expect.arrayContaining([
        MID,
        'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
        'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
      ]),
    );
    const answer = sectionText(sdp, 1);
    expect(linesOf(answer, 'a=rid')).toEqual(['a=rid:q recv', 'a=rid:h recv', 'a=rid:f recv']);
    expect(answer).toContain('a=simulcast:recv q;h;f\r\n');
    expect(answer).toContain('a=recvonly\r\n');
    expect(answer).toContain('a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n');
  });

  test('case 1: Firefox lists SSRCs next to rids; rids win, and its /sendonly extensions are answered /recvonly', () => {
    const { plan: applied, sdp } = publish(firefox('03-av-simulcast3'));
    expect(produced(applied)[1]?.rtpParameters.encodings).toEqual(
      ['q', 'h', 'f'].map((rid) => ({ rid, scalabilityMode: 'L1T3' })),
    );
    expect(sdp).toContain('a=extmap:9/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n');
  });

  test.each([
    ['f;h;q', undefined, ['q', 'h', 'f']],
    ['h;m;l', undefined, ['l', 'm', 'h']],
    ['c;b;a', ['a', 'b', 'c'], ['a', 'b', 'c']],
    ['c;b;a', undefined, ['c', 'b', 'a']],
    ['f;h;q', ['f', 'h', 'q'], ['f', 'h', 'q']],
  ])('case 2: rids %s with hint %o → %o; the answer keeps SDP order', (list, ridOrder, expected) => {
    const sdp = offer([simulcast(list)]);
    const { plan: applied, sdp: answer } = publish(sdp, {
      tracks: [{ mid: '1', source: 'camera', ...(ridOrder ? { ridOrder } : {}) }],
    });
    expect(produced(applied)[0]?.rtpParameters.encodings?.map(({ rid }) => rid)).toEqual(expected);
    expect(answer).toContain(`a=simulcast:recv ${list}\r\n`);
  });

  test('case 3: a paused stream stays paused, of alternatives the first is taken', () => {
    const { plan: applied, sdp } = publish(offer([simulcast('q;~h;f,e')]));
    expect(produced(applied)[0]?.rtpParameters.encodings?.map(({ rid }) => rid)).toEqual(['q', 'h', 'f']);
    expect(sdp).toContain('a=simulcast:recv q;~h;f\r\n');
    expect(publish(chromium('03-av-simulcast3-inactive-layer')).sdp).toContain('a=simulcast:recv q;h;~f\r\n');
  });

  test('case 4: an SSRC group SIM with three FID → encodings in SIM order with RTX', () => {
    const sdp = offer([
      video({
        lines: [
          ...[11, 12, 13, 21, 22, 23].map((ssrc) => `a=ssrc:${ssrc} cname:c`),
          'a=ssrc-group:FID 13 23',
          'a=ssrc-group:SIM 11 12 13',
          'a=ssrc-group:FID 11 21',
          'a=ssrc-group:FID 12 22',
        ],
      }),
    ]);
    expect(firstOf(sdp, '1').rtpParameters.encodings).toEqual(
      [11, 12, 13].map((ssrc) => ({ ssrc, rtx: { ssrc: ssrc + 10 }, scalabilityMode: 'L1T3' })),
    );
  });

  test('case 5: neither SSRC nor rid: routed by the mid extension, or not at all', () => {
    expect(firstOf(offer([audio({ lines: [] })]), '0').rtpParameters.encodings).toEqual([{}]);
    expect(errorOf(() => plan(offer([audio({ lines: [], extensions: [TCC_EXTMAP] })])))).toEqual({
      code: 'unroutable_media',
      mid: '0',
    });
  });

  test('case 6: GStreamer (msid in a=ssrc, no extmap) is taken, without bandwidth estimation', () => {
    const { plan: applied, sdp } = publish(gstreamer('02-av-sendonly'), {
      tracks: [
        { mid: 'audio0', source: 'mic' },
        { mid: 'video1', source: 'cam', maxBitrate: 800_000 },
      ],
    });
    const [, action] = produced(applied);
    expect(action?.rtpParameters.headerExtensions).toEqual([]);
    expect(action?.rtpParameters.encodings).toEqual([{ ssrc: expect.any(Number) }]);
    expect(action?.rtpParameters.codecs[0]?.rtcpFeedback?.map(({ type }) => type)).toEqual(['nack', 'ccm']);
    expect(applied.warnings).toEqual([{ code: 'no_bandwidth_estimation', mid: 'video1' }]);
    expect(sectionText(sdp, 1)).toContain('b=TIAS:800000\r\n');
  });
});

describe('codecs', () => {
  const h264Offer = (fmtp: string, ...more: readonly string[]) =>
    offer([video({ codecs: [...h264(102, fmtp), ...more] })]);

  test('case 7: H264 42001f has no match and VP8 follows', () => {
    expect(codecOf(firstOf(h264Offer('packetization-mode=1;profile-level-id=42001f', ...VP8), '1'))).toEqual([
      'video/VP8:96',
      'video/rtx:97',
    ]);
  });

  test('case 8: H264 packetization-mode 0 against mode 1 alone → no_common_codec for that section', () => {
    const only1 = structuredClone(context.routerRtpCapabilities);
    only1.codecs = only1.codecs?.filter(({ parameters }) => parameters?.['packetization-mode'] !== 0) ?? [];
    const { sections, sdp } = publish(
      offer([audio(), video({ codecs: h264(102, 'packetization-mode=0;profile-level-id=42e01f') })]),
      { routerRtpCapabilities: only1 },
    );
    expect(sections.map(({ status, code }) => [status, code])).toEqual([
      ['live', null],
      ['rejected', 'no_common_codec'],
    ]);
    expect(linesOf(sdp, 'm=video')).toEqual(['m=video 0 UDP/TLS/RTP/SAVPF 102']);
  });

  test('case 9: profile-level-id=640010 is text, though it looks like a number', () => {
    expect(parseFmtp('profile-level-id=640010')).toEqual({ 'profile-level-id': '640010' });
    const high = structuredClone(context.routerRtpCapabilities);
    for (const { parameters } of high.codecs ?? []) {
      if (parameters?.['profile-level-id'] === '640c1f') parameters['profile-level-id'] = '64001f';
    }
    const sdp = h264Offer('level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640028');
    const [action] = produced(plan(sdp, { routerRtpCapabilities: high }));
    expect(action?.rtpParameters.codecs[0]?.parameters?.['profile-level-id']).toBe('640028');
    // High is not the Constrained High of the codec table.
    expect(publish(sdp).sections[0]).toMatchObject({ code: 'no_common_codec' });
  });

  test('case 10: VP9 profile-id 2 has no match', () => {
    const vp9 = (profile: number) => ['a=rtpmap:98 VP9/90000', `a=fmtp:98 profile-id=${profile}`];
    expect(publish(offer([audio(), video({ codecs: vp9(2) })])).sections[1]).toMatchObject({
      status: 'rejected',
      code: 'no_common_codec',
    });
    expect(codecOf(firstOf(offer([video({ codecs: vp9(0) })]), '1'))).toEqual(['video/VP9:98']);
  });

  test('case 10: AV1 profile 1 has no match either', () => {
    const av1 = (profile: number) => ['a=rtpmap:45 AV1/90000', `a=fmtp:45 level-idx=5;profile=${profile};tier=0`];
    expect(publish(offer([audio(), video({ codecs: av1(1) })])).sections[1]).toMatchObject({ code: 'no_common_codec' });
    expect(codecOf(firstOf(offer([video({ codecs: av1(0) })]), '1'))).toEqual(['video/AV1:45']);
  });

  test('case 11: red, ulpfec, flexfec and H265 are left out', () => {
    const extra = ['red', 'ulpfec', 'flexfec-03', 'H265'].map((name, index) => `a=rtpmap:${118 + index} ${name}/90000`);
    const { plan: applied, sdp } = publish(offer([video({ codecs: [...extra, ...VP8] })]));
    expect(produced(applied).map((action) => codecOf(action))).toEqual([['video/VP8:96', 'video/rtx:97']]);
    expect(linesOf(sdp, 'm=')).toEqual(['m=video 9 UDP/TLS/RTP/SAVPF 96 97']);
  });

  const alien = ['a=rtpmap:118 H265/90000'];

  test('case 12: no common codec outside the tagged section → port 0, out of BUNDLE, the others proceed', () => {
    const { sections, sdp } = publish(offer([audio(), video({ codecs: alien }), video({ mid: '2' })]));
    expect(sections.map(({ status }) => status)).toEqual(['live', 'rejected', 'live']);
    expect(sdp).toContain('a=group:BUNDLE 0 2\r\n');
    const refused = sectionText(sdp, 1);
    for (const line of [
      'm=video 0 ',
      'a=mid:1',
      'a=ice-ufrag:',
      'a=ice-pwd:',
      'a=setup:passive',
      'a=inactive',
      'a=rtcp-mux',
      'a=rtpmap:118 H265/90000',
    ]) {
      expect(refused).toContain(line);
    }
  });

  test('case 13: the same on the tagged section → inactive, port 9, one offered codec', () => {
    const { sections, sdp, state } = publish(offer([video({ codecs: [...alien, 'a=rtpmap:119 red/90000'] }), audio()]));
    expect(sections.map(({ status, code }) => [status, code])).toEqual([
      ['rejected', 'no_common_codec'],
      ['live', null],
    ]);
    expect(sdp).toContain('a=group:BUNDLE 1 0\r\n');
    expect(linesOf(sdp, 'm=video')).toEqual(['m=video 9 UDP/TLS/RTP/SAVPF 118']);
    expect(sectionText(sdp, 0)).toContain('a=inactive\r\n');
    expect(state.sections[0]).toEqual({ phase: 'idle', mid: '1', kind: 'video' });
  });

  test('the publisher’s order decides among the room’s codecs', () => {
    const sdp = chromium('02-av-sendonly');
    expect(codecOf(firstOf(sdp, '1'))[0]).toBe('video/VP8:96');
    const [, action] = produced(plan(sdp, { codecs: ['opus', 'VP9', 'AV1'] }));
    expect(action && codecOf(action)).toEqual(['video/AV1:45', 'video/rtx:46']);
    expect(publish(sdp, { codecs: ['opus'] }).sections[1]).toMatchObject({
      status: 'rejected',
      code: 'no_common_codec',
    });
  });

  test('H264: the client’s own level is kept where levels may differ, else the lower one', () => {
    const level = (asymmetry: number) => {
      const sdp = h264Offer(`level-asymmetry-allowed=${asymmetry};packetization-mode=1;profile-level-id=42e034`);
      return /profile-level-id=(\w+)/.exec(publish(sdp).sdp)?.[1];
    };
    expect([level(1), level(0)]).toEqual(['42e034', '42e01f']);
  });

  test('scalabilityMode: simulcast keeps its temporal part, VP8 alone has no spatial layers, audio has none', () => {
    const mode = (section: SectionSpec) =>
      produced(
        plan(offer([section]), { tracks: [{ mid: section.mid ?? '', source: 'x', scalabilityMode: 'L3T2_KEY' }] }),
      )[0]?.rtpParameters.encodings?.[0]?.scalabilityMode;
    expect(mode(simulcast('q;h;f'))).toBe('L1T2');
    expect(mode(video())).toBe('L1T2');
    expect(mode(video({ codecs: ['a=rtpmap:98 VP9/90000', 'a=fmtp:98 profile-id=0'] }))).toBe('L3T2_KEY');
    expect(mode(audio())).toBeUndefined();
  });

  test('case 44: Opus options and maxBitrate stand in the answer', () => {
    const tracks = [{ mid: '0', source: 'mic', stereo: true, dtx: true, maxBitrate: 64_000 }];
    const { sdp } = publish(offer([audio()]), { tracks });
    expect(sdp).toContain('a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;usedtx=1\r\n');
    expect(sdp).toContain('b=TIAS:64000\r\n');
    expect(publish(offer([audio()])).sdp).toContain('a=fmtp:111 minptime=10;useinbandfec=1\r\n');
  });

  test('the cap of a video holds for all that libwebrtc sends: several are summed up, and one without frees all', () => {
    const caps = (camera?: number, screen?: number) => {
      const track = (mid: string, source: string, maxBitrate?: number) =>
        maxBitrate === undefined ? { mid, source } : { mid, source, maxBitrate };
      const tracks = [track('0', 'mic', 64_000), track('1', 'camera', camera), track('2', 'screen', screen)];
      const sections = [audio(), video(), video({ mid: '2', lines: ['a=ssrc:4444 cname:client'] })];
      return linesOf(publish(offer(sections), { tracks }).sdp, 'b=TIAS');
    };
    expect(caps(800_000, 2_000_000)).toEqual(['b=TIAS:64000', 'b=TIAS:2800000', 'b=TIAS:2800000']);
    expect(caps(undefined, 2_000_000)).toEqual(['b=TIAS:64000']);
  });

  test('what was asked of a track holds on in offers that leave it out', () => {
    const tracks = [
      { mid: '0', source: 'mic', dtx: true },
      { mid: '1', source: 'camera', maxBitrate: 500_000, scalabilityMode: 'L1T2' },
    ];
    const first = publish(offer([audio(), video()]), { tracks });
    const second = publish(offer([audio(), video()], { version: 3 }), { state: first.state, tracks: [] });
    expect(second.plan.actions).toEqual([]);
    for (const line of ['usedtx=1', 'b=TIAS:500000']) expect(second.sdp).toContain(line);
    // Stopping the first section ends the transport, so the video is produced anew.
    const third = publish(offer([audio({ port: 0 }), video()], { version: 4, bundle: ['1'] }), {
      state: second.state,
      tracks: [],
    });
    expect(produced(third.plan).map(({ rtpParameters }) => rtpParameters.encodings?.[0]?.scalabilityMode)).toEqual([
      'L1T2',
    ]);
  });

  test('a section that is rejected says which of the tracks it is', () => {
    const { sections } = publish(offer([audio(), video()]), {
      codecs: ['opus'],
      tracks: [
        { mid: '0', source: 'microphone' },
        { mid: '1', source: 'camera' },
      ],
    });
    expect(sections.map(({ source, code }) => [source, code])).toEqual([
      ['microphone', null],
      ['camera', 'no_common_codec'],
    ]);
  });

  test('other layers told of a live section are produced anew, the same ones are not', () => {
    const tracks = (scalabilityMode: string) => [{ mid: '1', source: 'camera', scalabilityMode }];
    const sections = [video({ codecs: ['a=rtpmap:98 VP9/90000', 'a=fmtp:98 profile-id=0'] })];
    const first = publish(offer(sections), { tracks: tracks('L1T3') });
    const again = (version: number, mode: string, state = first.state) =>
      publish(offer(sections, { version }), { state, tracks: tracks(mode) });
    expect(again(3, 'L1T3').plan.actions).toEqual([]);
    expect(again(3, 'L3T3_KEY').plan.actions.map(({ type }) => type)).toEqual(['closeProducer', 'produce']);
  });

  test('case 70: AV1 with spatial layers is refused: Chromium would show a frozen picture; with temporal ones it is taken', () => {
    const text = chromium('11-av1-only');
    const statusOf = (scalabilityMode: string, codec: 'AV1' | 'VP9' = 'AV1', sdp = text) => {
      const tracks = tracksOf(sdp).map(({ mid, source }): PublishTrack => ({ mid, source, scalabilityMode, codec }));
      return publish(sdp, { tracks }).sections.at(-1);
    };
    expect(statusOf('L3T3')).toMatchObject({ code: 'scalability_unsupported', status: 'rejected' });
    expect(statusOf('S2T1')).toMatchObject({ code: 'scalability_unsupported' });
    expect(statusOf('L1T3')).toMatchObject({ status: 'live' });
    expect(statusOf('L3T3_KEY', 'VP9', chromium('02-av-sendonly'))).toMatchObject({ status: 'live' });
    // Where the section has another codec, that is taken.
    const { sdp } = publish(chromium('02-av-sendonly'), {
      codecs: ['opus', 'AV1', 'VP9'],
      tracks: [
        { mid: '0', source: 'microphone' },
        { mid: '1', source: 'camera', scalabilityMode: 'L3T3_KEY' },
      ],
    });
    expect(linesOf(sectionText(sdp, 1), 'a=rtpmap')[0]).toContain('VP9');
  });

  test('case 67: a codec asked for by name goes before the client’s own order, and before the one chosen earlier', () => {
    const text = chromium('02-av-sendonly');
    const codecOf = (codec: PublishTrack['codec'], state?: PubState, codecs = context.codecs) => {
      const [voice, picture] = tracksOf(text);
      const tracks = voice && picture ? [voice, codec ? { ...picture, codec } : picture] : [];
      const answer = publish(text, { tracks, codecs, ...(state ? { state } : {}) });
      return { answer, name: linesOf(sectionText(answer.sdp, 1), 'a=rtpmap')[0]?.split(/[ /]/)[1] };
    };
    expect(codecOf(undefined).name).toBe('VP8');
    const { answer, name } = codecOf('H264');
    expect(name).toBe('H264');
    expect(codecOf(undefined, answer.state).name).toBe('H264');
    const changed = codecOf('AV1', answer.state);
    expect(changed.name).toBe('AV1');
    expect(changed.answer.plan.actions.map(({ type }) => type)).toEqual(['closeProducer', 'produce']);
    expect(codecOf('VP9', undefined, ['opus', 'VP8']).name).toBe('VP8');
  });
});

describe('header extensions and feedback', () => {
  const feedback = (extensions: readonly string[]) =>
    firstOf(
      offer([video({ extensions: [MID_EXTMAP, ...extensions] })]),
      '1',
    ).rtpParameters.codecs[0]?.rtcpFeedback?.map(({ type }) => type);

  test('case 14: one way of bandwidth estimation', () => {
    expect(feedback([TCC_EXTMAP, AST_EXTMAP])).toEqual(['transport-cc', 'ccm', 'nack', 'nack']);
    expect(feedback([AST_EXTMAP])).toEqual(['goog-remb', 'ccm', 'nack', 'nack']);
    expect(feedback([])).toEqual(['ccm', 'nack', 'nack']);
  });

  test('case 15: one extension id in audio and video is kept in both', () => {
    const { sdp } = publish(offer([audio(), video()]));
    for (const index of [0, 1]) expect(sectionText(sdp, index)).toContain(`${MID_EXTMAP}\r\n`);
  });

  test('case 16: ids that one-byte headers cannot carry are dropped', () => {
    const ids = (session: readonly string[]) => {
      const extensions = [
        MID_EXTMAP,
        'a=extmap:15 urn:3gpp:video-orientation',
        'a=extmap:16 urn:ietf:params:rtp-hdrext:toffset',
      ];
      return produced(plan(offer([video({ extensions })], { session })))[0]?.rtpParameters.headerExtensions?.map(
        ({ id }) => id,
      );
    };
    expect(ids([])).toEqual([4]);
    expect(ids(['a=extmap-allow-mixed'])).toEqual([4, 16]);
    expect(
      publish(offer([video()], { session: ['a=extmap-allow-mixed'] })).sdp.indexOf('a=extmap-allow-mixed'),
    ).toBeGreaterThan(0);
  });

  test('case 16: one id with two URIs → malformed_sdp', () => {
    const twice = [MID_EXTMAP, 'a=extmap:4 urn:3gpp:video-orientation'];
    expect(codeOf(() => plan(offer([video({ extensions: twice })])))).toBe('malformed_sdp');
    expect(codeOf(() => plan(offer([audio(), video({ extensions: ['a=extmap:4 urn:3gpp:video-orientation'] })])))).toBe(
      'malformed_sdp',
    );
  });

  test('case 17: recvonly, encrypted and unknown extensions are in neither producer nor answer', () => {
    const extensions = [
      MID_EXTMAP,
      'a=extmap:6/recvonly http://www.webrtc.org/experiments/rtp-hdrext/playout-delay',
      'a=extmap:7 urn:ietf:params:rtp-hdrext:encrypt urn:3gpp:video-orientation',
      'a=extmap:8 urn:example:unknown',
    ];
    const { plan: applied, sdp } = publish(offer([video({ extensions })]));
    expect(produced(applied)[0]?.rtpParameters.headerExtensions?.map(({ uri }) => uri)).toEqual([MID]);
    expect(linesOf(sdp, 'a=extmap:')).toEqual([MID_EXTMAP]);
  });

  test('case 18: one payload type with two meanings in the BUNDLE → pt_collision', () => {
    const other = ['a=rtpmap:111 VP8/90000'];
    expect(errorOf(() => plan(offer([audio(), video({ codecs: other })])))).toEqual({ code: 'pt_collision', mid: '1' });
    expect(codeOf(() => plan(offer([audio({ codecs: [...OPUS, 'a=rtpmap:111 G722/8000'] })])))).toBe('pt_collision');
    expect(plan(offer([audio(), audio({ mid: '5', lines: ['a=ssrc:7 cname:c'] })])).actions).toHaveLength(3);
  });
});

describe('sections over time', () => {
  const av = (...more: SectionSpec[]) => [audio(), video(), ...more];
  const screen = (spec: SectionSpec = {}) => video({ mid: '2', lines: ['a=ssrc:4444 cname:client'], ...spec });
  const tracks = [
    { mid: '0', source: 'microphone' },
    { mid: '1', source: 'camera' },
    { mid: '2', source: 'screen' },
  ];
  const tracksFor = (sdp: string) => tracks.filter(({ mid }) => sdp.includes(`a=mid:${mid}\r\n`));
  const begin = (...more: SectionSpec[]) => {
    const sdp = offer(av(...more), { version: 1 });
    return publish(sdp, { tracks: tracksFor(sdp) });
  };
  const next = (before: ReturnType<typeof publish>, sections: readonly SectionSpec[], list = tracks, version = 2) => {
    const sdp = offer(sections, { version });
    return publish(sdp, { state: before.state, tracks: list.filter(({ mid }) => sdp.includes(`a=mid:${mid}\r\n`)) });
  };
  const types = ({ plan: applied }: ReturnType<typeof publish>) => applied.actions.map(({ type }) => type);
  const idOf = (answer: ReturnType<typeof publish>, index: number) => answer.sections[index]?.producerId;

  test('case 19: port 0 with bundle-only is live', () => {
    const { sections, sdp } = publish(firefox('02-av-sendonly-maxbundle'));
    expect(sections.map(({ status }) => status)).toEqual(['live', 'live']);
    expect(linesOf(sdp, 'm=video 9')).toHaveLength(1);
  });

  test('case 20: port 0 without bundle-only closes the producer, the answer has port 0', () => {
    const before = begin();
    const after = next(before, [audio(), video({ port: 0 })]);
    expect(after.plan.actions).toEqual([{ type: 'closeProducer', mid: '1', producerId: idOf(before, 1) }]);
    expect(after.sections[1]).toMatchObject({ status: 'closed', producerId: null });
    expect(sectionText(after.sdp, 1)).toMatch(/^m=video 0 /);
    expect(after.sdp).toContain('a=group:BUNDLE 0\r\n');
    expect(after.state.sections[1]?.phase).toBe('closed');
  });

  test('case 21: sendrecv → recvonly; recvonly → inactive with a warning', () => {
    const {
      sdp,
      sections,
      plan: applied,
    } = publish(offer([audio({ direction: 'sendrecv' }), video({ direction: 'recvonly' })]), {
      tracks: [{ mid: '0', source: 'mic' }],
    });
    expect(sectionText(sdp, 0)).toContain('a=recvonly\r\n');
    expect(sectionText(sdp, 1)).toContain('a=inactive\r\n');
    expect(sections.map(({ status }) => status)).toEqual(['live', 'inactive']);
    expect(applied.warnings).toEqual([{ code: 'recvonly_on_pub', mid: '1' }]);
  });

  test('case 22: inactive, then sendonly: pause and resume of the same producer', () => {
    const before = begin();
    const paused = next(before, [audio(), video({ direction: 'inactive' })]);
    expect(paused.plan.actions).toEqual([{ type: 'pauseProducer', mid: '1', producerId: idOf(before, 1) }]);
    expect(paused.sections[1]).toMatchObject({ status: 'paused', producerId: idOf(before, 1) });
    const again = next(paused, [audio(), video({ direction: 'inactive' })], tracks, 3);
    expect(types(again)).toEqual([]);
    const resumed = next(again, av(), [], 4);
    expect(resumed.plan.actions).toEqual([{ type: 'resumeProducer', mid: '1', producerId: idOf(before, 1) }]);
    expect(resumed.sections[1]).toMatchObject({ status: 'live', producerId: idOf(before, 1), source: 'camera' });
  });

  test('case 22: removing and giving back a track as Chromium writes it', () => {
    const before = publish(chromium('06-reneg-noop'));
    const removed = publish(chromium('07-reneg-removetrack'), {
      state: { ...before.state, connection: null, lastOffer: null },
    });
    expect(removed.sections.map(({ status }) => status)).toEqual(['live', 'paused']);
  });

  test('case 23: a stopped index offered again under a new mid', () => {
    const before = begin();
    const stopped = next(before, [audio(), video({ port: 0 })]);
    const recycled = next(stopped, [audio(), screen()], tracks, 3);
    expect(types(recycled)).toEqual(['produce']);
    expect(recycled.sections[1]).toMatchObject({ mid: '2', status: 'live', source: 'screen' });
  });

  test('case 23: the recorded sequence of stopping and recycling', () => {
    for (const client of [chromium, firefox]) {
      const first = publish(client('07-reneg-stopped'));
      const again = publish(client('07-reneg-stopped-again'), { state: first.state });
      expect(again.plan.actions).toEqual([]);
      const recycled = publish(client('07-reneg-recycled'), { state: again.state });
      expect(recycled.plan.actions.map(({ type }) => type)).toEqual(['produce']);
      expect(recycled.sections.map(({ status }) => status)).toEqual(['live', 'live', 'live']);
    }
  });

  test('case 24: fewer m-lines, or a live one with another mid or kind', () => {
    const { state } = begin();
    const replan = (sections: readonly SectionSpec[]) => () => plan(offer(sections), { state });
    expect(codeOf(replan([audio()]))).toBe('mline_count_shrunk');
    expect(errorOf(replan([audio(), video({ mid: '7' })]))).toEqual({ code: 'mline_mismatch', mid: '1' });
    expect(codeOf(replan([audio(), audio({ mid: '1' })]))).toBe('mline_mismatch');
  });

  test('case 25: the same offer again gives the same bytes and no actions', () => {
    const sdp = offer(av());
    const first = publish(sdp, { tracks: tracksFor(sdp) });
    expect(planPublish(first.state, { ...context, sdp, tracks: tracksFor(sdp) })).toEqual({
      type: 'replay',
      sdp: first.sdp,
      sections: first.sections,
    });
    const other = [
      { mid: '0', source: 'other' },
      { mid: '1', source: 'source-1' },
    ];
    expect(codeOf(() => planPublish(first.state, { ...context, sdp, tracks: other }))).toBe('track_changed');
  });

  test('case 25: it is the same offer with the candidates that were gathered since', () => {
    const sdp = offer(av());
    const gathered = sdp
      .replaceAll(/^m=(\w+) 9 /gm, 'm=$1 52963 ')
      .replaceAll('c=IN IP4 0.0.0.0', 'c=IN IP4 192.0.2.2\r\na=rtcp:9 IN IP4 0.0.0.0')
      .replaceAll(
        'a=ice-ufrag',
        'a=candidate:1 1 udp 2122194687 192.0.2.2 52963 typ host\r\na=end-of-candidates\r\na=ice-ufrag',
      );
    const { state } = publish(sdp, { tracks: tracksFor(sdp) });
    const plannedAs = (text: string) => planPublish(state, { ...context, sdp: text, tracks: tracksFor(sdp) }).type;
    expect(plannedAs(gathered)).toBe('replay');
    expect(plannedAs(gathered.replaceAll('a=sendonly', 'a=inactive'))).toBe('apply');
    expect(plannedAs(gathered.replace('m=audio 52963', 'm=audio 0'))).toBe('apply');
  });

  test('case 25: an unchanged section is left alone; only what is new is produced', () => {
    const after = next(begin(), av(screen()));
    expect(after.plan.actions.map((action) => [action.type, 'mid' in action ? action.mid : ''])).toEqual([
      ['produce', '2'],
    ]);
    expect(linesOf(after.sdp, 'o=')).toEqual(['o=- 8123456789 2 IN IP4 0.0.0.0']);
  });

  test('case 26: another session id in o= is taken, a lower version of the same is stale', () => {
    const { state } = publish(offer(av(), { sessionId: '10', version: 5 }));
    expect(publish(offer(av(), { sessionId: '11', version: 1 }), { state }).sections[0]?.status).toBe('live');
    expect(publish(offer(av(screen()), { sessionId: '10', version: 5 }), { state }).sections).toHaveLength(3);
    expect(codeOf(() => plan(offer(av(), { sessionId: '10', version: 4 }), { state }))).toBe('stale_offer');
  });

  const newUfrag = TRANSPORT_LINES.map((line) => line.replace('a=ice-ufrag:clie', 'a=ice-ufrag:newU'));

  test('case 27: a new ufrag counts in the tagged section only', () => {
    const before = begin();
    expect(types(next(before, [audio(), video({ transport: newUfrag })]))).toEqual([]);
    expect(types(next(before, [audio({ transport: newUfrag }), video()]))).toEqual(['restartIce']);
    expect(next(before, [audio({ transport: newUfrag }), video()]).state.connection?.iceUfrag).toBe('newU');
  });

  test('case 28: a changed certificate → dtls_fingerprint_changed', () => {
    const { state } = begin();
    const other = TRANSPORT_LINES.map((line) => line.replace(/sha-256 .*/, `sha-256 ${hash('EE', 32)}`));
    expect(errorOf(() => plan(offer([audio({ transport: other }), video()]), { state }))).toEqual({
      code: 'dtls_fingerprint_changed',
      mid: '0',
    });
  });

  test('a live section whose SSRC changed is produced anew, close before produce', () => {
    const before = begin();
    const after = next(before, [audio({ lines: ['a=ssrc:9999 cname:client'] }), video()]);
    expect(types(after)).toEqual(['closeProducer', 'produce']);
    expect(after.sections[0]?.producerId).not.toBe(idOf(before, 0));
    expect(after.sections[0]?.source).toBe('microphone');
  });

  test('a codec once chosen stays, even if the client now prefers another; a renumbered one is produced anew', () => {
    const before = begin();
    const vp9 = ['a=rtpmap:98 VP9/90000', 'a=fmtp:98 profile-id=0'];
    expect(types(next(before, [audio(), video({ codecs: [...vp9, ...VP8] })]))).toEqual([]);
    const renumbered = VP8.map((line) => line.replaceAll('96', '35').replaceAll('97', '36'));
    expect(types(next(before, [audio(), video({ codecs: renumbered })]))).toEqual(['closeProducer', 'produce']);
  });

  test('a producer closed by the server: its section is inactive until the client stops sending in it', () => {
    const before = begin();
    const state = producerClosed(before.state, idOf(before, 1) ?? '');
    const same = publish(offer(av(), { version: 1 }), { state, tracks: tracks.slice(0, 2) });
    expect(same.plan.actions).toEqual([]);
    expect(same.sections[1]).toMatchObject({ status: 'closed', producerId: null });
    expect(sectionText(same.sdp, 1)).toContain('a=inactive\r\n');
    const stopped = next(same, [audio(), video({ direction: 'inactive' })]);
    expect(stopped.sections[1]?.status).toBe('inactive');
    expect(types(next(stopped, av(), tracks, 3))).toEqual(['produce']);
    expect(producerClosed(state, 'unknown')).toBe(state);
  });

  test('tracks: each sending section needs one, sources differ, mids are known', () => {
    const sdp = offer(av());
    const [mic = { mid: '0', source: 'm' }, cam = { mid: '1', source: 'c' }] = tracks;
    expect(errorOf(() => plan(sdp, { tracks: [mic] }))).toEqual({ code: 'missing_track', mid: '1' });
    expect(errorOf(() => plan(sdp, { tracks: [mic, cam, { mid: '9', source: 'x' }] }))).toEqual({
      code: 'unknown_track_mid',
      mid: '9',
    });
    expect(errorOf(() => plan(sdp, { tracks: [mic, { ...cam, source: mic.source }] }))).toEqual({
      code: 'duplicate_source',
      mid: '1',
    });
    expect(codeOf(() => plan(sdp, { tracks: [mic, cam, cam] }))).toBe('bad_mid');
    const { state } = begin();
    expect(codeOf(() => plan(offer(av(), { version: 3 }), { state, tracks: [{ mid: '0', source: 'other' }] }))).toBe(
      'track_changed',
    );
  });

  test('one SSRC in two sections is refused, since the second produce() would fail', () => {
    expect(codeOf(() => plan(offer([audio(), video({ lines: ['a=ssrc:1111 cname:c'] })])))).toBe('malformed_sdp');
  });

  test('a refused offer changes nothing; what is closed and produced may share a mid or SSRC', () => {
    const { state } = begin();
    const copy = structuredClone(state);
    codeOf(() => plan(offer([audio()]), { state }));
    expect(state).toEqual(copy);
    const order = plan(
      offer([audio(), video({ port: 0 }), screen({ lines: ['a=ssrc:2222 cname:c'] })], { version: 5 }),
      {
        state,
        tracks,
      },
    );
    expect(order.actions.map(({ type }) => type)).toEqual(['closeProducer', 'produce']);
  });

  test('actions that failed half-way: what was done is remembered, sections keep their mids', () => {
    const before = begin();
    const sections = [audio({ transport: newUfrag }), video({ port: 0 }), screen()];
    const pending = plan(offer(sections, { version: 9 }), { state: before.state, tracks });
    expect(pending.actions.map(({ type }) => type)).toEqual(['closeProducer', 'restartIce', 'produce']);
    const state = abandonPublish(pending, pending.actions.slice(0, 2));
    expect(state.sections.map(({ phase }) => phase)).toEqual(['live', 'idle']);
    expect(state.connection?.iceUfrag).toBe('newU');
    const retry = plan(offer(sections, { version: 9 }), { state, tracks });
    expect(retry.actions.map(({ type }) => type)).toEqual(['produce']);
    expect(abandonPublish(plan(offer(av())), []).connection).toBeNull();
  });

  test('case 61: stopping the section that carries the transport: all is produced anew on another one', () => {
    const before = begin(screen({ direction: 'inactive' }));
    const after = next(before, [audio({ port: 0 }), video(), screen({ direction: 'inactive' })], []);
    expect(types(after)).toEqual(['closeProducer', 'closeProducer', 'replaceTransport', 'connect', 'produce']);
    expect(after.sections.map(({ status, source }) => [status, source])).toEqual([
      ['closed', null],
      ['live', 'camera'],
      ['inactive', 'screen'],
    ]);
    expect(after.state.connection?.taggedMid).toBe('1');
    const again = next(after, [audio({ port: 0 }), video(), screen({ direction: 'inactive' })], [], 3);
    expect(types(again)).toEqual([]);
    // What was paused when its transport went is not forgotten.
    const resumed = next(again, [audio({ port: 0 }), video(), screen()], [], 4);
    expect(produced(resumed.plan).map(({ source }) => source)).toEqual(['screen']);
  });

  test('case 62: a recycled section that comes to stand first brings its own transport, unless it shares the ufrag', () => {
    const stopped = next(begin(), [audio({ port: 0 }), video()]);
    const recycled = audio({ mid: '2', lines: ['a=ssrc:5555 cname:client'] });
    const own = next(stopped, [{ ...recycled, transport: newUfrag }, video()], tracks, 3);
    expect(types(own)).toEqual(['closeProducer', 'replaceTransport', 'connect', 'produce', 'produce']);
    expect(own.sdp).toContain('a=group:BUNDLE 2 1\r\n');
    expect(types(next(stopped, [recycled, video()], tracks, 3))).toEqual(['produce']);
  });

  test('all stopped: the transport is replaced, and connected again only when something is sent', () => {
    const none = next(begin(), [audio({ port: 0 }), video({ port: 0 })]);
    expect(types(none)).toEqual(['closeProducer', 'closeProducer', 'replaceTransport']);
    expect(none.state.connection).toBeNull();
    expect(types(next(none, [screen(), video({ port: 0 })], tracks, 3))).toEqual(['connect', 'produce']);
    const failed = abandonPublish(none.plan, none.plan.actions);
    expect([failed.connection, failed.sections.map(({ phase }) => phase)]).toEqual([null, ['idle', 'idle']]);
  });
});

describe('transport', () => {
  test('the answer: ice-lite, one sha-256 fingerprint at session level, candidates and their end', () => {
    const { sdp, plan: applied } = publish(offer([audio(), video()]));
    expect(sectionText(sdp, -1)).toContain('a=ice-lite\r\n');
    expect(linesOf(sdp, 'a=fingerprint')).toEqual([`a=fingerprint:sha-256 ${hash('AB', 32)}`]);
    expect(linesOf(sectionText(sdp, 0), 'a=candidate')).toEqual([
      'a=candidate:udpcandidate 1 udp 1076302079 192.0.2.1 44444 typ host',
      'a=candidate:tcpcandidate 1 tcp 1076276479 192.0.2.1 44444 typ host tcptype passive',
    ]);
    expect(sectionText(sdp, 1)).toContain('a=end-of-candidates\r\n');
    expect(linesOf(sdp, 'a=ssrc')).toEqual([]);
    expect(applied.actions[0]).toEqual({
      type: 'connect',
      dtlsParameters: { role: 'client', fingerprints: [{ algorithm: 'sha-256', value: hash('CD', 32) }] },
    });
  });

  test('renomination is answered where it is offered', () => {
    expect(publish(offer([audio()])).sdp).not.toContain('ice-options');
    expect(
      publish(offer([audio({ lines: ['a=ssrc:1 cname:c', 'a=ice-options:trickle renomination'] })])).sdp,
    ).toContain('a=ice-options:renomination\r\n');
  });

  test.each([
    ['actpass', 'passive', 'client'],
    ['active', 'passive', 'client'],
    ['passive', 'active', 'server'],
  ])('an offer %s is answered %s', (setup, answered, role) => {
    const { sdp, plan: applied } = publish(transportBut(/setup/, `a=setup:${setup}`));
    expect(sdp).toContain(`a=setup:${answered}\r\n`);
    expect(applied.actions[0]).toMatchObject({ dtlsParameters: { role } });
  });

  test('the DTLS role once agreed on stays', () => {
    const { state } = publish(transportBut(/setup/, 'a=setup:passive'));
    const again = publish(offer([audio()], { version: 3 }), { state });
    expect(again.sdp).toContain('a=setup:active\r\n');
    expect(again.plan.actions).toEqual([]);
    expect(codeOf(() => plan(transportBut(/setup/, 'a=setup:active', 'a=x'), { state }))).toBe('bad_setup');
  });

  test('case 29: lower case is raised, of several the strongest comes first', () => {
    const sdp = transportBut(
      /fingerprint/,
      `a=fingerprint:SHA-1 ${hash('ef', 20)}`,
      `a=fingerprint:sha-256 ${hash('ab', 32)}`,
      `a=fingerprint:md5 ${hash('ab', 16)}`,
    );
    expect(plan(sdp).actions[0]).toMatchObject({
      dtlsParameters: {
        fingerprints: [
          { algorithm: 'sha-256', value: hash('AB', 32) },
          { algorithm: 'sha-1', value: hash('EF', 20) },
        ],
      },
    });
  });

  test.each([
    ['not hex', `a=fingerprint:sha-256 ${hash('ZZ', 32)}`, 'bad_fingerprint'],
    ['too short', `a=fingerprint:sha-256 ${hash('AB', 31)}`, 'bad_fingerprint'],
    ['of another algorithm', `a=fingerprint:sha-256 ${hash('AB', 20)}`, 'bad_fingerprint'],
    ['md5', `a=fingerprint:md5 ${hash('AB', 16)}`, 'bad_fingerprint'],
    ['none', 'a=x', 'missing_fingerprint'],
  ])('case 30: a fingerprint that is %s', (_, line, code) => {
    expect(errorOf(() => plan(transportBut(/fingerprint/, line)))).toEqual({ code, mid: '0' });
  });

  test('case 31: SDES alone → dtls_required; next to DTLS it is ignored', () => {
    const crypto = 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc';
    expect(codeOf(() => plan(transportBut(/fingerprint/, crypto)))).toBe('dtls_required');
    const { sdp } = publish(transportBut(/never/, crypto));
    expect(sdp).not.toContain('crypto');
    expect(codeOf(() => plan(offer([audio({ protocol: 'RTP/XYZ' })])))).toBe('dtls_required');
  });

  test.each([
    ['holdconn', ['a=setup:holdconn']],
    ['missing', []],
    ['nonsense', ['a=setup:x']],
  ])('case 32: setup %s → bad_setup', (_, lines) => {
    expect(codeOf(() => plan(transportBut(/setup/, ...lines)))).toBe('bad_setup');
  });

  test.each([
    ['no ufrag', /ufrag/, []],
    ['no pwd', /pwd/, []],
    ['a short ufrag', /ufrag/, ['a=ice-ufrag:abc']],
    ['a short pwd', /pwd/, ['a=ice-pwd:short']],
  ])('case 33: %s → missing_ice', (_, drop, add) => {
    expect(codeOf(() => plan(transportBut(drop, ...add)))).toBe('missing_ice');
  });

  test('case 33: the ufrag 1234 is taken, as is all of it at session level', () => {
    expect(publish(transportBut(/ufrag/, 'a=ice-ufrag:1234')).state.connection?.iceUfrag).toBe('1234');
    expect(publish(offer([audio({ transport: [] })], { session: TRANSPORT_LINES })).state.connection?.iceUfrag).toBe(
      'clie',
    );
  });

  test.each(['02-av-sendonly', '02-av-sendonly-gathered', '13-datachannel-then-audio'])(
    'case 34: %s: no, mDNS or real candidates are all taken',
    (scenario) => {
      expect(publish(chromium(scenario)).plan.actions[0]?.type).toBe('connect');
      expect(publish(firefox(scenario)).plan.actions[0]?.type).toBe('connect');
    },
  );

  test('case 35: no rtcp-mux → rtcp_mux_required', () => {
    expect(errorOf(() => plan(offer([audio(), video({ rtcpMux: false })])))).toEqual({
      code: 'rtcp_mux_required',
      mid: '1',
    });
  });

  test('case 36: two sections without a common BUNDLE → bundle_required; a single one needs none', () => {
    expect(codeOf(() => plan(offer([audio(), video()], { bundle: null })))).toBe('bundle_required');
    expect(errorOf(() => plan(offer([audio(), video()], { bundle: ['0'] })))).toEqual({
      code: 'bundle_required',
      mid: '1',
    });
    expect(codeOf(() => plan(offer([audio(), video()], { bundle: ['0'], session: ['a=group:BUNDLE 1'] })))).toBe(
      'bundle_required',
    );
    expect(codeOf(() => plan(gstreamer('02-av-sendonly-nobundle')))).toBe('bundle_required');
    const { sdp } = publish(offer([audio()], { bundle: null }));
    expect(sdp).not.toContain('BUNDLE');
  });

  test.each([
    ['missing', offer([audio({ mid: null })])],
    ['doubled', offer([audio(), audio()], { bundle: ['0'] })],
    ['over 16 characters', offer([audio({ mid: 'abcdefghijklmnopq' })])],
    ['no token', offer([audio({ mid: 'a"b' })])],
    ['unknown to BUNDLE', offer([audio()], { bundle: ['0', '7'] })],
  ])('case 37: a mid that is %s → bad_mid', (_, sdp) => {
    expect(codeOf(() => plan(sdp, { tracks: [] }))).toBe('bad_mid');
  });

  test('case 38: two msids in one section’s SSRCs → plan_b_unsupported; one track is taken', () => {
    const planB = ['a=ssrc:1 msid:stream track-a', 'a=ssrc:2 msid:stream track-b'];
    expect(errorOf(() => plan(offer([audio({ lines: planB })])))).toEqual({ code: 'plan_b_unsupported', mid: '0' });
    const one = ['a=ssrc:1 msid:stream track-a', 'a=ssrc:2 msid:stream track-a', 'a=ssrc-group:FID 1 2'];
    expect(firstOf(offer([audio({ lines: one })]), '0').rtpParameters.encodings).toEqual([{ ssrc: 1 }]);
  });

  test('case 42: a cname that could not stand in another user’s SDP → invalid_identifier', () => {
    expect(codeOf(() => plan(offer([audio({ lines: ['a=ssrc:1 cname:a b'] })])))).toBe('invalid_identifier');
    expect(codeOf(() => plan(offer([audio({ lines: ['a=ssrc:1 cname:a\tb'] })])))).toBe('invalid_identifier');
  });
});

describe('data channels', () => {
  const data = (spec: SectionSpec = {}): SectionSpec => ({
    kind: 'application',
    mid: 'd',
    protocol: 'UDP/DTLS/SCTP',
    rtcpMux: false,
    extensions: [],
    lines: ['a=sctp-port:5000'],
    ...spec,
  });

  test('case 45: m=application is refused on PUB, the others proceed', () => {
    for (const lines of [['a=sctp-port:5000'], ['a=sctp-port:5001']]) {
      const { sections, sdp } = publish(offer([audio(), data({ lines })]));
      expect(sections[1]).toMatchObject({ status: 'rejected', code: 'data_on_pub_unsupported', kind: 'application' });
      expect(linesOf(sdp, 'm=application')).toEqual(['m=application 0 UDP/DTLS/SCTP webrtc-datachannel']);
      expect(sdp).toContain('a=group:BUNDLE 0\r\n');
    }
  });

  test('case 45: as the tagged section it stays open, since it carries the transport; the old form is answered in kind', () => {
    const { sections, sdp } = publish(
      offer([data({ protocol: 'DTLS/SCTP', lines: ['a=sctpmap:5000 webrtc-datachannel 1024'] }), audio()]),
    );
    expect(sections.map(({ status }) => status)).toEqual(['rejected', 'live']);
    expect(linesOf(sdp, 'm=application 9 DTLS/SCTP')).toHaveLength(1);
    expect(sectionText(sdp, 0)).toContain('a=sctpmap:5000 webrtc-datachannel 1024\r\n');
    expect(sdp).toContain('a=group:BUNDLE d 0\r\n');
  });

  test('case 45: alone it is refused and nothing is connected', () => {
    const { plan: applied, sdp } = publish(chromium('13-datachannel-only'));
    expect(applied.actions).toEqual([]);
    expect(sdp).not.toContain('BUNDLE');
  });

  test('a kind nobody knows is refused alone', () => {
    const text = offer([audio(), { kind: 'text', mid: 't', codecs: ['a=rtpmap:98 t140/1000'], extensions: [] }]);
    expect(publish(text).sections.map(({ status }) => status)).toEqual(['live', 'rejected']);
  });
});

describe('recorded offers', () => {
  const offers = recordedSdps()
    .filter(({ role }) => role === 'offer')
    .map(({ file }) => file);

  test.each(offers)('%s has a sensible answer, or the documented error', (file) => {
    const text = recorded(file);
    if (file.includes('nobundle')) {
      expect(codeOf(() => plan(text))).toBe('bundle_required');
      return;
    }
    const { sdp, sections, plan: applied } = publish(text);
    const offered = parseSdp(text).media;
    const answered = parseSdp(sdp).media;
    expect(answered.map(({ kind, mid }) => [kind, mid])).toEqual(offered.map(({ kind, mid }) => [kind, mid]));
    for (const [index, { kind, port, bundleOnly, direction }] of offered.entries()) {
      const stopped = port === 0 && !bundleOnly;
      const sends = direction === 'sendonly' || direction === 'sendrecv';
      const expected = stopped ? 'closed' : kind === 'application' ? 'rejected' : sends ? 'live' : 'inactive';
      expect(sections[index]?.status).toBe(expected);
      expect(answered[index]?.direction).toBe(
        expected === 'live' ? 'recvonly' : kind === 'application' ? 'sendrecv' : 'inactive',
      );
    }
    for (const { mid, rtpParameters } of produced(applied)) {
      const media = rtpParameters.codecs.filter(({ mimeType }) => !mimeType.endsWith('/rtx'));
      expect(media).toHaveLength(1);
      const rids = offered.find((section) => section.mid === mid)?.sendRids ?? [];
      expect(rtpParameters.encodings?.map(({ rid }) => rid)).toEqual(rids.length > 0 ? rids : [undefined]);
    }
    expect(planPublish(createPubState(1), { ...context, sdp: text, tracks: tracksOf(text) })).toEqual(applied);
  });
});
