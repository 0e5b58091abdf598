// Compiles the Android recipe (libs/sdp/recipes/android) against the published
// WebRTC classes and the Android framework, with all warnings as errors:
//
//   npm run check:android
//
// Needs a JDK, Maven and, the first time, Maven Central or a mirror of it (187 MB).
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { install } from './apt.mjs';
import { CACHE, ROOT, endRunning, findProgram, run, withLock } from './machine.mjs';
import { Progress, SetupError, complain, confirm } from './ui.mjs';

/** Downloads by Maven, which knows the mirrors of a closed network (`~/.m2/settings.xml`). */
const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy';
/** Debian's packages by the program they bring. */
const PACKAGES = { javac: 'default-jdk-headless', mvn: 'maven' };
const DIR = path.join(CACHE, 'android');
const RECIPE = path.join(ROOT, 'libs/sdp/recipes/android');
/** Language and library of Android 14; what is newer would compile here and fail on a phone. */
const JAVA_RELEASE = '17';

/** libwebrtc M144, as published by the webrtc-sdk project, and the classes of Android 14 (API 34). */
const LIBRARIES = [
  {
    file: 'android-144.7559.14.aar',
    artifact: 'io.github.webrtc-sdk:android:144.7559.14:aar',
    sha256: '44c243bb0c6ac5b0a4425e6211f7994b0d60df3cf2f5721c20c6a88aa1a68f64',
  },
  {
    file: 'android-all-14-robolectric-10818077.jar',
    artifact: 'org.robolectric:android-all:14-robolectric-10818077:jar',
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
  const missing = Object.entries(PACKAGES).flatMap(([program, name]) => (findProgram(program) ? [] : [name]));
  if (missing.length === 0) return;
  if (!(await confirm(`This needs ${missing.join(' and ')}: install?`)))
    throw new SetupError('there is no JDK or Maven');
  await install(missing, progress, `install a JDK ${JAVA_RELEASE} or newer and Maven yourself`);
}

/** @returns {Promise<string>} the file, whose content is what its hash says */
async function fetchLibrary({ artifact, file, sha256 }, progress) {
  const target = path.join(DIR, file);
  if (existsSync(target)) return target;
  mkdirSync(DIR, { recursive: true });
  const part = mkdtempSync(path.join(DIR, 'download-'));
  try {
    progress.update(`downloading ${file}`);
    await run('mvn', ['--batch-mode', '--quiet', COPY, `-Dartifact=${artifact}`, `-DoutputDirectory=${part}`]);
    const downloaded = path.join(part, file);
    const got = createHash('sha256').update(readFileSync(downloaded)).digest('hex');
    if (got !== sha256) throw new SetupError(`${artifact} is not what it was: its sha-256 is ${got}, not ${sha256}`);
    renameSync(downloaded, target);
  } catch (error) {
    if (error instanceof SetupError && error.output)
      complain(error.output.trimEnd().split('\n').slice(0, 5).join('\n'));
    throw error;
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
  return target;
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
