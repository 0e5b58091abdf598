/**
 * `npm run sdp -- explain <file>…`: what the server makes of an SDP, and why. Needs no server and no worker.
 * Exit code: 0 accepted, 1 refused, 2 wrong use.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import process from 'node:process';
import { runCommand } from './command.ts';

/** npm runs scripts at the root of the repository and leaves here where it was called. */
const folder = process.env['INIT_CWD'] ?? process.cwd();

const { status, stdout, stderr } = runCommand(process.argv.slice(2), (file) =>
  readFileSync(file === '-' ? process.stdin.fd : resolve(folder, file), 'utf8'),
);
process.stdout.write(stdout);
process.stderr.write(stderr);
process.exitCode = status;
