import { expect, it } from 'vitest';
import { readLogLine } from './log-line.ts';

it('reads a JSON line as a person would want it', () => {
  const line = JSON.stringify({
    level: 'warn',
    time: '2026-01-01T00:00:00.000Z',
    service: 'node',
    roomId: 'standup',
    count: 2,
    err: { type: 'RegistryError', message: 'no', stack: '…' },
    msg: 'cannot write',
  });
  expect(readLogLine(line, false)).toEqual({
    serious: true,
    text: 'warn: cannot write roomId=standup count=2 (RegistryError: no)',
  });
  expect(readLogLine('{"level":"info","msg":"hi"}', true)).toEqual({ serious: false, text: 'info: hi' });
});

it.each(['plain words', '{ not json', '{"a":1}', '[1]'])('leaves %s as it is', (line) => {
  expect(readLogLine(line, true)).toEqual({ serious: true, text: line });
});
