/*
 * Measures the SDP library on this machine and writes docs/benchmarks/sdp.md: what an offer or an answer costs by its
 * number of media sections, against parsers alone, and what a user's signaling state takes in memory.
 *
 *   npm run bench:sdp
 */
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  addConsumer,
  applyAnswer,
  clientProfiles,
  completePublish,
  createOffer,
  createPubState,
  createSubState,
  currentOffer,
  deviceCapabilities,
  planPublish,
  reserveSection,
  type PubState,
  type SubState,
} from '@mediaserver/sdp';
import { parse, write } from 'sdp-transform';
import {
  chromium,
  consume,
  context,
  plan,
  produced,
  tracksOf,
  transport,
} from '../../libs/sdp/src/sdp.test-support.ts';
import { machineFacts } from './machine.ts';
import { markdownTable, SPREAD_COLUMNS, spreadOf } from './statistics.ts';

const SIZES = [2, 6, 15, 30, 60, 120];
const REPEATS = 9;
/** CPU time of one repeat; the system counts it in steps of some milliseconds. */
const REPEAT_MICROS = 60_000;
const USERS = { 2: 3000, 60: 200 } as const;
const note = (text: string) => process.stderr.write(`${text}\n`);

/** As Chromium writes it: audio and video by turns, each with streams of its own. */
function clientOffer(sections: number): string {
  const [head = '', audio = '', video = ''] = chromium('02-av-sendonly').split(/^(?=m=)/m);
  const mids = Array.from({ length: sections }, (_, index) => String(index));
  const renamed = mids.map((mid, index) =>
    (index % 2 === 0 ? audio : video)
      .replace(/^a=mid:.*$/m, `a=mid:${mid}`)
      .replaceAll(/(?<=^a=ssrc(?:-group:FID|):? ?)\d+(?: \d+)?/gm, (ssrcs) =>
        ssrcs.replaceAll(/\d+/g, (ssrc) => String((Number(ssrc) % 1_000_000) + 1_000_000 * (index + 1))),
      ),
  );
  return head.replace(/^a=group:BUNDLE.*$/m, `a=group:BUNDLE ${mids.join(' ')}`) + renamed.join('');
}

function published(state: PubState, sdp: string, tracks = tracksOf(sdp)) {
  const plan = planPublish(state, { ...context, sdp, tracks });
  if (plan.type === 'replay') return { state, sdp: plan.sdp };
  const producerIds = new Map(produced(plan).map(({ mid }) => [mid, `producer-of-${mid}`]));
  return completePublish(plan, { transport: transport(), producerIds, sdpSessionId: '1' });
}

const device = deviceCapabilities(chromium('05-probe-recvonly'), context);
const producers = produced(plan(chromium('02-av-sendonly')));

function withTracks(before: SubState, count: number): SubState {
  let state = before;
  for (let index = 0; index < count; index += 1) {
    const producer = producers[index % 2];
    if (!producer) throw new Error('the recorded offer has audio and video');
    const { kind } = producer;
    const consumerId = crypto.randomUUID();
    const reserved = reserveSection(state, { trackId: `user:${kind}`, userId: 'user', source: kind, kind });
    const rtpParameters = consume(kind, producer.rtpParameters, device, reserved.mid);
    const { mid } = reserved;
    state = addConsumer(reserved.state, {
      mid,
      consumerId,
      producerId: 'p',
      rtpParameters,
      paused: false,
      replaces: null,
    });
  }
  return state;
}

const emptySub = () =>
  createSubState({ generation: 1, data: true, capabilities: device, profile: clientProfiles.standard });
const offered = (state: SubState, negotiationId = 'first') =>
  createOffer(state, { ...context, transport: transport(), sdpSessionId: '1', negotiationId }).state;

