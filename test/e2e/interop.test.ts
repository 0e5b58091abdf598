import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Matrix, openChromium, type Cell, type OpenClient } from '../interop/matrix.ts';
import { scenarios } from '../interop/scenarios.ts';
import { openWrtc } from '../interop/wrtc-client.ts';

const clients = [
  {
    name: 'Chromium',
    open: ({ chromium, backendUrl }: Matrix) => openChromium(chromium, backendUrl),
    lacks: [],
  },
  {
    name: 'libwebrtc',
    open: ({ backendUrl }: Matrix) => openWrtc(backendUrl),
    /** Its Node build is without OpenH264; those of Android and iOS encode by the device. */
    lacks: ['H264'],
  },
] as const;

let matrix: Matrix;

beforeAll(async () => {
  matrix = await Matrix.start();
});

afterAll(async () => {
  await matrix?.close();
});

describe.each(clients)('the recipe for browsers in $name', ({ open, lacks }) => {
  let opened: OpenClient;

  beforeAll(async () => {
    opened = await open(matrix);
  });

  afterAll(async () => {
    await opened?.close();
  });

  for (const scenario of scenarios.filter(({ slow }) => !slow)) {
    it(scenario.title, async () => {
      const lacking: readonly string[] = lacks;
      const status: Cell['status'] = lacking.includes(scenario.id) ? 'not supported' : 'works';
      const cell = await matrix.run(scenario, opened.client);
      expect(cell).toMatchObject({ status });
      expect(cell.note).not.toContain('grew');
    });
  }
});
