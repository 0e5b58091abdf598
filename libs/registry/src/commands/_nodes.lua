-- Whether a node may take one more session. The caller has chosen it; this only checks.

-- Sessions placed lately count until the node's own load figure can show them: the count fades
-- by e every rampMs. Stored as "<count> <ms>".
local function reserved_on(nodeId)
  local raw = redis.call('HGET', K.reserved, nodeId)
  if not raw then
    return 0
  end
  local count, at = raw:match('^(%S+) (%S+)$')
  return tonumber(count) * math.exp(-math.max(0, now - tonumber(at)) / C.rampMs)
end

local function reserve(nodeId, weight)
  if weight > 0 then
    redis.call('HSET', K.reserved, nodeId, string.format('%.4f', reserved_on(nodeId) + weight) .. ' ' .. int(now))
  end
end

-- Gives back what is left of a session's reservation: gone, it will not show in the load. To be
-- called after the session was removed, so that leaving works when Redis is full.
local function release(s)
  local placed = s.private.placed
  local rest = placed and placed.weight * math.exp(-math.max(0, now - placed.at) / C.rampMs) or 0
  if rest > 0.001 then
    local reserved = math.max(0, reserved_on(s.head.nodeId) - rest)
    if reserved < 0.001 then
      redis.call('HDEL', K.reserved, s.head.nodeId)
    else
      redis.call('HSET', K.reserved, s.head.nodeId, string.format('%.4f', reserved) .. ' ' .. int(now))
    end
  end
end

-- nil: alive as this boot; else why not.
local function why_not_alive(nodeId, bootId)
  local raw = redis.call('HGET', K.status, nodeId)
  if not raw then
    return 'unknown_node'
  end
  local status = cjson.decode(raw)
  if status.bootId ~= bootId then
    return 'other_boot'
  end
  local lease = redis.call('ZSCORE', K.leases, nodeId)
  if not lease or tonumber(lease) <= now then
    return 'lease_lapsed'
  end
  return nil, status
end

-- nil: it may take the candidate's weight; else why not.
local function refusal(c)
  local dead, status = why_not_alive(c.nodeId, c.bootId)
  if dead then
    return dead
  end
  if status.state ~= 'ready' then
    return 'not_ready'
  end
  if status.load.ratio + (reserved_on(c.nodeId) + c.weight) * c.sessionCost > c.maxLoad then
    return 'full'
  end
  return nil
end