/** What Chromium answers: everything taken. */
function answerTo(state: SubState): string {
  return (currentOffer(state)?.sdp ?? '')
    .replaceAll('a=setup:actpass', 'a=setup:active')
    .replaceAll(/^a=ice-ufrag:.*$/gm, 'a=ice-ufrag:subU')
    .replaceAll(/^a=ice-pwd:.*$/gm, 'a=ice-pwd:subscriberPassword0123456')
    .replaceAll(/^a=sendonly/gm, 'a=recvonly')
    .replaceAll(/^a=(?:candidate|end-of-candidates|ssrc|msid|ice-lite).*\r\n/gm, '');
}
const answered = (state: SubState, sdp: string) =>
  applyAnswer(state, { ...context, negotiationId: currentOffer(state)?.negotiationId ?? '', sdp }).state;

interface Figure {
  readonly what: string;
  readonly sections: number;
  /** CPU microseconds for one, in each repeat. */
  readonly micros: readonly number[];
}

function measure(what: string, sections: number, run: () => unknown): Figure {
  const cpu = () => {
    const { user, system } = process.threadCpuUsage();
    return user + system;
  };
  const repeat = () => {
    const begin = cpu();
    for (let runs = 1; ; runs += 1) {
      run();
      const spent = cpu() - begin;
      if (spent >= REPEAT_MICROS) return spent / runs;
    }
  };
  repeat();
  const figure = { what, sections, micros: Array.from({ length: REPEATS }, repeat) };
  note(`${what}, ${sections}: ${median(figure).toFixed(0)} µs`);
  return figure;
}

function ofSize(sections: number): Figure[] {
  const sdp = clientOffer(sections);
  const tracks = tracksOf(sdp);
  const first = published(createPubState(1), sdp, tracks);
  const parsed = parse(sdp);
  const json = JSON.stringify(parsed);
  const sub = withTracks(emptySub(), sections);
  const out = offered(sub);
  const answer = answerTo(out);
  const live = answered(out, answer);
  const oneMore = withTracks(live, 1);
  const moreOut = offered(oneMore, 'second');
  const moreAnswer = answerTo(moreOut);
  return [
    measure('**PUB: offer parsed, planned, answered**', sections, () => published(createPubState(1), sdp, tracks)),
    measure('PUB: the same offer again', sections, () => published(first.state, sdp, tracks)),
    measure('SUB: offer written', sections, () => offered(sub)),
    measure('SUB: answer applied', sections, () => answered(out, answer)),
    measure('SUB: one track more, offer written', sections, () => offered(oneMore, 'second')),
    measure('SUB: one track more, answer applied', sections, () => answered(moreOut, moreAnswer)),
    measure('*baseline:* sdp-transform parses the PUB offer', sections, () => parse(sdp)),
    measure('*baseline:* sdp-transform parses and writes it', sections, () => write(parse(sdp))),
    measure('*baseline:* JSON.parse and stringify of that', sections, () => JSON.stringify(JSON.parse(json))),
  ];
}

const quantile = (share: number) => (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.round((values.length - 1) * share)] ?? Number.NaN;
const median = ({ micros }: Figure) => quantile(0.5)(micros);

/** Of cost over sections, from 15 on: below, what every offer costs hides it. */
function exponent(figures: readonly Figure[]): number {
  const points = figures
    .filter(({ sections }) => sections >= 15)
    .map((figure) => ({ x: Math.log(figure.sections), y: Math.log(median(figure)) }));
  const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const [x, y] = [mean(points.map((point) => point.x)), mean(points.map((point) => point.y))];
  const up = points.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0);
  return up / points.reduce((sum, point) => sum + (point.x - x) ** 2, 0);
}

/** Bytes that stay for one user: PubState and SubState, idle after an answer each. */
function memoryPerUser(sections: 2 | 60): { readonly pub: number; readonly sub: number } {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc');
  const heap = () => {
    gc();
    return process.memoryUsage().heapUsed;
  };
  const users = USERS[sections];
  const sdp = clientOffer(sections);
  // Each user's text is a string of its own, as from a request: parts of it that are kept may keep all of it.
  const own = (text: string) => Buffer.from(text).toString();
  const kept: unknown[] = [];
  const grow = (make: () => unknown) => {
    const before = heap();
    for (let user = 0; user < users; user += 1) kept.push(make());
    return (heap() - before) / users;
  };
  const answer = answerTo(offered(withTracks(emptySub(), sections)));
  const pub = grow(() => published(createPubState(1), own(sdp)).state);
  const sub = grow(() => answered(offered(withTracks(emptySub(), sections)), own(answer)));
  if (kept.length !== users * 2) throw new Error('something was not kept');
  return { pub, sub };
}

