/** `quota-ledger.ts` in Lua, over six keys and the state, all in one hash slot. Change both or neither. */

import { ledgerScript } from './quota-script-ledger.ts'

/**
 * KEYS: state, records by id, due times, waiters in order, lines by service, sums of lines, idle lines by service.
 * ARGV: the change, as `quota-store.ts` beside writes it: words and lists with their lengths. It reads the answer, too.
 *
 * What happens nearly always stands here, without functions: one that captures the state costs as much as a command. The
 * others are made at the first need, so their text stands wherever that may be.
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

if atMs - now > 60000 then atMs = now end
local elapsedMs = max(0, now - atMs)
atMs = atMs + elapsedMs
gap = gap + floor((min(elapsedMs, 10000) * GAP_PARTS - gap) / GAP_PARTS)
if tokenRate then
  local full = (tokenBurst - grantedTokens) * UNITS
  tokenUnits = min(full, (tokenUnits or full) + elapsedMs * tokenRate)
end
if requestRate then
  local full = (requestBurst - granted) * UNITS
  requestUnits = min(full, (requestUnits or full) + elapsedMs * requestRate)
end

local ledger
for _ = 1, nextNumber() do
  local id, used, sent = nextWord(), nextNumber(), nextNumber() == 1
  local packed = call('HGET', RECORDS, id)
  if packed then
    local state, tokens, expected, heldAtMs, line = unpacked(packed)
    if state == 'h' and line == '' then
      size = size - call('HDEL', RECORDS, id)
      call('ZREM', DUE, id)
      if tokenUnits then tokenUnits = tokenUnits - (used - tokens) * UNITS end
      if requestUnits and not sent then requestUnits = requestUnits + UNITS end
      refundTokens = refundTokens - (tokens - expected)
      local heldMs = max(1, now - heldAtMs)
      holdMs = holdMs == 0 and heldMs or holdMs + floor((heldMs - holdMs) / 16)
    else
      ledger = ledger or ${ledgerScript}
      ledger.settle(id, used, sent)
    end
  end
end

local extensions = nextNumber()
if extensions > 0 or nextDue <= now or waiting > 0 then ledger = ledger or ${ledgerScript} end
for _ = 1, extensions do ledger.extend(nextWord(), nextNumber()) end

for _ = 1, nextNumber() do
  local known, a, b, c, d = nextNumber(), nextNumber(), nextNumber(), nextNumber(), nextNumber()
  if known == changed then rate, burst, blocked, changed = a, b, c, d end
end
local newMode = nextWord()
if newMode ~= '' then mode = newMode end

if nextDue <= now then ledger.expire() end
if tokenRate then tokenUnits = min((tokenBurst - grantedTokens) * UNITS, tokenUnits) end
if requestRate then requestUnits = min((requestBurst - granted) * UNITS, requestUnits) end
if waiting > 0 then ledger.admitInOrder() end

local reply = { 0, 0, 0, 0, 0, 0, 0, 0 }
for index = 9, 8 + nextNumber() do
  local id, tokens, expected, expiresAtMs, maxWaitMs, line, price, batch, force =
    nextWord(), nextNumber(), nextNumber(), nextWord(), nextNumber(), nextWord(), nextNumber(), nextWord() == '1',
    nextWord() == '1'
  -- Nobody waits, there is room, and it is not known yet: nearly always.
  if waiting == 0 and (not tokenRate or floor(tokenUnits / UNITS) >= tokens)
    and (not requestRate or floor(requestUnits / UNITS) >= 1)
    and call('HSETNX', RECORDS, id, pack('h', tokens, expected, now, '', 0, '')) == 1 then
    if size == 0 then keptAtMs = 0 end
    size = size + 1
    if tokenUnits then tokenUnits = tokenUnits - tokens * UNITS end
    if requestUnits then requestUnits = requestUnits - UNITS end
    refundTokens = refundTokens + tokens - expected
    -- Numbers in words cost less to hand on than numbers.
    call('ZADD', DUE, expiresAtMs, id)
    nextDue = min(nextDue, tonumber(expiresAtMs))
    reply[index] = 'a'
  else
    ledger = ledger or ${ledgerScript}
    reply[index] = ledger.answer({
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
