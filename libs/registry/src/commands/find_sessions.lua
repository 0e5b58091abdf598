-- Reads only; costs what the user has, not what the room has.
local room = redis.call('HGETALL', K.room)
if #room == 0 then
  return {}
end
local sessions = {}
for id in (redis.call('HGET', K.users, A.userId) or ''):gmatch('[^,]+') do
  sessions[#sessions + 1] = redis.call('HGET', K.sessions, id)
end
return { room, sessions }
