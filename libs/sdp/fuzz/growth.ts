/**
 * How the cost of an offer grows with each thing that may be repeated in it. Linear is 1; what is steeper lets a
 * small text cause much work. Measured, not counted, so this is for the command and not for a test.
 */
import { planPublish, createPubState, completePublish, deviceCapabilities, SdpError } from '../src/index.ts';
import {
  context,
  offer,
  produced,
  tracksOf,
  transport,
  video,
  VP8,
  audio,
  type SectionSpec,
} from '../src/sdp.test-support.ts';

interface Construct {
  readonly name: string;
  /** From least to most; what goes beyond the library's limits is refused and of no interest. */
  readonly sizes: readonly number[];
  readonly build: (size: number) => string;
}

const doubling = (most: number) => [16, 8, 4, 2, 1].map((part) => Math.round(most / part));
const repeat = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));
const inVideo = (lines: (size: number) => string[]) => (size: number) =>
  `${offer([video()])}${lines(size).join('\r\n')}\r\n`;
const PAYLOAD_TYPES = [...repeat(64, (n) => n), ...repeat(32, (n) => 96 + n)];

const section = (index: number, spec: SectionSpec): SectionSpec => ({
  ...spec,
  mid: `m${index}`,
  lines: [`a=ssrc:${100 + index} cname:client`],
});
/** The last codec only is one of ours: all before are tried in vain. */
const strangers = (size: number, fmtp: string, name = 'H264') =>
  PAYLOAD_TYPES.slice(0, size).flatMap((type) => [`a=rtpmap:${type} ${name}/90000`, `a=fmtp:${type} ${fmtp}`]);
/** Format parameters that are read each time a line is looked at. */
const LONG = repeat(60, (n) => `;parameter-${n}=${n}`).join('');
const WRONG_PROFILE = 'packetization-mode=1;profile-level-id=f4001f;level-asymmetry-allowed=1';

const CONSTRUCTS: readonly Construct[] = [
  {
    name: 'sections',
    sizes: doubling(120),
    build: (size) => offer(repeat(size, (n) => section(n, n % 2 ? video() : audio()))),
  },
  {
    name: 'sections of full codec lists',
    sizes: doubling(120),
    build: (size) =>
      offer(repeat(size, (n) => section(n, video({ codecs: [...strangers(20, WRONG_PROFILE), ...VP8.map(high)] })))),
  },
  {
    name: 'payload types, unknown',
    sizes: doubling(94),
    build: (size) => offer([video({ codecs: strangers(size, 'x=1', 'X') })]),
  },
  {
    name: 'payload types, H264 without a match',
    sizes: doubling(94),
    build: (size) => offer([video({ codecs: strangers(size, WRONG_PROFILE) })]),
  },
  {
    name: 'payload types, RTX',
    sizes: doubling(92),
    build: (size) => offer([video({ codecs: [...strangers(size, 'apt=126', 'rtx'), 'a=rtpmap:126 VP8/90000'] })]),
  },
  {
    name: 'codecs, each with its RTX',
    sizes: doubling(46),
    build: (size) =>
      offer([
        video({
          codecs: repeat(size, (n) => pairOf(PAYLOAD_TYPES[2 * n] ?? 0, PAYLOAD_TYPES[2 * n + 1] ?? 0)).flat(),
        }),
      ]),
  },
  {
    name: 'codecs × RTX payload types',
    sizes: doubling(46),
    build: (size) =>
      offer([
        video({
          codecs: [
            ...PAYLOAD_TYPES.slice(0, size).flatMap((type) => [`a=rtpmap:${type} VP8/90000`]),
            ...PAYLOAD_TYPES.slice(46, 46 + size).flatMap((type) => rtxOf(type, 126, LONG)),
            ...VP8.map(high),
          ],
        }),
      ]),
  },
  {
    name: 'extmap',
    sizes: doubling(256 - 3),
    build: inVideo((size) => repeat(size, (n) => `a=extmap:${n + 300} urn:x:${n}`)),
  },
  {
    name: 'SSRCs',
    sizes: doubling(250),
    build: inVideo((size) => repeat(size, (n) => `a=ssrc:${n + 5000} cname:client`)),
  },
  {
    name: 'lines of one SSRC',
    sizes: doubling(8000),
    build: inVideo((size) => repeat(size, () => 'a=ssrc:2222 msid:s t')),
  },
  {
    name: 'FID groups',
    sizes: doubling(250),
    build: inVideo((size) => repeat(size, (n) => `a=ssrc-group:FID ${n + 5000} ${n + 9000}`)),
  },
  {
    name: 'a group of many SSRCs',
    sizes: doubling(256),
    build: inVideo((size) => [`a=ssrc-group:SIM ${repeat(size, (n) => n + 5000).join(' ')}`]),
  },
  { name: 'rtcp-fb', sizes: doubling(1000), build: inVideo((size) => repeat(size, (n) => `a=rtcp-fb:96 nack x${n}`)) },
  {
    name: 'rtcp-fb that we know',
    sizes: doubling(1000),
    build: inVideo((size) => repeat(size, () => 'a=rtcp-fb:* nack pli')),
  },
  { name: 'rids', sizes: doubling(32), build: (size) => offer([simulcast(size, 1)]) },
  { name: 'alternatives of rids', sizes: doubling(400), build: (size) => offer([simulcast(2, size)]) },
  {
    name: 'format parameters',
    sizes: doubling(1000),
    build: (size) =>
      offer([
        video({
          codecs: [
            ...VP8,
            `a=fmtp:96 ${repeat(size, (n) => `a${n}=${n}`)
              .join(';')
              .slice(0, 4080)}`,
          ],
        }),
      ]),
  },
  { name: 'lines of one fmtp', sizes: doubling(8000), build: inVideo((size) => repeat(size, () => 'a=fmtp:96 x=1')) },
  {
    name: 'candidates',
    sizes: doubling(4000),
    build: inVideo((size) => repeat(size, (n) => `a=candidate:${n} 1 udp 1 192.0.2.1 ${n} typ host`)),
  },
  { name: 'unknown attributes', sizes: doubling(30_000), build: inVideo((size) => repeat(size, (n) => `a=x${n}:y`)) },
  { name: 'empty lines', sizes: doubling(200_000), build: inVideo((size) => repeat(size, () => '')) },
  {
    name: 'ICE options',
    sizes: doubling(64_000),
    build: inVideo((size) => repeat(size / 500, () => `a=ice-options:${'a '.repeat(500)}`)),
  },
  {
    name: 'BUNDLE groups',
    sizes: doubling(8000),
    build: (size) => offer([audio()], { session: repeat(size, () => 'a=group:BUNDLE 0') }),
  },
  {
    name: 'a long line',
    sizes: doubling(4000),
    build: inVideo((size) => [`a=rid:${' '.repeat(size)}x`, `a=rtpmap:96 VP8/90000${' '.repeat(size)}`]),
  },
];

