import { describe, expect, test } from 'vitest';
import { hostedRange, Keys, parseDueMember, parseHostedMember, parsePendingMember } from './keys.ts';

describe('keys', () => {
  const keys = new Keys('ms');

  test('all have the hash tag and no two are the same', () => {
    const all = [...Object.values(keys.cluster), ...Object.values(keys.index), keys.watch, keys.signals];
    for (const tenant of ['a', 'b']) {
      all.push(keys.rooms(tenant));
      for (const id of ['one', 'two']) {
        const { rooms, ...room } = keys.room(tenant, id);
        expect(rooms).toBe(keys.rooms(tenant));
        all.push(...Object.values(room), ...Object.values(keys.log(tenant, id)));
      }
    }
    expect(all.filter((key) => !key.startsWith('{ms}:'))).toEqual([]);
    expect(new Set(all).size).toBe(all.length);
  });

  test('the namespace cannot break the hash tag', () => {
    for (const namespace of ['', 'a}b', '{a', 'A', 'a:b', 'x'.repeat(33)]) {
      expect(() => new Keys(namespace)).toThrow(TypeError);
    }
  });
});

describe('members', () => {
  test('are read back as they were written, anything else is null', () => {
    expect(parseDueMember('room:t:r:life')).toEqual({ kind: 'room', tenant: 't', roomId: 'r', roomSessionId: 'life' });
    expect(parseDueMember('join:t:r:life:s')).toEqual({
      kind: 'join',
      tenant: 't',
      roomId: 'r',
      roomSessionId: 'life',
      sessionId: 's',
    });
    expect(['', 'join:t:r:life', 'room:t:r', 'other:t:r:life'].map(parseDueMember)).toEqual([null, null, null, null]);
    expect(parseHostedMember('n:b:t:r:life:s')).toEqual({
      nodeId: 'n',
      bootId: 'b',
      tenant: 't',
      roomId: 'r',
      roomSessionId: 'life',
      sessionId: 's',
    });
    expect(parseHostedMember('n:b:t:r:life')).toBeNull();
    expect(parsePendingMember('t:life')).toEqual({ tenant: 't', roomSessionId: 'life' });
    expect(parsePendingMember('t')).toBeNull();
  });

  test('the range of one process leaves out processes whose names begin alike', () => {
    const [from, to] = hostedRange('n1', 'b1');
    const inside = (member: string): boolean => member >= from.slice(1) && member < to.slice(1);
    expect(['n1:b1:t:r:l:s', 'n1:b1:zz:r:l:s'].filter((member) => !inside(member))).toEqual([]);
    expect(['n1:b10:t:r:l:s', 'n10:b1:t:r:l:s', 'n1:b:t:r:l:s', 'n1.a:b1:t:r:l:s'].filter(inside)).toEqual([]);
  });
});
