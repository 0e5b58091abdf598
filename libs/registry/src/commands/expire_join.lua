-- Takes back an admission that nobody committed in time. Nothing was told of it, so no event.
local room = open_room()
local s = room and load_session(A.sessionId)
if not s or s.head.state ~= 'joining' then
  redis.call('ZREM', K.due, due_join(A.sessionId))
  return { 'gone' }
end
local due = redis.call('ZSCORE', K.due, due_join(A.sessionId))
if due and tonumber(due) > now then
  return { 'not_due' }
end
remove_session(A.sessionId, s)
release(s)
arm_empty_timeout(room)
return { 'withdrawn', redis.call('HGETALL', K.room), session_text(s) }
