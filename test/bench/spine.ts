/*
 * Measures the spine of the product on this machine and writes docs/benchmarks/<date>-spine.md:
 * how long a join takes until there is a picture, and what a call costs a node.
 *
 *   npm run bench:spine [-- <joins>]
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { startCluster } from '../../deploy/local/cluster.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';
import { launchChromium } from '../support/chromium.ts';
import { joinsByApi, joinsInChromium, type Joins } from './first-frame.ts';
import { machineFacts } from './machine.ts';
import { cpuOfCall, type CallCpu } from './node-cpu.ts';
import { markdownTable, SPREAD_COLUMNS, spreadOf } from './statistics.ts';

const rounds = Number(process.argv[2] ?? 20);
const note = (text: string) => process.stderr.write(`${text}\n`);

async function measure() {
  const loadBefore = loadavg()[0] ?? 0;
  note(`joining ${rounds} times in Chromium, same node and across`);
  const browser = await launchChromium();
  const facts = machineFacts(browser.version());
  let inChromium: Joins;
  try {
    inChromium = await joinsInChromium(browser, rounds);
  } finally {
    await browser.close();
  }

  const secret = `whsec_${randomBytes(24).toString('base64')}`;
  const webhooks = await WebhookReceiver.start(secret);
  const cluster = await startCluster({ ports: 'free', env: { WEBHOOK_URL: webhooks.url, WEBHOOK_SECRETS: secret } });
  try {
    note(`joining ${rounds} times by the API`);
    const byApi = await joinsByApi(cluster, webhooks, rounds);
    note('ten users in a room');
    const cpu = await cpuOfCall(cluster, webhooks);
    return { loadBefore, facts, inChromium, byApi, cpu };
  } finally {
    await cluster.stop();
    await webhooks.stop();
  }
}

const WHERE = { sameNode: 'same node', acrossNodes: 'across nodes' } as const;

function joinRows(who: string, joins: Joins): string[][] {
  return (['sameNode', 'acrossNodes'] as const).flatMap((where) => {
    const row = (what: 'answered' | 'firstFrame', words: string) => [
      `${who}, ${WHERE[where]}: ${words}`,
      ...spreadOf(joins[where].map((join) => join[what])),
    ];
    return [row('firstFrame', '**first decoded frame**'), row('answered', 'join call answered')];
  });
}

function cpuRows({ nodes }: CallCpu): string[][] {
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  return nodes.map(({ nodeId, users, javascript, worker, joiningSeconds }) => [
    nodeId,
    String(users),
    percent(javascript),
    percent(worker),
    `1 : ${(worker / javascript).toFixed(1)}`,
    `${((joiningSeconds * 1000) / users).toFixed(0)} ms`,
  ]);
}

function report({ loadBefore, facts, inChromium, byApi, cpu }: Awaited<ReturnType<typeof measure>>): string {
  return `# The spine, ${new Date().toISOString().slice(0, 10)}

Measured by \`npm run bench:spine\`${rounds === 20 ? '' : ` (\`-- ${rounds}\`)`} with clients, coordinator, two nodes (one Worker each) and Redis on this one machine:

${markdownTable(['', ''], [...facts, ['Load average before', loadBefore.toFixed(1)]])}

## From the join call to the first decoded frame

Milliseconds, from just before the join call to the first frame out of the decoder; ${rounds} joins each, same node and across nodes by turns. Across nodes the one who joins is the first of the room on its node: the room, the pipe and its keys are made during the join.

${markdownTable(['ms', ...SPREAD_COLUMNS], [...joinRows('Chromium', inChromium), ...joinRows('API', byApi)])}

- *Chromium*: the demo's page (640×360 in two simulcast layers, 10 frames a second) through the demo's backend; the one who joins sends camera and microphone too.
- *API*: libwebrtc (\`@roamhq/wrtc\`) calling the API itself; only watches one 320×180 camera of 20 frames a second.

## CPU of a node: its JavaScript against its Worker

${cpu.users} users (libwebrtc) in one room over two nodes for ${cpu.seconds.toFixed(0)} s, from \`/proc/<pid>/stat\`. Each sends opus and 320×180 VP8 and receives the ${cpu.users - 1} others: ${cpu.sent.toFixed(0)} kbit/s sent and ${cpu.received.toFixed(0)} kbit/s received per user, ${cpu.framesPerSecond.toFixed(1)} frames a second decoded of each camera.

${markdownTable(['share of one core', 'users', 'JavaScript', 'Worker', 'JavaScript : Worker', 'JavaScript per join'], cpuRows(cpu))}

The clients used ${cpu.clients.toFixed(2)} cores meanwhile, everything else on the machine ${cpu.others.toFixed(2)}.
`;
}

const text = report(await measure());
const path = fileURLToPath(
  new URL(`../../docs/benchmarks/${new Date().toISOString().slice(0, 10)}-spine.md`, import.meta.url),
);
writeFileSync(path, text);
process.stdout.write(text);
note(`written to ${path}`);
// libwebrtc's threads would keep the process.
process.exit(0);
