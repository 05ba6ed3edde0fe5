-- The script of tools/demo: who logs in decides which server answers.
--
-- Two servers hold different accounts and data. Accounts whose name begins with "red" belong to the first, "blue" to the
-- second; nobody else gets in. The client's password is not known here: it passes through, and the server judges it.

-- Addresses come from the environment only because the demonstration lets the kernel choose the ports.
local function address(name)
  return assert(os.getenv(name), name .. ' is not set; start tools/demo')
end

local servers = { red = address('DEMO_RED'), blue = address('DEMO_BLUE') }

local handler = {}

function handler.on_login(client, login)
  local tenant = login.user:match('^%a+')
  local server = servers[tenant]
  if not server then
    return client:err('No server for account "' .. login.user .. '"')
  end
  client.account = tenant
  print(('route: user %s -> %s server %s'):format(login.user, tenant, server))
  io.stdout:flush()
  return client:connect(server, login)
end

mysql_listen(address('DEMO_LISTEN'), handler)
mysql_listen(address('DEMO_LISTEN_UNIX'), handler)

-- The same for PostgreSQL, where all accounts live at one server. The script sees every statement before the server does.
local postgres = address('DEMO_POSTGRES')

pgsql_listen(address('DEMO_LISTEN_POSTGRES'), {
  on_login = function(client, login)
    print(('route: user %s -> PostgreSQL %s'):format(login.user, postgres))
    io.stdout:flush()
    return client:connect(postgres, login)
  end,
  on_query = function(client, sql)
    if sql:upper():find('DROP TABLE', 1, true) then
      return client:err('The script lets nobody drop a table')
    end
  end,
})
