local room, reply = open_fact()
if not room then
  return reply
end
local t = cjson.decode(A.track)
local s = hosted_session(t.sessionId)
if not s or s.head.state ~= 'joined' then
  return fenced()
end
local raw = redis.call('HGET', K.tracks, t.trackId)
local old = raw and cjson.decode(raw)
redis.call('HSET', K.tracks, t.trackId, A.track)
if not old or old.producerId ~= t.producerId then
  if old then
    track_closed(old)
  end
  local tracks, known = s.private.tracks or {}, false
  for _, id in ipairs(tracks) do
    known = known or id == t.trackId
  end
  if not known then
    tracks[#tracks + 1] = t.trackId
    s.private.tracks = tracks
    save_session(t.sessionId, s)
  end
  append('producer.created', '{"track":' .. A.track .. '}')
end
return close_fact(room)
