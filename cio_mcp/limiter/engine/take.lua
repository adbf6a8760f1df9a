-- Take slots of a bucket, as many as are free for a replica; without slots, only look.
-- KEYS  reserved, written, cooling: slots, scored by when they are free; line: replicas that wait; state
-- ARGV  replica, waiting, the terms in the order of terms.py, slots...
-- Returns the members of a View, in order. Microseconds everywhere; numbers of that size must not become '1.7e+15'.
local reserved, written, cooling, line, state = unpack(KEYS)
local replica, waiting = ARGV[1], tonumber(ARGV[2])
local limit, share, stragglers, turn, step = unpack(ARGV, 3, 7)
local window, grace, hold, ticket, settling, clean, longest = unpack(ARGV, 8, 14)
limit, share, stragglers, turn, step = limit + 0, share + 0, stragglers + 0, turn + 0, step + 0
window, grace, hold, ticket, settling, clean, longest = window + 0, grace + 0, hold + 0, ticket + 0, settling + 0, clean + 0, longest + 0
local asked, first_slot = #ARGV - 14, 15

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function text(number) return string.format('%.0f', number) end
local function note(member, number) redis.call('HSET', state, member, text(number)) return number end

-- What was granted before this engine began, or by the one it took over from, is not all known to it.
-- An account that may not ask for INFO does without this.
local server = redis.pcall('INFO', 'server')
if type(server) == 'table' then server = '' end
local run = string.match(server, 'run_id:(%x+)') or ''
local known = redis.call('HMGET', state, 'run', 'since', 'settling', 'paused', 'lowered')
local since, settled = tonumber(known[2] or 0), tonumber(known[3] or 0)
local paused, lowered = tonumber(known[4] or 0), math.min(limit, tonumber(known[5] or limit))
if known[1] ~= run then
  local began = now - 1000000 * tonumber(string.match(server, 'uptime_in_seconds:(%d+)') or 0)
  redis.call('HSET', state, 'run', run)
  since = note('since', known[1] and now or began)
  settled = note('settling', math.max(settled, since + settling))
end

-- A clock that was set back must not hold anything for longer than was meant.
if since > now then since = note('since', now) end
if settled > now + settling then settled = note('settling', now + settling) end
if paused > now + longest then paused = note('paused', now + longest) end
local function tidy(key, longest_held)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now))
  local last = text(now + longest_held)
  for _, slot in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. last, '+inf')) do redis.call('ZADD', key, last, slot) end
  return redis.call('ZCARD', key)
end
local in_force = math.min(limit, lowered + step * math.max(0, math.floor((now - paused) / clean)))
local unanswered = tidy(reserved, hold + window) + tidy(written, hold + window)
local cooled = tidy(cooling, window)

-- Of the requests without an answer the youngest may still be on their way; older ones are slow at the server.
if unanswered + cooled >= in_force then
  local overdue = redis.call('ZRANGEBYSCORE', written, '-inf', text(now + hold + window - grace))
  for i = 1, #overdue - stragglers do
    if tonumber(redis.call('ZSCORE', written, overdue[i])) <= now + hold - grace then
      unanswered = unanswered - redis.call('ZREM', written, overdue[i])
    end
  end
end
local held = unanswered + cooled

-- Replicas that wait have their turns; who does not look again in time is gone.
local others, ahead, last_place, own_place, own_turn, before = {}, 0, 0, nil, turn, {}
local places = redis.call('HGETALL', line)
for i = 1, #places, 2 do
  local place, left, alive, callers = string.match(places[i + 1], '^(%d+) (%d+) (%d+) (%d+)$')
  place, left, alive, callers = tonumber(place), tonumber(left), tonumber(alive), tonumber(callers)
  if alive <= now or alive > now + ticket then
    redis.call('HDEL', line, places[i])
  else
    last_place = math.max(last_place, place)
    if places[i] == replica then own_place, own_turn = place, left
    else others[#others + 1] = callers; before[#before + 1] = {place, math.min(left, callers)} end
  end
end
for _, other in ipairs(before) do
  if not own_place or other[1] < own_place then ahead = ahead + other[2] end
end

local quiet = math.max(0, since + window + grace - now)
local free = math.min(in_force - held - ahead, asked)
if #others > 0 then free = math.min(free, own_turn) end
if settled > now then
  local own = 0
  for _, key in ipairs({reserved, written, cooling}) do
    for _, slot in ipairs(redis.call('ZRANGE', key, 0, -1)) do
      if string.sub(slot, 1, #replica + 1) == replica .. ':' then own = own + 1 end
    end
  end
  free = math.min(free, share - own)
end
local granted = (quiet > 0 or paused > now) and 0 or math.max(0, free)
for i = first_slot, first_slot + granted - 1 do redis.call('ZADD', reserved, text(now + hold + window), ARGV[i]) end

-- In line until nobody waits; after a turn, at the end.
local left_waiting = waiting - granted
if left_waiting > 0 then
  own_turn = own_turn - granted
  if not own_place or own_turn <= 0 then own_place, own_turn = last_place + 1, turn end
  redis.call('HSET', line, replica, table.concat({text(own_place), text(own_turn), text(now + ticket), text(left_waiting)}, ' '))
elseif own_place and asked > 0 then
  redis.call('HDEL', line, replica)
end

-- When enough may be free for those before and one more. No request is answered before it has left.
local wait = 0
if left_waiting > 0 and held + granted >= in_force then
  local nth, moments = held + granted - in_force + ahead, {}
  local function gather(key, earlier)
    local found = redis.call('ZRANGE', key, 0, nth, 'WITHSCORES')
    for i = 2, #found, 2 do moments[#moments + 1] = found[i] - earlier end
  end
  gather(reserved, hold); gather(written, hold); gather(cooling, 0)
  table.sort(moments)
  wait = math.max(1, (moments[math.min(nth, #moments - 1) + 1] or now) - now)
end
wait = math.max(wait, quiet, paused - now)
local ends = {redis.call('ZRANGE', cooling, 0, 0, 'WITHSCORES')[2] or now, redis.call('ZRANGE', cooling, -1, -1, 'WITHSCORES')[2] or now}

redis.call('PEXPIRE', reserved, math.ceil((hold + window) / 1000) + 1000)
redis.call('PEXPIRE', line, math.ceil(ticket / 1000) + 1000)
redis.call('PEXPIRE', state, 2592000000)
return {granted, wait, held + granted, unanswered + granted, ends[1] - now, ends[2] - now, math.max(paused - now, -longest - clean * limit), lowered, quiet, unpack(others)}
