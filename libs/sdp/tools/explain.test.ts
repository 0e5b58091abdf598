import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { codecNames } from '@mediaserver/contracts';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { errorGuide } from '../src/error-guide.ts';
import {
  audio,
  chromium,
  firefox,
  gstreamer,
  offer,
  plan,
  recorded,
  recordedSdps,
  video,
} from '../src/sdp.test-support.ts';
import { runCommand } from './command.ts';
import { explain } from './explain.ts';
import type { ExplainOptions, Explanation } from './explanation.ts';
import { redactExplanation } from './redact.ts';
import { render } from './render.ts';
import type { Verdict } from './verdicts.ts';

const defaults: ExplainOptions = {
  codecs: codecNames,
  role: null,
  tracks: null,
  sources: new Map(),
  serverOffer: null,
};

function explained(text: string, options: Partial<ExplainOptions> = {}): Explanation {
  const [explanation] = explain([{ name: 'x.sdp', text }], { ...defaults, ...options });
  if (!explanation) throw new Error('one text gives one explanation');
  return explanation;
}

const shown = (text: string, options: Partial<ExplainOptions> = {}) => render(explained(text, options), { raw: false });
const why = (explanation: Explanation, section: number, payloadType: number) =>
  explanation.sections[section]?.codecs.find(({ numbers }) => numbers.includes(payloadType))?.why;

