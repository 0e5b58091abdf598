import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ManagedProcess } from '../../deploy/local/managed-process.ts';
import { claimFreePorts, type PortClaim } from '../../deploy/local/ports.ts';
import { eventually } from '../support/eventually.ts';
import { isRunning, processTree } from '../support/processes.ts';

/*
 * What the launcher promises is tested beside it, over stand-ins for the processes; here it runs
 * the real ones, once.
 */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let claim: PortClaim;
let folder: string;
let launcher: ManagedProcess;

beforeEach(async () => {
  claim = await claimFreePorts(2);
  folder = mkdtempSync(join(tmpdir(), 'start-test-'));
});
afterEach(() => {
  launcher?.kill();
  claim.release();
  rmSync(folder, { recursive: true });
});

it('starts everything, says where it is, and stops all of it at Ctrl-C', async () => {
  const { api, ops, demo, redis, nodes } = claim.ports;
  const first = nodes[0]?.control ?? 0;
  const ports = {
    API_PORT: api,
    OPS_PORT: ops,
    DEMO_PORT: demo,
    REDIS_PORT: redis,
    CONTROL_PORT: first,
    NODE_OPS_PORT: first + 2,
    MEDIA_PORT_BASE: first + 10,
  };
  launcher = new ManagedProcess(
    {
      name: 'start',
      command: process.execPath,
      args: ['deploy/local/start.ts'],
      cwd: ROOT,
      env: {
        ...process.env,
        REDIS_URL: undefined,
        XDG_STATE_HOME: folder,
        ...Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, String(port)])),
      },
    },
    () => undefined,
  );
  const said = () => launcher.lines.join('\n');
  await eventually('it says that all is up', () => {
    if (!launcher.alive) throw new Error(said());
    return said().includes('Ctrl-C stops');
  });

  const demoUrl = `http://127.0.0.1:${demo}`;
  const apiUrl = `http://127.0.0.1:${api}`;
  expect(said()).toContain(`Demo   ${demoUrl}`);
  expect(said()).toContain(`API    ${apiUrl}   key: dev-key`);
  expect(said()).toContain(`Docs   ${apiUrl}/docs`);
  expect(await (await fetch(demoUrl)).text()).toContain('data-testid="join-form"');
  expect((await fetch(`${apiUrl}/docs`)).status).toBe(200);
  const known = await fetch(`${apiUrl}/v1/nodes`, { headers: { authorization: 'Bearer dev-key' } });
  expect(await known.json()).toMatchObject({ nodes: [{ nodeId: 'node-1' }, { nodeId: 'node-2' }] });

  const processes = processTree(launcher.pid ?? 0);
  const own = ['launcher', 'guard', 'redis', 'coordinator', 'node', 'worker', 'node', 'worker', 'demo'];
  expect(processes.length).toBeGreaterThanOrEqual(own.length);
  launcher.signal('SIGINT');
  expect(await launcher.exited).toMatchObject({ code: 0, forced: false });
  expect(said()).toContain('Stopped');
  expect(processes.filter(isRunning)).toEqual([]);
});
