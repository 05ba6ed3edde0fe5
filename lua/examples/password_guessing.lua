-- Against guessing passwords: failed logins are counted for each account and address together. Ten may fail at once, then
-- one a minute; whoever has none left waits before he is refused, and the servers never hear of it.
--
-- The proxy checks the password itself, against a verifier as servers store it, so it knows which logins fail.

local limits = require('perilune.limits')

local server = '127.0.0.1:3307'
local verifiers = { anna = '*14E65567ABDB5135D0CFD9A70B3032C179A49EE7' } -- of "secret"

local failures = limits.bucket('failed logins', { rate = 1 / 60, burst = 10 })
local waiting = limits.sessions('tarpit', { max = 100 })
local tarpit = 5

-- The address without its port.
local function host_of(client)
  return (tostring(client.address):gsub(':%d+$', ''))
end

local handler = {}

function handler.on_login(client, login)
  local key = login.user .. '@' .. host_of(client)
  if failures:available(key) < 1 then
    -- Those who wait cost a connection each: no more than a hundred of them.
    if waiting:enter(client, 'all') then
      sleep(tarpit)
    end
    return client:err('Too many failed logins')
  end
  if not login:verify(verifiers[login.user]) then
    failures:take(key)
    return client:err()
  end
  failures:reset(key)
  client.account = login.user
  return client:connect(server, login)
end

mysql_listen('127.0.0.1:3306', handler)
