local room, reply = open_fact()
if not room then
  return reply
end
local s = hosted_session(A.sessionId)
if not s then
  return fenced()
end
if s.head.state == 'joining' then
  s.head.state = 'joined'
  redis.call('ZREM', K.due, due_join(A.sessionId))
  save_session(A.sessionId, s)
  append('user.joined', '{"user":' .. session_view(s) .. '}')
end
return close_fact(room)
