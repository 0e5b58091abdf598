import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canProduce } from './ortc.ts';
import { parseSdp } from './parse-sdp.ts';
import { plan, produced, publish, recorded, recordedSdps, router, tracksOf } from './sdp.test-support.ts';
import { SdpError } from './sdp-error.ts';

/** Attributes an answer may have; anything else would have been injected by the offer. */
const ANSWER_LINE =
  /^(?:v=0|o=- 8123456789 1 IN IP4 0\.0\.0\.0|s=-|t=0 0|m=[a-z]+ [09] \S+ [!-~ ]+|c=IN IP4 0\.0\.0\.0|a=(?:ice-lite|group:BUNDLE [!-~ ]+|extmap-allow-mixed|msid-semantic: WMS \*|fingerprint:sha-256 [0-9A-F:]+|mid:[!-~]+|ice-ufrag:serverUfrag|ice-pwd:serverPassword0123456789abcdef|ice-options:renomination|setup:(?:active|passive)|candidate:[!-~ ]+|end-of-candidates|recvonly|inactive|rtcp-mux|rtcp-rsize|rtpmap:\d+ [!-~]+|fmtp:\d+ [!-~ ]+|rtcp-fb:\d+ [!-~ ]+|extmap:\d+(?:\/recvonly)? [!-~]+|rid:[\w-]+ recv|simulcast:recv [\w;~-]+|sctp-port:5000|max-message-size:16384|sctpmap:5000 webrtc-datachannel 1024))$/;

test('a mutated offer is refused with an SdpError, or answered with lines of our own, and what it produces is taken', () => {
  const corpus = recordedSdps()
    .filter(({ role, scenario }, index) => role === 'offer' && (index % 5 === 0 || scenario.startsWith('03')))
    .map(({ file }) => recorded(file));
  const donors = corpus
    .flatMap((text) => text.split('\r\n'))
    .filter((line) => line.startsWith('a=') || line.startsWith('m='));
  const mutation = fc.record({
    at: fc.nat(10_000),
    how: fc.constantFrom('drop', 'double', 'move', 'graft', 'digit', 'text'),
    donor: fc.constantFrom(...donors),
    text: fc.oneof(
      fc.string({ maxLength: 8 }),
      fc.constantFrom('__proto__=1', '0', '65536', '4294967296', '~', ';', '='),
    ),
  });
  fc.assert(
    fc.property(fc.constantFrom(...corpus), fc.array(mutation, { minLength: 1, maxLength: 5 }), (text, mutations) => {
      const lines = text.split('\r\n').slice(0, -1);
      for (const { at, how, donor, text: inserted } of mutations) {
        const index = at % lines.length;
        const line = lines[index] ?? '';
        if (how === 'drop') lines.splice(index, 1);
        else if (how === 'double') lines.splice(index, 0, line);
        else if (how === 'move') lines.push(...lines.splice(index, 1));
        else if (how === 'graft') lines.splice(index, 0, donor);
        else if (how === 'digit') lines[index] = line.replace(/\d+/, inserted);
        else lines[index] = line.slice(0, 2 + (at % 20)) + inserted + line.slice(2 + (at % 20));
        if (lines.length === 0) lines.push('v=0');
      }
      const mutated = `${lines.join('\r\n')}\r\n`;
      let answer;
      try {
        const tracks = tracksOf(mutated).filter(
          ({ mid }, index, all) => all.findIndex((track) => track.mid === mid) === index,
        );
        answer = publish(mutated, { tracks });
      } catch (error) {
        expect(error).toBeInstanceOf(SdpError);
        return;
      }
      const offered = parseSdp(mutated).media;
      expect(parseSdp(answer.sdp).media.map(({ kind, mid }) => [kind, mid])).toEqual(
        offered.map(({ kind, mid }) => [kind, mid]),
      );
      for (const line of answer.sdp.split('\r\n').slice(0, -1)) expect(line).toMatch(ANSWER_LINE);
      for (const { kind, rtpParameters } of produced(answer.plan))
        expect(canProduce(kind, rtpParameters, router)).toBe(true);
    }),
    { numRuns: 400 },
  );
});

test('planning is pure: the same input gives the same plan, and the Router’s capabilities are not changed', () => {
  const before = structuredClone(router);
  const text = recorded('chromium-156.0.8078.79-12-h264-only.sdp');
  expect(plan(text)).toEqual(plan(text));
  expect(router).toEqual(before);
});
