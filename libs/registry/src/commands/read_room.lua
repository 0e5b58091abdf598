-- Reads only. parts: which of the room's collections to add.
local room = redis.call('HGETALL', K.room)
if #room == 0 then
  return {}
end
local out = { room, redis.call('HGETALL', K.members) }
if A.everything then
  out[3] = redis.call('HVALS', K.sessions)
  out[4] = redis.call('HVALS', K.tracks)
end
return out
