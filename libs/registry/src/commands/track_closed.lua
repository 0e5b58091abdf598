local room, reply = open_fact()
if not room then
  return reply
end
local raw = redis.call('HGET', K.tracks, A.trackId)
local t = raw and cjson.decode(raw)
if t and t.producerId == A.producerId then
  local s = hosted_session(t.sessionId)
  if not s then
    return fenced()
  end
  redis.call('HDEL', K.tracks, A.trackId)
  local tracks = {}
  for _, id in ipairs(s.private.tracks or {}) do
    if id ~= A.trackId then
      tracks[#tracks + 1] = id
    end
  end
  s.private.tracks = list(tracks)
  save_session(t.sessionId, s)
  track_closed(t)
end
return close_fact(room)
