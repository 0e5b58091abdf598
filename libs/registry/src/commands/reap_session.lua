-- Ends a session whose process is dead; checks that it is.
if not why_not_alive(A.nodeId, A.bootId) then
  return { 'alive' }
end
local room = open_room()
local s = room and load_session(A.sessionId)
if not s or s.head.nodeId ~= A.nodeId or s.private.bootId ~= A.bootId then
  redis.call('ZREM', K.hosted, A.hosted)
  return { 'gone' }
end
remove_session(A.sessionId, s, 'node_lost')
arm_empty_timeout(room)
announce()
return { 'reaped' }
