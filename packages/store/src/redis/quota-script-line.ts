/** Who comes next, as `quota-ledger-line.ts` in Lua: a part of `quota-script-ledger.ts`. Change both languages or neither. */

export const lineScript: string = String.raw`local function costOf(expected, price)
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
    save(take.id, {
      state = 'w', tokens = take.tokens, expected = take.expected, heldAtMs = now, line = take.line, price = take.price,
      place = place, channel = channel ~= '' and channel or nil, wokenUntilMs = tonumber(take.expiresAtMs),
    })
  end

  local function correct(r, used)
    local cost = floor((used - r.expected) * r.price)
    if call('ZSCORE', LINES, r.line) then call('ZINCRBY', LINES, cost, r.line)
    elseif call('ZSCORE', IDLE, r.line) then call('ZINCRBY', IDLE, cost, r.line) end
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
  end`
