// Builds the worker from the C++ sources inside the mediasoup npm package, with
// the distribution's compiler and libraries. See README.md for the why and the figures.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { compileLibsrtp, fetchLibsrtp } from './libsrtp.mjs';
import { CXX_FLAGS, LINK_FLAGS, PATCHES, PKG_CONFIG, RECIPE_DIR, patched } from './recipe.mjs';
import { groupIntoUnits, sourceFiles } from './units.mjs';

// What the compiler was seen to take for one unit, with some room.
const MEMORY_PER_COMPILER = 900 * 2 ** 20;

/**
 * Everything happens in workDir, where an interrupted build is taken up again.
 *
 * @param {object} options
 * @param {string} options.mediasoupDir the unpacked npm package
 * @param {string} options.libsrtpVersion as packaged on this machine
 * @param {(command: string, args: string[], options?: object) => Promise<string>} options.run
 * @param {(text: string) => void} options.progress
 * @returns {Promise<{ binary: string, libsrtp: string, note?: string }>}
 */
export async function buildWorker({ mediasoupDir, workDir, libsrtpVersion, run, progress }) {
  mkdirSync(workDir, { recursive: true });
  const source = copySources(path.join(mediasoupDir, 'worker'), path.join(workDir, 'worker'));
  progress('generating headers');
  const generated = await generateHeaders(source, workDir, run);

  progress('fetching the source of libsrtp');
  let libsrtp;
  let note;
  try {
    libsrtp = await fetchLibsrtp({ workDir, version: libsrtpVersion, run });
  } catch (error) {
    note = `the source package of libsrtp is out of reach (${error.message}); the packaged library is used, which needs two to three times as long for each packet`;
  }

  const includes = [
    path.join(RECIPE_DIR, 'compat'),
    ...(libsrtp ? [path.join(libsrtp.dir, 'install')] : []),
    path.join(source, 'include'),
    generated,
    path.join(source, 'deps/libwebrtc'),
    path.join(source, 'deps/libwebrtc/libwebrtc'),
  ].flatMap((dir) => ['-I', dir]);
  const shared = await pkgConfig(run, [...PKG_CONFIG.shared, ...(libsrtp ? [] : ['libsrtp2'])]);
  const still = await pkgConfig(run, PKG_CONFIG.static, ['--static']);
  const flags = [
    ...CXX_FLAGS,
    `-DMS_${os.endianness() === 'LE' ? 'LITTLE' : 'BIG'}_ENDIAN`,
    '-DMS_EXECUTABLE',
    '-DFLATBUFFERS_LOCALE_INDEPENDENT=1',
    ...includes,
    ...shared.cflags,
    ...still.cflags,
  ];

  const cores = os.availableParallelism();
  const files = sourceFiles(source);
  // More units than cores, so that the last ones do not leave cores idle.
  const units = groupIntoUnits(
    files.map((file) => ({ file, text: readFileSync(path.join(source, file), 'utf8') })),
    Math.min(32, Math.max(12, cores * 4)),
  );
  const objectsDir = path.join(workDir, 'objects');
  mkdirSync(objectsDir, { recursive: true });
  let compiled = 0;
  const report = () => progress(`compiling ${compiled}/${files.length} files`);
  const objects = [];
  const jobs = units.map((unit) => async () => {
    objects.push(...(await compileUnit({ unit, source, objectsDir, flags, run })));
    compiled += unit.length;
    report();
  });
  let libsrtpArchive;
  if (libsrtp) jobs.push(async () => (libsrtpArchive = await compileLibsrtp({ dir: libsrtp.dir, run })));
  report();
  await inParallel(jobs, Math.max(1, Math.min(cores, Math.floor(availableMemory() / MEMORY_PER_COMPILER))));

  progress('linking');
  const binary = path.join(workDir, 'mediasoup-worker');
  await run('g++', [
    ...LINK_FLAGS,
    ...objects,
    ...(libsrtpArchive ? [libsrtpArchive] : []),
    ...shared.libs,
    '-Wl,-Bstatic',
    ...still.libs.filter((flag) => flag.startsWith('-labsl')),
    '-Wl,-Bdynamic',
    '-latomic',
    '-pthread',
    '-o',
    `${binary}.part`,
  ]);
  renameSync(`${binary}.part`, binary);
  return { binary, libsrtp: libsrtp ? `${libsrtp.version} on OpenSSL` : 'packaged, on NSS', note };
}

/** A copy, because patching inside node_modules would surprise whoever looks there. */
function copySources(from, to) {
  if (existsSync(path.join(to, '.complete'))) return to;
  rmSync(to, { recursive: true, force: true });
  for (const part of ['src', 'include', 'fbs', 'deps', 'meson.build']) {
    cpSync(path.join(from, part), path.join(to, part), { recursive: true });
  }
  for (const file of new Set(PATCHES.map((patch) => patch.file))) {
    const target = path.join(to, file);
    writeFileSync(target, patched(file, readFileSync(target, 'utf8')));
  }
  writeFileSync(path.join(to, '.complete'), '');
  return to;
}

/** The worker includes its generated headers as FBS/<name>.h. */
async function generateHeaders(source, workDir, run) {
  const target = path.join(workDir, 'generated');
  if (existsSync(target)) return target;
  const part = `${target}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true });
  const schemas = readdirSync(path.join(source, 'fbs')).filter((file) => file.endsWith('.fbs'));
  await run('flatc', [
    '--cpp',
    '--cpp-field-case-style',
    'lower',
    '--reflect-names',
    '--scoped-enums',
    '--filename-suffix',
    '',
    '-o',
    path.join(part, 'FBS'),
    ...schemas.map((file) => path.join(source, 'fbs', file)),
  ]);
  renameSync(part, target);
  return target;
}

/** @returns {Promise<string[]>} object files; the name tells the content, so a finished one is kept */
async function compileUnit({ unit, source, objectsDir, flags, run }) {
  const text = unit.map((file) => `#undef MS_CLASS\n#include "${path.join(source, file)}"\n`).join('');
  const name = createHash('sha256').update(text).digest('hex').slice(0, 16);
  const object = path.join(objectsDir, `${name}.o`);
  if (existsSync(object)) return [object];
  const file = path.join(objectsDir, `${name}.cpp`);
  writeFileSync(file, text);
  try {
    await run('g++', [...flags, '-c', file, '-o', `${object}.part`]);
  } catch (error) {
    if (unit.length === 1 || error.interrupted) throw error;
    // The files do not go together (a new mediasoup version may bring that): take them apart.
    const objects = [];
    for (const single of unit) objects.push(...(await compileUnit({ unit: [single], source, objectsDir, flags, run })));
    return objects;
  }
  renameSync(`${object}.part`, object);
  return [object];
}

async function pkgConfig(run, names, extra = []) {
  const ask = async (what) => (await run('pkg-config', [what, ...extra, ...names])).split(/\s+/).filter(Boolean);
  return { cflags: await ask('--cflags'), libs: await ask('--libs') };
}

async function inParallel(jobs, limit) {
  const queue = [...jobs];
  let failed = false;
  const lane = async () => {
    while (queue.length > 0 && !failed) {
      try {
        await queue.shift()();
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  // Wait for all lanes, so that no compiler outlives a failure.
  const ends = await Promise.allSettled(Array.from({ length: limit }, lane));
  const bad = ends.find((end) => end.status === 'rejected');
  if (bad) throw bad.reason;
}

function availableMemory() {
  const kilobytes = /^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  return kilobytes ? Number(kilobytes) * 1024 : os.freemem();
}
