local raw = redis.call('HGET', K.status, A.nodeId)
if raw and cjson.decode(raw).bootId ~= A.bootId then
  local lease = redis.call('ZSCORE', K.leases, A.nodeId)
  if lease and tonumber(lease) > now then
    return { 'duplicate' }
  end
  redis.call('HDEL', K.reserved, A.nodeId)
end
redis.call('HSET', K.nodes, A.nodeId, A.descriptor)
redis.call('HSET', K.status, A.nodeId, A.statusText)
redis.call('ZADD', K.leases, int(now + C.leaseMs), A.nodeId)
return { 'ok' }