function pairOf(codec: number, rtx: number): string[] {
  return [`a=rtpmap:${codec} VP8/90000`, ...rtxOf(rtx, codec)];
}

function rtxOf(rtx: number, codec: number, more = ''): string[] {
  return [`a=rtpmap:${rtx} rtx/90000`, `a=fmtp:${rtx} apt=${codec}${more}`];
}

function high(line: string): string {
  return line.replace('96', '125').replace(':97', ':126');
}

function simulcast(rids: number, alternatives: number): SectionSpec {
  const names = repeat(rids * alternatives, (n) => `r${n}`);
  const streams = repeat(rids, (n) => names.slice(n * alternatives, (n + 1) * alternatives).join(','));
  return video({
    extensions: [
      'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
      'a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
    ],
    lines: [
      ...names.slice(0, 32).map((name) => `a=rid:${name} send`),
      `a=simulcast:send ${streams.join(';').slice(0, 4060)}`,
    ],
  });
}

/** CPU microseconds of one measurement; the system counts it in steps of some milliseconds. */
const MEASURED_MICROS = 80_000;

/** CPU microseconds for one offer: it is planned, answered, and read as capabilities. */
function cost(sdp: string): number {
  const tracks = tracksOf(sdp);
  const run = () => {
    try {
      const plan = planPublish(createPubState(1), { ...context, sdp, tracks });
      if (plan.type === 'apply') {
        const producerIds = new Map(produced(plan).map(({ mid }, index) => [mid, `p${index}`]));
        completePublish(plan, { transport: transport(), producerIds, sdpSessionId: '1' });
      }
      deviceCapabilities(sdp, context);
    } catch (error) {
      // A refusal has its cost too.
      if (!(error instanceof SdpError)) throw error;
    }
  };
  run();
  const start = process.threadCpuUsage();
  for (let runs = 1; ; runs += 1) {
    run();
    const { user, system } = process.threadCpuUsage(start);
    if (user + system >= MEASURED_MICROS) return (user + system) / runs;
  }
}

/** Clearly more than linear, over a factor of 16 and all noise of a shared machine. */
const STEEP = 1.5;

/** @returns how many constructs cost clearly more than in proportion */
export function measureGrowth(say: (text: string) => void): number {
  say('\ncost by size (1: linear)');
  let steep = 0;
  for (const { name, sizes, build } of CONSTRUCTS) {
    const texts = sizes.map(build);
    const costs = texts.map(cost);
    // From the third size on, since the first ones are mostly what every offer costs.
    const exponent = slope(sizes.slice(2).map(Math.log2), costs.slice(2).map(Math.log2));
    const [most = 0] = costs.slice(-1);
    const kib = (texts.at(-1)?.length ?? 0) / 1024;
    const verdict = exponent > STEEP ? '  STEEP' : '';
    steep += verdict ? 1 : 0;
    say(
      `  ${name.padEnd(38)} ${exponent.toFixed(2).padStart(5)}   ${String(sizes.at(-1)).padStart(7)}: ` +
        `${(most / 1000).toFixed(2).padStart(8)} ms, ${(most / kib).toFixed(0).padStart(6)} µs/KiB${verdict}`,
    );
  }
  return steep;
}

function slope(x: readonly number[], y: readonly number[]): number {
  const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const [mx, my] = [mean(x), mean(y)];
  const up = x.reduce((sum, value, index) => sum + (value - mx) * ((y[index] ?? 0) - my), 0);
  return up / x.reduce((sum, value) => sum + (value - mx) ** 2, 0);
}
