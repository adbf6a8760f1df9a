-- Make changes to the slots of a replica in a bucket, in the order given.
-- KEYS  as in take.lua
-- ARGV  replica, the terms in the order of terms.py, changes...: 'put' slot stage left, 'cool' slot left, 'drop' slot,
--       'refused' retry_after ago, 'left', 'back'
local reserved, written, cooling, line, state = unpack(KEYS)
local stages = {r = reserved, w = written, c = cooling}
local replica = ARGV[1]
local limit, step, window, hold = ARGV[2] + 0, ARGV[6] + 0, ARGV[7] + 0, ARGV[9] + 0
local settling, clean, longest = ARGV[11] + 0, ARGV[12] + 0, ARGV[13] + 0
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local next_word = 14

local function word()
  next_word = next_word + 1
  return ARGV[next_word - 1]
end
local function text(number) return string.format('%.0f', number) end
local function drop(slot)
  return redis.call('ZREM', reserved, slot) + redis.call('ZREM', written, slot) + redis.call('ZREM', cooling, slot)
end
local function file(slot, key, left)
  if left > 0 then redis.call('ZADD', key, text(now + left), slot) end
end

local change = {}
function change.put()
  local slot, stage, left = word(), word(), tonumber(word())
  drop(slot)
  file(slot, stages[stage], left)
end
function change.cool()
  local slot, left = word(), tonumber(word())
  if drop(slot) > 0 then file(slot, cooling, left) end
end
function change.drop() drop(word()) end
-- Cut once for each burst: a 429 during a pause answers what was sent before it, and only prolongs the pause.
function change.refused()
  local retry_after, at = tonumber(word()), now - tonumber(word())
  local known = redis.call('HMGET', state, 'paused', 'lowered')
  local paused, lowered = tonumber(known[1] or 0), math.min(limit, tonumber(known[2] or limit))
  if paused > now + longest then paused = 0 end
  if at >= paused then
    local in_force = math.min(limit, lowered + step * math.max(0, math.floor((at - paused) / clean)))
    lowered = math.max(1, math.floor(in_force * 0.7))
  end
  paused = math.max(paused, at + math.max(window, math.min(retry_after, longest)))
  redis.call('HSET', state, 'paused', text(paused), 'lowered', text(lowered))
end
function change.left() redis.call('HDEL', line, replica) end
-- While this replica did without the engine, others may have done so too, and may not be back yet.
function change.back()
  for _, key in pairs(stages) do
    for _, slot in ipairs(redis.call('ZRANGE', key, 0, -1)) do
      if string.sub(slot, 1, #replica + 1) == replica .. ':' then redis.call('ZREM', key, slot) end
    end
  end
  redis.call('HSET', state, 'settling', text(now + settling))
end

while next_word <= #ARGV do change[word()]() end
for _, key in pairs(stages) do redis.call('PEXPIRE', key, math.ceil((hold + window) / 1000) + 1000) end
redis.call('PEXPIRE', state, 2592000000)
return 0
