import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseFmtp } from './fmtp.ts';
import { limits } from './limits.ts';
import { parseSdp } from './parse-sdp.ts';
import { audio, chromium, codeOf, offer, plan, recorded, recordedSdps, video } from './sdp.test-support.ts';

const good = () => offer([audio(), video()]);
const inAudio = (line: string) => offer([audio({ lines: [line] })]);

describe('size', () => {
  test('case 39: over 512 KiB, 128 sections or 4 KiB in a line is refused before it is parsed', () => {
    const long = `${good()}${`a=x:${'y'.repeat(4000)}\r\n`.repeat(150)}`;
    expect(codeOf(() => parseSdp(long))).toBe('sdp_too_large');
    expect(codeOf(() => parseSdp(`${good()}a=x:${'y'.repeat(limits.lineLength)}\r\n`))).toBe('sdp_too_large');
    const many = Array.from({ length: 129 }, (_, index) => audio({ mid: String(index) }));
    expect(codeOf(() => parseSdp(offer(many, { bundle: null })))).toBe('sdp_too_large');
    expect(parseSdp(offer(many.slice(1), { bundle: null })).media).toHaveLength(128);
  });

  test('case 39: the limit counts bytes, not characters', () => {
    const text = `${good()}${`a=x:${'é'.repeat(3000)}\r\n`.repeat(100)}`;
    expect(text.length).toBeLessThan(limits.bytes);
    expect(codeOf(() => parseSdp(text))).toBe('sdp_too_large');
  });

  test('case 39: an offer of Chromium’s size with 60 video sections is taken', () => {
    const [session = '', , section = ''] = chromium('02-av-sendonly').split(/^(?=m=)/m);
    const sections = Array.from({ length: 60 }, (_, index) => section.replace(/a=mid:\S+/, `a=mid:${index}`));
    const bundle = sections.map((_, index) => index).join(' ');
    const text = session.replace(/BUNDLE .*/, `BUNDLE ${bundle}`) + sections.join('');
    expect(text.length).toBeGreaterThan(200_000);
    expect(parseSdp(text).media).toHaveLength(60);
  });
});

describe('form', () => {
  test.each([
    ['no SDP', 'garbage'],
    ['nothing', ''],
    ['a NUL', good().replace('s=-', 's=\0')],
    ['a bare CR', good().replaceAll('\r\n', '\r')],
    ['a CR inside a line', good().replace('s=-', 's=a\rb')],
    ['no o= line', good().replace(/^o=.*\r\n/m, '')],
    ['letters in o=', good().replace(/^o=- \d+/m, 'o=- abc')],
    ['a line without a letter', good().replace('t=0 0', '=0 0')],
    ['a port that is no number', good().replace('m=audio 9', 'm=audio x')],
    ['a port above 65535', good().replace('m=audio 9', 'm=audio 65536')],
    ['no section', offer([])],
  ])('case 40: %s → malformed_sdp', (_, text) => {
    expect(codeOf(() => plan(text, { tracks: [] }))).toBe('malformed_sdp');
  });

  test('case 40: LF alone ends lines as well', () => {
    expect(parseSdp(good().replaceAll('\r\n', '\n'))).toEqual(parseSdp(good()));
  });

  test.each(['64', '95', '128', '1000', '-1', '0x60'])('case 41: payload type %s → malformed_sdp', (payloadType) => {
    expect(codeOf(() => parseSdp(inAudio(`a=rtpmap:${payloadType} VP8/90000`)))).toBe('malformed_sdp');
    expect(codeOf(() => parseSdp(good().replace('SAVPF 111', `SAVPF ${payloadType}`)))).toBe('malformed_sdp');
  });

  test.each(['4294967296', '99999999999', '0', '-5', '1e3'])('case 41: SSRC %s → malformed_sdp', (ssrc) => {
    expect(codeOf(() => parseSdp(inAudio(`a=ssrc:${ssrc} cname:x`)))).toBe('malformed_sdp');
    expect(codeOf(() => parseSdp(inAudio(`a=ssrc-group:FID 1 ${ssrc}`)))).toBe('malformed_sdp');
  });

  test('case 41: the highest SSRC is taken', () => {
    expect([...(parseSdp(inAudio('a=ssrc:4294967295 cname:x')).media[0]?.ssrcs.keys() ?? [])]).toEqual([4_294_967_295]);
  });

  test.each(['__proto__', 'constructor', 'prototype'])('case 43: %s as an fmtp parameter pollutes nothing', (name) => {
    const parameters = parseFmtp(`${name}=polluted;apt=96; ${name.toUpperCase()}=x`);
    expect(Object.keys(parameters)).toEqual(['apt']);
    expect(Object.getPrototypeOf(parameters)).toBe(Object.prototype);
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });

  test('fmtp values that could not be repeated in an answer are left out', () => {
    expect(parseFmtp('useinbandfec=1 red/48000;minptime=10\t;x=\u00e9;y=a\u2028b;apt=96')).toEqual({
      minptime: '10',
      apt: 96,
    });
  });

  test('two different values of an attribute that stands once are refused', () => {
    expect(codeOf(() => parseSdp(inAudio('a=ice-ufrag:other')))).toBe('malformed_sdp');
    expect(codeOf(() => parseSdp(inAudio('a=mid:other')))).toBe('bad_mid');
    expect(parseSdp(inAudio('a=ice-ufrag:clie')).media).toHaveLength(1);
  });

  test('numbers stay text where they name things', () => {
    const [section] = parseSdp(
      offer([audio({ transport: ['a=ice-ufrag:1234', 'a=ice-pwd:0123456789012345678901'] })]),
    ).media;
    expect(section?.mid).toBe('0');
    expect(section?.transport.iceUfrag).toBe('1234');
  });
});

describe('recorded SDP', () => {
  test.each(recordedSdps().map(({ file }) => file))('%s is read, every payload type named', (file) => {
    const document = parseSdp(recorded(file));
    for (const { kind, payloadTypes, rtpmaps, port } of document.media) {
      if (kind === 'application' || port === 0) continue;
      for (const payloadType of payloadTypes) expect(rtpmaps.has(payloadType)).toBe(true);
    }
  });
});

test('whatever is done to an SDP, reading it ends in a document or an SdpError', () => {
  const corpus = recordedSdps()
    .filter((_, index) => index % 7 === 0)
    .map(({ file }) => recorded(file));
  const mutation = fc.record({
    at: fc.nat(100_000),
    remove: fc.nat(12),
    insert: fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.constantFrom('\r', '\n', '\0', ':', ' ', '/', ';', '~', '-1', '99999999999999'),
    ),
  });
  fc.assert(
    fc.property(fc.constantFrom(...corpus), fc.array(mutation, { minLength: 1, maxLength: 6 }), (text, mutations) => {
      let mutated = text;
      for (const { at, remove, insert } of mutations) {
        const index = at % mutated.length;
        mutated = mutated.slice(0, index) + insert + mutated.slice(index + remove);
      }
      try {
        expect(parseSdp(mutated).media.length).toBeLessThanOrEqual(limits.sections);
      } catch (error) {
        expect(error).toHaveProperty('name', 'SdpError');
      }
    }),
    { numRuns: 500 },
  );
});
