local raw = redis.call('HGET', K.status, A.nodeId)
if raw and cjson.decode(raw).bootId == A.bootId then
  redis.call('ZREM', K.leases, A.nodeId)
  redis.call('HDEL', K.nodes, A.nodeId)
  redis.call('HDEL', K.status, A.nodeId)
  redis.call('HDEL', K.reserved, A.nodeId)
end
return { 'ok' }
