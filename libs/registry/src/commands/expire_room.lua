-- Closes the room if it is due, still in this life, and still empty.
local room = open_room()
if not room then
  redis.call('ZREM', K.due, due_room())
  return { 'gone' }
end
local due = redis.call('ZSCORE', K.due, due_room())
if not due or tonumber(due) > now or redis.call('HLEN', K.sessions) > 0 then
  return { 'not_due' }
end
local flat = redis.call('HGETALL', K.room)
end_room('empty')
return { 'closed', flat }
