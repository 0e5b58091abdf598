local room, reply = open_fact()
if not room then
  return reply
end
local t = cjson.decode(A.track)
if not hosted_session(t.sessionId) then
  return fenced()
end
local raw = redis.call('HGET', K.tracks, t.trackId)
local old = raw and cjson.decode(raw)
if old and old.producerId == t.producerId then
  redis.call('HSET', K.tracks, t.trackId, A.track)
  if old.paused ~= t.paused then
    append(t.paused and 'producer.paused' or 'producer.resumed', '{"track":' .. A.track .. '}')
  end
end
return close_fact(room)
