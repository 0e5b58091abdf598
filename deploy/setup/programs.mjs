// Programs that the distribution has as packages.
import process from 'node:process';
import { install, isHalfInstalled, notInstalled } from './apt.mjs';
import { findProgram } from './machine.mjs';

/**
 * @param {object} needed
 * @param {string} needed.name of the program
 * @param {string} [needed.inPackage] that it comes in, where that is called otherwise
 * @param {string} needed.what for the person who is asked
 * @param {string} needed.instead what helps where apt cannot
 * @param {string} [needed.variable] set to something: the program is not needed
 */
function program({ name, inPackage = name, what, instead, variable }) {
  return {
    missing() {
      if (variable && process.env[variable]) return undefined;
      if (findProgram(name) && !isHalfInstalled(inPackage)) return undefined;
      return `${inPackage}, from the distribution (${what})`;
    },
    async provide(progress) {
      await install([inPackage], progress, instead);
      return inPackage;
    },
  };
}

/** An already running one by REDIS_URL, else a program that the start command runs as a private child. */
export const redis = program({
  name: 'redis-server',
  what: 'its service is not started',
  instead: 'install Redis 6.2 or newer yourself, or set REDIS_URL to a running one',
  variable: 'REDIS_URL',
});

export const chromium = program({
  name: 'chromium',
  what: 'for the tests',
  instead: 'install Chromium yourself and set CHROMIUM_BIN to its path',
  variable: 'CHROMIUM_BIN',
});

export const firefox = program({
  name: 'firefox-esr',
  what: 'for the interop matrix',
  instead: 'install Firefox ESR yourself and set FIREFOX_BIN to its path',
  variable: 'FIREFOX_BIN',
});

/** GStreamer's `webrtcbin` with the elements it needs, and Python's bindings to drive it. */
const GSTREAMER = [
  'python3-gi',
  'python3-gst-1.0',
  'gir1.2-gst-plugins-bad-1.0',
  'gstreamer1.0-plugins-base',
  'gstreamer1.0-plugins-good',
  'gstreamer1.0-plugins-bad',
  'gstreamer1.0-nice',
];
export const gstreamer = {
  missing() {
    const names = notInstalled(GSTREAMER);
    return names.length > 0 ? `${names.join(' ')}, from the distribution (for the interop matrix)` : undefined;
  },
  async provide(progress) {
    await install(GSTREAMER, progress, 'install GStreamer 1.22 or newer with its Python bindings yourself');
    return 'GStreamer';
  },
};

/** The tests of mutual TLS make their certificates with it. */
export const openssl = program({
  name: 'openssl',
  what: 'for the tests',
  instead: 'install OpenSSL yourself',
});

/** The test of changing networks lays its cables with it. */
export const iproute2 = program({
  name: 'ip',
  inPackage: 'iproute2',
  what: 'for the tests',
  instead: 'install iproute2 yourself',
});
