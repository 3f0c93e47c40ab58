local key = KEYS[1]
local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
local wanted, minimum = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local at, backlog = string.match(redis.call('GET', key) or '', '^(%d+):(%d+)$')
at, backlog = tonumber(at or now), tonumber(backlog or 0)
backlog = math.max(backlog - math.max(now - at, 0) * 1000, 0)
local room = math.max(math.floor((tolerance - backlog) / interval), 0)
local granted = math.min(wanted, room)
local wait = 0
if granted < minimum then
  granted = 0
  wait = math.ceil((backlog + minimum * interval - tolerance) / 1000)
  if minimum * interval > tolerance then wait = -1 end
end
backlog = backlog + granted * interval
if granted > 0 or now < at then
  local value = string.format('%.0f:%.0f', now, backlog)
  redis.call('SET', key, value, 'PX', math.ceil(backlog / 1000000) + 1)
end
return { granted, wait, room - granted, backlog }
