/** The parser against another one: `sdp-transform`, which is written differently and by others. */
import { parse as parseByOthers } from 'sdp-transform';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { parseSdp } from './parse-sdp.ts';
import { codeOf, publish, recorded, recordedSdps } from './sdp.test-support.ts';

// Numbers and text are told apart by their looks there, so everything is compared as text.
const text = z.union([z.string(), z.number()]).transform(String);
const secondReading = z.object({
  media: z.array(
    z.object({
      type: z.string(),
      port: z.number(),
      payloads: text,
      mid: text.optional(),
      direction: z.string().optional(),
      iceUfrag: text.optional(),
      rtp: z.array(z.object({ payload: z.number(), codec: z.string(), rate: z.number() })),
      fmtp: z.array(z.object({ payload: z.number(), config: text })),
      ext: z.array(z.object({ value: z.number(), uri: z.string() })).default([]),
      ssrcs: z.array(z.object({ id: z.number() })).default([]),
      simulcast: z.object({ list1: text }).optional(),
    }),
  ),
});
function expectSameReading(sdp: string): void {
  const ours = parseSdp(sdp).media;
  const theirs = secondReading.parse(parseByOthers(sdp)).media;
  expect(ours.map(({ kind, port, mid, formats }) => [kind, port, mid, formats.join(' ')])).toEqual(
    theirs.map(({ type, port, mid, payloads }) => [type, port, mid, payloads]),
  );
  for (const [index, section] of ours.entries()) {
    const other = theirs[index];
    if (other?.direction !== undefined) expect(section.direction).toBe(other.direction);
    expect(section.transport.iceUfrag).toBe(other?.iceUfrag);
    expect([...section.rtpmaps].map(([payload, { name, clockRate }]) => [payload, name, clockRate])).toEqual(
      other?.rtp.map(({ payload, codec, rate }) => [payload, codec, rate]),
    );
    expect([...section.fmtps]).toEqual(other?.fmtp.map(({ payload, config }) => [payload, config]));
    expect(section.extmaps.map(({ id, uri }) => [id, uri])).toEqual(other?.ext.map(({ value, uri }) => [value, uri]));
    expect([...section.ssrcs.keys()]).toEqual([...new Set(other?.ssrcs.map(({ id }) => id))]);
    const streams = section.simulcastSend.map(({ rid, paused }) => (paused ? `~${rid}` : rid)).join(';');
    if (streams !== '') expect(streams).toBe(other?.simulcast?.list1);
  }
}

test.each(recordedSdps().map(({ file }) => file))('%s is read alike', (file) => {
  expectSameReading(recorded(file));
});

test('so is every answer we write', () => {
  for (const { file, role } of recordedSdps()) {
    if (role !== 'offer') continue;
    if (file.includes('nobundle')) expect(codeOf(() => publish(recorded(file)))).toBe('bundle_required');
    else expectSameReading(publish(recorded(file)).sdp);
  }
});
