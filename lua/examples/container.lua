-- One listener before servers that stand for one another, all of it from the environment: for a container.
--
--   PERILUNE_NODES          needed    the servers: 'db1:3306, db2:3306'. Without a port the protocol's own
--   PERILUNE_PROTOCOL       mysql     or pgsql, or tcp for any other
--   PERILUNE_LISTEN         *:PORT    where clients connect; PORT is 3306 or 5432, and tcp has none
--   PERILUNE_BALANCE        round_robin, least_connections, consistent_hash (of the account), source_hash, random, first.
--                           Default: least_connections
--   PERILUNE_MAX_CONNECTIONS          sessions at most; others are refused
--   PERILUNE_WORKERS                  threads; default: one for each processor
--   PERILUNE_DRAIN_TIMEOUT  30        seconds that sessions have at the end; less than the engine waits before it kills
--   PERILUNE_STATEMENTS               a file for statements, one JSON object a line: /dev/stdout for the container's log
--   PERILUNE_METRICS        *:9100    where Prometheus asks; off: nowhere
--   PERILUNE_ADMIN          /run/perilune/admin.sock, where perilunectl asks: liveness and readiness too
--
-- Servers are probed; passwords pass through to them. Names are looked up again and again, so servers may move.
-- SIGTERM drains, SIGHUP loads this file again, though with the environment that the process began with.

local function fail(name, text, expected)
  error(("%s is '%s'; expected: %s"):format(name, text, expected), 0)
end

local function value(name, default)
  local text = os.getenv(name)
  return text and text ~= '' and text or default
end

local function choice(name, default, choices)
  local text = value(name, default)
  for _, known in ipairs(choices) do
    if text == known then
      return text
    end
  end
  fail(name, text, table.concat(choices, ', '))
end

-- Nil if it is not set.
local function number(name, least)
  local text = value(name)
  if not text then
    return nil
  end
  if not text:match('^%d+$') or tonumber(text) < least then
    fail(name, text, 'a whole number from ' .. least)
  end
  return tonumber(text)
end

local function nodes()
  local name, list = 'PERILUNE_NODES', {}
  for part in (value(name, '') .. ','):gmatch('([^,]*),') do
    local node = part:match('^%s*(%S+)%s*$')
    if not node then
      fail(name, value(name, ''), 'host, host or host:port, host:port')
    end
    list[#list + 1] = node
  end
  return list
end

local protocols = {
  mysql = { listen = mysql_listen, cluster = mysql_cluster, address = '*:3306' },
  pgsql = { listen = pgsql_listen, cluster = pgsql_cluster, address = '*:5432' },
  tcp = { listen = tcp_listen, cluster = tcp_cluster },
}

local protocol = protocols[choice('PERILUNE_PROTOCOL', 'mysql', { 'mysql', 'pgsql', 'tcp' })]
local address = value('PERILUNE_LISTEN', protocol.address)
if not address then
  fail('PERILUNE_LISTEN', '', 'an address with a port, since tcp has no usual one')
end

settings({
  workers = number('PERILUNE_WORKERS', 1),
  drain_timeout = number('PERILUNE_DRAIN_TIMEOUT', 0),
})

local cluster = protocol.cluster(nodes(), {
  name = 'nodes',
  monitoring = true,
  balance = choice('PERILUNE_BALANCE', 'least_connections', {
    'round_robin', 'least_connections', 'consistent_hash', 'source_hash', 'random', 'first',
  }),
})

local handler = {}

if protocol == protocols.tcp then
  function handler.on_connect(client)
    return client:connect(cluster)
  end
else
  function handler.on_login(client, login)
    client.account = login.user
    return client:connect(cluster, login)
  end
end

local options = { max_connections = number('PERILUNE_MAX_CONNECTIONS', 1) }
local statements = value('PERILUNE_STATEMENTS')
if statements then
  options.log = log_file(statements, { format = 'json' })
end
protocol.listen(address, handler, options)

local metrics = value('PERILUNE_METRICS', '*:9100')
if metrics ~= 'off' then
  prometheus_listen(metrics)
end
admin_listen(value('PERILUNE_ADMIN', '/run/perilune/admin.sock'))
