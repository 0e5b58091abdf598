-- Things lapse while Redis, or everybody who looks after them, is away, and not because they are
-- over. So after a gap between two looks nothing counts as lapsed for two lease periods.
local function just_back(name)
  local watch = redis.call('HMGET', K.watch, name .. ':last', name .. ':until')
  local suspended = tonumber(watch[2] or '0')
  if watch[1] and now - tonumber(watch[1]) > C.watchGapMs then
    suspended = now + 2 * C.leaseMs
    redis.call('HSET', K.watch, name .. ':until', int(suspended))
  end
  redis.call('HSET', K.watch, name .. ':last', int(now))
  return suspended > now
end
