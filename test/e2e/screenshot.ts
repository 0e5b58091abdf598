/*
 * Takes the README's picture of the demo, docs/images/demo.jpg: three people in one room over two
 * nodes.
 *
 *   npm run screenshot
 */
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startCluster } from '../../deploy/local/cluster.ts';
import { launchChromium } from '../support/chromium.ts';
import { DemoPage } from '../support/demo-page.ts';
import { paintCamera, type Portrait } from './painted-camera.ts';

const PATH = fileURLToPath(new URL('../../docs/images/demo.jpg', import.meta.url));
const VIEWPORT = { width: 1280, height: 800 };
/** A README is loaded over the network too; of video, a PNG of this size would be thrice as large. */
const MAX_BYTES = 500_000;

const PEOPLE: Readonly<Record<string, Portrait>> = {
  'Anna Petrova': {
    skin: '#f3c9a9',
    shade: '#dca583',
    hair: '#6b3f2a',
    haircut: 'bun',
    beard: false,
    glasses: false,
    headset: false,
    clothes: '#3f6f73',
    collar: '#2f5459',
    room: 'plants',
    wall: ['#efe3d3', '#d8c7b2'],
    leans: 0.4,
  },
  'Boris Orlov': {
    skin: '#eab98f',
    shade: '#cf966b',
    hair: '#2c211c',
    haircut: 'short',
    beard: true,
    glasses: true,
    headset: false,
    clothes: '#34486b',
    collar: '#25344f',
    room: 'shelves',
    wall: ['#cdbda6', '#a58f76'],
    leans: -0.5,
  },
  'Maria Sokolova': {
    skin: '#f0bf9e',
    shade: '#d49c78',
    hair: '#b5793f',
    haircut: 'long',
    beard: false,
    glasses: false,
    headset: true,
    clothes: '#a5483f',
    collar: '#83362f',
    room: 'window',
    wall: ['#c3d2dc', '#94a9b9'],
    leans: 0.6,
  },
};

const cluster = await startCluster({ ports: 'free', demo: true });
try {
  const browser = await launchChromium();
  try {
    const opened = await Promise.all(
      Object.entries(PEOPLE).map(([name, portrait]) =>
        DemoPage.open(browser, {
          demoUrl: cluster.demoUrl,
          roomId: 'weekly-sync',
          name,
          video: '720p',
          viewport: VIEWPORT,
          deviceScaleFactor: 2,
          prepare: async (page) => void (await page.addInitScript(paintCamera, portrait)),
        }),
      ),
    );
    for (const person of opened) await person.join();
    const [viewer, ...others] = opened;
    if (!viewer) throw new Error('nobody came');
    for (const other of others) await viewer.sees(other, 'camera', '1280x720');
    await viewer.page.locator('.toast').waitFor({ state: 'detached' });
    await viewer.page.mouse.move(0, 0);
    await viewer.page.screenshot({ path: PATH, type: 'jpeg', quality: 88, animations: 'disabled' });
  } finally {
    await browser.close();
  }
} finally {
  await cluster.stop();
}
const { size } = statSync(PATH);
process.stdout.write(`${PATH}: ${Math.round(size / 1000)} kB\n`);
if (size > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes`);
