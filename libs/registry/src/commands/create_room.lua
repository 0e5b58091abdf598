-- Commits one candidate as the home of a new life of a room, or says who has it already.
local existing = redis.call('HGETALL', K.room)
if #existing > 0 then
  -- The same life: this call was made before and its answer was lost.
  local mine = redis.call('HGET', K.room, 'life') == A.roomSessionId
  return { mine and 'created' or 'exists', existing }
end
if redis.call('EXISTS', K.events) == 1 then
  return { 'life_is_over' }
end
local reason = refusal(A.candidate)
if reason then
  return { 'refused', reason }
end
redis.call('HSET', K.room,
  'life', A.roomSessionId, 'home', A.candidate.nodeId, 'epoch', redis.call('INCR', K.epoch), 'eventEpoch', 1,
  'version', 1, 'seq', 0, 'emptyMs', A.emptyMs, 'maxUsers', A.maxUsers, 'onSecondDevice', A.onSecondDevice,
  'body', A.body)
redis.call('ZADD', K.rooms, 0, A.roomId)
reserve(A.candidate.nodeId, A.candidate.weight)
append('room.created', cjson.encode({ nodeId = A.candidate.nodeId }))
arm_empty_timeout({ emptyMs = A.emptyMs })
announce()
return { 'created', redis.call('HGETALL', K.room) }
