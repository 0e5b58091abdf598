import { expect, test } from 'vitest';
import { chromium, recorded, recordedSdps } from '../src/sdp.test-support.ts';
import { findSdp } from './repair.ts';

const sdp = chromium('02-av-sendonly');

test.each([
  ['is wrapped in quotes', `'${sdp}'`],
  [String.raw`written out as \r\n`, JSON.stringify(sdp).slice(1, -1)],
  [String.raw`written out as \r\n`, sdp.replaceAll('\r\n', String.raw`\n`)],
  ['is a JSON string', JSON.stringify(sdp)],
  ['is JSON inside JSON', JSON.stringify({ sdp: JSON.stringify({ type: 'offer', sdp }) })],
  ['CR without LF', sdp.replaceAll('\r\n', '\r')],
  ['CR without LF', sdp.replaceAll('\r\n', '\r\r\n')],
  ['spaces for line ends', sdp.replaceAll('\r\n', ' ')],
  ['has lost its line ends', sdp.replaceAll('\r\n', '')],
  ['is indented', sdp.replaceAll(/^(?=.)/gm, '    ')],
  ['is base64', Buffer.from(sdp).toString('base64')],
  ['is URL-encoded', encodeURIComponent(sdp)],
  ['starts with a byte order mark', `\uFEFF${sdp}`],
  ['starts with empty lines', `\n\n${sdp}`],
])('what %s is read all the same', (damage, text) => {
  const found = findSdp(text);
  expect(found.damage.join()).toContain(damage);
  expect(found.sdp.trim().split(/\r?\n/)).toEqual(sdp.trim().split('\r\n'));
});

test('SDP inside a description or a request is no damage, and its tracks are taken', () => {
  expect(findSdp(JSON.stringify({ type: 'offer', sdp }))).toEqual({
    sdp,
    foundIn: 'sdp',
    damage: [],
    cutOff: false,
    tracks: null,
  });
  const tracks = [{ mid: '0', source: 'mic' }];
  const request = JSON.stringify({ userId: 'anna', publish: { sdp, tracks } });
  expect(findSdp(request)).toEqual({ sdp, foundIn: 'publish.sdp', damage: [], cutOff: false, tracks });
});

test('what was cut off, or is empty, is said', () => {
  expect(findSdp(sdp.slice(0, 1000)).damage.join()).toContain('cut off');
  expect(findSdp(' \n').damage).toEqual(['is empty']);
});

test('no recording is touched, with LF neither; what is no SDP stays as it is', () => {
  for (const { file } of recordedSdps()) {
    const text = recorded(file);
    for (const whole of [text, text.replaceAll('\r\n', '\n')])
      expect(findSdp(whole)).toMatchObject({ sdp: whole, damage: [] });
  }
  expect(findSdp('{"a": 1}').sdp).toBe('{"a": 1}');
  expect(findSdp('"v=0').sdp).toBe('"v=0');
  expect(findSdp('v%3D0%').sdp).toBe('v%3D0%');
});
