/** Budgets as a script: numbers stay strings, because those of Lua are not exact beyond 2^53. */

/**
 * Keys: the accounts, and for `settle` that of the id. Arguments: what to do; the amount of the reservation; its sum;
 * below which number sums count no more; then for `reserve` the most that may be in each account before, for `settle`
 * what was spent; then when each key is to be forgotten. Replies with the number of the first account without room, or
 * 0, and the sums of each.
 */
export const budgetScript = `
local what, amount, sum, live = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local function atMost(a, b)
  local negative = a:sub(1, 1) == '-'
  if negative ~= (b:sub(1, 1) == '-') then return negative end
  if negative then a, b = b:sub(2), a:sub(2) end
  if #a ~= #b then return #a < #b end
  return a <= b
end
local function add(key, name, value) redis.call('HINCRBY', key, name, value) end
local function sub(key, name, value)
  if value ~= '0' then redis.call('HINCRBY', key, name, '-' .. value) end
end
local accounts, refused = #KEYS, 0
if what == 'reserve' then
  for n = 1, accounts do
    if refused == 0 and not atMost(redis.call('HGET', KEYS[n], 'totalAmount') or '0', ARGV[4 + n]) then refused = n end
  end
  if refused == 0 then
    for n = 1, accounts do
      add(KEYS[n], 'totalAmount', amount)
      add(KEYS[n], sum, amount)
      redis.call('PEXPIREAT', KEYS[n], ARGV[4 + accounts + n])
    end
  end
elseif what == 'settle' then
  accounts = accounts - 1
  local id, spent = KEYS[#KEYS], ARGV[5]
  local before = redis.call('GET', id)
  for n = 1, accounts do
    sub(KEYS[n], 'totalAmount', before or amount)
    add(KEYS[n], 'totalAmount', spent)
    if not before then sub(KEYS[n], sum, amount) end
    redis.call('PEXPIREAT', KEYS[n], ARGV[5 + n])
  end
  redis.call('SET', id, spent, 'PXAT', ARGV[6 + accounts])
end
local reply = { refused }
for n = 1, accounts do
  local sums = redis.call('HGETALL', KEYS[n])
  for field = 1, #sums, 2 do
    local name = sums[field]
    if name ~= 'totalAmount' and tonumber(name:sub(2)) < live then redis.call('HDEL', KEYS[n], name) end
  end
  reply[n + 1] = sums
end
return reply
`
