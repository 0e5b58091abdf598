/**
 * `npm run sdp -- explain <file>…`: what the server makes of an SDP, and why. Needs no server and no worker.
 * Exit code: 0 accepted, 1 refused, 2 wrong use.
 */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { runCommand } from './command.ts';

const { status, stdout, stderr } = runCommand(process.argv.slice(2), (file) =>
  readFileSync(file === '-' ? process.stdin.fd : file, 'utf8'),
);
process.stdout.write(stdout);
process.stderr.write(stderr);
process.exitCode = status;
