-- Signals are safe to lose: the oldest go when nobody takes them.
redis.call('RPUSH', K.signals, A.signal)
redis.call('LTRIM', K.signals, -C.maxSignals, -1)
redis.call('PEXPIRE', K.signals, C.signalTtlMs)
return { 'ok' }
