// Node 24, which runs the TypeScript sources as they are. Where the machine's
// own Node is older, one comes from the npm registry into the cache.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { CACHE, logFile, run } from './machine.mjs';
import { npm } from './npm.mjs';
import { SetupError } from './ui.mjs';

/** Exact, so that every machine runs the same; @types/node in package.json follows it. */
export const NODE_VERSION = '24.21.0';

const isNewEnough = Number(process.versions.node.split('.')[0]) >= 24;
const home = path.join(CACHE, `node-${NODE_VERSION}`);

export const node = isNewEnough ? process.execPath : path.join(home, 'bin/node');

export function missing() {
  if (isNewEnough || existsSync(node)) return undefined;
  return `Node ${NODE_VERSION}, from the npm registry into ${home}`;
}

export async function provide(progress) {
  const name = `node-linux-${process.arch}`;
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new SetupError(
      `no Node 24 package for ${process.platform} on ${process.arch}: install Node 24 yourself and start again with it`,
    );
  }
  const part = `${home}.part-${process.pid}`;
  mkdirSync(part, { recursive: true });
  try {
    progress.update(`downloading ${name}`);
    const log = logFile('node');
    // The platform's package itself: the one called "node" needs an install script to fetch it.
    await npm(['pack', `${name}@${NODE_VERSION}`, '--pack-destination', part], {
      node: process.execPath,
      cwd: part,
      log,
    });
    const archive = readdirSync(part).find((file) => file.endsWith('.tgz'));
    progress.update('unpacking');
    await run('tar', ['-xzf', archive, '--strip-components=1', 'package/bin', 'package/LICENSE'], { cwd: part, log });
    rmSync(path.join(part, archive));
    await run(path.join(part, 'bin/node'), ['--version'], { log }).catch((error) => {
      throw new SetupError(
        `Node ${NODE_VERSION} does not run on this machine (${error.message}): install Node 24 yourself and start again with it`,
      );
    });
    rmSync(home, { recursive: true, force: true });
    renameSync(part, home);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
  return `Node ${NODE_VERSION}`;
}

/** The environment in which the project's programs run. */
export function withNode(env = process.env) {
  return { ...env, PATH: `${path.dirname(node)}:${env.PATH}` };
}
