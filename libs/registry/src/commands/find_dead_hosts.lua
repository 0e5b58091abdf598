-- Steps from process to process in `hosted` and checks each against nodes and leases.
if just_back('hosts') then
  return {}
end

local out, from = {}, '-'
while true do
  local member = redis.call('ZRANGEBYLEX', K.hosted, from, '+', 'LIMIT', 0, 1)[1]
  if not member then
    break
  end
  local nodeId, bootId = member:match('^([^:]+):([^:]+):')
  local cause = why_not_alive(nodeId, bootId)
  local lease = cause == 'lease_lapsed' and redis.call('ZSCORE', K.leases, nodeId)
  if cause and not (lease and now - tonumber(lease) < A.graceMs) then
    out[#out + 1] = nodeId
    out[#out + 1] = bootId
    out[#out + 1] = cause
  end
  from = '[' .. nodeId .. ':' .. bootId .. ';'
end

-- Nodes that never came back are forgotten once nothing of theirs is on record.
for _, nodeId in ipairs(redis.call('ZRANGEBYSCORE', K.leases, '-inf', int(now - C.forgetNodeMs), 'LIMIT', 0, 10)) do
  if #redis.call('ZRANGEBYLEX', K.hosted, '[' .. nodeId .. ':', '(' .. nodeId .. ';', 'LIMIT', 0, 1) == 0 then
    redis.call('ZREM', K.leases, nodeId)
    redis.call('HDEL', K.nodes, nodeId)
    redis.call('HDEL', K.status, nodeId)
    redis.call('HDEL', K.reserved, nodeId)
  end
end
return out
