import { describe, expect, test } from 'vitest';
import { plan, recorded, router } from '../src/sdp.test-support.ts';
import { bases, regressions } from './corpus.ts';
import { tryDoors } from './doors.ts';
import { Fuzzer } from './fuzzer.ts';
import { minimise } from './minimise.ts';
import { checkError, checkPrototypes, checkWritten, Finding } from './oracles.ts';
import { SdpError } from '../src/index.ts';

/** Some seconds; `npm run fuzz:sdp` runs as many as wanted. */
const INPUTS = 1500;

test(
  `${INPUTS} mutated SDPs: each is refused with an SdpError, or answered with lines of ours`,
  { timeout: 120_000 },
  () => {
    const fuzzer = new Fuzzer({ seed: 3, timed: false });
    fuzzer.run(INPUTS);
    expect([...fuzzer.found.values()]).toEqual([]);
    // A mutator that breaks everything would find nothing.
    expect(fuzzer.outcomes.get('offer accepted')).toBeGreaterThan(INPUTS / 5);
    expect(fuzzer.outcomes.get('next offer accepted')).toBeGreaterThan(INPUTS / 5);
    expect(fuzzer.outcomes.get('answer accepted')).toBeGreaterThan(INPUTS / 50);
  },
);

describe('inputs that once found a bug', () => {
  const known = bases();
  test.each(regressions())('$file', ({ input }) => {
    const base = known.get(input.base);
    if (!base) throw new Error(`There is no base ${input.base}`);
    expect(() => tryDoors(base, input)).not.toThrow();
  });
});

describe('the fuzzer sees', () => {
  test('an injected line', () => {
    const line = 'a=ssrc:7 cname:injected';
    expect(() => checkWritten(`v=0\r\n${line}\r\n`, 'answer')).toThrow(Finding);
    expect(() => checkWritten('v=0\r\ns=-\r\nt=0 0', 'answer')).toThrow(Finding);
  });

  test("another error than the library's, and one that repeats the client's text", () => {
    expect(() => checkError(new TypeError('x'))).toThrow(Finding);
    expect(() => checkError(new SdpError('malformed_sdp', 'The line zq7-hello is not usable'))).toThrow(Finding);
    expect(() => checkError(new SdpError('bad_mid', 'A mid is missing', 'x'.repeat(17)))).toThrow(Finding);
    expect(checkError(new SdpError('malformed_sdp', 'A rid is not usable'))).toBe('malformed_sdp');
  });

  test('a polluted prototype', () => {
    try {
      Reflect.set(Object.prototype, 'polluted', 1);
      expect(() => checkPrototypes()).toThrow(Finding);
    } finally {
      Reflect.deleteProperty(Object.prototype, 'polluted');
    }
    expect(() => checkPrototypes()).not.toThrow();
  });

  test('the part of an input that matters', () => {
    const sdp = 'v=0\na=one\na=two three:four\na=five';
    const fails = (input: { readonly sdp: string }) => input.sdp.includes('three');
    expect(minimise({ base: '', sdp, wish: 0 }, fails).sdp).toBe('three:');
  });
});

test('planning is pure: the same input gives the same plan, and the Router’s capabilities are not changed', () => {
  const before = structuredClone(router);
  const text = recorded('chromium-156.0.8078.79-12-h264-only.sdp');
  expect(plan(text)).toEqual(plan(text));
  expect(router).toEqual(before);
});
