// Programs that the distribution has as packages.
import process from 'node:process';
import { install, isHalfInstalled } from './apt.mjs';
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
