/** SDP as it is found in tickets: inside JSON, with written-out line ends, without them, in quotes. */
import { publishTrackSchema, type PublishTrack } from '@mediaserver/contracts';

export interface FoundSdp {
  readonly sdp: string;
  /** Where in JSON it stood; null if the text is SDP itself. */
  readonly foundIn: string | null;
  /** What was wrong with the text, in the order it was mended; empty if nothing was. */
  readonly damage: readonly string[];
  /** Whether the last line has no end: all of the rest may be missing. */
  readonly cutOff: boolean;
  /** Of a request to the API that holds the SDP. */
  readonly tracks: readonly PublishTrack[] | null;
}

/** Finds the SDP in a text; what does not look like SDP at all comes back as it is. */
export function findSdp(text: string): FoundSdp {
  const damage: string[] = [];
  let tracks: FoundSdp['tracks'] = null;
  let sdp = text;
  const mend = (applies: boolean, mended: () => string, what: string) => {
    if (!applies) return;
    const next = mended();
    if (next === sdp) return;
    sdp = next;
    damage.push(what);
  };

  mend(sdp.startsWith('\uFEFF'), () => sdp.slice(1), 'starts with a byte order mark');
  const json = parseJson(sdp);
  if (json) {
    ({ sdp, tracks } = json);
    const inner = parseJson(sdp);
    mend(
      inner !== null,
      () => inner?.sdp ?? sdp,
      'is JSON inside JSON: the whole description stands where its sdp should',
    );
    if (json.where === 'text') damage.push('is a JSON string that was not parsed');
  }
  mend(/^\s*v%3D0/i.test(sdp), () => decoded(sdp), 'is URL-encoded');
  mend(/^\s*dj0w[\w+/=\s]+$/.test(sdp), () => Buffer.from(sdp, 'base64').toString('utf8'), 'is base64');
  mend(/^\s*(["'`])v=0[^]*\1\s*$/.test(sdp), () => sdp.trim().slice(1, -1), 'is wrapped in quotes');
  mend(
    /\\n/.test(sdp) && /^\s*v=0(?:\\r)?\\n/.test(sdp),
    () =>
      sdp
        .replaceAll(/\\r\\n|\\n/g, '\r\n')
        .replaceAll(String.raw`\/`, '/')
        .replaceAll(String.raw`\"`, '"'),
    String.raw`has line ends written out as \r\n, as in a JSON string that was not parsed`,
  );
  mend(/\r(?!\n)/.test(sdp), () => sdp.replaceAll(/\r+\n?/g, '\r\n'), 'has CR without LF');
  mend(
    /^v=0[ \t]+o=/.test(sdp.trim()),
    () => sdp.trim().replaceAll(/[ \t]+(?=[a-z]=)/g, '\r\n'),
    'has spaces for line ends',
  );
  mend(sdp.trim().startsWith('v=0o='), () => withLineEnds(sdp.trim()), 'has lost its line ends; they were guessed');
  mend(/^[ \t]+\S/m.test(sdp) && /^\s*v=0\s*$/m.test(sdp), () => sdp.replaceAll(/^[ \t]+/gm, ''), 'is indented');
  mend(/^\s*\n[^]*v=0/.test(sdp), () => sdp.trimStart(), 'starts with empty lines');
  if (sdp.trim() === '') damage.push('is empty');
  const cutOff = damage.length === 0 && !sdp.endsWith('\n');
  if (cutOff) damage.push('does not end with a line end: it was trimmed, or cut off');
  return { sdp, foundIn: json?.where ?? null, damage, cutOff, tracks };
}

/** Line ends before everything that begins a line in what WebRTC clients write. */
function withLineEnds(sdp: string): string {
  return sdp.replaceAll(
    /(?=o=\S+ \d+ \d+ IN IP|s=-|t=\d+ \d+|c=IN IP[46] |b=(?:AS|TIAS):|m=(?:audio|video|application) \d|a=[a-z][a-z-]+[:\w])/g,
    '\r\n',
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.trim().replaceAll('+', ' '));
  } catch {
    // Not URL-encoded after all: it stays what it is, and is refused for that.
    return text;
  }
}

interface FoundJson {
  readonly sdp: string;
  readonly where: string;
  readonly tracks: FoundSdp['tracks'];
}

/** Where requests, answers and events of the API, and `RTCSessionDescription`, have their SDP. */
const PLACES = [['sdp'], ['publish', 'sdp'], ['capabilitiesSdp'], ['subscribe', 'sdp'], ['data', 'subscribe', 'sdp']];

function parseJson(text: string): FoundJson | null {
  if (!/^\s*[{"]/.test(text)) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Quotes around SDP look like the start of JSON; what it is instead is found further down.
    return null;
  }
  if (typeof value === 'string') return { sdp: value, where: 'text', tracks: null };
  for (const path of PLACES) {
    const holder = path.slice(0, -1).reduce<unknown>(at, value);
    const sdp = at(holder, path.at(-1) ?? '');
    if (typeof sdp !== 'string') continue;
    const tracks = publishTrackSchema.array().safeParse(at(holder, 'tracks'));
    return { sdp, where: path.join('.'), tracks: tracks.success ? tracks.data : null };
  }
  return null;
}

function at(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.entries(value).find(([name]) => name === key)?.[1];
}
