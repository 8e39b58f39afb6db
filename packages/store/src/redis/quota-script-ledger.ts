/**
 * What one ledger does with a change, and who is admitted when somebody waits, as `quota-ledger.ts` in Lua: a part of
 * `quota-script.ts`, which declares the state that this one changes. Change both languages or neither.
 */

import { lineScript } from './quota-script-line.ts'

export const ledgerScript: string = String.raw`(function()
  local WAITERS, LINES, SUMS, IDLE = KEYS[4], KEYS[5], KEYS[6], KEYS[7]
  local ceil, format = math.ceil, string.format

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
      state = state, tokens = tokens, expected = expected, heldAtMs = heldAtMs, line = line, price = price,
      place = place, channel = channel, wokenUntilMs = wokenUntilMs,
    }
  end

  local function save(id, r)
    if size == 0 then keptAtMs = 0 end
    local packed = r.channel
      and pack(r.state, r.tokens, r.expected, r.heldAtMs, r.line, r.price, r.place, r.channel, r.wokenUntilMs)
      or pack(r.state, r.tokens, r.expected, r.heldAtMs, r.line, r.price, r.place)
    size = size + call('HSET', RECORDS, id, packed)
  end

  local function setDue(id, dueMs)
    call('ZADD', DUE, dueMs, id)
    nextDue = min(nextDue, tonumber(dueMs))
  end

  local function forget(id)
    size = size - call('HDEL', RECORDS, id)
    call('ZREM', DUE, id)
  end

  ${lineScript}

  -- Held from now on: it will be sent.
  local function hold(id, r, expiresAtMs)
    r.state, r.heldAtMs, r.channel = 'h', now, nil
    refundTokens = refundTokens + r.tokens - r.expected
    save(id, r)
    setDue(id, expiresAtMs)
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
      if r.line ~= '' then correct(r, used) end
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
    if r and r.state == 'l' then
      charge(r.tokens - r.expected, 0)
      refundTokens = refundTokens + r.tokens - r.expected
      r.state = 'h'
      save(id, r)
    end
    if r and r.state == 'h' then setDue(id, nextMs) end
  end

  local function expire()
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
        if r.channel then
          -- Who may not publish is not told, and asks.
          redis.pcall('PUBLISH', r.channel, id)
          hold(id, r, max(r.wokenUntilMs, now + 2000))
        else
          granted, grantedTokens = granted + 1, grantedTokens + r.tokens
          r.state = 'g'
          save(id, r)
        end
      end
      leaveLine(r)
    end
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
    local waitedMs = r and now - r.heldAtMs or 0
    local laterMs = channel ~= '' and gap <= BUSY_GAP and 2 * waitMs + floor(waitedMs / 2) + 500
      or max(waitMs, floor(waitedMs / 8))
    local askInMs = min(laterMs, ceil(take.maxWaitMs))
    if not r then joinLine(take)
    elseif channel ~= '' then
      r.channel, r.wokenUntilMs = channel, tonumber(take.expiresAtMs)
      save(take.id, r)
    end
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

  local function answerHeld(take)
    setDue(take.id, take.expiresAtMs)
    return 'a'
  end

  local function answer(take)
    local r = load(take.id)
    local state = r and r.state
    if state == 'h' then return answerHeld(take) end
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
        if state == 'h' then return answerHeld(take) end
      end
    elseif state == 'w' then
      settle(take.id, 0, false)
      state = nil
    end
    if state == 'g' then
      local short = tokenRate and (r.tokens - grantedTokens) * UNITS - tokenUnits or 0
      local waitMs = (take.force or not tokenRate) and 0 or max(0, ceil(short / tokenRate))
      if waitMs > 0 then
        local askInMs = min(waitMs, ceil(take.maxWaitMs))
        if askInMs > 0 then
          setDue(take.id, now + askInMs + 2000)
          return format('w %.0f', askInMs)
        end
        settle(take.id, 0, false)
        return format('t %.0f %.0f', waitMs, take.tokens)
      end
      granted, grantedTokens = granted - 1, grantedTokens - r.tokens
    elseif take.force or (state ~= 'w' and fits(take.tokens) and isNext(take)) then r = heldAtOnce(take)
    else return answerWhileWaiting(take) end
    hold(take.id, r, take.expiresAtMs)
    return 'a'
  end

  return { settle = settle, extend = extend, expire = expire, admitInOrder = admitInOrder, answer = answer }
end)()`
