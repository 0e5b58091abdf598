// Redis: an already running one by REDIS_URL, else a program that the start
// command runs as a private child.
import process from 'node:process';
import { install, isHalfInstalled } from './apt.mjs';
import { findProgram } from './machine.mjs';

export function missing() {
  if (process.env.REDIS_URL || (findProgram('redis-server') && !isHalfInstalled('redis-server'))) return undefined;
  return 'redis-server, from the distribution (its service is not started)';
}

export async function provide(progress) {
  await install(['redis-server'], progress, 'install Redis 6.2 or newer yourself, or set REDIS_URL to a running one');
  return 'redis-server';
}
