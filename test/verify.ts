/** Every static check, side by side; says what each took, and shows the output of those that failed. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** The scripts of package.json; the slowest first. */
const CHECKS = ['lint', 'deadcode', 'openapi:check', 'typecheck', 'format:check'];
/** More than this many at once only slow each other down. */
const AT_ONCE = 2;

const say = (text: string) => process.stdout.write(`${text}\n`);
const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

async function run(check: string): Promise<boolean> {
  const begin = performance.now();
  const child = spawn('npm', ['run', '--silent', check], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr.on('data', (data: Buffer) => (output += data.toString()));
  const passed = await new Promise<boolean>((resolve) => {
    child.once('error', (error) => {
      output += error.message;
      resolve(false);
    });
    child.once('close', (code) => resolve(code === 0));
  });
  say(`${passed ? 'ok    ' : 'FAILED'}  ${check.padEnd(14)} ${seconds(begin)}`);
  if (!passed) say(output.trimEnd().replaceAll(/^/gm, '    '));
  return passed;
}

const begin = performance.now();
const waiting = CHECKS.values();
const failed: string[] = [];
async function work(): Promise<void> {
  for (const check of waiting) if (!(await run(check))) failed.push(check);
}
await Promise.all(Array.from({ length: AT_ONCE }, work));
const summary = failed.length === 0 ? `${CHECKS.length} checks passed` : `failed: ${failed.join(', ')}`;
say(`verify: ${summary} in ${seconds(begin)}`);
process.exitCode = failed.length === 0 ? 0 : 1;
