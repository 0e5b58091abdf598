// Debian packages.
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { findProgram, logFile, run } from './machine.mjs';
import { SetupError } from './ui.mjs';

/** @returns {Map<string, string>} version of each installed one of the packages */
export function installedVersions(packages) {
  const query = spawnSync('dpkg-query', ['-W', '-f', '${Package}\t${Version}\t${db:Status-Abbrev}\n', ...packages], {
    encoding: 'utf8',
  });
  const rows = (query.stdout ?? '').split('\n').map((row) => row.split('\t'));
  return new Map(rows.filter(([, , status]) => status?.startsWith('ii')).map(([name, version]) => [name, version]));
}

/** Its files may be there already, but an installation was cut short before it was through. */
export function isHalfInstalled(name) {
  const query = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Abbrev}', name], { encoding: 'utf8' });
  return query.status === 0 && /^i[^i ]/.test(query.stdout);
}

export function notInstalled(packages) {
  const installed = installedVersions(packages);
  return packages.filter((name) => !installed.has(name));
}

// The new service must not start: the project runs processes of its own. Debian's
// hook for that is this file; where an administrator has one, it is left alone.
const INSTALL = `
hook=/usr/sbin/policy-rc.d
if [ ! -e $hook ]; then
  trap 'rm -f $hook' EXIT
  trap 'exit 130' INT TERM HUP
  printf '#!/bin/sh\\nexit 101\\n' > $hook
  chmod 755 $hook
fi
# Not descriptor 1 itself: apt closes this one for the packages' scripts, and some print.
exec 3>&1
# Takes up what an earlier, interrupted installation left.
dpkg --configure -a
options="-o DPkg::Lock::Timeout=300 -o APT::Status-Fd=3 -o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20"
apt-get $options update
DEBIAN_FRONTEND=noninteractive apt-get $options install -y --no-install-recommends "$@"
`;

/** @param {string} instead what a person can do where apt cannot help */
export async function install(packages, progress, instead) {
  const names = notInstalled(packages);
  if (names.length === 0) return;
  if (!findProgram('apt-get'))
    throw new SetupError(`there is no apt-get here to install ${names.join(' ')}: ${instead}`);
  const asRoot = await root(names);
  const [command, ...args] = [...asRoot, 'sh', '-c', INSTALL, 'install', ...names];
  const log = logFile('apt');
  progress.update(`apt: ${names.join(' ')}`);
  try {
    await run(command, args, {
      log,
      terminal: asRoot.length > 0,
      onLine: (line) => {
        const state = parseAptStatus(line);
        if (state) progress.update(state);
      },
    });
  } catch (error) {
    throw new SetupError(explain(error.output ?? error.message, names, log));
  }
  // apt can end well without doing what was asked, for example when it is held back.
  const still = notInstalled(names);
  if (still.length > 0) throw new SetupError(`apt did not install ${still.join(' ')} (all of it: ${log})`);
}

async function root(names) {
  if (process.getuid() === 0) return [];
  const help = `run "sudo apt-get install ${names.join(' ')}" and start again`;
  if (!findProgram('sudo'))
    throw new SetupError(
      `installing ${names.join(' ')} needs root, and there is no sudo here: as root, ${help.replace('sudo ', '')}`,
    );
  const isInteractive = process.stdin.isTTY;
  const asked = spawnSync('sudo', isInteractive ? ['-v'] : ['-n', 'true'], {
    stdio: isInteractive ? 'inherit' : 'ignore',
  });
  if (asked.status !== 0) throw new SetupError(`installing ${names.join(' ')} needs root, and sudo refused: ${help}`);
  return isInteractive ? ['sudo'] : ['sudo', '-n'];
}

/** apt's machine-readable lines: `dlstatus:1:12.5:Retrieving file 1 of 8`, `pmstatus:redis-server:60.0:Unpacking`. */
export function parseAptStatus(line) {
  const match = /^(dlstatus|pmstatus):([^:]*):([\d.]+):/.exec(line);
  if (!match) return undefined;
  const [, kind, , percent] = match;
  return `apt: ${kind === 'dlstatus' ? 'downloading' : 'installing'} ${Math.round(Number(percent))} %`;
}

export function explain(output, names, log) {
  if (/Unable to locate package|has no installation candidate/.test(output)) {
    const name = /Unable to locate package (\S+)/.exec(output)?.[1] ?? names.join(' ');
    const unreachable =
      /Could not (resolve|connect)|Temporary failure|Connection (failed|timed out)|Network is unreachable/.test(output);
    return unreachable
      ? `apt cannot reach its servers: check the network, or the addresses in /etc/apt (all of it: ${log})`
      : `apt does not know the package ${name}: the project needs Debian 12's "main" archive in /etc/apt (all of it: ${log})`;
  }
  if (
    /Could not (resolve|connect)|Temporary failure|Connection (failed|timed out)|Network is unreachable|Unable to fetch/.test(
      output,
    )
  ) {
    return `apt cannot reach its servers: check the network, or the addresses in /etc/apt (all of it: ${log})`;
  }
  if (/Could not get lock|Unable to acquire/.test(output))
    return 'another program is using apt: wait until it is through and start again';
  if (/No space left/.test(output)) return 'the disk is full: make room and start again';
  const said = output.split('\n').findLast((line) => line.startsWith('E: ')) ?? 'it did not say why';
  return `apt could not install ${names.join(' ')}: ${said.replace(/^E: /, '')} (all of it: ${log})`;
}
