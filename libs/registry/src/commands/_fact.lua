-- What every fact born on a node begins and ends with. `fact:<nodeId>` in the room's hash holds
-- "<bootId> <nodeSeq> <lastSeq>" of the last one taken from that node.

-- The room and nil, or nil and the reply to give at once.
local function open_fact()
  local room = open_room()
  if not room then
    return nil, { 'fenced' }
  end
  local boot, seq, result = (room['fact:' .. A.nodeId] or ''):match('^(%S+) (%S+) (%S+)$')
  if boot == A.bootId and tonumber(seq) >= A.nodeSeq then
    local known = tonumber(seq) == A.nodeSeq and tonumber(result) or tonumber(room.seq)
    return nil, { 'ok', known }
  end
  return room, nil
end

-- The session, if it is on the node and boot that speaks; else nil.
local function hosted_session(sessionId)
  local s = load_session(sessionId)
  if s and s.head.nodeId == A.nodeId and s.private.bootId == A.bootId then
    return s
  end
  return nil
end

local function fenced()
  return { 'fenced' }
end

local function close_fact(room)
  local seq = last_seq or tonumber(room.seq)
  redis.call('HSET', K.room, 'fact:' .. A.nodeId, A.bootId .. ' ' .. int(A.nodeSeq) .. ' ' .. int(seq))
  announce()
  return { 'ok', seq }
end
