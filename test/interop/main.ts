/**
 * Runs every scenario with every client and writes docs/interop.md.
 *
 *   npm run test:interop                         all of it
 *   npm run test:interop -- firefox              these clients; only prints
 *   npm run test:interop -- chromium publish add these scenarios; only prints
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openFirefox } from './firefox.ts';
import { openGstreamer } from './gstreamer.ts';
import { Matrix, openChromium, type Cell, type OpenClient } from './matrix.ts';
import { writeTable, type Column } from './table.ts';
import { scenarios } from './scenarios.ts';
import { openWrtc } from './wrtc-client.ts';

const PAGE = fileURLToPath(new URL('../../docs/interop.md', import.meta.url));

const clients: Readonly<Record<string, { name: string; open: (matrix: Matrix) => Promise<OpenClient> }>> = {
  chromium: { name: 'Chromium', open: ({ chromium, backendUrl }) => openChromium(chromium, backendUrl) },
  libwebrtc: { name: 'libwebrtc', open: ({ backendUrl }) => openWrtc(backendUrl) },
  firefox: { name: 'Firefox ESR', open: ({ backendUrl }) => openFirefox(backendUrl) },
  gstreamer: { name: 'GStreamer webrtcbin', open: ({ backendUrl }) => openGstreamer(backendUrl) },
};

const args = process.argv.slice(2);
const ids = new Set(scenarios.map(({ id }) => id));
const unknown = args.find((arg) => !(arg in clients) && !ids.has(arg));
if (unknown !== undefined) {
  process.stderr.write(
    `There is no ${unknown}; clients: ${Object.keys(clients).join(' ')}; scenarios: ${[...ids].join(' ')}\n`,
  );
  process.exit(2);
}
const wantedClients = Object.entries(clients).filter(
  ([id]) => !args.some((arg) => arg in clients) || args.includes(id),
);
const wantedScenarios = scenarios.filter(({ id }) => !args.some((arg) => ids.has(arg)) || args.includes(id));

const matrix = await Matrix.start();
const columns: Column[] = [];
try {
  for (const [, { name, open }] of wantedClients) {
    const { client, version, close } = await open(matrix);
    const cells: Record<string, Cell> = {};
    process.stdout.write(`\n${name} ${version}\n`);
    try {
      for (const scenario of wantedScenarios) {
        const begin = performance.now();
        const cell = await matrix.run(scenario, client);
        cells[scenario.id] = cell;
        const seconds = ((performance.now() - begin) / 1000).toFixed(1);
        process.stdout.write(
          `  ${scenario.id.padEnd(20)} ${cell.status.padEnd(13)} ${seconds.padStart(5)} s  ${cell.note}\n`,
        );
      }
    } finally {
      await close();
    }
    columns.push({ name, version, cells });
  }
} finally {
  await matrix.close();
}

const fails = columns.flatMap(({ cells }) => Object.values(cells)).filter(({ status }) => status === 'fails').length;
if (args.length === 0) writeFileSync(PAGE, writeTable(columns, new Date()));
process.stdout.write(
  `\n${fails === 0 ? 'nothing fails' : `${fails} fail`}${args.length === 0 ? `; ${PAGE} is written` : ''}\n`,
);
// libwebrtc's threads keep the process.
process.exit(fails === 0 ? 0 : 1);
