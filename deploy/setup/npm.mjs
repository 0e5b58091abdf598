// Runs the npm that is on the machine, under a given Node.
import { realpathSync } from 'node:fs';
import process from 'node:process';
import { findProgram, run } from './machine.mjs';
import { SetupError } from './ui.mjs';

const UNREACHABLE =
  /ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|CERT_|SELF_SIGNED|ERR_SOCKET_TIMEOUT/;

export async function npm(args, { node, ...options }) {
  const cli = process.env.npm_execpath ?? findNpm();
  try {
    // A dead network should cost seconds; npm's own patience is minutes.
    return await run(
      node,
      [
        cli,
        ...args,
        '--fetch-retries=2',
        '--fetch-retry-mintimeout=2000',
        '--fetch-retry-maxtimeout=5000',
        '--fetch-timeout=60000',
      ],
      options,
    );
  } catch (error) {
    const said = error.output ?? '';
    const cause = UNREACHABLE.exec(said)?.[0];
    if (cause) {
      throw new SetupError(
        `the npm registry cannot be reached (${cause}): check the network, or name a registry with "npm config set registry <address>" or a proxy with "npm config set proxy <address>"`,
      );
    }
    const reason = said
      .split('\n')
      .filter((line) => /^npm (error|ERR!)/.test(line) && !/complete log|code |^npm (error|ERR!)\s*$/.test(line))
      .map((line) => line.replace(/^npm (error|ERR!)\s*/, ''))[0];
    throw new SetupError(`npm ${args[0]} failed: ${reason ?? error.message} (all of it: ${options.log})`);
  }
}

function findNpm() {
  const found = findProgram('npm');
  if (!found) throw new SetupError('npm is not here: install the npm that belongs to your Node');
  return realpathSync(found);
}
