import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const HERE = new URL('./', import.meta.url);
const read = (file: string) => readFileSync(new URL(file, HERE), 'utf8');

test('every acceptance case of NEGOTIATION.md stands in the name of a test, and no other', () => {
  const section = read('../NEGOTIATION.md').split('## Acceptance cases')[1] ?? '';
  const listed = [...section.matchAll(/^(\d+)\. /gm)].map(([, number]) => Number(number));
  const sources = readdirSync(HERE).filter((file) => file.endsWith('.test.ts'));
  const named = sources
    .flatMap((file) => Array.from(read(file).matchAll(/'case (\d+): /g)))
    .map(([, number]) => Number(number));
  expect(listed).toEqual(Array.from({ length: listed.length }, (_, index) => index + 1));
  expect([...new Set(named)].toSorted((a, b) => a - b)).toEqual(listed);
});