function report(
  figures: readonly Figure[],
  memory: Readonly<Record<2 | 60, ReturnType<typeof memoryPerUser>>>,
): string {
  const kinds = Map.groupBy(figures, ({ what }) => what);
  const rows = [...kinds].map(([what, list]) =>
    [what].concat(
      list.map((figure) => median(figure).toFixed(0)),
      exponent(list).toFixed(2),
    ),
  );
  const rates = [...kinds]
    .filter(([what]) => !what.startsWith('*baseline'))
    .map(([what, list]) => {
      const perSecond = (size: number) => {
        const found = list.find(({ sections }) => sections === size);
        return found ? (1e6 / median(found)).toFixed(0) : '';
      };
      return [what, perSecond(2), perSecond(60)];
    });
  const spread = figures
    .filter(({ sections, what }) => (sections === 2 || sections === 60) && what.startsWith('**'))
    .map(({ what, sections, micros }) => [`${what}, ${sections} sections`].concat(spreadOf(micros)));
  const kib = (bytes: number) => (bytes / 1024).toFixed(1);
  const bytes = (sections: number) => kib(clientOffer(sections).length);
  return `# SDP, ${new Date().toISOString().slice(0, 10)}

Measured by \`npm run bench:sdp\`: one thread, CPU time (not the clock), medians of ${REPEATS} repeats of ${REPEAT_MICROS / 1000} ms each. Offers are put together from a recorded one of Chromium, audio and video by turns; one of 2 sections has ${bytes(2)} KiB, one of 60 has ${bytes(60)} KiB.

${markdownTable(['', ''], [...machineFacts('not used'), ['Load average before', (loadBefore ?? 0).toFixed(1)]])}

## A second, on one core

${markdownTable(['', '2 sections', '60 sections'], rates)}

## Microseconds by number of media sections

The exponent is fitted from 15 sections on: 1 is linear.

${markdownTable(['µs of CPU', ...SIZES.map(String), 'exponent'], rows)}

How much the repeats differ:

${markdownTable(['µs of CPU', ...SPREAD_COLUMNS], spread)}

## Memory of a user's signaling state

KiB of heap that stay, mean of ${USERS[2]} users (2 sections) and of ${USERS[60]} (60 sections), after garbage collection:

${markdownTable(
  ['KiB', '2 sections', '60 sections'],
  [
    ['PubState', kib(memory[2].pub), kib(memory[60].pub)],
    ['SubState', kib(memory[2].sub), kib(memory[60].sub)],
  ],
)}

A PubState keeps the last answer (it is sent again if the offer is repeated) and each producer's parameters; a SubState each consumer's parameters. Of a client's texts nothing else stays.

## What bounds it

By \`node --cpu-prof\`, of a PUB offer of 60 sections: a third is reading the text (each line once); a fifth is the trial against \`mediasoup/ortc\` that makes sure that \`produce()\` will be taken, most of it \`structuredClone\`, since ortc writes into what it is given; an eighth is the check that no number has two meanings in the BUNDLE; a twelfth is the digest by which a repeated offer is known.
`;
}

const [loadBefore] = loadavg();
const figures = SIZES.flatMap(ofSize);
note('memory');
const text = report(figures, { 2: memoryPerUser(2), 60: memoryPerUser(60) });
const path = fileURLToPath(new URL('../../docs/benchmarks/sdp.md', import.meta.url));
writeFileSync(path, text);
process.stdout.write(text);
note(`written to ${path}`);
