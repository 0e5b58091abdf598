import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { explain, parseAptStatus } from './apt.mjs';
import { closingLine } from './closing-line.mjs';
import { difference } from './dependencies.mjs';

describe('closing line', () => {
  const report = (counts, testResults = []) => ({
    numPassedTests: 0,
    numFailedTests: 0,
    numPendingTests: 0,
    numTodoTests: 0,
    testResults,
    ...counts,
  });

  it('counts', () => {
    expect(closingLine(report({ numPassedTests: 7 }), 0)).toEqual({ line: '7 passed, 0 failed', failed: 0 });
    expect(
      closingLine(report({ numPassedTests: 7, numFailedTests: 2, numPendingTests: 3, numTodoTests: 1 }), 1).line,
    ).toBe('7 passed, 2 failed, 4 skipped');
  });

  it('counts a file that could not be loaded', () => {
    const broken = { status: 'failed', assertionResults: [] };
    const failing = { status: 'failed', assertionResults: [{ status: 'failed' }] };
    expect(closingLine(report({ numPassedTests: 7, numFailedTests: 1 }, [broken, failing]), 1).failed).toBe(2);
  });

  it.each([
    ['no test ran', report({}), 0],
    ['vitest wrote nothing', undefined, 1],
    ['an error outside of the tests', report({ numPassedTests: 7 }), 1],
    ['all were skipped', report({ numPendingTests: 7 }), 0],
  ])('is a failure when %s', (_, given, exitCode) => {
    expect(closingLine(given, exitCode).failed).toBe(1);
  });
});

describe('installed npm packages', () => {
  const entry = { version: '1.0.0', resolved: 'r' };
  const lock = (packages) => ({ packages });
  const here = { platform: 'linux', arch: 'x64' };

  it('are as wanted, whatever other machines need', () => {
    const foreign = { ...entry, optional: true, os: ['darwin'], cpu: ['arm64'] };
    const musl = { ...entry, optional: true, os: ['linux'], cpu: ['x64'], libc: ['musl'] };
    const wanted = lock({
      '': {},
      'libs/sdp': {},
      'node_modules/a': entry,
      'node_modules/b': foreign,
      'node_modules/c': musl,
    });
    expect(difference(wanted, lock({ 'node_modules/a': entry }), here)).toBeUndefined();
  });

  it.each([
    ['missing', {}],
    ['of another version', { 'node_modules/a': { ...entry, version: '0.9.0' } }],
  ])('are not, with a package %s', (_, packages) => {
    expect(difference(lock({ 'node_modules/a': entry }), lock(packages), here)).toMatch(/^a /);
  });

  it('are not, without the binary package of this machine', () => {
    const binary = { ...entry, optional: true, os: ['linux'], cpu: ['x64'] };
    expect(difference(lock({ 'node_modules/a-linux': binary }), lock({}), here)).toBe('a-linux is new');
  });

  it('are not, after an install that was cut short', () => {
    expect(difference(lock({}), undefined)).toBe('nothing is installed');
  });
});

describe('apt', () => {
  it('tells how far it is', () => {
    expect(parseAptStatus('dlstatus:3:42.4242:Retrieving file 3 of 7')).toBe('apt: downloading 42 %');
    expect(parseAptStatus('pmstatus:redis-server:60.0000:Unpacking redis-server (amd64)')).toBe('apt: installing 60 %');
    expect(parseAptStatus('Get:1 http://deb.example.org/debian bookworm InRelease')).toBeUndefined();
  });

  it.each([
    [
      "W: Temporary failure resolving 'deb.example.org'\nE: Unable to locate package redis-server",
      /cannot reach its servers/,
    ],
    ['E: Unable to locate package redis-server', /does not know the package redis-server/],
    [
      'E: Failed to fetch x  Could not connect to deb.example.org:80\nE: Unable to fetch some archives',
      /cannot reach its servers/,
    ],
    ['E: Could not get lock /var/lib/dpkg/lock-frontend.', /another program is using apt/],
    ['E: Something else.', /redis-server: Something else\./],
  ])('names the cause in %j', (output, cause) => {
    expect(explain(output, ['redis-server'], 'apt.log')).toMatch(cause);
  });
});

describe('a lock', () => {
  let cache;
  let withLock;

  beforeEach(async () => {
    cache = mkdtempSync(path.join(os.tmpdir(), 'mediaserver-lock-'));
    vi.stubEnv('XDG_CACHE_HOME', cache);
    vi.resetModules();
    ({ withLock } = await import('./machine.mjs'));
    mkdirSync(path.join(cache, 'mediaserver'));
  });

  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(cache, { recursive: true, force: true });
  });

  const file = () => path.join(cache, 'mediaserver/thing.lock');
  const take = () =>
    withLock(
      'thing',
      () => undefined,
      () => 'done',
      { waitMs: 50 },
    );

  it('is gone afterwards', async () => {
    await expect(take()).resolves.toBe('done');
    expect(existsSync(file())).toBe(false);
  });

  it.each([
    ['of a process that has ended', '4194305 1'],
    ['of a process whose number another one has now', `${process.pid} 1`],
    ['without a name, and old', ''],
  ])('%s is taken over', async (_, text) => {
    writeFileSync(file(), text);
    utimesSync(file(), new Date(0), new Date(0));
    await expect(take()).resolves.toBe('done');
  });

  it.each([
    ['of a living process', `${process.pid}`],
    ['that was made just now', ''],
  ])('%s is waited for, not for ever', async (_, text) => {
    writeFileSync(file(), text);
    await expect(take()).rejects.toThrow(/another setup .* has not let go of .*thing\.lock/);
    expect(existsSync(file())).toBe(true);
  });
});
