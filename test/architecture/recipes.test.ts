/** The guide for clients points at functions and calls: none of them may go away under it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { operationIds, operations } from '@mediaserver/contracts';
import { expect, it } from 'vitest';

const RECIPES = fileURLToPath(new URL('../../libs/sdp/recipes', import.meta.url));
const guide = readFileSync(join(RECIPES, 'README.md'), 'utf8');
const scenarios = (guide.split('\n## Scenarios\n')[1] ?? '').split('\n### ').slice(1);

/** How a function begins where it is declared; a call of it looks otherwise. */
const DECLARATIONS: Readonly<Record<string, (name: string) => RegExp>> = {
  '.js': (name) => new RegExp(`^(?:export )?(?:  )?(?:async )?(?:function |#)?${name}\\([^\\n]*\\{$`, 'm'),
  '.java': (name) => new RegExp(`^  (?:public |private |protected |static )*[\\w.<>]+ ${name}\\(`, 'm'),
  '.swift': (name) => new RegExp(`\\bfunc ${name}\\(`),
};

/** What `[name](file)` in a text points at. */
function pointers(text: string): { name: string; file: string }[] {
  return [...text.matchAll(/\[`(\w+)`\]\(([^)]+)\)/g)].map(([, name = '', file = '']) => ({ name, file }));
}

function isDeclared({ name, file }: { name: string; file: string }): boolean {
  const path = join(RECIPES, file);
  return existsSync(path) && (DECLARATIONS[extname(file)]?.(name).test(readFileSync(path, 'utf8')) ?? false);
}

it('the guide points only at functions that the recipes have', () => {
  const all = pointers(guide);
  expect(all.length).toBeGreaterThan(0);
  expect(all.filter((pointer) => !isDeclared(pointer))).toEqual([]);
});

it('each scenario has code for phones and says what the backend does', () => {
  expect(scenarios.length).toBeGreaterThan(0);
  const lacking = scenarios.filter((text) => {
    const files = pointers(text).map(({ file }) => file);
    const forPhones =
      files.some((file) => file.startsWith('android/')) && files.some((file) => file.startsWith('ios/'));
    return !forPhones || !/^Backend: /m.test(text);
  });
  expect(lacking.map((text) => text.split('\n')[0])).toEqual([]);
});

it('the calls in the guide and in the recipes are those of the API', () => {
  const known = new Set(operationIds.map((id) => `${operations[id].method.toUpperCase()} ${operations[id].path}`));
  const sources = readdirSync(RECIPES, { recursive: true, encoding: 'utf8' }).filter((name) => extname(name) !== '');
  const named = sources.flatMap((name) => {
    const text = readFileSync(join(RECIPES, name), 'utf8');
    return [...text.matchAll(/\b(?:GET|POST|PUT|PATCH|DELETE) \/v1\/[\w/{}]+/g)].map(([call]) => ({ name, call }));
  });
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter(({ call }) => !known.has(call))).toEqual([]);
});

it('all links of the guide lead to files', () => {
  const targets = [...guide.matchAll(/\]\(([^)#]+)\)/g)].map(([, target = '']) => target);
  expect(targets.filter((target) => !existsSync(join(RECIPES, target)))).toEqual([]);
});
