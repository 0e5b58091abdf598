/** What states keep of a client's text. V8 makes a part of a string a view that keeps all of the string. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { deviceCapabilities } from './index.ts';
import { audio, context, offer, publish, video, VP8 } from './sdp.test-support.ts';

const OFFERS = 64;
const MOST_KEPT = 32 * 1024;

/** A quarter of a MiB of format parameters that nobody asked for, beside a name of every kind that a state keeps. */
function largeOffer(): string {
  const long = Array.from({ length: 60 }, (_, n) => `parameter-${n}=${'x'.repeat(50)}`).join(';');
  const others = Array.from({ length: 60 }, (_, n) => [`a=rtpmap:${n} X/90000`, `a=fmtp:${n} ${long}`]).flat();
  const rids = ['lowest-layer-00x', 'highest-layer-0x'];
  const sections = [
    audio({ mid: 'the-audio-sectio', lines: ['a=ssrc:1111 cname:a-name-that-is-a-view-of-the-text'] }),
    video({
      mid: 'the-video-sectio',
      codecs: [...VP8, 'a=fmtp:96 a-parameter-of-the-client=and-what-it-says', ...others],
      extensions: [
        'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
        'a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
      ],
      lines: [...rids.map((rid) => `a=rid:${rid} send`), `a=simulcast:send ${rids.join(';')}`],
    }),
    video({ mid: 'one-that-is-idle', direction: 'inactive', lines: [] }),
  ];
  return offer(sections);
}

/** Bytes that stay of each of {@link OFFERS} results. */
function keptOf(make: (sdp: string) => unknown): number {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc');
  const heap = () => {
    gc();
    return process.memoryUsage().heapUsed;
  };
  const bytes = Buffer.from(largeOffer());
  expect(bytes.length).toBeGreaterThan(200 * 1024);
  // Each text is a string of its own, as from a request.
  const one = () => make(bytes.toString());
  one();
  const before = heap();
  const kept = Array.from({ length: OFFERS }, one);
  return (heap() - before) / kept.length;
}

/** As they come with a request: no part of the SDP. */
const tracks = [
  { mid: 'the-audio-sectio', source: 'microphone' },
  { mid: 'the-video-sectio', source: 'camera' },
];

test('a PubState keeps nothing of the text of an offer but what it needs', () => {
  expect(keptOf((sdp) => publish(sdp, { tracks }).state)).toBeLessThan(MOST_KEPT);
});

test('nor do the capabilities of a device', () => {
  expect(keptOf((sdp) => deviceCapabilities(sdp, context))).toBeLessThan(MOST_KEPT);
});
