/**
 * What is known of the room: a snapshot, and then the facts that came after it. Facts come in
 * order, and may come twice.
 *
 * @typedef {{ userId: string, sessionId: string, displayName: string | null, nodeId: string }} User
 * @typedef {{ trackId: string, producerId: string, userId: string, sessionId: string, source: string, kind: string, nodeId: string,
 *   paused: boolean, mutedByUser: boolean, mutedByModerator: boolean }} Track
 * @typedef {{ roomSessionId: string, users: User[], tracks: Track[], lastSeq: number }} Snapshot
 * @typedef {{ type: string, roomSessionId: string, seq?: number, data: any }} Fact
 */
export class RoomState {
  /** @type {Map<string, User>} by userId */
  users = new Map();
  /** @type {Map<string, Track>} by trackId */
  tracks = new Map();
  /** @type {Set<string>} producers that are gone while our offer may still show them */
  closed = new Set();
  /** @type {Set<string>} sessions whose media is interrupted */
  interrupted = new Set();
  roomSessionId = '';
  lastSeq = 0;

  /** @param {Snapshot} room */
  reset(room) {
    this.roomSessionId = room.roomSessionId;
    this.lastSeq = room.lastSeq;
    this.users = new Map(room.users.map((user) => [user.userId, user]));
    this.tracks = new Map(room.tracks.map((track) => [track.trackId, track]));
    this.interrupted.clear();
    this.closed.clear();
  }

  /** @param {Fact} fact @returns {boolean} false where it is old, or of another life of the room */
  apply({ type, roomSessionId, seq, data }) {
    if (roomSessionId !== this.roomSessionId) return false;
    if (seq !== undefined) {
      if (seq <= this.lastSeq) return false;
      this.lastSeq = seq;
    }
    switch (type) {
      case 'user.joined':
        this.users.set(data.user.userId, data.user);
        break;
      case 'user.left':
        this.interrupted.delete(data.sessionId);
        // The same user may be in again already: only what belongs to the session that left goes.
        if (this.users.get(data.userId)?.sessionId === data.sessionId) this.users.delete(data.userId);
        for (const track of this.tracks.values()) {
          if (track.sessionId !== data.sessionId) continue;
          this.tracks.delete(track.trackId);
          this.closed.add(track.producerId);
        }
        break;
      case 'user.disconnected':
        this.interrupted.add(data.sessionId);
        break;
      case 'user.connected':
        this.interrupted.delete(data.sessionId);
        break;
      case 'producer.created':
      case 'producer.paused':
      case 'producer.resumed':
        this.tracks.set(data.track.trackId, data.track);
        break;
      case 'producer.closed':
        this.closed.add(data.producerId);
        if (this.tracks.get(data.trackId)?.producerId === data.producerId) this.tracks.delete(data.trackId);
        break;
      default:
        return false;
    }
    return true;
  }

  /** @returns {string[]} the nodes that carry the room, by name */
  nodes() {
    return [...new Set([...this.users.values()].map((user) => user.nodeId))].sort();
  }
}
