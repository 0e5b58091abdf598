import { chromium, type Browser } from 'playwright-core';

/** A browser with a camera, a microphone and a screen that are made up, and nobody to ask for them. */
const FAKE_MEDIA = [
  '--use-fake-ui-for-media-stream',
  '--use-fake-device-for-media-stream=fps=10',
  '--autoplay-policy=no-user-gesture-required',
  '--allow-loopback-in-peer-connection',
];
/** Tests run as root and without a graphics card. */
const HEADLESS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'];

/**
 * Starts headless Chromium: the one of `CHROMIUM_BIN`, else Debian's.
 * @param args added to its command line; a repeated switch replaces the one above.
 * @throws Error if it does not start: what cannot start is a failure, not a skip.
 */
export function launchChromium(args: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env['CHROMIUM_BIN'] || '/usr/bin/chromium',
    args: [...HEADLESS, ...FAKE_MEDIA, ...args],
  });
}
