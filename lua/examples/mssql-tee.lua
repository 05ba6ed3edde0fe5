-- Shows somebody else what clients send to a Microsoft SQL Server.
--
-- Clients connect here as they would to the server. What they send goes to the server and, as a copy, to a logger, which
-- gets one connection for each client with that client's bytes as they are: it must understand the server's protocol (TDS)
-- itself. What the logger answers is thrown away. A logger that is not there, that hangs or that is too slow is never felt
-- by a client; it misses the rest of that client's session.
--
-- From the environment:
--
--   MROXY_PORT   1334       where clients connect, on all addresses
--   DS_HOST      127.0.0.1  the server
--   DS_PORT      1433
--   LOGGER_HOST  127.0.0.1  who gets the copies
--   LOGGER_PORT  8000
--
-- In a container:
--
--   docker run -e DS_HOST=sqlserver -e LOGGER_HOST=logger -p 1334:1334 IMAGE perilune --config mssql-tee.lua
--
-- Names are looked up for each client, so the server and the logger may start later and move. Clients and server agree on
-- encryption between themselves: where it covers more than the login, the logger sees only what is encrypted. The copies
-- themselves travel in the clear, and what is in a login that is not encrypted is in them.

local function value(name, default)
  local text = os.getenv(name)
  return text and text ~= '' and text or default
end

local function port(name, default)
  local text = value(name, default)
  local number = text:match('^%d+$') and tonumber(text)
  if not number or number < 1 or number > 65535 then
    error(("%s is '%s'; expected: a port from 1 to 65535"):format(name, text), 0)
  end
  return text
end

local function host(name, default)
  local text = value(name, default)
  if text:match('^[%w._-]+$') then
    return text
  end
  local v6 = text:match('^%[?([%x:.]+)%]?$')
  if not v6 or not v6:find(':', 1, true) then
    error(("%s is '%s'; expected: a host's name or address"):format(name, text), 0)
  end
  return '[' .. v6 .. ']'
end

local server = host('DS_HOST', '127.0.0.1') .. ':' .. port('DS_PORT', '1433')
local logger = host('LOGGER_HOST', '127.0.0.1') .. ':' .. port('LOGGER_PORT', '8000')

tcp_listen('*:' .. port('MROXY_PORT', '1334'), {
  on_connect = function(client)
    return client:connect(server, { mirror = { logger } })
  end,
})
