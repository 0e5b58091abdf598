import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readPackages, readSourceFile, type Package } from './import-graph.ts';
import { checkImports } from './import-rules.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

it('the imports of this repository point one way', () => {
  const manifest: { readonly devDependencies: object } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const packages = readPackages(ROOT);
  expect(packages.map(({ folder }) => folder)).toContain('libs/contracts');
  expect(checkImports(packages, Object.keys(manifest.devDependencies))).toEqual([]);
});

describe('the rules see', () => {
  /** A package with one source file. */
  function source(folder: string, text: string, dependencies: string[] = [], file = 'src/index.ts'): Package {
    const path = `${folder}/${file}`;
    const name = `@mediaserver/${folder.split('/')[1]}`;
    return {
      name,
      folder,
      exports: new Map([[name, `${folder}/src/index.ts`]]),
      dependencies,
      devDependencies: [],
      files: [readSourceFile(path, text)],
    };
  }
  const contracts = source('libs/contracts', 'export const a = 1;');
  const check = (...packages: Package[]) => checkImports([contracts, ...packages], ['vitest']);

  it('nothing wrong where nothing is', () => {
    const sdp = source(
      'libs/sdp',
      "import { a } from '@mediaserver/contracts'; import { b } from './b.ts'; new Date(a);",
      ['@mediaserver/contracts'],
    );
    expect(check(sdp)).toEqual([]);
  });

  it('a lower layer that imports a higher one', () => {
    const sdp = source('libs/sdp', "import type { a } from '@mediaserver/registry';", ['@mediaserver/registry']);
    const registry = source('libs/registry', '');
    expect(check(sdp, registry)).toContain(
      'libs/sdp/src/index.ts imports @mediaserver/registry: a lower layer imports a higher one',
    );
  });

  it('an app that imports an app', () => {
    const node = source('apps/node', "export * from '@mediaserver/coordinator';", ['@mediaserver/coordinator']);
    expect(check(node, source('apps/coordinator', ''))).toEqual([
      'apps/node/src/index.ts imports @mediaserver/coordinator: nobody imports an app',
      'apps/node/package.json declares @mediaserver/coordinator: nobody imports an app',
    ]);
  });

  it('a library in the demo', () => {
    const demo = source('apps/demo', "await import('@mediaserver/contracts');", ['@mediaserver/contracts']);
    expect(check(demo)).toContain(
      'apps/demo/src/index.ts imports @mediaserver/contracts: the demo uses the HTTP API alone',
    );
  });

  it('what is not declared, what leaves its package, what reaches into another', () => {
    const node = source(
      'apps/node',
      "import 'zod'; import '../../../libs/contracts/src/index.ts'; import '@mediaserver/contracts/src/deep.ts';",
    );
    expect(check(node)).toEqual([
      'apps/node/src/index.ts imports zod: is not declared in its package.json',
      'apps/node/src/index.ts imports ../../../libs/contracts/src/index.ts: leaves its package',
      'apps/node/src/index.ts imports @mediaserver/contracts/src/deep.ts: is not declared in its package.json',
      'apps/node/src/index.ts imports @mediaserver/contracts/src/deep.ts: reaches into a package; only what it exports is for others',
    ]);
  });

  it.each([
    ["import { readFile } from 'node:fs/promises';", 'imports node:fs/promises'],
    ["import { createHash, randomBytes } from 'node:crypto';", 'imports node:crypto'],
    ["import * as crypto from 'node:crypto';", 'imports node:crypto'],
    ["import { createWorker } from 'mediasoup';", 'imports mediasoup'],
    ['export const at = Date.now();', 'uses Date.now'],
    ['export const at = new Date();', 'uses new Date()'],
    ['export const id = Math.random();', 'uses Math.random'],
    ['setTimeout(() => 1, 5);', 'uses setTimeout()'],
    ["await import(process.env['X'] ?? '');", 'imports (computed)'],
  ])('impurity in a pure library: %s', (text, what) => {
    expect(check(source('libs/sdp', text, ['mediasoup'])).join('\n')).toContain(
      `libs/sdp/src/index.ts ${what}: libs/sdp is pure`,
    );
  });

  it("no impurity in mediasoup's types, in ortc, in a hash, and in tests", () => {
    const types =
      "import { createHash } from 'node:crypto'; import type { Worker } from 'mediasoup/types'; import * as ortc from 'mediasoup/ortc';";
    expect(check(source('libs/sdp', types, ['mediasoup']))).toEqual([]);
    expect(check(source('libs/sdp', "import 'vitest'; Math.random();", [], 'src/a.test.ts'))).toEqual([]);
  });

  it('what is for tests in what is not one', () => {
    expect(check(source('libs/sdp', "import './a.test-support.ts';"))).toEqual([
      'libs/sdp/src/index.ts imports ./a.test-support.ts: is for tests',
    ]);
  });

  it('packages that import each other', () => {
    const registry = source('libs/registry', '', ['@mediaserver/telemetry']);
    const telemetry = source('libs/telemetry', "import '@mediaserver/registry';", ['@mediaserver/registry']);
    expect(check(registry, telemetry)).toEqual([
      'packages import each other: @mediaserver/registry → @mediaserver/telemetry → @mediaserver/registry',
    ]);
  });

  it('a package nobody has given a layer', () => {
    expect(check(source('libs/new', ''))).toEqual(['libs/new is in no layer: say in import-rules.ts what it is']);
  });
});
