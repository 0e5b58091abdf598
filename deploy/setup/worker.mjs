// The mediasoup worker: found, fetched or built, and always proven before use.
//
//   node deploy/setup/worker.mjs     prints where the accepted worker is
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { buildWorker } from '../worker/build.mjs';
import { fetchLibsrtp } from '../worker/libsrtp.mjs';
import { BUILD_PACKAGES, LIBSRTP_PACKAGE, LINKED_PACKAGES, cacheKey, recipeHash } from '../worker/recipe.mjs';
import { install, installedVersions, notInstalled } from './apt.mjs';
import { CACHE, MEDIASOUP_DIR, ROOT, logFile, run, withLock } from './machine.mjs';
import { node } from './node24.mjs';
import { SetupError, complain, say } from './ui.mjs';

const WORKER_DIR = fileURLToPath(new URL('../worker', import.meta.url));
const DAY = 24 * 3600 * 1000;

/** Of the lock file, because node_modules may not be there yet. */
const version = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')).packages[
  'node_modules/mediasoup'
].version;
const prebuilt = path.join(CACHE, `worker-official-${version}-${process.platform}-${process.arch}`);
const unreachable = path.join(CACHE, `worker-official-${version}-unreachable`);
const wantsSource = process.env.WORKER_FROM_SOURCE === '1';

/** @returns {string | undefined} path of the accepted worker */
export function findWorker() {
  if (process.env.MEDIASOUP_WORKER_BIN) return process.env.MEDIASOUP_WORKER_BIN;
  const official = path.join(prebuilt, 'mediasoup-worker');
  if (!wantsSource && existsSync(official)) return official;
  const target = builtHome();
  const built =
    target &&
    [target, slowHome(target)].map((dir) => path.join(dir, 'mediasoup-worker')).find((file) => existsSync(file));
  return built;
}

/** Where the one with the packaged libsrtp goes: a makeshift, replaced once the source can be had. */
function slowHome(target) {
  return `${target}-packaged-libsrtp`;
}

/** @returns {string | undefined} the slow worker, if that is what there is */
function slowWorker() {
  const target = builtHome();
  const found = findWorker();
  return target && found === path.join(slowHome(target), 'mediasoup-worker') ? found : undefined;
}

/** Whether there is one that is good for now: a slow one is for a day, then something better is looked for. */
function isSettled() {
  const slow = slowWorker();
  return slow ? isFresh(slow) : findWorker() !== undefined;
}

/** @returns {string | undefined} what to know about the worker at each start */
export function remark() {
  if (!slowWorker() || !isSettled()) return undefined;
  return 'the worker uses the packaged libsrtp, which needs two to three times as long for each packet: the source package was out of reach; tried again after a day';
}

export function missing() {
  const found = findWorker();
  if (found && (isSettled() || !existsSync(found))) {
    if (!existsSync(found))
      throw new SetupError(
        `MEDIASOUP_WORKER_BIN names ${found}, which is not there: correct it, or unset it to have a worker set up`,
      );
    return undefined;
  }
  const packages = notInstalled(BUILD_PACKAGES);
  const build = `built here in a minute or two${packages.length > 0 ? `, with the distribution's ${packages.join(' ')}` : ''}`;
  return `the mediasoup worker ${version}, ${wantsSource ? build : `the official one where the network allows it, else ${build}`}, into ${CACHE}`;
}

export async function provide(progress) {
  return withLock('worker', progress.update, async () => {
    if (isSettled()) return 'ready';
    const log = logFile('worker');
    writeFileSync(log, '');
    if (!wantsSource && !isFresh(unreachable)) {
      const refusal = await fetchOfficial(progress, log);
      if (!refusal) return 'the official one, accepted';
      progress.note(`the official worker is not to be had (${refusal}); building it`);
    }
    return build(progress, log);
  });
}

