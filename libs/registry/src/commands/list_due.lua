-- Reads only; by Redis' clock, which is the one that set them.
return redis.call('ZRANGEBYSCORE', K.due, '-inf', int(now), 'LIMIT', 0, A.limit)
