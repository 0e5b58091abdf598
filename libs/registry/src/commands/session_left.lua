local room, reply = open_fact()
if not room then
  return reply
end
local s = hosted_session(A.sessionId)
if not s then
  return fenced()
end
remove_session(A.sessionId, s, A.reason)
release(s)
arm_empty_timeout(room)
return close_fact(room)
