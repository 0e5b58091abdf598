local raw = redis.call('HGET', K.status, A.nodeId)
if not raw or cjson.decode(raw).bootId ~= A.bootId then
  return { 'unknown' }
end
redis.call('ZADD', K.leases, int(now + C.leaseMs), A.nodeId)
redis.call('HSET', K.status, A.nodeId, A.statusText)
return { 'ok' }
