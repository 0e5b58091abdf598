-- Ends a session without its node, which does not answer: whatever the node still says of it is fenced.
local room = open_room()
local s = room and load_session(A.sessionId)
if s then
  remove_session(A.sessionId, s, A.reason)
  release(s)
  arm_empty_timeout(room)
  announce()
end
return { 'ok' }
