-- Reads only. A flat list: descriptor, status, 1 while the lease is fresh, reserved; per node.
local out = {}
local nodes = redis.call('HGETALL', K.nodes)
for i = 1, #nodes, 2 do
  local nodeId = nodes[i]
  local lease = redis.call('ZSCORE', K.leases, nodeId)
  out[#out + 1] = nodes[i + 1]
  out[#out + 1] = redis.call('HGET', K.status, nodeId) or ''
  out[#out + 1] = lease and tonumber(lease) > now and '1' or '0'
  out[#out + 1] = string.format('%.4f', reserved_on(nodeId))
end
return out
