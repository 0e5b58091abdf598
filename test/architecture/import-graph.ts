import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseSync, Visitor } from 'oxc-parser';

export interface Import {
  readonly specifier: string;
  /** What it takes from there; undefined: everything. */
  readonly names: readonly string[] | undefined;
  /** Gone at run time: `import type`, or a type written as `import('…')`. */
  readonly typeOnly: boolean;
}

export interface SourceFile {
  /** From the root of the repository. */
  readonly path: string;
  readonly imports: readonly Import[];
  /** Clock, timers, randomness and other ways out of a pure function that it uses. */
  readonly effects: readonly string[];
}

export interface Package {
  readonly name: string;
  /** `libs/sdp` */
  readonly folder: string;
  /** Its own name and that of each path it exports, with the file that is meant. */
  readonly exports: ReadonlyMap<string, string>;
  readonly dependencies: readonly string[];
  /** Enough for types and tests. */
  readonly devDependencies: readonly string[];
  readonly files: readonly SourceFile[];
}

const EFFECTFUL_CALLS = new Set(['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'fetch', 'require']);
const EFFECTFUL_OBJECTS = new Set(['process', 'globalThis', 'console', 'performance', 'crypto']);
const EFFECTFUL_MEMBERS = new Set(['Date.now', 'Math.random']);

export function readSourceFile(path: string, text: string): SourceFile {
  const { program, errors } = parseSync(path, text);
  if (errors[0]) throw new Error(`${path}: ${errors[0].message}`);
  const imports: Import[] = [];
  const effects = new Set<string>();
  new Visitor({
    ImportDeclaration(node) {
      const names = node.specifiers.map((each) =>
        each.type === 'ImportSpecifier' && each.imported.type === 'Identifier' ? each.imported.name : undefined,
      );
      imports.push({
        specifier: node.source.value,
        names: names.length > 0 && names.every((name) => name !== undefined) ? names : undefined,
        typeOnly: node.importKind === 'type',
      });
    },
    ExportAllDeclaration(node) {
      imports.push({ specifier: node.source.value, names: undefined, typeOnly: node.exportKind === 'type' });
    },
    ExportNamedDeclaration(node) {
      if (!node.source) return;
      imports.push({ specifier: node.source.value, names: undefined, typeOnly: node.exportKind === 'type' });
    },
    ImportExpression(node) {
      const { source } = node;
      // What cannot be read cannot be checked; the rules refuse it.
      const specifier = source.type === 'Literal' && typeof source.value === 'string' ? source.value : '(computed)';
      imports.push({ specifier, names: undefined, typeOnly: false });
    },
    TSImportType(node) {
      imports.push({ specifier: node.source.value, names: undefined, typeOnly: true });
    },
    CallExpression({ callee }) {
      if (callee.type === 'Identifier' && EFFECTFUL_CALLS.has(callee.name)) effects.add(`${callee.name}()`);
    },
    NewExpression({ callee, arguments: values }) {
      if (callee.type === 'Identifier' && callee.name === 'Date' && values.length === 0) effects.add('new Date()');
    },
    MemberExpression(node) {
      if (node.computed || node.object.type !== 'Identifier' || node.property.type !== 'Identifier') return;
      const member = `${node.object.name}.${node.property.name}`;
      if (EFFECTFUL_MEMBERS.has(member) || EFFECTFUL_OBJECTS.has(node.object.name)) effects.add(member);
    },
  }).visit(program);
  return { path, imports, effects: [...effects] };
}

interface Manifest {
  readonly name: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** The workspace's packages with every TypeScript source of theirs, as it is on disk. */
export function readPackages(root: string): Package[] {
  return globSync('{apps,libs}/*/package.json', { cwd: root })
    .sort()
    .map((path) => {
      const folder = dirname(path);
      const manifest: Manifest = JSON.parse(readFileSync(join(root, path), 'utf8'));
      const files = globSync(`${folder}/**/*.ts`, { cwd: root, exclude: ['**/node_modules/**'] });
      return {
        name: manifest.name,
        folder,
        exports: new Map(
          Object.entries(manifest.exports ?? {}).map(([path, file]) => [join(manifest.name, path), join(folder, file)]),
        ),
        dependencies: Object.keys(manifest.dependencies ?? {}),
        devDependencies: Object.keys(manifest.devDependencies ?? {}),
        files: files.sort().map((file) => readSourceFile(file, readFileSync(join(root, file), 'utf8'))),
      };
    });
}

/** The file a relative import means, or undefined for a package's name. */
export function resolveRelative(from: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? join(dirname(from), specifier) : undefined;
}

/** `@scope/name` of `@scope/name/deep/path`. */
export function packageName(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}