describe('an offer', () => {
  test('is accepted, with what is sent in each section', () => {
    const explanation = explained(chromium('04-cam-screen-audio-data'));
    expect(explanation).toMatchObject({ role: 'offer', accepted: true, damage: [] });
    expect(explanation.sections.map(({ mid, source, status }) => [mid, source, status])).toEqual([
      ['0', 'microphone', 'live'],
      ['1', 'camera', 'live'],
      ['2', 'screen', 'live'],
      ['3', null, 'rejected'],
    ]);
    expect(explanation.sections[3]?.refusal).toMatchObject({
      code: 'data_on_pub_unsupported',
      ...errorGuide.data_on_pub_unsupported,
    });
    const text = shown(chromium('04-cam-screen-audio-data'));
    expect(text).toContain('ACCEPTED, but for mid 3 (data_on_pub_unsupported)');
    expect(text).toContain('rid q L1T3  <  rid h L1T3  <  rid f L1T3   (low to high)');
    expect(text).toContain('codecs      and extensions as in mid 1');
  });

  test('says of each codec why it is not taken', () => {
    const explanation = explained(chromium('02-av-sendonly'), { codecs: ['opus', 'H264'] });
    expect(why(explanation, 0, 111)).toBe('taken');
    expect(why(explanation, 0, 9)).toBe('the server has no G722');
    expect(why(explanation, 1, 96)).toBe('the room does not allow VP8: its codecs are opus, H264');
    expect(why(explanation, 1, 102)).toMatch(/^another profile than the server's \(42e01f mode 1, /);
    expect(why(explanation, 1, 109)).toBe('taken, repairs 108');
    expect(why(explanation, 1, 114)).toBe('could be taken; 108 goes before it');
    expect(why(explanation, 1, 120)).toMatch(/^forward error correction/);
  });

  test('tells another packetization mode from another profile', () => {
    const h264 = (fmtp: string) => video({ codecs: ['a=rtpmap:98 H264/90000', `a=fmtp:98 ${fmtp}`] });
    const mode0 = explained(offer([h264('profile-level-id=640c1f;packetization-mode=0')]));
    expect(why(mode0, 0, 98)).toMatch(/^another packetization mode than the server's/);
    const main = explained(offer([h264('profile-level-id=4d001f;packetization-mode=1')]));
    expect(why(main, 0, 98)).toMatch(/^another profile than the server's/);
    expect(main.sections[0]?.refusal?.code).toBe('no_common_codec');
  });

  test('says of each header extension why it is not taken', () => {
    const extensions = explained(
      offer([
        video({
          extensions: [
            'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
            'a=extmap:5 urn:ietf:params:rtp-hdrext:sdes:mid',
            'a=extmap:15 urn:3gpp:video-orientation',
            'a=extmap:16 urn:ietf:params:rtp-hdrext:toffset',
            'a=extmap:2/recvonly http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
            'a=extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/video-timing',
          ],
        }),
      ]),
    ).sections[0]?.extensions;
    expect(extensions?.map(({ numbers, use, why }) => [numbers[0], use, why])).toEqual([
      [4, 'taken', 'taken'],
      [5, 'unused', 'the same extension as one before'],
      [15, 'unused', 'id 15 is reserved (RFC 8285 §4.2)'],
      [16, 'unused', 'id 16 needs two-byte headers, and a=extmap-allow-mixed is missing'],
      [2, 'unused', 'the client does not send it (/recvonly)'],
      [6, 'unused', 'the server does not use it'],
    ]);
  });

  test('takes the sources and the tracks that are named', () => {
    const sources = new Map([['1', 'door']]);
    expect(explained(chromium('02-av-sendonly'), { sources }).sections[1]?.source).toBe('door');
    const tracks = [{ mid: '0', source: 'mic' }];
    expect(explained(chromium('02-av-sendonly'), { tracks }).refusal).toMatchObject({
      code: 'missing_track',
      mid: '1',
    });
  });

  test('several are those of one PeerConnection', () => {
    const texts = ['08-ice-restart-before', '08-ice-restart', '08-ice-restart'].map((name) => ({
      name,
      text: chromium(name),
    }));
    const [first, restart, again] = explain(texts, defaults);
    expect(first?.actions.join()).toContain('produce mid 0');
    expect(restart?.actions).toEqual(['restartIce']);
    expect(again?.actions).toEqual([]);
    expect(again?.answer).toBe(restart?.answer);
  });

  test('of the server itself is noticed', () => {
    expect(explained(recorded('server-offers/09-answer-av.sdp')).warnings.join()).toContain('an offer of the server');
  });

  test('of VP9 simulcast comes with the way to make Chrome send it', () => {
    expect(explained(chromium('03-av-simulcast3-vp9')).warnings.join()).toContain('scaleResolutionDownBy');
    expect(explained(chromium('03-av-simulcast3')).warnings).toEqual([]);
  });
});

describe('a refusal', () => {
  test.each([
    ['bundle_required', gstreamer('02-av-sendonly-nobundle'), ['a=mid:audio0', 'a=mid:video1']],
    [
      'malformed_sdp',
      chromium('02-av-sendonly').replace('a=rtpmap:96 VP8/90000', 'a=rtpmap:96 VP8'),
      ['a=rtpmap:96 VP8'],
    ],
    ['malformed_sdp', chromium('02-av-sendonly').replace('a=mid:1', 'what is this\r\na=mid:1'), ['what is this']],
    ['bad_setup', chromium('02-av-sendonly').replaceAll('actpass', 'holdconn'), ['a=setup:holdconn']],
    ['bad_mid', chromium('02-av-sendonly').replace('a=mid:1', 'a=mid:0'), ['a=group:BUNDLE 0 1', 'a=mid:0', 'a=mid:0']],
    [
      'pt_collision',
      offer([audio(), video({ codecs: ['a=rtpmap:111 VP8/90000'] })]),
      ['a=rtpmap:111 opus/48000/2', 'a=rtpmap:111 VP8/90000'],
    ],
    ['malformed_sdp', 'hello', ['hello']],
  ])('%s names the lines, the cause and the remedy', (code, text, lines) => {
    const { accepted, refusal } = explained(text, { role: 'offer' });
    expect(accepted).toBe(false);
    expect(refusal).toMatchObject({ code, cause: expect.any(String), remedy: expect.any(String) });
    const named = refusal?.lines.filter(({ text }) => !text.startsWith('m=')) ?? [];
    expect(named.map((line) => line.text)).toEqual(lines);
    for (const { number, text: line } of refusal?.lines ?? []) expect(text.split(/\r?\n/)[number - 1]).toBe(line);
  });

  test('still shows what can be read', () => {
    const text = shown(gstreamer('02-av-sendonly-nobundle'));
    expect(text).toContain('REFUSED: bundle_required');
    expect(text).toContain('not all sections: no a=group:BUNDLE');
    expect(text).toContain('GStreamer webrtcbin');
  });
});

describe('a text that was cut off', () => {
  const whole = chromium('02-av-sendonly');

  test.each([
    ['before its last section', whole.slice(0, whole.indexOf('m=video') - 2)],
    ['within a line', whole.slice(0, whole.indexOf('a=rtpmap:96') + 10)],
    ['within the codecs of its last section', whole.slice(0, whole.indexOf('\r\na=rtpmap:96'))],
  ])('%s is told to be sent whole', (_where, text) => {
    const explanation = explained(text);
    const refusal = explanation.refusal ?? explanation.sections.at(-1)?.refusal;
    expect(refusal?.remedy).toMatch(/^the text seems cut off: send all of it/);
  });

  test('gives no reasons against codecs whose lines are missing', () => {
    const explanation = explained(whole.slice(0, whole.indexOf('\r\na=rtpmap:96')));
    expect(explanation.sections.at(-1)?.codecs).toEqual([]);
    expect(why(explanation, 0, 111)).toBe('taken');
  });

  test('or was only trimmed, is judged like any other where the end does not matter', () => {
    const unmuxed = whole.replace('a=rtcp-mux\r\n', '').trim();
    expect(explained(unmuxed).refusal).toMatchObject({ mid: '0', ...errorGuide.rtcp_mux_required });
    const trimmed = explained(whole.trim(), { codecs: ['opus', 'AV1'] });
    expect(trimmed.accepted).toBe(true);
    expect(why(trimmed, 1, 96)).toContain('room');
  });
});

describe('an answer', () => {
  const serverOffer = (scenario: string) => ({ serverOffer: recorded(`server-offers/${scenario}.sdp`) });

  test('is applied to the offer it answers', () => {
    const { role, accepted, actions, sections } = explained(
      chromium('10-answer-unknown-codec'),
      serverOffer('10-answer-unknown-codec'),
    );
    expect({ role, accepted }).toEqual({ role: 'answer', accepted: true });
    expect(sections.map(({ status }) => status)).toEqual(['live', 'rejected']);
    expect(sections[1]?.refusal?.code).toBe('client_rejected');
    expect(actions).toContain('closeConsumer mid 1: client_rejected');
  });

  test('that renumbers is told from the numbers of the offer', () => {
    const renumbered = chromium('09-answer-av')
      .replaceAll(/(?<=PF |:)101\b/g, '96')
      .replaceAll('apt=101', 'apt=96');
    const explanation = explained(renumbered, serverOffer('09-answer-av'));
    expect(explanation.sections[1]?.refusal?.code).toBe('remap_unsupported');
    expect(why(explanation, 1, 96)).toBe('was offered as 101');
  });

  test('to a probe tells what the device can receive', () => {
    const { capabilities } = explained(
      firefox('10-answer-inactive-initial'),
      serverOffer('10-answer-inactive-initial'),
    );
    expect(capabilities.join()).toContain('101 video/VP8');
  });

  test('of another offer is refused', () => {
    expect(explained(chromium('09-answer-av'), serverOffer('10-answer-4sections')).refusal?.code).toBe(
      'answer_mismatch',
    );
  });

  test('without its offer is checked in itself', () => {
    expect(explained(chromium('09-answer-av'))).toMatchObject({ role: 'answer', accepted: true });
    const unmuxed = explained(chromium('09-answer-av').replaceAll('a=rtcp-mux\r\n', ''));
    expect(unmuxed.refusal?.code).toBe('rtcp_mux_required');
    expect(explained(chromium('02-av-sendonly'), { role: 'answer' }).refusal?.code).toBe('bad_setup');
  });
});

test('a probe tells what the device can receive', () => {
  const explanation = explained(firefox('05-probe-recvonly'));
  expect(explanation.role).toBe('probe');
  expect(why(explanation, 1, 121)).toBe('can be received, as 103');
  expect(explanation.capabilities.join()).toContain('103 video/VP9');
  expect(explained(firefox('05-probe-recvonly'), { codecs: ['opus', 'H264'] }).warnings.join()).toContain('no video');
});

describe('every recording', () => {
  test('is explained as the library judges it', () => {
    for (const { file, role } of recordedSdps()) {
      const explanation = explained(recorded(file), { role });
      expect(explanation.accepted, file).toBe(!file.includes('nobundle'));
      if (role !== 'offer' || !explanation.accepted) continue;
      for (const { next } of plan(recorded(file)).sections) {
        if (next.phase !== 'live') continue;
        const section = explanation.sections.find(({ mid }) => mid === next.mid);
        const taken = (list: readonly Verdict[] = []) =>
          new Set(list.flatMap(({ use, numbers }) => (use === 'taken' ? numbers : [])));
        const { codecs, headerExtensions = [] } = next.rtpParameters;
        expect(taken(section?.codecs), file).toEqual(new Set(codecs.map(({ payloadType }) => payloadType)));
        expect(taken(section?.extensions), file).toEqual(new Set(headerExtensions.map(({ id }) => id)));
      }
    }
  });

  test('keeps its secrets, whole or damaged', () => {
    const files = recordedSdps().map(({ file }) => recorded(file));
    const damaged = fc.tuple(
      fc.constantFrom(...files),
      fc.nat(),
      fc.constantFrom('', 'a=rtcp-mux-only', 'm=video', 'a=mid:0', 'o=-'),
    );
    fc.assert(
      fc.property(damaged, ([sdp, seed, line]) => {
        const lines = sdp.split('\r\n');
        const text = lines.with(seed % lines.length, line).join('\r\n');
        const explanation = explained(text);
        const output = render(explanation, { raw: false }) + JSON.stringify(redactExplanation(explanation));
        for (const [, secret = ''] of text.matchAll(/^a=(?:ice-pwd:|fingerprint:\S+ )(\S+)/gm))
          expect(output).not.toContain(secret);
        for (const [, address = ''] of text.matchAll(/^a=candidate:(?:\S+ ){4}(\S+)/gm))
          expect(output).not.toContain(` ${address} `);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the command', () => {
  const run = (args: readonly string[], files: Readonly<Record<string, string>> = {}) =>
    runCommand(args, (file) => {
      const text = files[file];
      if (text === undefined) throw new Error('no such file');
      return text;
    });

  test('0 is accepted, 1 refused, 2 wrong use', () => {
    const files = { 'a.sdp': chromium('01-audio-sendonly'), '-': 'garbage', 't.json': '[{"mid":"0","source":"mic"}]' };
    expect(run(['explain', 'a.sdp'], files)).toMatchObject({
      status: 0,
      stderr: '',
      stdout: expect.stringContaining('ACCEPTED'),
    });
    expect(run(['explain', '-'], files)).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('standard input: cannot be read'),
    });
    expect(run(['explain', 'a.sdp', '-'], files).status).toBe(1);
    expect(run(['--help'])).toMatchObject({ status: 0, stderr: '' });
    const json = run(['explain', 'a.sdp', '--json', '--tracks', 't.json', '--codecs', 'OPUS'], files);
    expect(JSON.parse(json.stdout)).toMatchObject([{ accepted: true, sections: [{ source: 'mic' }] }]);
  });

  test.each([
    [[], 'say what to do'],
    [['mend', 'a.sdp'], 'there is no "mend"'],
    [['explain'], 'name a file'],
    [['explain', 'nowhere.sdp'], 'cannot read nowhere.sdp'],
    [['explain', 'a.sdp', '--codecs', 'opus,h261'], 'h261'],
    [['explain', 'a.sdp', '--as', 'question'], '--as is'],
    [['explain', 'a.sdp', '--sources', '1'], '--sources is'],
    [['explain', 'a.sdp', '--tracks', 'a.sdp'], '--tracks is not JSON'],
    [['explain', 'a.sdp', '--offer', 'bad'], '--offer cannot be read'],
    [['explain', 'a.sdp', '--loud'], '--loud'],
    [['explain', 'a.sdp', '--offer', 'a.sdp'], 'a.sdp is an offer'],
  ])('%j is wrong use', (args, complaint) => {
    const { status, stdout, stderr } = run(args, { 'a.sdp': chromium('01-audio-sendonly'), bad: 'v=1' });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(complaint);
  });

  const main = fileURLToPath(new URL('main.ts', import.meta.url));

  test('finds files where npm was called, not where npm runs it', () => {
    const INIT_CWD = fileURLToPath(new URL('../../../test/fixtures/sdp', import.meta.url));
    const file = recordedSdps()[0]?.file ?? '';
    const { status, stderr } = spawnSync(process.execPath, [main, 'explain', file], {
      env: { ...process.env, INIT_CWD },
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test('runs by itself', () => {
    const { status, stdout } = spawnSync(process.execPath, [main, 'explain', '-'], {
      input: gstreamer('02-av-sendonly-nobundle'),
      encoding: 'utf8',
    });
    expect(status).toBe(1);
    expect(stdout).toContain('REFUSED: bundle_required');
  });
});
