// Fetches the official worker, as mediasoup's own install script would: same
// address, same choice of file. Run with Node 24, which knows about proxies:
//
//   node deploy/worker/prebuilt.mjs <mediasoup folder> <target folder>
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** @param {{ version: string, repository: { url: string } }} pkg mediasoup's package.json */
export function prebuiltUrl(
  pkg,
  {
    base = process.env.MEDIASOUP_WORKER_PREBUILT_DOWNLOAD_BASE_URL,
    platform = os.platform(),
    arch = os.arch(),
    release = os.release(),
  } = {},
) {
  const from = base || `${pkg.repository.url.replace(/^git\+/, '').replace(/\.git$/, '')}/releases/download`;
  const kernel = platform === 'linux' ? `-kernel${release.split('.')[0]}` : '';
  return `${from}/${pkg.version}/mediasoup-worker-${pkg.version}-${platform}-${arch}${kernel}.tgz`;
}

async function main([mediasoupDir, targetDir]) {
  const url = prebuiltUrl(JSON.parse(readFileSync(path.join(mediasoupDir, 'package.json'), 'utf8')));
  // A closed network often swallows packets instead of refusing them.
  const connecting = new AbortController();
  const impatient = setTimeout(() => connecting.abort(new Error('no answer within 5 seconds')), 5_000);
  const signal = AbortSignal.any([connecting.signal, AbortSignal.timeout(120_000)]);
  const response = await fetch(url, { signal });
  clearTimeout(impatient);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  mkdirSync(targetDir, { recursive: true });
  const archive = path.join(targetDir, 'worker.tgz');
  writeFileSync(archive, Buffer.from(await response.arrayBuffer()));
  const tar = spawnSync('tar', ['-xzf', archive, '-C', targetDir, 'mediasoup-worker'], { encoding: 'utf8' });
  if (tar.status !== 0) throw new Error(`the archive cannot be unpacked: ${tar.stderr.trim()}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main(process.argv.slice(2)).catch((error) => {
    process.stderr.write(`${error.cause?.code ?? error.message}\n`);
    process.exit(1);
  });
}
