// libsrtp on OpenSSL, from the distribution's own source package. The packaged
// binary runs on NSS and needs two to three times as long for each packet.
import { cpSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import path from 'node:path';
import { C_FLAGS, LIBSRTP_PACKAGE, LIBSRTP_SOURCE } from './recipe.mjs';

const SOURCE_LISTS = ['/etc/apt/sources.list', '/etc/apt/sources.list.d'];

/**
 * Makes deb-src entries of the machine's entries for binary packages, keeping
 * options and keys, so that apt verifies them as it does everything else.
 *
 * @param {string} name file name, which tells the format
 * @param {(uri: string) => boolean} wanted
 */
export function toSourceEntries(name, text, wanted) {
  if (name.endsWith('.sources')) {
    return text
      .split(/\n\s*\n/)
      .map((stanza) =>
        stanza
          .split('\n')
          .filter((line) => !line.startsWith('#'))
          .join('\n')
          .trim(),
      )
      .filter((stanza) => /^Types:.*\bdeb\b/m.test(stanza) && !/^Enabled:\s*(no|false)/im.test(stanza))
      .filter((stanza) => (/^URIs:(.*)$/m.exec(stanza)?.[1] ?? '').trim().split(/\s+/).some(wanted))
      .map((stanza) => stanza.replace(/^Types:.*$/m, 'Types: deb-src'))
      .join('\n\n');
  }
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^deb\s/.test(line) && line.split(/\s+/).some(wanted))
    .map((line) => line.replace(/^deb\s/, 'deb-src '))
    .join('\n');
}

/**
 * Fetches the source package and unpacks it. Nothing of the machine's apt
 * configuration is changed: lists and sources live in a private folder.
 *
 * @returns {Promise<{ dir: string, version: string }>}
 */
export async function fetchLibsrtp({ workDir, version, run }) {
  const dir = path.join(workDir, 'libsrtp');
  const marker = path.join(dir, '.version');
  if (existsSync(marker)) return { dir, version: readFileSync(marker, 'utf8') };

  const apt = path.join(workDir, 'apt');
  for (const folder of ['sources', 'lists/partial', 'cache/archives/partial', 'down']) {
    mkdirSync(path.join(apt, folder), { recursive: true });
  }
  // Only the archive that the installed package came from, with its security archive.
  const known = await run('apt-cache', ['madison', LIBSRTP_PACKAGE]);
  const hosts = new Set([...known.matchAll(/\bhttps?:\/\/([^/\s]+)/g)].map(([, host]) => host));
  const wanted = (uri) => hosts.size === 0 || [...hosts].some((host) => uri.includes(`://${host}/`));
  for (const file of SOURCE_LISTS.flatMap(filesOf)) {
    const entries = toSourceEntries(file, readFileSync(file, 'utf8'), wanted);
    if (entries) writeFileSync(path.join(apt, 'sources', path.basename(file)), `${entries}\n`);
  }

  const options = [
    'Dir::Etc::sourcelist=/dev/null',
    `Dir::Etc::sourceparts=${apt}/sources`,
    `Dir::State::lists=${apt}/lists`,
    `Dir::Cache=${apt}/cache`,
    'APT::Get::AllowUnauthenticated=false',
    'Acquire::Languages=none',
    // The private folder may lie where apt's own download user cannot go.
    `APT::Sandbox::User=${process.env.USER ?? 'root'}`,
  ].flatMap((option) => ['-o', option]);
  const source = ['--only-source', '--download-only', 'source'];
  const cwd = path.join(apt, 'down');
  await run('apt-get', [...options, 'update'], { cwd });
  try {
    await run('apt-get', [...options, ...source, `${LIBSRTP_SOURCE}=${version}`], { cwd });
  } catch {
    // The archive has moved on, and what it has now is the fixed one.
    await run('apt-get', [...options, ...source, LIBSRTP_SOURCE], { cwd });
  }
  const dsc = readdirSync(cwd).find((file) => file.endsWith('.dsc'));
  const got = /^Version:\s*(.*)$/m.exec(readFileSync(path.join(cwd, dsc), 'utf8'))[1];
  rmSync(dir, { recursive: true, force: true });
  // apt has checked the hashes against the signed list, so no second check here.
  await run('dpkg-source', ['--no-check', '--no-copy', '-x', dsc, `${dir}.part`], { cwd });
  renameSync(`${dir}.part`, dir);

  // The layout of an installed libsrtp, for the compiler that builds the worker.
  const headers = path.join(dir, 'install/srtp2');
  mkdirSync(headers, { recursive: true });
  for (const header of [
    'include/srtp.h',
    'crypto/include/auth.h',
    'crypto/include/cipher.h',
    'crypto/include/crypto_types.h',
  ]) {
    cpSync(path.join(dir, header), path.join(headers, path.basename(header)));
  }
  writeFileSync(marker, got);
  rmSync(apt, { recursive: true, force: true });
  return { dir, version: got };
}

/** @returns {Promise<string>} the static library */
export async function compileLibsrtp({ dir, run }) {
  const done = path.join(dir, 'install/libsrtp2.a');
  if (existsSync(done)) return done;
  const env = { CFLAGS: C_FLAGS.join(' ') };
  await run('./configure', ['--enable-openssl', '--disable-pcap'], { cwd: dir, env });
  await run('make', ['libsrtp2.a'], { cwd: dir });
  cpSync(path.join(dir, 'libsrtp2.a'), `${done}.part`);
  renameSync(`${done}.part`, done);
  return done;
}

function filesOf(entry) {
  if (!existsSync(entry)) return [];
  if (!entry.endsWith('.d')) return [entry];
  return readdirSync(entry)
    .filter((file) => /\.(list|sources)$/.test(file))
    .map((file) => path.join(entry, file));
}