/** @returns {Promise<string | undefined>} why not */
async function fetchOfficial(progress, log) {
  const part = `${prebuilt}.part-${process.pid}`;
  progress.update('asking for the official one');
  try {
    // Company networks lead outside through a proxy, which Node reads from the environment when told to.
    await run(node, [path.join(WORKER_DIR, 'prebuilt.mjs'), MEDIASOUP_DIR, part], {
      log,
      env: { NODE_USE_ENV_PROXY: '1' },
    });
    await accept(path.join(part, 'mediasoup-worker'), progress, log);
    rmSync(path.join(part, 'worker.tgz'), { force: true });
    publish(part, prebuilt, { source: 'official', version });
    return undefined;
  } catch (error) {
    mkdirSync(CACHE, { recursive: true });
    writeFileSync(unreachable, error.message);
    return error.message.replace(/^node failed \(\d+\): /, '');
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

async function build(progress, log) {
  const packages = notInstalled(BUILD_PACKAGES);
  if (packages.length > 0) {
    await install(BUILD_PACKAGES, progress, 'set MEDIASOUP_WORKER_BIN to a worker built elsewhere');
    home = undefined; // what was installed is part of the key
  }
  const target = builtHome();
  const workDir = path.join(CACHE, path.basename(target).replace('worker-', 'build-'));
  // Half-made ones of other keys will not be taken up again.
  for (const name of readdirSync(CACHE)) {
    if (name.startsWith('build-') && name !== path.basename(workDir))
      rmSync(path.join(CACHE, name), { recursive: true, force: true });
  }
  const libsrtpVersion = installedVersions([LIBSRTP_PACKAGE]).get(LIBSRTP_PACKAGE);
  const runLogged = (command, args, options) => run(command, args, { log, ...options });
  const slow = slowWorker();
  if (slow) {
    progress.update('asking for the source of libsrtp');
    try {
      await fetchLibsrtp({ workDir, version: libsrtpVersion, run: runLogged });
    } catch (error) {
      if (error.interrupted) throw error;
      // It would come out as it is.
      const now = new Date();
      utimesSync(slow, now, now);
      return 'the one with the packaged libsrtp is kept for another day; the source package is still out of reach';
    }
  }
  const started = Date.now();
  let made;
  try {
    made = await buildWorker({
      mediasoupDir: MEDIASOUP_DIR,
      workDir,
      libsrtpVersion,
      run: runLogged,
      progress: progress.update,
    });
  } catch (error) {
    if (error.interrupted || error.code) throw error;
    throw new SetupError(`the worker could not be built: ${error.message} (all of it: ${log})`);
  }
  const seconds = Math.round((Date.now() - started) / 1000);
  if (made.note) progress.note(made.note);
  const part = `${target}.part-${process.pid}`;
  try {
    mkdirSync(part, { recursive: true });
    cpSync(made.binary, path.join(part, 'mediasoup-worker'));
    await accept(path.join(part, 'mediasoup-worker'), progress, log);
    publish(part, made.note ? slowHome(target) : target, {
      source: 'built',
      seconds,
      libsrtp: made.libsrtp,
      ...facts(),
    });
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
  rmSync(workDir, { recursive: true, force: true });
  return `built in ${seconds} s and accepted`;
}

async function accept(binary, progress, log) {
  progress.update('checking that it carries DTLS and SRTP');
  try {
    await run(node, [path.join(WORKER_DIR, 'self-check.mjs'), binary], { log });
  } catch (error) {
    throw new SetupError(error.message.replace(/^node failed \(\d+\): /, ''));
  }
}

/** A name in the cache exists only for a worker that was accepted. */
function publish(part, home, about) {
  writeFileSync(path.join(part, 'about.json'), `${JSON.stringify(about, null, 2)}\n`);
  rmSync(home, { recursive: true, force: true });
  renameSync(part, home);
}

/** All that may make two builds differ; a new one of any of them means a new worker. */
function facts() {
  const release = Object.fromEntries(
    (existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '')
      .split('\n')
      .map((line) => line.split('='))
      .map(([name, value = '']) => [name, value.replaceAll('"', '')]),
  );
  const compiler = spawnSync('g++', ['--version'], { encoding: 'utf8' });
  return {
    mediasoup: version,
    distribution: `${release.ID} ${release.VERSION_ID}`,
    arch: os.arch(),
    compiler: compiler.stdout?.split('\n')[0] ?? 'none',
    recipe: recipeHash(),
    packages: Object.fromEntries(installedVersions(LINKED_PACKAGES)),
  };
}

let home;
/** Where a worker built with what is installed now belongs; none while something for building is missing. */
function builtHome() {
  if (home) return home;
  if (notInstalled(LINKED_PACKAGES).length > 0) return undefined;
  home = path.join(CACHE, `worker-${cacheKey(facts())}`);
  return home;
}

function isFresh(file) {
  return existsSync(file) && Date.now() - statSync(file).mtimeMs < DAY;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = findWorker();
  if (found) say(found);
  else {
    complain('no worker yet: run "npm run setup -- worker"');
    process.exitCode = 1;
  }
}
