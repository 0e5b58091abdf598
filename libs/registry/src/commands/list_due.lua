-- By Redis' clock, which is the one that set them.
if just_back('due') then
  return {}
end
return redis.call('ZRANGEBYSCORE', K.due, '-inf', int(now), 'LIMIT', 0, A.limit)
