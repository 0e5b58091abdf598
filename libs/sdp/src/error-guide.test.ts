/** After a change of the guide: `npx vitest run --root . libs/sdp/src/error-guide.test.ts -u`. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { errorGuide } from './error-guide.ts';

const PAGE = fileURLToPath(new URL('../NEGOTIATION.md', import.meta.url));

test('the table of errors in NEGOTIATION.md is made from the guide', async () => {
  const page = readFileSync(PAGE, 'utf8');
  const rows = Object.entries(errorGuide).map(
    ([code, { cause, remedy }]) => `| \`${code}\` | ${cause} | ${remedy} |\n`,
  );
  const table = /(?<=\| code \| cause \| remedy \|\n\|---\|---\|---\|\n)(?:\|.*\|\n)+/;
  expect(page).toMatch(table);
  await expect(page.replace(table, () => rows.join(''))).toMatchFileSnapshot(PAGE);
});

test('no advice would break the table', () => {
  for (const { cause, remedy } of Object.values(errorGuide)) {
    expect(`${cause}${remedy}`).not.toMatch(/[|\n]/);
    expect(cause).not.toBe('');
    expect(remedy).not.toBe('');
  }
});
