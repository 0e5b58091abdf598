import { builtinModules } from 'node:module';
import { packageName, resolveRelative, type Package, type SourceFile } from './import-graph.ts';

/** From the bottom up. A package imports from its own layer and those below. */
const LAYERS: readonly (readonly string[])[] = [
  ['libs/contracts'],
  ['libs/cascade', 'libs/placement', 'libs/sdp'],
  ['libs/control', 'libs/lifecycle', 'libs/registry', 'libs/telemetry'],
  ['apps/coordinator', 'apps/demo', 'apps/node'],
];

/**
 * Functions over plain data: no I/O, timers, clock, randomness, and nobody's code but this. A value,
 * where a package is given as its subpath, means only that subpath; types may come from anywhere in it.
 */
const PURE: Readonly<Record<string, readonly string[]>> = {
  'libs/contracts': ['mediasoup/types', 'zod'],
  'libs/cascade': ['@mediaserver/contracts'],
  'libs/placement': ['@mediaserver/contracts'],
  'libs/sdp': ['@mediaserver/contracts', 'h264-profile-level-id', 'mediasoup/ortc', 'sdp-transform'],
};

/** Of these, the functions that depend on nothing but their arguments. */
const PURE_PARTS: Readonly<Record<string, readonly string[]>> = { 'node:crypto': ['createHash'] };

/** An outsider's backend in miniature: it knows the product by its HTTP API alone. */
const NO_LIBRARIES = 'apps/demo';

const layerOf = (folder: string) => LAYERS.findIndex((layer) => layer.includes(folder));
const isTestSupport = (path: string) => path.endsWith('.test-support.ts');
/** A command beside the sources that tests them; nobody imports it. */
const isTool = (path: string) => /^libs\/\w+\/(?:fuzz|tools)\//.test(path);
const isTest = (path: string) => path.endsWith('.test.ts') || isTestSupport(path) || isTool(path);
const isBuiltin = (specifier: string) => specifier.startsWith('node:') || builtinModules.includes(specifier);

/** @returns what is against the house's rules on imports, one sentence each. */
export function checkImports(packages: readonly Package[], toolPackages: readonly string[]): string[] {
  return [
    ...packages.flatMap((from) => checkPackage(from, packages, toolPackages)),
    ...packages.filter(({ folder }) => PURE[folder]).flatMap(checkPurity),
    ...findCycles(packages),
  ];
}

function checkPackage(from: Package, packages: readonly Package[], toolPackages: readonly string[]): string[] {
  if (layerOf(from.folder) < 0) return [`${from.folder} is in no layer: say in import-rules.ts what it is`];
  const problems: string[] = [];
  for (const file of from.files) {
    for (const { specifier, typeOnly } of file.imports) {
      const say = (why: string) => problems.push(`${file.path} imports ${specifier}: ${why}`);
      const relative = resolveRelative(file.path, specifier);
      if (relative !== undefined) {
        if (!relative.startsWith(`${from.folder}/`)) say('leaves its package');
        if (isTestSupport(relative) && !isTest(file.path)) say('is for tests');
        continue;
      }
      if (isBuiltin(specifier)) continue;
      const name = packageName(specifier);
      const tools = isTest(file.path)
        ? [...from.devDependencies, ...toolPackages]
        : typeOnly
          ? from.devDependencies
          : [];
      if (!from.dependencies.includes(name) && !tools.includes(name)) say('is not declared in its package.json');
      const to = packages.find((candidate) => candidate.name === name);
      if (!to) continue;
      if (!to.exports.has(specifier)) say('reaches into a package; only what it exports is for others');
      problems.push(...checkEdge(from, to).map((why) => `${file.path} imports ${specifier}: ${why}`));
    }
  }
  for (const name of from.dependencies) {
    const to = packages.find((candidate) => candidate.name === name);
    if (to) problems.push(...checkEdge(from, to).map((why) => `${from.folder}/package.json declares ${name}: ${why}`));
  }
  return problems;
}

function checkEdge(from: Package, to: Package): string[] {
  if (to.folder.startsWith('apps/')) return ['nobody imports an app'];
  if (from.folder === NO_LIBRARIES) return ['the demo uses the HTTP API alone'];
  return layerOf(to.folder) > layerOf(from.folder) ? ['a lower layer imports a higher one'] : [];
}

/** Tests may do what they like; of contracts, scripts that nobody imports may too. */
function checkPurity(lib: Package): string[] {
  const allowed = PURE[lib.folder] ?? [];
  const files = lib.folder === 'libs/contracts' ? reachable(lib) : lib.files.filter(({ path }) => !isTest(path));
  return files.flatMap((file) => {
    const foreign = file.imports.filter(({ specifier, names, typeOnly }) => {
      if (resolveRelative(file.path, specifier) !== undefined) return false;
      if (names?.every((name) => PURE_PARTS[specifier]?.includes(name))) return false;
      if (typeOnly) return !allowed.some((each) => packageName(each) === packageName(specifier));
      return !allowed.includes(specifier);
    });
    return foreign
      .map(({ specifier }) => `imports ${specifier}`)
      .concat(file.effects.map((effect) => `uses ${effect}`))
      .map((what) => `${file.path} ${what}: ${lib.folder} is pure`);
  });
}

function reachable(lib: Package): SourceFile[] {
  const byPath = new Map(lib.files.map((file) => [file.path, file]));
  const found = new Set<SourceFile>();
  const queue = [...lib.exports.values()];
  for (const path of queue) {
    const file = byPath.get(path);
    if (!file || found.has(file)) continue;
    found.add(file);
    queue.push(...file.imports.flatMap(({ specifier }) => resolveRelative(path, specifier) ?? []));
  }
  return [...found];
}

/** Cycles between packages; those between files are the linter's. */
function findCycles(packages: readonly Package[]): string[] {
  const edges = new Map(
    packages.map((from) => {
      const imported = from.files.flatMap(({ imports }) => imports.map(({ specifier }) => packageName(specifier)));
      return [from.name, [...new Set([...imported, ...from.dependencies])].filter((name) => name !== from.name)];
    }),
  );
  const cycles = new Set<string>();
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]): void => {
    if (path.includes(name)) {
      cycles.add(`packages import each other: ${[...path.slice(path.indexOf(name)), name].join(' → ')}`);
      return;
    }
    if (done.has(name)) return;
    for (const next of edges.get(name) ?? []) if (edges.has(next)) visit(next, [...path, name]);
    done.add(name);
  };
  for (const name of edges.keys()) visit(name, []);
  return [...cycles];
}
