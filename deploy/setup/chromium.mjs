// The browser of the end-to-end tests.
import process from 'node:process';
import { install, isHalfInstalled } from './apt.mjs';
import { findProgram } from './machine.mjs';

export function missing() {
  if (process.env.CHROMIUM_BIN || (findProgram('chromium') && !isHalfInstalled('chromium'))) return undefined;
  return 'chromium, from the distribution, for the tests';
}

export async function provide(progress) {
  await install(['chromium'], progress, 'install Chromium yourself and set CHROMIUM_BIN to its path');
  return 'chromium';
}
