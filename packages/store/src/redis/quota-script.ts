/** `quota-ledger.ts` in Lua, over six keys and the state, all in one hash slot. Change both or neither. */

/**
 * KEYS: state, records by id, due times, waiters in order, lines by service, sums of lines, idle lines by service.
 * ARGV: the change as JSON, as `redis/quota-store.ts` writes it. The answer is one line of words.
 */
export const quotaScript: string = String.raw`
local STATE, RECORDS, DUE, WAITERS, LINES, SUMS, IDLE = unpack(KEYS)
local call, floor, ceil, max, min, huge = redis.call, math.floor, math.ceil, math.max, math.min, math.huge
local pack, unpacked, format = cmsgpack.pack, cmsgpack.unpack, string.format
local UNITS = 60000
local KEEP_MS, KEEP_AGAIN_MS = 2592000000, 3600000

local now, tokenRate, tokenBurst, requestRate, requestBurst, settlements, extensions, takes, belief, newMode =
  unpack(cjson.decode(ARGV[1]))
if not now then
  local time = call('TIME')
  now = time[1] * 1000 + floor(time[2] / 1000)
end

local atMs, tokenUnits, requestUnits, lowest, waiting, waitingTokens, granted, grantedTokens, refundTokens, holdMs,
  rate, burst, blocked, changed, mode, nextDue, order, size, keptAtMs
local stored = call('GET', STATE)
if stored then
  atMs, tokenUnits, requestUnits, lowest, waiting, waitingTokens, granted, grantedTokens, refundTokens, holdMs,
    rate, burst, blocked, changed, mode, nextDue, order, size, keptAtMs = unpacked(stored)
else
  atMs, tokenUnits, requestUnits, lowest, waiting, waitingTokens, granted, grantedTokens, refundTokens, holdMs,
    rate, burst, blocked, changed, mode, nextDue, order, size, keptAtMs =
    0, false, false, 0, 0, 0, 0, 0, 0, 0, 1000, 1000, 0, 0, '-', 9e15, 0, 0, 0
end

local function filled(units, perMinute, burst, out, elapsedMs)
  local full = (burst - out) * UNITS
  return min(full, (units or full) + elapsedMs * perMinute)
end

local function fill(elapsedMs)
  if tokenRate then tokenUnits = filled(tokenUnits, tokenRate, tokenBurst, grantedTokens, elapsedMs) end
  if requestRate then requestUnits = filled(requestUnits, requestRate, requestBurst, granted, elapsedMs) end
end

local function fits(amount)
  return (not tokenRate or floor(tokenUnits / UNITS) >= amount)
    and (not requestRate or floor(requestUnits / UNITS) >= 1)
end

local function charge(tokens, requests)
  if tokenUnits then tokenUnits = tokenUnits - tokens * UNITS end
  if requestUnits then requestUnits = requestUnits - requests * UNITS end
end

-- States: w(aiting), g(ranted), h(eld), l(ost). The line is '' where none counts.
local function load(id)
  local packed = call('HGET', RECORDS, id)
  if not packed then return nil end
  local state, tokens, expected, heldAtMs, line, price, place = unpacked(packed)
  return { state = state, tokens = tokens, expected = expected, heldAtMs = heldAtMs, line = line, price = price, place = place }
end

local function save(id, r)
  if size == 0 then keptAtMs = 0 end
  size = size + call('HSET', RECORDS, id, pack(r.state, r.tokens, r.expected, r.heldAtMs, r.line, r.price, r.place))
end

local function setDue(id, dueMs)
  call('ZADD', DUE, dueMs, id)
  nextDue = min(nextDue, dueMs)
end

local function forget(id)
  size = size - call('HDEL', RECORDS, id)
  call('ZREM', DUE, id)
end

local function costOf(expected, price)
  return max(1, floor(expected * price))
end

local function startOf(take)
  local perMinute = tokenRate or (requestRate or 0) * take.tokens
  local behind = take.batch and floor((perMinute * 10000) / 60) or 0
  return max(tonumber(call('ZSCORE', IDLE, take.line) or 0), lowest + behind)
end

local function raiseFloor(service, cost, lines)
  lowest = max(service, lowest + floor(cost / lines))
end

local function rest(name, service)
  call('ZADD', IDLE, service, name)
  call('ZREMRANGEBYSCORE', IDLE, '-inf', lowest)
  local count = call('ZCARD', IDLE)
  if count > 1000 then call('ZPOPMIN', IDLE) end
  if count == 1 then keptAtMs = 0 end
end

local function sumsOf(name)
  local packed = call('HGET', SUMS, name)
  if not packed then return 0, 0, 0 end
  return unpacked(packed)
end

local function leaveLine(r)
  local count, tokens, cost = sumsOf(r.line)
  call('ZREM', WAITERS, r.place)
  waiting, waitingTokens = waiting - 1, waitingTokens - r.tokens
  if count > 1 then
    call('HSET', SUMS, r.line, pack(count - 1, tokens - r.tokens, cost - costOf(r.expected, r.price)))
    return
  end
  local service = tonumber(call('ZSCORE', LINES, r.line))
  call('HDEL', SUMS, r.line)
  call('ZREM', LINES, r.line)
  rest(r.line, service)
end

local function joinLine(take)
  local count, tokens, cost = sumsOf(take.line)
  if count == 0 then
    call('ZADD', LINES, startOf(take), take.line)
    call('ZREM', IDLE, take.line)
  end
  order = order + 1
  local place = take.line .. '\0' .. format('%016.0f', order) .. '\0' .. take.id
  call('ZADD', WAITERS, 0, place)
  call('HSET', SUMS, take.line, pack(count + 1, tokens + take.tokens, cost + costOf(take.expected, take.price)))
  if waiting == 0 then keptAtMs = 0 end
  waiting, waitingTokens = waiting + 1, waitingTokens + take.tokens
  save(take.id, { state = 'w', tokens = take.tokens, expected = take.expected, heldAtMs = 0, line = take.line, price = take.price, place = place })
end

local function correct(r, used)
  if r.line == '' then return end
  local cost = floor((used - r.expected) * r.price)
  if call('ZSCORE', LINES, r.line) then call('ZINCRBY', LINES, cost, r.line)
  elseif call('ZSCORE', IDLE, r.line) then call('ZINCRBY', IDLE, cost, r.line) end
end

local function settle(id, used, sent)
  local r = load(id)
  if not r then return end
  forget(id)
  local requests = sent and 0 or 1
  if r.state == 'w' then leaveLine(r)
  elseif r.state == 'l' then charge(used - r.expected, -requests)
  else
    charge(used - r.tokens, -requests)
    correct(r, used)
    if r.state == 'g' then
      granted, grantedTokens = granted - 1, grantedTokens - r.tokens
      return
    end
    refundTokens = refundTokens - (r.tokens - r.expected)
    local heldMs = max(1, now - r.heldAtMs)
    holdMs = holdMs == 0 and heldMs or holdMs + floor((heldMs - holdMs) / 16)
  end
end

local function extend(id, nextMs)
  local r = load(id)
  if not r or r.state == 'w' or r.state == 'g' then return end
  if r.state == 'l' then
    charge(r.tokens - r.expected, 0)
    refundTokens = refundTokens + r.tokens - r.expected
    r.state = 'h'
    save(id, r)
  end
  setDue(id, nextMs)
end

local function expire(id)
  local r = load(id)
  -- Lost with an evicted key.
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

local function expireAll()
  if nextDue > now then return end
  for _, id in ipairs(call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, 256)) do expire(id) end
  local first = call('ZRANGE', DUE, 0, 0, 'WITHSCORES')
  nextDue = tonumber(first[2] or 9e15)
end

local function admitInOrder()
  while waiting > 0 do
    local first = call('ZRANGE', LINES, 0, 0, 'WITHSCORES')
    local name, service = first[1], tonumber(first[2])
    local place = call('ZRANGEBYLEX', WAITERS, '[' .. name .. '\0', '(' .. name .. '\1', 'LIMIT', 0, 1)[1]
    local id = string.sub(place, #name + 19)
    local r = load(id)
    local never = tokenRate and r.tokens > tokenBurst
    if not never and not fits(r.tokens) then return end
    if never then forget(id)
    else
      local cost = costOf(r.expected, r.price)
      raiseFloor(service, cost, call('ZCARD', LINES))
      call('ZINCRBY', LINES, cost, name)
      charge(r.tokens, 1)
      granted, grantedTokens = granted + 1, grantedTokens + r.tokens
      r.state = 'g'
      save(id, r)
    end
    leaveLine(r)
  end
end

local function isNext(take)
  if waiting == 0 then return true end
  if call('ZSCORE', LINES, take.line) then return false end
  local first = call('ZRANGE', LINES, 0, 0, 'WITHSCORES')
  local start, service = startOf(take), tonumber(first[2])
  return start < service or (start == service and take.line < first[1])
end

local function aheadOf(take, r)
  local name = r and r.line or take.line
  local size, ownTokens, ownCost = sumsOf(name)
  local rank, part, untilService = 0, 0, nil
  if size == 0 then untilService = startOf(take)
  else
    rank = r and call('ZLEXCOUNT', WAITERS, '[' .. name .. '\0', '(' .. r.place) or size
    part = rank / size
    untilService = tonumber(call('ZSCORE', LINES, name)) + floor(ownCost * part)
  end
  local limit = format('(%.17g', untilService)
  local before = call('ZRANGEBYSCORE', LINES, '-inf', limit, 'WITHSCORES', 'LIMIT', 0, 65)
  local tokens, count, seen = 0, 0, 0
  for index = 1, #before, 2 do
    if before[index] ~= name and seen < 64 then
      local lineSize, lineTokens, lineCost = sumsOf(before[index])
      local takes = min(lineSize, ceil((untilService - tonumber(before[index + 1])) / (lineCost / lineSize)))
      tokens, count, seen = tokens + floor((lineTokens * takes) / lineSize), count + takes, seen + 1
    end
  end
  local all = seen < 64 and seen or call('ZCOUNT', LINES, '-inf', limit) - (rank > 0 and 1 or 0)
  local scale = max(1, all / 64)
  return floor((size > 0 and ownTokens * part or 0) + tokens * scale), floor(rank + count * scale)
end

local function estimate(take, r)
  local aheadTokens, aheadCount = aheadOf(take, r)
  local tokensShort = tokenRate and (aheadTokens + (r or take).tokens) * UNITS - tokenUnits or 0
  local requestsShort = requestRate and (aheadCount + 1) * UNITS - requestUnits or 0
  local refunds = holdMs == 0 and 0 or (refundTokens * UNITS) / holdMs
  local tokensMs = ceil(tokensShort / (tokenRate and max(tokenRate / 8, tokenRate + refunds) or 1))
  local requestsMs = requestRate and ceil(requestsShort / requestRate) or 0
  local name, short = 't', tokensShort
  if requestsMs > tokensMs then name, short = 'r', requestsShort end
  return name, max(1, tokensMs, requestsMs), max(0, ceil(short / UNITS))
end

local function answerWhileWaiting(take)
  local r = load(take.id)
  if r and r.state ~= 'w' then r = nil end
  local name, waitMs, overBy = estimate(take, r)
  if waitMs > (r and 2 * take.maxWaitMs or take.maxWaitMs) or (not r and waiting >= 10000) then
    if r then
      forget(take.id)
      leaveLine(r)
    end
    return format('%s %.0f %.0f', name, waitMs, overBy)
  end
  local askInMs = min(waitMs, ceil(take.maxWaitMs))
  if not r then joinLine(take) end
  setDue(take.id, now + askInMs + 2000)
  return format('w %.0f', askInMs)
end

local function heldAtOnce(take)
  local line = ''
  if waiting > 0 then
    line = take.line
    local own = call('ZSCORE', LINES, line)
    local service, cost = tonumber(own or startOf(take)), costOf(take.expected, take.price)
    raiseFloor(service, cost, call('ZCARD', LINES) + 1)
    if own then call('ZINCRBY', LINES, cost, line) else rest(line, service + cost) end
  end
  charge(take.tokens, 1)
  return { tokens = take.tokens, expected = take.expected, line = line, price = take.price, place = '' }
end

local function answer(take)
  local r = load(take.id)
  local state = r and r.state
  if state == 'h' then return 'a' end
  local never = (tokenRate and take.tokens > tokenBurst and 't') or (requestRate and requestBurst < 1 and 'r')
  if never and not take.force and state ~= 'g' then
    if state == 'w' then settle(take.id, 0, false) end
    return format('%s -1 %.0f', never, never == 't' and take.tokens - tokenBurst or 1)
  end
  if not take.force then
    if waiting > 0 then
      admitInOrder()
      r = load(take.id)
      state = r and r.state
    end
  elseif state == 'w' then
    settle(take.id, 0, false)
    state = nil
  end
  if state == 'g' then granted, grantedTokens = granted - 1, grantedTokens - r.tokens
  elseif take.force or (state ~= 'w' and fits(take.tokens) and isNext(take)) then r = heldAtOnce(take)
  else return answerWhileWaiting(take) end
  r.state, r.heldAtMs = 'h', now
  refundTokens = refundTokens + r.tokens - r.expected
  save(take.id, r)
  setDue(take.id, take.expiresAtMs)
  return 'a'
end

if atMs - now > 60000 then atMs = now end
local elapsedMs = max(0, now - atMs)
atMs = atMs + elapsedMs
fill(elapsedMs)
for _, each in ipairs(settlements) do settle(each[1], each[2], each[3]) end
for _, each in ipairs(extensions) do extend(each[1], each[2]) end
if belief and belief[5] == changed then rate, burst, blocked, changed = belief[1], belief[2], belief[3], belief[4] end
mode = newMode or mode
expireAll()
fill(0)
local words = { '', '', '', '', '', '', '', '' }
for index, each in ipairs(takes) do
  local id, tokens, expected, expiresAtMs, maxWaitMs, line, price, batch, force = unpack(each)
  words[8 + index] = answer({
    id = id, tokens = tokens, expected = expected, expiresAtMs = expiresAtMs, maxWaitMs = maxWaitMs,
    line = line, price = price, batch = batch, force = force,
  })
end

-- A key that became empty is gone, and comes back without its time to live: keptAtMs is 0 then.
if now - keptAtMs > KEEP_AGAIN_MS then
  keptAtMs = now
  for index = 2, 7 do call('PEXPIRE', KEYS[index], KEEP_MS + 2 * KEEP_AGAIN_MS) end
end
call('SET', STATE, pack(atMs, tokenUnits, requestUnits, lowest, waiting, waitingTokens, granted, grantedTokens,
  refundTokens, holdMs, rate, burst, blocked, changed, mode, nextDue, order, size, keptAtMs), 'PX', KEEP_MS)

words[1] = tokenRate and format('%.0f', floor(tokenUnits / UNITS) - waitingTokens) or 'Infinity'
words[2] = requestRate and format('%.0f', floor(requestUnits / UNITS) - waiting) or 'Infinity'
words[3] = format('%.0f', waitingTokens)
words[4], words[5] = format('%.0f', rate), format('%.0f', burst)
words[6], words[7] = format('%.0f', blocked), format('%.0f', changed)
words[8] = mode
return table.concat(words, ' ')
`
