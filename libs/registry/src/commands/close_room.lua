local room = open_room()
if not room then
  return { 'other_life', redis.call('HGETALL', K.room) }
end
local flat = redis.call('HGETALL', K.room)
local sessions = redis.call('HVALS', K.sessions)
local nodeIds = end_room(A.reason)
for _, text in ipairs(sessions) do
  release(parse_session(text))
end
return { 'closed', flat, nodeIds }
