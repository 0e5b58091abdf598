-- The room's state and its event log. Whoever changes one writes the other, here, in one script.
--
-- Invariants:
-- 1. `seq` in the room's hash is the id of the last entry of its log; it rises by one per fact.
-- 2. A session is in `sessions`, in its user's entry of `users`, in `hosted` and in its node's count
--    in `members`, or in none of them.
-- 3. A room without sessions has a `room:` entry in `due`; one with sessions has none.
-- 4. A session in state `joining` has a `join:` entry in `due`, no tracks, and no event told of it.
-- 5. What callers wrote (metadata, spec) passes as text: decoding and encoding again would turn
--    their empty lists into objects.
--
-- A session is three lines of JSON: what a view shows and scripts change; what only the registry
-- needs; the fixed part of the view.

local room_member = A.tenant .. ':' .. A.roomId .. ':' .. A.roomSessionId

local function due_room()
  return 'room:' .. room_member
end
local function due_join(sessionId)
  return 'join:' .. room_member .. ':' .. sessionId
end
local function hosted_member(s, sessionId)
  return s.head.nodeId .. ':' .. s.private.bootId .. ':' .. room_member .. ':' .. sessionId
end

-- The room's hash as a table, or nil if there is no room or it is in another life.
local function open_room()
  local flat = redis.call('HGETALL', K.room)
  local room = {}
  for i = 1, #flat, 2 do
    room[flat[i]] = flat[i + 1]
  end
  if room.life ~= A.roomSessionId then
    return nil
  end
  return room
end

local last_seq = nil
local function append(type, data)
  last_seq = redis.call('HINCRBY', K.room, 'seq', 1)
  redis.call('XADD', K.events, 'MAXLEN', C.maxEvents, last_seq .. '-0',
    'type', type, 'roomId', A.roomId, 'epoch', redis.call('HGET', K.room, 'eventEpoch'), 'at', int(A.at or now), 'data', data)
end

-- Once per script, after its last append.
local function announce()
  if last_seq then
    local log = A.tenant .. ':' .. A.roomSessionId
    redis.call('ZADD', K.pending, 'NX', int(now), log)
    redis.call('PUBLISH', C.channel, log .. ':' .. last_seq)
  end
end

local function parse_session(text)
  local head, private, body = text:match('^([^\n]*)\n([^\n]*)\n(.*)$')
  return { head = cjson.decode(head), private = cjson.decode(private), body = body }
end
local function session_text(s)
  return cjson.encode(s.head) .. '\n' .. cjson.encode(s.private) .. '\n' .. s.body
end
local function load_session(sessionId)
  local text = redis.call('HGET', K.sessions, sessionId)
  return text and parse_session(text) or nil
end
local function save_session(sessionId, s)
  redis.call('HSET', K.sessions, sessionId, session_text(s))
end
-- As callers see it, JSON text.
local function session_view(s)
  return cjson.encode(s.head):sub(1, -2) .. ',' .. s.body:sub(2)
end

local function sessions_of(userId)
  local ids = {}
  for id in (redis.call('HGET', K.users, userId) or ''):gmatch('[^,]+') do
    ids[#ids + 1] = id
  end
  return ids
end
local function set_sessions_of(userId, ids)
  if #ids == 0 then
    redis.call('HDEL', K.users, userId)
  else
    redis.call('HSET', K.users, userId, table.concat(ids, ','))
  end
end

local function track_closed(t)
  append('producer.closed', cjson.encode({
    trackId = t.trackId, producerId = t.producerId, userId = t.userId, sessionId = t.sessionId,
  }))
end

-- Frees memory before it needs any, so that leaving works when Redis is full.
local function remove_session(sessionId, s, reason)
  redis.call('HDEL', K.sessions, sessionId)
  redis.call('ZREM', K.hosted, hosted_member(s, sessionId))
  redis.call('ZREM', K.due, due_join(sessionId))
  local others = {}
  for _, id in ipairs(sessions_of(s.private.userId)) do
    if id ~= sessionId then
      others[#others + 1] = id
    end
  end
  set_sessions_of(s.private.userId, others)
  if redis.call('HINCRBY', K.members, s.head.nodeId, -1) <= 0 then
    redis.call('HDEL', K.members, s.head.nodeId)
  end
  for _, trackId in ipairs(s.private.tracks or {}) do
    local raw = redis.call('HGET', K.tracks, trackId)
    local t = raw and cjson.decode(raw)
    -- Another session of the user may have taken the trackId over.
    if t and t.sessionId == sessionId then
      redis.call('HDEL', K.tracks, trackId)
      track_closed(t)
    end
  end
  if s.head.state == 'joined' then
    append('user.left', cjson.encode({ userId = s.private.userId, sessionId = sessionId, reason = reason }))
  end
end

local function arm_empty_timeout(room)
  if redis.call('HLEN', K.sessions) == 0 then
    redis.call('ZADD', K.due, int(now + tonumber(room.emptyMs)), due_room())
  end
end

-- Ends the life: facts for everybody in it, then nothing is left but the log. Returns its nodes.
local function end_room(reason)
  local nodeIds = redis.call('HKEYS', K.members)
  redis.call('ZREM', K.due, due_room())
  redis.call('ZREM', K.rooms, A.roomId)
  local flat = redis.call('HGETALL', K.sessions)
  local sessions = {}
  for i = 1, #flat, 2 do
    sessions[#sessions + 1] = { id = flat[i], s = parse_session(flat[i + 1]) }
  end
  table.sort(sessions, function(a, b)
    local x, y = a.s.head.joinedAt, b.s.head.joinedAt
    return x < y or (x == y and a.id < b.id)
  end)
  for _, entry in ipairs(sessions) do
    remove_session(entry.id, entry.s, 'room_closed')
  end
  append('room.closed', cjson.encode({ reason = reason }))
  announce()
  redis.call('DEL', K.room, K.sessions, K.users, K.tracks, K.members)
  redis.call('PEXPIRE', K.events, C.retentionMs)
  redis.call('PEXPIRE', K.cursor, C.retentionMs)
  return nodeIds
end
