local room = open_room()
if not room then
  return { 'other_life', redis.call('HGETALL', K.room) }
end
local flat = redis.call('HGETALL', K.room)
return { 'closed', flat, end_room(A.reason) }
