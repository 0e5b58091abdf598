import { expect, test } from 'vitest';
import { createLogger } from './index.ts';

function logged(fields: object): unknown {
  const lines: string[] = [];
  createLogger('test', 'info', { write: (line) => void lines.push(line) }).info(fields, 'said');
  expect(lines).toHaveLength(1);
  return JSON.parse(lines[0] ?? '');
}

test('of an error: what it is and says, not what a library attached to it', () => {
  const command = { name: 'auth', args: ['hunter2'] };
  const cause = Object.assign(new TypeError('inner'), { command });
  const error = Object.assign(new Error('outer', { cause }), { code: 'E_OUTER', command });
  expect(logged({ err: error })).toMatchObject({
    err: {
      type: 'Error',
      message: 'outer',
      code: 'E_OUTER',
      stack: expect.stringContaining('logger.test.ts'),
      cause: { type: 'TypeError', message: 'inner' },
    },
  });
  expect(JSON.stringify(logged({ err: error }))).not.toContain('hunter2');
});

test('what is thrown and no error is written as text', () => {
  expect(logged({ err: 'boom' })).toMatchObject({ err: { type: 'string', message: 'boom' } });
  expect(JSON.stringify(logged({ err: { command: { args: ['hunter2'] } } }))).not.toContain('hunter2');
});

test.each(['authorization', 'password', 'secret', 'sdp', 'iceParameters', 'keyBase64'])(
  '%s is not written, up to three levels deep',
  (key) => {
    const line = logged({ [key]: 'hunter2', a: { [key]: 'hunter2', b: { [key]: { c: 'hunter2' } } } });
    expect(line).toMatchObject({ [key]: '[redacted]', a: { [key]: '[redacted]', b: { [key]: '[redacted]' } } });
    expect(JSON.stringify(line)).not.toContain('hunter2');
  },
);
