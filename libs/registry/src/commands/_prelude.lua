-- Shared by every command. The loader puts `local K = {…}` (the declared keys by name) in front.
-- A: this call's arguments. C: the registry's settings. Times are ms of Redis' own clock.
local A = cjson.decode(ARGV[1])
local C = cjson.decode(ARGV[2])

local now = (function()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end)()

-- Lua would write a time as 1.7e+12.
local function int(n)
  return string.format('%.0f', n)
end

-- An empty Lua table is `{}` in JSON, so empty lists are left out of replies and records.
local function list(t)
  if #t > 0 then
    return t
  end
  return nil
end
