-- require('perilune.limits'): how often something may happen, and how many sessions there may be,
-- for each key, in all workers together. What finds no room to be counted is refused.

local _, native = ...
local perilune = perilune

local limits = {}

local function check(condition, message)
  if not condition then
    error("perilune.limits: " .. message, 3)
  end
end

local function check_name(name)
  check(type(name) == "string" and name ~= "", "a name expected")
end

local function check_options(options, known)
  check(type(options) == "table", "a table of options expected")
  for key in pairs(options) do
    check(known[key], ("unknown option '%s'"):format(tostring(key)))
  end
end

local function check_positive(value, name)
  check(type(value) == "number" and value > 0 and value < math.huge, ("'%s' must be more than 0"):format(name))
end

local function open(kind, name, capacity)
  return perilune.shared("perilune.limits." .. kind .. "." .. name, { capacity = capacity or "16M" })
end

-- Token buckets.

local Bucket = {}
Bucket.__index = Bucket

-- `rate` tokens come back each second, up to `burst`.
function limits.bucket(name, options)
  check_name(name)
  check_options(options, { rate = true, burst = true, capacity = true })
  check_positive(options.rate, "rate")
  local burst = options.burst or math.max(options.rate, 1)
  check_positive(burst, "burst")
  return setmetatable({ store = open("bucket", name, options.capacity), rate = options.rate, burst = burst }, Bucket)
end

-- true, or false and the seconds until it would be true.
function Bucket:take(key, tokens)
  tokens = tokens or 1
  check(type(tokens) == "number" and tokens > 0, "more than 0 tokens expected")
  local taken, left = native.take(self.store, key, tokens, self.rate, self.burst)
  if taken then
    return true
  end
  return false, math.max(-left, 0) / self.rate
end

-- Of those that were taken.
function Bucket:give(key, tokens)
  tokens = tokens or 1
  check(type(tokens) == "number" and tokens > 0, "more than 0 tokens expected")
  native.take(self.store, key, -tokens, self.rate, self.burst)
end

-- How many tokens could be taken now.
function Bucket:available(key)
  local _, left = native.take(self.store, key, 0, self.rate, self.burst)
  return left
end

function Bucket:reset(key)
  self.store:delete(key)
end

-- Sessions at the same time.

local Sessions = {}
Sessions.__index = Sessions

function limits.sessions(name, options)
  check_name(name)
  check_options(options, { max = true, capacity = true })
  check_positive(options.max, "max")
  return setmetatable({ store = open("sessions", name, options.capacity), max = math.floor(options.max) }, Sessions)
end

-- Whether the client's session is one of them; it is until it ends.
function Sessions:enter(client, key)
  return native.enter(self.store, key, self.max, client)
end

function Sessions:leave(client, key)
  native.leave(self.store, key, client)
end

function Sessions:count(key)
  return self.store:get(key) or 0
end

return limits
