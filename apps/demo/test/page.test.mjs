import { describe, expect, it } from 'vitest';
import { parseEvent } from '../public/js/api.js';
import { isNewer } from '../public/js/call.js';
import { bestGrid, clock, hueIndex, initials, randomRoom, toRoomId } from '../public/js/layout.js';
import { RoomState } from '../public/js/room-state.js';

const user = (userId, sessionId = `${userId}-1`, nodeId = 'node-1') => ({
  userId,
  sessionId,
  nodeId,
  displayName: userId,
});
const track = (userId, source, sessionId = `${userId}-1`, producerId = `${userId}-${source}`) => ({
  trackId: `${userId}:${source}`,
  producerId,
  userId,
  sessionId,
  source,
  paused: false,
});

describe('RoomState', () => {
  const fresh = () => {
    const room = new RoomState();
    room.reset({ roomSessionId: 'life', lastSeq: 5, users: [user('anna')], tracks: [track('anna', 'camera')] });
    return room;
  };
  const fact = (seq, type, data, roomSessionId = 'life') => ({ seq, type, data, roomSessionId });

  it('follows the facts after its snapshot and ignores old, doubled and foreign ones', () => {
    const room = fresh();
    expect(room.apply(fact(5, 'user.joined', { user: user('old') }))).toBe(false);
    expect(room.apply(fact(6, 'user.joined', { user: user('boris', 'boris-1', 'node-2') }))).toBe(true);
    expect(room.apply(fact(6, 'user.joined', { user: user('double') }))).toBe(false);
    expect(room.apply(fact(7, 'user.joined', { user: user('foreign') }, 'other life'))).toBe(false);
    expect(room.apply(fact(7, 'type.of.tomorrow', {}))).toBe(false);
    expect([...room.users.keys()]).toEqual(['anna', 'boris']);
    expect(room.nodes()).toEqual(['node-1', 'node-2']);
  });

  it('keeps a user who joined again before the old session left', () => {
    const room = fresh();
    room.apply(fact(6, 'user.joined', { user: user('anna', 'anna-2') }));
    room.apply(fact(7, 'producer.created', { track: track('anna', 'camera', 'anna-2', 'new') }));
    room.apply(fact(8, 'producer.closed', { trackId: 'anna:camera', producerId: 'anna-camera', sessionId: 'anna-1' }));
    room.apply(fact(9, 'user.left', { userId: 'anna', sessionId: 'anna-1', reason: 'replaced' }));
    expect(room.users.get('anna')?.sessionId).toBe('anna-2');
    expect(room.tracks.get('anna:camera')?.producerId).toBe('new');
    expect(room.closed.has('anna-camera')).toBe(true);
  });

  it('drops the tracks of a session that left, and forgets its interruption', () => {
    const room = fresh();
    room.apply(fact(6, 'user.disconnected', { userId: 'anna', sessionId: 'anna-1', peer: 'both' }));
    expect(room.interrupted.has('anna-1')).toBe(true);
    room.apply(fact(7, 'user.left', { userId: 'anna', sessionId: 'anna-1', reason: 'connection_lost' }));
    expect([room.users.size, room.tracks.size, room.interrupted.size]).toEqual([0, 0, 0]);
    expect(room.closed.has('anna-camera')).toBe(true);
  });
});

describe('bestGrid', () => {
  it.each([
    [1440, 760],
    [390, 660],
    [800, 800],
    [2560, 1200],
  ])('fits 1 to 16 tiles of a fair shape into %d×%d', (width, height) => {
    for (let count = 1; count <= 16; count += 1) {
      const { columns, tileWidth, tileHeight } = bestGrid(count, width, height, 12);
      const rows = Math.ceil(count / columns);
      expect(columns * tileWidth + (columns - 1) * 12).toBeLessThanOrEqual(width);
      expect(rows * tileHeight + (rows - 1) * 12).toBeLessThanOrEqual(height);
      expect(tileWidth / tileHeight).toBeGreaterThan(0.74);
      expect(tileWidth / tileHeight).toBeLessThan(1.82);
    }
  });

  it('survives a window without room', () => {
    expect(bestGrid(3, 0, 0, 12)).toEqual({ columns: 1, tileWidth: 0, tileHeight: 0 });
  });
});

describe('small helpers', () => {
  it('knows which offer is newer', () => {
    const at = (generation, revision) => ({ generation, revision });
    expect(isNewer(at(1, 2), at(1, 1))).toBe(true);
    expect(isNewer(at(1, 1), at(1, 1))).toBe(false);
    expect(isNewer(at(2, 1), at(1, 9))).toBe(true);
    expect(isNewer(at(1, 9), at(2, 1))).toBe(false);
  });

  it('reads server-sent events and passes over heartbeats', () => {
    expect(parseEvent('event: fact\ndata: {"a":1}')).toEqual({ type: 'fact', data: { a: 1 } });
    expect(parseEvent(': heartbeat')).toBeNull();
  });

  it('shortens names to initials', () => {
    expect(['Anna Petrova', 'anna', 'Анна Мария Орлова', '🙂', ''].map(initials)).toEqual(['AP', 'A', 'АО', '🙂', '?']);
  });

  it('tells neighbouring nodes apart', () => {
    expect(hueIndex('node-1', 6)).not.toBe(hueIndex('node-2', 6));
  });

  it('makes room names the server takes', () => {
    expect(['Board meeting', ' -x', 'Переговорная', 'a:b/c'].map(toRoomId)).toEqual(['Board-meeting', 'x', '', 'abc']);
    const room = randomRoom(() => 0.999);
    expect(toRoomId(room)).toBe(room);
  });

  it('shows time', () => {
    expect([0, 61_000, 3_661_000].map(clock)).toEqual(['0:00', '1:01', '1:01:01']);
  });
});
