-- Reads only: the first and last seq kept, then the facts after A.after in order.
local oldest = redis.call('XRANGE', K.events, '-', '+', 'COUNT', 1)[1]
if not oldest then
  return {}
end
local newest = redis.call('XREVRANGE', K.events, '+', '-', 'COUNT', 1)[1]
local entries = redis.call('XRANGE', K.events, int(A.after + 1) .. '-0', '+', 'COUNT', A.limit)
return { oldest[1], newest[1], entries }
