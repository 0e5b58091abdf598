import { describe, expect, it } from 'vitest';
import { MAX_DATA_MESSAGE_BYTES } from '@mediaserver/contracts';
import { readClientMessage } from './client-message.ts';

const TEXT = 51;
const BINARY = 53;
const read = (text: string, ppid = TEXT) => readClientMessage(Buffer.from(text), ppid, 'anna');
const refused = (code: string, id: string | null = null) => ({ ok: false, code, id, detail: expect.any(String) });
/** A message of exactly so many bytes. */
const ofSize = (bytes: number) => JSON.stringify({ data: 'x'.repeat(bytes - '{"data":""}'.length) });

describe('a message', () => {
  it('is stamped with its sender and goes on with data as it was', () => {
    const data = { text: 'größer ✓', list: [1, null, true] };
    expect(read(JSON.stringify({ to: ['boris'], data, id: 'm1' }))).toEqual({
      ok: true,
      id: 'm1',
      to: ['boris'],
      message: { from: 'anna', data },
      bytes: Buffer.byteLength(JSON.stringify({ from: 'anna', data })),
    });
    expect(read('{"data":null}')).toMatchObject({ ok: true, id: null, to: undefined, message: { data: null } });
  });

  it('cannot name another sender', () => {
    expect(read('{"data":1,"from":"boris"}')).toEqual(refused('invalid_message'));
  });
});

describe('what is refused', () => {
  it.each([
    ['no JSON', 'hello'],
    ['nothing', ' '],
    ['JSON of another shape', '[1]'],
    ['no data', '{}'],
    ['an empty list of recipients', '{"data":1,"to":[]}'],
    ['a recipient who cannot be', '{"data":1,"to":["a b"]}'],
    ['nesting that could exhaust a stack', `{"data":${'['.repeat(8_000)}${']'.repeat(8_000)}}`],
    ['just too deep', `{"data":${'['.repeat(64)}${']'.repeat(64)}}`],
  ])('%s', (_what, text) => {
    expect(read(text)).toEqual(refused('invalid_message'));
  });

  it('binary, and text that is not UTF-8', () => {
    expect(read('{"data":1}', BINARY)).toEqual(refused('invalid_message'));
    expect(readClientMessage(Buffer.from([0x22, 0xff, 0x22]), TEXT, 'anna')).toEqual(refused('invalid_message'));
  });

  it('names the message by its id where that can be read', () => {
    expect(read('{"id":"m7"}')).toEqual(refused('invalid_message', 'm7'));
    expect(read(`{"id":"${'m'.repeat(65)}","data":1}`)).toEqual(refused('invalid_message'));
    expect(read('{"id":7,"data":1}')).toEqual(refused('invalid_message'));
  });

  it('too many bytes, as sent and as delivered', () => {
    expect(read(ofSize(MAX_DATA_MESSAGE_BYTES + 1))).toEqual(refused('message_too_large'));
    // With the sender's name in it, it is over the limit.
    expect(read(ofSize(MAX_DATA_MESSAGE_BYTES))).toEqual(refused('message_too_large'));
    expect(read(ofSize(MAX_DATA_MESSAGE_BYTES - '"from":"anna",'.length))).toMatchObject({ ok: true });
    // 1e20 is written out in full.
    expect(read(`{"id":"n","data":[${Array(3_000).fill('1e20').join(',')}]}`)).toEqual(
      refused('message_too_large', 'n'),
    );
  });
});

it('takes what is as deep as allowed', () => {
  expect(read(`{"data":${'['.repeat(63)}${']'.repeat(63)}}`)).toMatchObject({ ok: true });
});
