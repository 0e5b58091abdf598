local room = open_room()
local s = room and load_session(A.sessionId)
if s and s.head.state == 'joining' then
  remove_session(A.sessionId, s)
  release(s)
  arm_empty_timeout(room)
end
return { 'ok' }
