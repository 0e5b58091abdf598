-- Admits one session to one candidate: room for it, the user's other devices, the node's limit.
local room = open_room()
if not room then
  return { 'room_not_found' }
end

local mine = load_session(A.sessionId)
local replaces, kept, ids = {}, {}, sessions_of(A.userId)
for _, id in ipairs(ids) do
  local other = id ~= A.sessionId and load_session(id)
  if other then
    -- A device that joins again takes its own place, whatever the room says of other devices.
    if room.onSecondDevice == 'replace' or (A.deviceId and other.private.deviceId == A.deviceId) then
      replaces[#replaces + 1] = session_text(other)
    else
      kept[other.private.ordinal] = true
    end
  end
end

if not mine then
  if room.onSecondDevice == 'refuse' and next(kept) then
    return { 'second_device_refused' }
  end
  if #ids == 0 and redis.call('HLEN', K.users) >= tonumber(room.maxUsers) then
    return { 'room_full' }
  end
  local reason = refusal(A.candidate)
  if reason then
    return { 'refused', reason }
  end
  local ordinal = 1
  while kept[ordinal] do
    ordinal = ordinal + 1
  end
  mine = {
    head = { nodeId = A.candidate.nodeId, state = 'joining', joinedAt = A.joinedAt, version = 1 },
    private = {
      userId = A.userId, deviceId = A.deviceId, bootId = A.candidate.bootId, ordinal = ordinal,
      subscribe = A.subscribe, placed = { at = now, weight = A.candidate.weight },
    },
    body = A.body,
  }
  save_session(A.sessionId, mine)
  ids[#ids + 1] = A.sessionId
  set_sessions_of(A.userId, ids)
  redis.call('HINCRBY', K.members, A.candidate.nodeId, 1)
  redis.call('ZADD', K.hosted, 0, hosted_member(mine, A.sessionId))
  redis.call('ZADD', K.due, int(now + A.joinTimeoutMs), due_join(A.sessionId))
  redis.call('ZREM', K.due, due_room())
  reserve(A.candidate.nodeId, A.candidate.weight)
end
return { 'admitted', redis.call('HGETALL', K.room), session_text(mine), redis.call('HKEYS', K.members), replaces }
