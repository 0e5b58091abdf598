// node_modules, exactly as package-lock.json says.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { ROOT, logFile, withLock } from './machine.mjs';
import { node, withNode } from './node24.mjs';
import { npm } from './npm.mjs';
import { SetupError } from './ui.mjs';

export function missing() {
  const problem = difference(read('package-lock.json'), read('node_modules/.package-lock.json'));
  return problem && `the project's npm packages, into node_modules (${problem})`;
}

export async function provide(progress) {
  const name = `dependencies-${createHash('sha256').update(ROOT).digest('hex').slice(0, 12)}`;
  await withLock(name, progress.update, async () => {
    if (!missing()) return;
    progress.update('npm install');
    // Not "npm ci": it refuses a lock file made against a registry that lacks the
    // binaries of other systems, as company mirrors do. This one keeps to the lock
    // file as well, and what it took from elsewhere is found below.
    // No package needs its install script here: the binaries come as packages of
    // their own, and mediasoup's would try to fetch and build a worker.
    await npm(['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund'], {
      node,
      env: withNode(),
      log: logFile('dependencies'),
    });
    const [wanted, installed] = [read('package-lock.json'), read('node_modules/.package-lock.json')];
    const surprise = difference(wanted, installed) ?? difference(installed, wanted);
    if (surprise) {
      throw new SetupError(
        `package-lock.json does not go with package.json (${surprise}): run "npm install --ignore-scripts" and commit what it changes`,
      );
    }
  });
  return 'installed';
}

/**
 * npm writes down what it installed when it is through; an interrupted install
 * leaves no such list.
 *
 * @returns {string | undefined} the first difference found
 */
export function difference(wanted, installed, { platform = process.platform, arch = process.arch } = {}) {
  if (!wanted) return 'package-lock.json is missing';
  if (!installed) return 'nothing is installed';
  for (const [where, entry] of Object.entries(wanted.packages)) {
    if (where === '' || !where.startsWith('node_modules/')) continue;
    const forHere =
      (!entry.os || entry.os.includes(platform)) &&
      (!entry.cpu || entry.cpu.includes(arch)) &&
      !entry.libc?.includes('musl');
    const isRequired = !entry.optional || (entry.os && entry.cpu && forHere);
    const got = installed.packages[where];
    if (!got) {
      if (isRequired) return `${where.slice('node_modules/'.length)} is new`;
    } else if (got.version !== entry.version || (got.resolved !== entry.resolved && entry.resolved && got.resolved)) {
      return `${where.slice('node_modules/'.length)} has changed`;
    }
  }
  return undefined;
}

function read(file) {
  const full = path.join(ROOT, file);
  return existsSync(full) ? JSON.parse(readFileSync(full, 'utf8')) : undefined;
}
