import { roomSpecSchema } from '@mediaserver/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RegistryError } from './errors.ts';
import { parseFact, parseRoom, parseSession, roomBody, sessionBody } from './records.ts';

const ref = { tenant: 't', roomId: 'r', roomSessionId: 'life' };
const stored = { home: 'n1', epoch: '7', eventEpoch: '1', version: '2' };

describe('records', () => {
  test('what a caller wrote survives, and stays on one line', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 }), (data) => {
        const metadata: unknown = JSON.parse(JSON.stringify(data));
        fc.pre(JSON.stringify(metadata).length < 4000 && !Object.hasOwn(data, '__proto__'));
        const spec = roomSpecSchema.parse({ metadata });
        const body = roomBody(ref, spec, '2026-01-02T03:04:05.678Z');
        expect(parseRoom({ ...stored, body }).spec.metadata).toEqual(spec.metadata);

        const session = sessionBody(ref, {
          userId: 'anna',
          sessionId: 's',
          deviceId: null,
          displayName: 'Анна\u2028',
          metadata: spec.metadata,
          permissions: { publish: true, subscribe: true },
          subscribe: 'all',
        });
        expect(session).not.toContain('\n');
        const head = '{"nodeId":"n1","state":"joined","joinedAt":"2026-01-02T03:04:05.678Z","version":1}';
        const hidden = '{"userId":"anna","bootId":"b","ordinal":1,"subscribe":"all","tracks":["anna:camera"]}';
        expect(parseSession([head, hidden, session].join('\n')).metadata).toEqual(spec.metadata);
      }),
    );
  });

  test('a fact has the same id at each reading', () => {
    const fields = { type: 'room.closed', roomId: 'r', epoch: '1', at: '1767323045678', data: '{"reason":"closed"}' };
    const fact = parseFact({ tenant: 't', roomSessionId: 'life' }, '12-0', fields);
    expect(fact).toEqual({
      id: 'life.1.12',
      type: 'room.closed',
      ...ref,
      eventEpoch: 1,
      seq: 12,
      occurredAt: '2026-01-02T03:04:05.678Z',
      data: { reason: 'closed' },
    });
    expect(parseFact({ tenant: 't', roomSessionId: 'life' }, '12-0', fields)).toEqual(fact);
  });

  test.each([
    ['no fields', () => parseRoom({})],
    ['a body that is not JSON', () => parseRoom({ ...stored, body: '{' })],
    ['a body without a spec', () => parseRoom({ ...stored, body: '{}' })],
    ['a session of two lines', () => parseSession('{}\n{}')],
    ['an empty session', () => parseSession('{}\n{}\n{}')],
  ])('%s: an error of the registry', (_what, read) => {
    expect(read).toThrow(RegistryError);
    expect(read).toThrow(expect.objectContaining({ code: 'registry_corrupt' }));
  });
});
