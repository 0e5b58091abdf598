import { expect, it } from 'vitest';
import { ApiKeys, hashKey } from './auth.ts';

const keys = new ApiKeys([hashKey('one'), hashKey('two')]);

it.each(['Bearer one', 'bearer two', 'Bearer  one'])('accepts %s', (header) => {
  expect(keys.authenticate(header)).toEqual({ tenant: 'default' });
});

it.each([
  undefined,
  '',
  'one',
  'Basic one',
  'Bearer',
  'Bearer ',
  'Bearer three',
  'Bearer one two',
  `Bearer ${'x'.repeat(600)}`,
])('refuses %s', (header) => {
  expect(() => keys.authenticate(header)).toThrow(expect.objectContaining({ code: 'unauthorized' }));
});
