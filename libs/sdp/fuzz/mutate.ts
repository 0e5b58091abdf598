/**
 * Mutations that know SDP's structure: lines, tokens within a line, media sections, names used all over a text. A
 * little plain noise goes with them. What they insert comes from other recorded SDPs or from a list of nuisances.
 */
import type { Random } from './random.ts';

/** Material to graft from. */
export interface Donors {
  readonly texts: readonly string[];
  /** Lines of all texts by attribute (`a=rtpmap`, `m`). */
  readonly lines: ReadonlyMap<string, readonly string[]>;
  readonly sections: readonly string[];
}

export function donorsOf(texts: readonly string[]): Donors {
  const all = [...new Set(texts.flatMap((text) => text.split('\r\n').filter(Boolean)))];
  return {
    texts,
    lines: new Map(Object.entries(Object.groupBy(all, attributeOf)).map(([name, lines]) => [name, lines ?? []])),
    sections: [...new Set(texts.flatMap((text) => text.split(/^(?=m=)/m).slice(1)))],
  };
}

const NUISANCE_NUMBERS = [
  '0 1 -1 -0 2 9 13 14 15 16 31 32 63 64 95 96 127 128 255 256 1023 4095 4096 8000 48000 65535 65536 90000',
  '2147483647 2147483648 4294967295 4294967296 9007199254740993 18446744073709551615 99999999999999999999',
  '100000000000000000000 1e3 1e309 NaN Infinity -Infinity 0x10 010 1.5 +1 ٣ 1_000',
].flatMap((list) => list.split(' '));

const NUISANCE_WORDS = [
  '',
  ' ',
  '*',
  '-',
  '~',
  ';',
  '/',
  '=',
  ':',
  ',',
  '%',
  '\\',
  '"',
  '<script>',
  '$&',
  '${x}',
  '../..',
  ...'__proto__ constructor toString hasOwnProperty prototype valueOf __defineGetter__ length then'.split(' '),
  ...'audio video application text send recv sendrecv inactive BUNDLE FID SIM FEC-FR rid mid apt rtx'.split(' '),
  ...'opus VP8 VP9 H264 AV1 profile-id=0 packetization-mode=1 profile-level-id=42e01f apt=96 sha-256'.split(' '),
  '\u0000',
  '\r',
  '\n',
  '\r\n',
  '\r\na=ssrc:7 cname:injected',
  '\nm=video 9 UDP/TLS/RTP/SAVPF 96',
  '\t',
  '\u000b',
  '\u0085',
  '\u2028',
  '\u00a0',
  '\ufeff',
  '\u007f',
  '\ud800',
  '😀',
  'é',
  '\u0130',
  'ſ',
  'x'.repeat(15),
  'x'.repeat(17),
  'x'.repeat(257),
];

const SEPARATORS = /([ :;=/,~])/;

function attributeOf(line: string): string {
  return /^a=[^: ]*|^[^=]/.exec(line)?.[0] ?? '';
}

/** One input from another: one to six mutations, mostly few. */
export function mutate(text: string, donors: Donors, random: Random): string {
  let result = text;
  const count = 1 + Math.min(random.below(6), random.below(6));
  for (let round = 0; round < count; round += 1) {
    const kind = random.below(100);
    if (kind < 30) result = onLines(result, donors, random);
    else if (kind < 70) result = onToken(result, donors, random);
    else if (kind < 80) result = onName(result, random);
    else if (kind < 92) result = onSections(result, donors, random);
    else result = noise(result, donors, random);
  }
  return result;
}

function nuisance(random: Random): string {
  return random.chance(0.5) ? random.pick(NUISANCE_NUMBERS) : random.pick(NUISANCE_WORDS);
}

function onLines(text: string, donors: Donors, random: Random): string {
  const lines = text.split('\r\n');
  const at = random.below(lines.length);
  const line = lines[at] ?? '';
  switch (random.below(7)) {
    case 0:
      lines.splice(at, 1 + (random.chance(0.2) ? random.below(20) : 0));
      break;
    case 1:
      lines.splice(at, 0, ...Array.from({ length: random.chance(0.1) ? 1 + random.below(300) : 1 }, () => line));
      break;
    case 2: {
      const other = random.below(lines.length);
      lines[at] = lines[other] ?? '';
      lines[other] = line;
      break;
    }
    case 3:
      lines.splice(at, 1);
      lines.splice(random.below(lines.length + 1), 0, line);
      break;
    case 4:
      lines.splice(at, 0, random.pick(donors.lines.get(attributeOf(line)) ?? [line]));
      break;
    case 5:
      lines[at] = random.pick(donors.lines.get(attributeOf(line)) ?? [line]);
      break;
    default:
      lines.splice(at, 0, random.pick(donors.lines.get(random.pick([...donors.lines.keys()])) ?? [line]));
  }
  return lines.join('\r\n');
}

