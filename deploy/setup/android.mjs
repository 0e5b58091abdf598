// Compiles the Android recipe (libs/sdp/recipes/android) against the published
// WebRTC classes and the Android framework, with all warnings as errors:
//
//   npm run check:android
//
// Needs a JDK and, the first time, Maven Central (187 MB); MAVEN_CENTRAL names a mirror.
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { install } from './apt.mjs';
import { CACHE, ROOT, endRunning, findProgram, run, withLock } from './machine.mjs';
import { Progress, SetupError, complain, confirm } from './ui.mjs';

const MAVEN = process.env.MAVEN_CENTRAL || 'https://repo.maven.apache.org/maven2';
const DIR = path.join(CACHE, 'android');
const RECIPE = path.join(ROOT, 'libs/sdp/recipes/android');
/** Language and library of Android 14; what is newer would compile here and fail on a phone. */
const JAVA_RELEASE = '17';

/** libwebrtc M144, as published by the webrtc-sdk project, and the classes of Android 14 (API 34). */
const LIBRARIES = [
  {
    file: 'android-144.7559.14.aar',
    folder: 'io/github/webrtc-sdk/android/144.7559.14',
    sha256: '44c243bb0c6ac5b0a4425e6211f7994b0d60df3cf2f5721c20c6a88aa1a68f64',
  },
  {
    file: 'android-all-14-robolectric-10818077.jar',
    folder: 'org/robolectric/android-all/14-robolectric-10818077',
    sha256: '6be2218c6a53fe3c57bc22ebdc723edcb7270a8a6f187545708aa5c0ed813977',
  },
];

async function main() {
  const progress = new Progress('android', 1, 1);
  try {
    await provideJdk(progress);
    const [webrtc, framework] = await withLock('android', progress.update, async () => {
      const files = [];
      for (const library of LIBRARIES) files.push(await fetchLibrary(library, progress));
      return files;
    });
    progress.update('compiling');
    progress.done(await compile(webrtc, framework));
  } finally {
    progress.stop();
  }
}

async function provideJdk(progress) {
  if (findProgram('javac')) return;
  if (!(await confirm('This needs a JDK: install default-jdk-headless?'))) throw new SetupError('there is no JDK');
  await install(['default-jdk-headless'], progress, `install a JDK ${JAVA_RELEASE} or newer yourself`);
}

/** @returns {Promise<string>} the file, whose content is what its hash says */
async function fetchLibrary({ file, folder, sha256 }, progress) {
  const target = path.join(DIR, file);
  if (existsSync(target)) return target;
  mkdirSync(DIR, { recursive: true });
  const url = `${MAVEN}/${folder}/${file}`;
  const part = `${target}.part-${process.pid}`;
  const hash = createHash('sha256');
  let bytes = 0;
  const count = new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      progress.update(`downloading ${file}: ${Math.round(bytes / 1e6)} MB`);
      done(null, chunk);
    },
  });
  try {
    await pipeline(Readable.fromWeb(await open(url)), count, createWriteStream(part));
    const got = hash.digest('hex');
    if (got !== sha256) throw new SetupError(`${url} is not what it was: its sha-256 is ${got}, not ${sha256}`);
    renameSync(part, target);
  } catch (error) {
    if (error instanceof SetupError) throw error;
    throw unreachable(url, error);
  } finally {
    rmSync(part, { force: true });
  }
  return target;
}

async function open(url) {
  // A closed network often swallows packets instead of refusing them.
  const connecting = new AbortController();
  const impatient = setTimeout(() => connecting.abort(new Error('no answer within 10 seconds')), 10_000);
  const signal = AbortSignal.any([connecting.signal, AbortSignal.timeout(10 * 60_000)]);
  const response = await fetch(url, { signal }).finally(() => clearTimeout(impatient));
  if (!response.ok || !response.body) throw new SetupError(`${url} answered ${response.status}`);
  return response.body;
}

function unreachable(url, error) {
  const cause = error.cause?.code ?? error.cause?.message ?? error.code ?? error.message;
  return new SetupError(`${url} cannot be had (${cause}): check the network, or name a mirror in MAVEN_CENTRAL`);
}

async function compile(webrtc, framework) {
  const work = mkdtempSync(path.join(DIR, 'work-'));
  try {
    await run('jar', ['--extract', '--file', webrtc, 'classes.jar'], { cwd: work });
    const sources = readdirSync(RECIPE).filter((name) => name.endsWith('.java'));
    const classPath = [path.join(work, 'classes.jar'), framework].join(path.delimiter);
    // classfile: the libraries name annotations that are not published with them.
    const options = ['--release', JAVA_RELEASE, '-Xlint:all,-classfile', '-Werror', '-d', path.join(work, 'out')];
    await run('javac', [...options, '-cp', classPath, ...sources], { cwd: RECIPE }).catch((error) => {
      if (error.output) complain(error.output.trimEnd());
      throw error;
    });
    return `${sources.length} files compile: ${sources.join(', ')}`;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    endRunning();
    process.exit(1);
  });
}
await main().catch((error) => {
  if (!(error instanceof SetupError)) throw error;
  complain(`check:android: ${error.message}`);
  process.exitCode = 1;
});
