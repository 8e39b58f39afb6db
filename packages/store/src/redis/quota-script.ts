/** `quota-ledger.ts` in Lua, over six keys and the state, all in one hash slot. Change both or neither. */

import { lineScript } from './quota-script-line.ts'

/**
 * KEYS: state, records by id, due times, waiters in order, lines by service, sums of lines, idle lines by service.
 * ARGV: the change, as `quota-store.ts` beside writes it: words and lists with their lengths. It reads the answer, too.
 */
export const quotaScript: string = `
local STATE, RECORDS, DUE = KEYS[1], KEYS[2], KEYS[3]
local call, floor, max, min = redis.call, math.floor, math.max, math.min
local pack, unpacked = cmsgpack.pack, cmsgpack.unpack
local UNITS = 60000
local GAP_PARTS, BUSY_GAP = 16, 1600
local KEEP_MS, KEEP_ON_MS, KEEP_AGAIN_MS = '2592000000', '2599200000', 3600000

local at = 0
local function nextNumber()
  at = at + 1
  return tonumber(ARGV[at])
end
local function nextWord()
  at = at + 1
  return ARGV[at]
end

-- Where those are heard who wait; none: they ask again.
local channel = nextWord()
local now, tokenRate, tokenBurst, requestRate, requestBurst =
  nextNumber(), nextNumber(), nextNumber(), nextNumber(), nextNumber()
if not now then
  local time = call('TIME')
  now = time[1] * 1000 + floor(time[2] / 1000)
end

local atMs, tokenUnits, requestUnits, lowest, waiting, waitingTokens, granted, grantedTokens, refundTokens, holdMs,
  rate, burst, blocked, changed, mode, nextDue, order, size, keptAtMs, gap
local stored = call('GET', STATE)
if stored then
  atMs, tokenUnits, requestUnits, lowest, waiting, waitingTokens, granted, grantedTokens, refundTokens, holdMs,
    rate, burst, blocked, changed, mode, nextDue, order, size, keptAtMs, gap = unpacked(stored)
else
  atMs, tokenUnits, requestUnits, lowest, waiting, waitingTokens, granted, grantedTokens, refundTokens, holdMs,
    rate, burst, blocked, changed, mode, nextDue, order, size, keptAtMs, gap =
    0, false, false, 0, 0, 0, 0, 0, 0, 0, 1000, 1000, 0, 0, '', 9e15, 0, 0, 0, 1000 * GAP_PARTS
end

local function fill(elapsedMs)
  if tokenRate then
    local full = (tokenBurst - grantedTokens) * UNITS
    tokenUnits = min(full, (tokenUnits or full) + elapsedMs * tokenRate)
  end
  if requestRate then
    local full = (requestBurst - granted) * UNITS
    requestUnits = min(full, (requestUnits or full) + elapsedMs * requestRate)
  end
end

local function fits(amount)
  return (not tokenRate or floor(tokenUnits / UNITS) >= amount)
    and (not requestRate or floor(requestUnits / UNITS) >= 1)
end

local function charge(tokens, requests)
  if tokenUnits then tokenUnits = tokenUnits - tokens * UNITS end
  if requestUnits then requestUnits = requestUnits - requests * UNITS end
end

-- States: w(aiting), g(ranted), h(eld), l(ost). The line is '' where none counts, the channel nil where nobody hears.
local function load(id)
  local packed = call('HGET', RECORDS, id)
  if not packed then return nil end
  local state, tokens, expected, heldAtMs, line, price, place, channel, wokenUntilMs = unpacked(packed)
  return {
    state = state, tokens = tokens, expected = expected, heldAtMs = heldAtMs, line = line, price = price, place = place,
    channel = channel, wokenUntilMs = wokenUntilMs,
  }
end

local function save(id, r)
  if size == 0 then keptAtMs = 0 end
  local packed = r.channel
    and pack(r.state, r.tokens, r.expected, r.heldAtMs, r.line, r.price, r.place, r.channel, r.wokenUntilMs)
    or pack(r.state, r.tokens, r.expected, r.heldAtMs, r.line, r.price, r.place)
  size = size + call('HSET', RECORDS, id, packed)
end

-- Numbers in words cost less to hand on than numbers.
local function setDue(id, dueMs)
  call('ZADD', DUE, dueMs, id)
  nextDue = min(nextDue, tonumber(dueMs))
end

local function forget(id)
  size = size - call('HDEL', RECORDS, id)
  call('ZREM', DUE, id)
end

local settle

${lineScript}
local made
local function inLine()
  made = made or makeLine()
  return made
end

function settle(id, used, sent)
  local r = load(id)
  if not r then return end
  forget(id)
  local requests = sent and 0 or 1
  if r.state == 'w' then inLine().leave(r)
  elseif r.state == 'l' then charge(used - r.expected, -requests)
  else
    charge(used - r.tokens, -requests)
    if r.line ~= '' then inLine().correct(r, used) end
    if r.state == 'g' then
      granted, grantedTokens = granted - 1, grantedTokens - r.tokens
      return
    end
    refundTokens = refundTokens - (r.tokens - r.expected)
    local heldMs = max(1, now - r.heldAtMs)
    holdMs = holdMs == 0 and heldMs or holdMs + floor((heldMs - holdMs) / 16)
  end
end

if atMs - now > 60000 then atMs = now end
local elapsedMs = max(0, now - atMs)
atMs = atMs + elapsedMs
gap = gap + floor((min(elapsedMs, 10000) * GAP_PARTS - gap) / GAP_PARTS)
fill(elapsedMs)

for _ = 1, nextNumber() do settle(nextWord(), nextNumber(), nextNumber() == 1) end

for _ = 1, nextNumber() do
  local id, nextMs = nextWord(), nextNumber()
  local r = load(id)
  if r and r.state == 'l' then
    charge(r.tokens - r.expected, 0)
    refundTokens = refundTokens + r.tokens - r.expected
    r.state = 'h'
    save(id, r)
  end
  if r and r.state == 'h' then setDue(id, nextMs) end
end

for _ = 1, nextNumber() do
  local known, a, b, c, d = nextNumber(), nextNumber(), nextNumber(), nextNumber(), nextNumber()
  if known == changed then rate, burst, blocked, changed = a, b, c, d end
end
local newMode = nextWord()
if newMode ~= '' then mode = newMode end

if nextDue <= now then
  for _, id in ipairs(call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, 256)) do
    local r = load(id)
    -- None: it was lost with an evicted key.
    if not r or r.state == 'l' then forget(id)
    elseif r.state ~= 'h' then settle(id, 0, false)
    else
      charge(r.expected - r.tokens, 0)
      refundTokens = refundTokens - (r.tokens - r.expected)
      r.state = 'l'
      save(id, r)
      setDue(id, now + 900000)
    end
  end
  nextDue = tonumber(call('ZRANGE', DUE, 0, 0, 'WITHSCORES')[2] or 9e15)
end
fill(0)
if waiting > 0 then inLine().admitInOrder() end

local reply = { 0, 0, 0, 0, 0, 0, 0, 0 }
for index = 9, 8 + nextNumber() do
  local id, tokens, expected, expiresAtMs, maxWaitMs, line, price, batch, force =
    nextWord(), nextNumber(), nextNumber(), nextWord(), nextNumber(), nextWord(), nextNumber(), nextWord() == '1',
    nextWord() == '1'
  -- Nobody waits, there is room, and it is not known yet: nearly always.
  if waiting == 0 and fits(tokens)
    and call('HSETNX', RECORDS, id, pack('h', tokens, expected, now, '', 0, '')) == 1 then
    if size == 0 then keptAtMs = 0 end
    size = size + 1
    charge(tokens, 1)
    refundTokens = refundTokens + tokens - expected
    setDue(id, expiresAtMs)
    reply[index] = 'a'
  else
    reply[index] = inLine().answer({
      id = id, tokens = tokens, expected = expected, expiresAtMs = expiresAtMs, maxWaitMs = maxWaitMs,
      line = line, price = price, batch = batch, force = force,
    })
  end
end

-- A key that became empty is gone, and comes back without its time to live: keptAtMs is 0 then.
local keep = now - keptAtMs > KEEP_AGAIN_MS
if keep then
  keptAtMs = now
  for index = 2, 7 do call('PEXPIRE', KEYS[index], KEEP_ON_MS) end
end
local packedState = pack(atMs, tokenUnits, requestUnits, lowest, waiting, waitingTokens, granted, grantedTokens,
  refundTokens, holdMs, rate, burst, blocked, changed, mode, nextDue, order, size, keptAtMs, gap)
if keep then call('SET', STATE, packedState, 'PX', KEEP_MS) else call('SET', STATE, packedState, 'KEEPTTL') end

reply[1] = tokenRate and floor(tokenUnits / UNITS) - waitingTokens or ''
reply[2] = requestRate and floor(requestUnits / UNITS) - waiting or ''
reply[3], reply[4], reply[5], reply[6], reply[7], reply[8] = waitingTokens, rate, burst, blocked, changed, mode
return reply
`