function onToken(text: string, donors: Donors, random: Random): string {
  const lines = text.split('\r\n');
  const at = random.below(lines.length);
  const parts = (lines[at] ?? '').split(SEPARATORS);
  // Tokens stand at even places, separators between them.
  const place = random.below(Math.ceil(parts.length / 2)) * 2;
  const token = parts[place] ?? '';
  switch (random.below(8)) {
    case 0:
      parts[place] = random.pick(NUISANCE_NUMBERS);
      break;
    case 1:
      parts[place] = random.pick(NUISANCE_WORDS);
      break;
    case 2:
      parts[place] = token + random.pick(NUISANCE_WORDS);
      break;
    case 3: {
      // A token of another line of this kind: another payload type, another ufrag.
      const donor = random.pick(donors.lines.get(attributeOf(lines[at] ?? '')) ?? ['']).split(SEPARATORS);
      parts[place] = donor[place] ?? '';
      break;
    }
    case 4: {
      const own = random.pick(lines).split(SEPARATORS);
      parts[place] = own[random.below(Math.ceil(own.length / 2)) * 2] ?? '';
      break;
    }
    case 5:
      parts[place] = /^\d+$/.test(token) ? String(Number(token) + random.below(3) - 1) : token.toUpperCase();
      break;
    case 6: {
      // A list of many; a line of more than is allowed, or just as much.
      const separator = random.pick([' ', ';', ',', '/', ';a=', ';~']);
      const count = random.pick([2, 8, 33, 65, 129, 257, Math.ceil(4090 / (token.length + separator.length))]);
      const varied = random.chance(0.5);
      parts[place] = Array.from({ length: count }, (_, n) => (varied ? `${token}${n}` : token)).join(separator);
      break;
    }
    default:
      parts.splice(place, 2);
  }
  lines[at] = parts.join('');
  return lines.join('\r\n');
}

/** A mid, rid, payload type or SSRC gets another name wherever it stands, so that the text stays consistent. */
function onName(text: string, random: Random): string {
  const names = [...text.matchAll(/^a=(?:mid|rid|ssrc|rtpmap|extmap|ice-ufrag|ice-pwd|setup):([^ /\r\n]+)/gm)];
  if (names.length === 0) return text;
  const [, from = ''] = random.pick(names);
  const [, other = ''] = random.pick(names);
  const to = random.chance(0.2) ? other : nuisance(random);
  const name = new RegExp(`(?<=[ :;=~])${RegExp.escape(from)}(?=[ :;,/\r])`, 'g');
  return text.replaceAll(name, () => to);
}

function onSections(text: string, donors: Donors, random: Random): string {
  const [head = '', ...sections] = text.split(/^(?=m=)/m);
  if (sections.length === 0) return text + random.pick(donors.sections);
  const at = random.below(sections.length);
  const section = sections[at] ?? '';
  const fresh = (copy: string) => copy.replace(/^a=mid:.*$/m, `a=mid:x${random.below(1000)}`);
  switch (random.below(9)) {
    case 0:
      sections.splice(at, 1);
      break;
    case 1:
      sections.push(fresh(section));
      break;
    case 2: {
      const other = random.below(sections.length);
      sections[at] = sections[other] ?? '';
      sections[other] = section;
      break;
    }
    case 3:
      sections[at] = section.replace(/^(m=\w+) \d+/, '$1 0');
      break;
    case 4:
      sections[at] = `${section.replace(/^(m=\w+) \d+/, '$1 0')}a=bundle-only\r\n`;
      break;
    case 5:
      sections[at] = section.replace(/^a=(?:sendrecv|sendonly|recvonly|inactive)/m, () =>
        random.pick(['a=sendrecv', 'a=sendonly', 'a=recvonly', 'a=inactive', 'a=x']),
      );
      break;
    case 6:
      sections.splice(at, 0, fresh(random.pick(donors.sections)));
      break;
    case 7:
      sections[at] = section.replace(/^m=\w+/, () => random.pick(['m=audio', 'm=video', 'm=application', 'm=text']));
      break;
    default:
      for (let copies = random.pick([2, 8, 130]); copies > 0; copies -= 1)
        sections.push(section.replace(/^a=mid:.*$/m, `a=mid:y${copies}`));
  }
  const mids = sections.flatMap((each) => /^a=mid:(.*?)\r?$/m.exec(each)?.[1] ?? []);
  // Mostly the group is put right, or nearly all of these would end as `bad_mid`.
  const bundle = random.chance(0.85)
    ? head.replace(/^a=group:BUNDLE.*?(?=\r?$)/m, `a=group:BUNDLE ${mids.join(' ')}`)
    : head;
  return bundle + sections.join('');
}

function noise(text: string, donors: Donors, random: Random): string {
  const at = random.below(text.length + 1);
  const end = Math.min(text.length, at + 1 + random.below(40));
  switch (random.below(7)) {
    case 0:
      return (
        text.slice(0, at) + String.fromCharCode(random.below(random.chance(0.8) ? 256 : 65_536)) + text.slice(at + 1)
      );
    case 1:
      return text.slice(0, at) + text.slice(end);
    case 2:
      return text.slice(0, end) + text.slice(at);
    case 3:
      return text.slice(0, at) + nuisance(random) + text.slice(at);
    case 4:
      return text.slice(0, at);
    case 5: {
      // The beginning of one and the end of another.
      const other = random.pick(donors.texts);
      return text.slice(0, at) + other.slice(random.below(other.length));
    }
    default:
      return random.chance(0.5) ? text.replaceAll('\r\n', '\n') : text.toUpperCase();
  }
}
