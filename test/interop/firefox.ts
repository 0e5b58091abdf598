import puppeteer from 'puppeteer-core';
import type { OpenClient } from './matrix.ts';
import { PageClient } from './page-client.ts';

/** Launching takes up to ten seconds on two cores. */
const START_MS = 60_000;

/** Firefox ESR of Debian, driven by WebDriver BiDi. */
export async function openFirefox(backendUrl: string): Promise<OpenClient> {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: process.env['FIREFOX_BIN'] || '/usr/bin/firefox-esr',
    headless: true,
    timeout: START_MS,
    extraPrefsFirefox: {
      // A granted camera lets it gather all addresses, as in a real call; without it loopback is left out.
      'permissions.default.camera': 1,
      'permissions.default.microphone': 1,
      'media.navigator.streams.fake': true,
      'media.peerconnection.ice.loopback': true,
      'media.autoplay.default': 0,
    },
  });
  // One tab: Firefox slows down those that are hidden.
  const [page = await browser.newPage()] = await browser.pages();
  await page.goto(backendUrl);
  await page.waitForFunction('window.client');
  const client = new PageClient({
    evaluate: async <T>(expression: string): Promise<T> => {
      const result: T = JSON.parse(
        String(await page.evaluate(`(async () => JSON.stringify(await ${expression}) ?? 'null')()`)),
      );
      return result;
    },
  });
  return { client, version: await browser.version(), close: () => browser.close() };
}
