import type { Cell } from './matrix.ts';
import { scenarios } from './scenarios.ts';

export interface Column {
  readonly name: string;
  readonly version: string;
  /** By scenario. */
  readonly cells: Readonly<Record<string, Cell>>;
}

const SIGNS: Readonly<Record<Cell['status'], string>> = { works: 'works', 'not supported': '—', fails: '**fails**' };

/** @returns docs/interop.md */
export function writeTable(columns: readonly Column[], date: Date): string {
  const notes: string[] = [];
  const cellOf = ({ cells }: Column, id: string): string => {
    const { status, note } = cells[id] ?? { status: 'fails', note: 'it was not run' };
    if (note === '') return SIGNS[status];
    const known = notes.indexOf(note);
    if (known < 0) notes.push(note);
    return `${SIGNS[status]} ${known < 0 ? notes.length : known + 1})`;
  };
  const rows = scenarios.map(({ id, title }) => [title].concat(columns.map((column) => cellOf(column, id))));
  const head = [''].concat(columns.map(({ name }) => name));
  const lines = [head, head.map(() => '---')].concat(rows).map((cells) => `| ${cells.join(' | ')} |`);
  return `<!-- Written by \`npm run test:interop\`; not by hand. -->

# Which clients work

Each cell is a call through a real cluster of two nodes, the client on one and Chromium on the other, with media counted
at both ends: sent by the one's own statistics, received and decoded by the other's. Chromium, libwebrtc (in Node.js,
the engine of the Android and iOS SDKs) and Firefox run [the recipe for browsers](../libs/sdp/recipes/browser.js) as it
is; GStreamer is driven by [a small program](../test/interop/gstreamer/client.py). The first two are held to it by every
\`npm test\`. Run on ${date.toISOString().slice(0, 10)}.

${lines.join('\n')}

${columns.map(({ name, version }) => `- ${name}: \`${version}\``).join('\n')}

— : the client cannot do it.

${notes.map((note, index) => `${index + 1}) ${note.replaceAll(/\s+/g, ' ')}`).join('\n\n')}
`;
}
