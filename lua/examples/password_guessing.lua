-- Against guessing passwords: logins are counted until they have succeeded, for each account and address together and for
-- each address alone. Ten may fail at once of the one and fifty of the other, then one a minute and five; whoever has none
-- left waits before he is refused, and the servers never hear of it. So ten can log in at the same moment: let `burst` be
-- no less than the connections that an application opens at once.
--
-- The proxy checks the password itself, against a verifier as servers store it, so it knows which logins fail.

local limits = require('perilune.limits')

local server = '127.0.0.1:3307'
local verifiers = { anna = '*14E65567ABDB5135D0CFD9A70B3032C179A49EE7' } -- of "secret"

local guesses = limits.bucket('logins of an account', { rate = 1 / 60, burst = 10 })
local tries = limits.bucket('logins of an address', { rate = 5 / 60, burst = 50 })
local waiting = limits.sessions('tarpit', { max = 100 })
local tarpit = 5

-- The address without its port.
local function host_of(client)
  return (tostring(client.address):gsub(':%d+$', ''))
end

local handler = {}

function handler.on_login(client, login)
  local host = host_of(client)
  local key = login.user .. '@' .. host
  -- Before the password is asked for: guesses that come at the same time are counted as well.
  if not tries:take(host) or not guesses:take(key) then
    -- Those who wait cost a connection each: no more than a hundred of them.
    if waiting:enter(client, 'all') then
      sleep(tarpit)
    end
    return client:err('Too many failed logins')
  end
  if not login:verify(verifiers[login.user]) then
    return client:err()
  end
  guesses:reset(key)
  tries:give(host)
  client.account = login.user
  return client:connect(server, login)
end

mysql_listen('127.0.0.1:3306', handler)
