-- A fact that changes nothing on record: user.connected, user.disconnected, consumer.failed.
local room, reply = open_fact()
if not room then
  return reply
end
local s = hosted_session(A.sessionId)
if not s or s.head.state ~= 'joined' then
  return fenced()
end
A.data.userId = s.private.userId
A.data.sessionId = A.sessionId
append(A.type, cjson.encode(A.data))
return close_fact(room)
