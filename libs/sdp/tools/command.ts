/** The command line of `npm run sdp`, without its input and output. */
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import {
  codecNames,
  publishTrackSchema,
  roomSpecSchema,
  type CodecName,
  type PublishTrack,
} from '@mediaserver/contracts';
import { SdpError } from '../src/index.ts';
import { explain } from './explain.ts';
import type { ExplainOptions, Explanation } from './explanation.ts';
import type { SdpRole } from './guess.ts';
import { redactExplanation } from './redact.ts';
import { render } from './render.ts';

/** Those of a room that names none. */
const DEFAULT_CODECS = roomSpecSchema.parse({}).media.codecs;

const HELP = `npm run sdp -- explain [options] <file>...

Says what the server makes of an SDP: what it understood, what it would answer, and why something is refused.
A file holds what a client wrote: an offer to publish, an answer to a subscribe offer, or a capabilitiesSdp.
SDP inside JSON, in quotes or with damaged line ends is found and read. "-" is standard input.
Several files are one after the other, offers of one PeerConnection.

  --as offer|answer|probe   what the SDP is (seen from its text: actpass is an offer, recvonly only a probe)
  --offer <file>            the server's offer that the answer answers
  --codecs <a,b>            the room's codecs, preferred first (${DEFAULT_CODECS.join(',')})
  --sources <mid=name,...>  what a section sends (microphone; camera, then screen)
  --tracks <file>           the tracks of the publish request as JSON, in place of --sources
  --json                    the same as JSON
  --raw                     also show passwords, fingerprints and addresses (they are hidden)
  --help

Exit code: 0 accepted, 1 refused, 2 wrong use.
`;

/** What is wrong with the command line. */
class UsageError extends Error {}

const OPTIONS = {
  as: { type: 'string' },
  offer: { type: 'string' },
  codecs: { type: 'string' },
  sources: { type: 'string' },
  tracks: { type: 'string' },
  json: { type: 'boolean', default: false },
  raw: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export interface Outcome {
  readonly status: 0 | 1 | 2;
  readonly stdout: string;
  readonly stderr: string;
}

type ReadFile = (file: string) => string;

/** Everything but reading and writing. `readFile` gives the text of a file, `-` is standard input; it may throw. */
export function runCommand(args: readonly string[], readFile: ReadFile): Outcome {
  try {
    return { ...run(args, readFile), stderr: '' };
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof SdpError)) throw error;
    const what = error instanceof SdpError ? `--offer cannot be read: ${error.message} (${error.code})` : error.message;
    return { status: 2, stdout: '', stderr: `sdp: ${what}\nnpm run sdp -- --help tells how\n` };
  }
}

function run(args: readonly string[], readFile: ReadFile): Omit<Outcome, 'stderr'> {
  const read = (file: string) => reading(file, readFile);
  const { values, positionals } = parsed(args);
  if (values.help) return { status: 0, stdout: HELP };
  const [command, ...files] = positionals;
  if (command !== 'explain')
    throw new UsageError(
      command === undefined ? 'say what to do: explain' : `there is no "${command}"; there is "explain"`,
    );
  if (files.length === 0) throw new UsageError('name a file, or - for standard input');
  const options: ExplainOptions = {
    codecs: values.codecs === undefined ? DEFAULT_CODECS : codecsOf(values.codecs),
    role: values.as === undefined ? null : roleOf(values.as),
    tracks: values.tracks === undefined ? null : tracksOf(read(values.tracks)),
    sources: sourcesOf(values.sources ?? ''),
    serverOffer: values.offer === undefined ? null : read(values.offer),
  };
  const texts = files.map((file) => ({ name: file === '-' ? 'standard input' : basename(file), text: read(file) }));
  const explanations = explain(texts, options);
  if (options.serverOffer !== null) requireAnswer(explanations);
  const stdout = values.json
    ? `${JSON.stringify(values.raw ? explanations : explanations.map(redactExplanation), null, 2)}\n`
    : explanations.map((explanation) => render(explanation, { raw: values.raw })).join(`\n${'─'.repeat(80)}\n\n`);
  return { status: explanations.every(({ accepted }) => accepted) ? 0 : 1, stdout };
}

/** An offer that nobody answers would be left unread in silence. What cannot be read may be an answer. */
function requireAnswer(explanations: readonly Explanation[]): void {
  if (explanations.some(({ role, client }) => role === 'answer' || client === null)) return;
  const names = explanations.map(({ name }) => name).join(', ');
  throw new UsageError(
    `--offer is what an answer answers, and there is none: ${names} is an offer; --as answer says otherwise`,
  );
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function reading(file: string, readFile: ReadFile): string {
  try {
    return readFile(file);
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function isCodecName(name: string): name is CodecName {
  return codecNames.some((known) => known === name);
}

function codecsOf(list: string): CodecName[] {
  return list.split(',').map((text) => {
    const name = codecNames.find((known) => known.toLowerCase() === text.trim().toLowerCase()) ?? text;
    if (!isCodecName(name)) throw new UsageError(`there is no codec "${text}"; there are ${codecNames.join(', ')}`);
    return name;
  });
}

function roleOf(text: string): SdpRole {
  if (text === 'offer' || text === 'answer' || text === 'probe') return text;
  throw new UsageError('--as is offer, answer or probe');
}

function sourcesOf(list: string): Map<string, string> {
  const pairs = list
    .split(',')
    .filter(Boolean)
    .map((pair) => pair.split('='));
  return new Map(
    pairs.map(([mid = '', source]) => {
      if (!source) throw new UsageError('--sources is mid=name,mid=name');
      return [mid, source];
    }),
  );
}

function tracksOf(text: string): PublishTrack[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`--tracks is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const list = typeof value === 'object' && value !== null && 'tracks' in value ? value.tracks : value;
  const tracks = publishTrackSchema.array().safeParse(list);
  if (!tracks.success)
    throw new UsageError(`--tracks is not a list of tracks: ${tracks.error.issues[0]?.message ?? ''}`);
  return tracks.data;
}
