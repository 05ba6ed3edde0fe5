-- One stream to many places: what a client sends goes to every destination.
--
-- Each client has connections of its own to all destinations. When one of them breaks or closes, all are closed and the
-- client is reset, so that a source that connects again finds itself connected to all again. A destination that reads
-- slowly slows its source; nothing is stored. Nothing is sent back.
--
-- From the environment:
--
--   SOCKET_PROXY_LISTEN_PORT   where clients connect, on all addresses
--   SOCKET_PROXY_DESTINATIONS  'host:port, host:port', with as many as there are
--
-- In a container:
--
--   docker run -e SOCKET_PROXY_LISTEN_PORT=5000 -e 'SOCKET_PROXY_DESTINATIONS=one:6000, two:6000' -p 5000:5000 IMAGE \
--     perilune --config fanout.lua
--
-- Names are looked up for each client, so destinations may start later and move.

local function need(name, expected)
  local text = os.getenv(name)
  if not text or text == '' then
    error(('%s is not set; expected: %s'):format(name, expected), 0)
  end
  return text
end

local function is_port(text)
  return text:match('^%d+$') and tonumber(text) >= 1 and tonumber(text) <= 65535
end

local function listen_port()
  local name, expected = 'SOCKET_PROXY_LISTEN_PORT', 'a port from 1 to 65535'
  local text = need(name, expected)
  if not is_port(text) then
    error(("%s is '%s'; expected: %s"):format(name, text, expected), 0)
  end
  return text
end

local function is_host(host)
  return host:match('^[%w._-]+$') or host:match('^%[[%x:.]+%]$')
end

local function destinations()
  local name, expected = 'SOCKET_PROXY_DESTINATIONS', 'host:port, host:port'
  local list = {}
  for part in (need(name, expected) .. ','):gmatch('([^,]*),') do
    local address = part:match('^%s*(.-)%s*$')
    local host, port = address:match('^(.+):(%d+)$')
    if not host or not is_host(host) or not is_port(port) then
      error(("%s: '%s' is no destination; expected: %s"):format(name, address, expected), 0)
    end
    list[#list + 1] = address
  end
  return list
end

local targets = destinations()

tcp_listen('*:' .. listen_port(), {
  on_connect = function(client)
    return client:fanout(targets, { on_failure = 'close' })
  end,
})
