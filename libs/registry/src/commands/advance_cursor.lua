-- Only forward. Takes the log from `pending` when everything is delivered, or when it is gone.
local newest = redis.call('XREVRANGE', K.events, '+', '-', 'COUNT', 1)[1]
local last = newest and tonumber(newest[1]:match('^%d+')) or 0
local seq = math.min(last, math.max(A.seq, tonumber(redis.call('GET', K.cursor) or '0')))
if seq >= last then
  redis.call('ZREM', K.pending, A.tenant .. ':' .. A.roomSessionId)
end
if not newest then
  redis.call('DEL', K.cursor)
else
  redis.call('SET', K.cursor, int(seq))
  -- A log with a time to live is of a closed room; the cursor goes with it.
  local ttl = redis.call('PTTL', K.events)
  if ttl > 0 then
    redis.call('PEXPIRE', K.cursor, ttl)
  end
end
return { seq >= last and 'caught_up' or 'behind' }
