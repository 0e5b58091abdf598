/** An explanation as text, for a terminal or a ticket. */
import type { Explanation, Refusal, SectionSummary } from './explanation.ts';
import { redact } from './redact.ts';
import { table } from './short-form.ts';
import type { Verdict } from './verdicts.ts';

export interface RenderOptions {
  /** Shows passwords, fingerprints and addresses. */
  readonly raw: boolean;
}

/** Of what a client wrote, that which others may see. */
type Shown = (text: string) => string;

const WHAT: Readonly<Record<Explanation['role'], string>> = {
  offer: "a client's offer to publish",
  answer: "a client's answer to a subscribe offer",
  probe: 'an offer that tells what a device can receive (capabilitiesSdp)',
};

export function render(explanation: Explanation, { raw }: RenderOptions): string {
  const { client, transport, refusal, sections, warnings, actions, capabilities, answer } = explanation;
  const shown: Shown = raw ? (text) => text : redact;
  const parts: string[][] = [
    [headline(explanation), verdictOf(explanation)],
    damageLines(explanation),
    refusal ? refusalLines(refusal, shown) : [],
    [
      ...(client
        ? [
            `${label('client')}${client.stack}: ${client.because}`,
            `${label('profile')}${client.profile}: ${client.meaning}`,
          ]
        : []),
      ...(transport
        ? [
            `${label('ICE')}${transport.ice}`,
            `${label('DTLS')}${transport.dtls}`,
            `${label('BUNDLE')}${transport.bundle}`,
          ]
        : []),
    ],
    sections.length > 0 ? sectionTable(sections) : [],
    ...sections.map((section, index) => sectionLines(section, sections.slice(0, index), shown)),
    titled('Warnings', warnings),
    titled('What the device can receive, in the numbers the server sends with', capabilities),
    titled('What mediasoup is told', actions),
    answer === null
      ? []
      : titled(
          'The answer (address, ICE credentials and fingerprint are examples: the node puts its own)',
          answer.trimEnd().split(/\r?\n/),
        ),
  ];
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function verdictOf({ accepted, refusal, sections }: Explanation): string {
  if (refusal) return `REFUSED: ${refusal.code}`;
  const refused = sections.filter((section) => section.refusal);
  if (!accepted || refused.length === 0) return 'ACCEPTED';
  return `ACCEPTED, but for ${refused.map(({ mid, refusal }) => `mid ${mid} (${refusal?.code ?? ''})`).join(', ')}`;
}

function headline({ name, role, roleBecause, client }: Explanation): string {
  if (!client) return `${name}: cannot be read`;
  return `${name}: ${WHAT[role]}${roleBecause === null || role === 'offer' ? '' : ` (${roleBecause}; --as says otherwise)`}`;
}

function damageLines({ foundIn, damage, readAsItStood }: Explanation): string[] {
  return [
    ...(foundIn === null || foundIn === 'text' ? [] : [`${label('note')}the text is JSON; its ${foundIn} was read`]),
    ...damage.map((what) => `${label('note')}the text ${what}`),
    ...(readAsItStood
      ? []
      : [`${label('')}The API refuses it like that; it wants the SDP itself, with real line ends`]),
  ];
}

function refusalLines({ message, mid, cause, remedy, lines }: Refusal, shown: Shown): string[] {
  return [
    `${label('what')}${message}${mid === null ? '' : ` (mid ${mid})`}`,
    ...lines.map(
      ({ number, text }, index) =>
        `${label(index === 0 ? 'where' : '')}line ${number}: ${cut(shown(text)) || '(empty)'}`,
    ),
    `${label('cause')}${plain(cause)}`,
    `${label('remedy')}${plain(remedy)}`,
  ];
}

/** Without the marks of Markdown. */
const plain = (text: string) => text.replaceAll('`', '');

function cut(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}… (${text.length} characters)` : text;
}

function sectionTable(sections: readonly SectionSummary[]): string[] {
  const chosen = ({ codecs, status }: SectionSummary) =>
    (status === null ? [] : codecs.filter(({ use, name }) => use === 'taken' && !/^rtx\//i.test(name)))
      .map(({ name, numbers }) => `${name} (${numbers.join(' ')})`)
      .join(', ');
  return table([
    ['mid', 'kind', 'direction', 'port', 'source', 'result', 'codec'],
    ...sections.map((section) => [
      section.mid,
      section.kind,
      section.direction,
      section.port,
      section.source ?? '-',
      [section.status ?? 'not decided', section.refusal?.code].filter(Boolean).join(': '),
      chosen(section) || '-',
    ]),
  ]);
}

function sectionLines(section: SectionSummary, before: readonly SectionSummary[], shown: Shown): string[] {
  const { mid, kind, line, refusal, codecs, extensions, media } = section;
  const listed = [...verdictLines('codecs', codecs), ...extensionLines(extensions)];
  const same = before.find((other) => sameLists(section, other));
  const body = [
    ...(refusal ? refusalLines(refusal, shown) : []),
    ...media.map(([what, text]) => `${label(what)}${text}`),
    ...(same && listed.length > 0 ? [`${label('codecs')}and extensions as in mid ${same.mid}`] : listed),
  ];
  return body.length === 0 ? [] : [`mid ${mid}, ${kind} (line ${line})`, ...body.map((text) => `  ${text}`)];
}

function sameLists(one: SectionSummary, other: SectionSummary): boolean {
  return JSON.stringify([one.codecs, one.extensions]) === JSON.stringify([other.codecs, other.extensions]);
}

function verdictLines(what: string, verdicts: readonly Verdict[]): string[] {
  const rows = verdicts.map(({ numbers, name, details, use, why }) => [
    MARKS[use],
    numbers.join(' '),
    name,
    details === '' ? why : `${why}: ${details}`,
  ]);
  return table(rows).map((text, index) => `${label(index === 0 ? what : '')}${text}`);
}

/** Those that are taken in one line, the others by the reason. */
function extensionLines(verdicts: readonly Verdict[]): string[] {
  const reasons = new Map<string, string[]>();
  for (const { numbers, name, use, why } of verdicts) {
    const key = use === 'taken' ? '+  ' : `-  ${why}: `;
    reasons.set(key, [...(reasons.get(key) ?? []), `${numbers.join()} ${name}`]);
  }
  return [...reasons]
    .sort(([a], [b]) => Number(b.startsWith('+')) - Number(a.startsWith('+')))
    .map(([reason, names], index) => `${label(index === 0 ? 'extensions' : '')}${reason}${names.join(', ')}`);
}

const MARKS: Readonly<Record<Verdict['use'], string>> = { taken: '+', possible: '~', unused: '-' };

const label = (text: string) => text.padEnd(12);

function titled(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
}
