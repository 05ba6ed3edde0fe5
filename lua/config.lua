-- Perilune's configuration: a Lua program that says where to listen and, login by login, which
-- server to use.
--
-- * perilune --check: tells whether this file can work; opens nothing, can be run at any time.
-- * systemctl reload perilune: puts a changed file into effect; no session is disturbed.
-- * perilunectl status: what the daemon does; "perilunectl top" shows its sessions.
-- * man perilune: command line and signals. man perilune-config: what may stand here, in brief.
-- * The manual, with everything else, is in the package perilune-doc.
--
-- As it stands, a client that connects to /run/perilune/mysql.sock is passed on to the MySQL or
-- MariaDB server of this machine, which judges user and password as if the client had come to
-- 127.0.0.1 directly. Try it: "mariadb --socket=/run/perilune/mysql.sock --user=alice --password".
--
-- Text stands one space from its dashes. Other lines that begin with dashes are examples: remove
-- the dashes of all lines of one to use it.

-- The server. Names work too and are looked up when this file is loaded; without a port it is 3306;
-- the path of a unix socket, such as '/run/mysqld/mysqld.sock', is also a server's address.

local server = mysql_resolve('127.0.0.1:3306')

-- A handler is a table of functions. on_login is asked for each login, and what it returns is done.
-- "login" holds what the client sent: "user", "database". The password is not in it unless you ask
-- for it: Perilune passes the server's challenge to the client and the client's answer to the
-- server, and keeps neither.

local handler = {}

function handler.on_login(client, login)
  -- Whom the session is counted for; yours to choose. It stands in each of the session's log lines.
  client.account = login.user
  return client:connect(server, login)
end

-- Say more when a session ends.

--function handler.on_disconnect(client)
--  local account = client.account or '-'
--  print(('%s: %d commands, %d bytes'):format(account, client.queries, client.bytes_out))
--end

-- Where to listen. Everybody on this machine may connect to the socket, as to that of a server.

mysql_listen('/run/perilune/mysql.sock', handler)

-- What perilunectl talks to: /run/perilune/admin.sock, for root and the members of the group
-- perilune. Whoever may open it sees what runs and may end it.

admin_listen()

-- The same for TCP, here for clients on this machine only. '*:3307' would be for everybody who can
-- reach it. TLS is offered with a certificate made at start; "tls" names one that clients can check.

--mysql_listen('127.0.0.1:3307', handler, {
--  max_connections = 1000,
--  idle_timeout = 8 * 3600,
--})

-- A socket for one group of users. The unit needs SupplementaryGroups=www-data ("systemctl edit
-- perilune").

--mysql_listen('/run/perilune/private.sock', handler, { mode = 0660, group = 'www-data' })

-- Sockets that systemd holds open while Perilune restarts: see
-- /usr/share/doc/perilune/examples/perilune.socket, where FileDescriptorName= gives the name.

--mysql_listen(systemd.mysql, handler)

-- Metrics for Prometheus, under http://127.0.0.1:9100/metrics. Nobody is asked for a password.

--prometheus_listen('127.0.0.1:9100')

-- A log of statements, passwords hidden. /var/log/perilune is made for it, and logrotate looks
-- after it. Only root and Perilune read the file unless "mode" says otherwise.

--local statements = log_file('/var/log/perilune/statements.log', { format = 'json' })
--
--mysql_listen('/run/perilune/logged.sock', handler, { log = statements })

-- PostgreSQL works in the same way: pgsql_listen, pgsql_resolve, pgsql_cluster.

--pgsql_listen('/run/perilune/.s.PGSQL.5432', {
--  on_login = function(client, login)
--    return client:connect('/run/postgresql/.s.PGSQL.5432', login)
--  end,
--})

-- So does any other protocol, without a login that could be looked at.

--tcp_listen('127.0.0.1:6380', {
--  on_connect = function(client)
--    return client:connect('127.0.0.1:6379')
--  end,
--})

-- Several servers that stand for one another. They are probed, and a client whose server fails
-- while it logs in is sent to another one.

--local replicas = mysql_cluster({ '10.0.0.1', '10.0.0.2' }, { monitoring = true })
--
--mysql_listen('/run/perilune/replicas.sock', {
--  on_login = function(client, login)
--    return client:connect(replicas, login)
--  end,
--})

-- Route by account: what stands before the first underscore, or all if there is none, names the
-- customer, and the customer has a server. Nobody else gets in.

--local servers = {
--  shop = mysql_resolve('127.0.0.1:3306'),
--  blog = mysql_resolve('/run/mysqld/mysqld.sock'),
--}
--
--local by_customer = {}
--
--function by_customer.on_login(client, login)
--  local customer = login.user:match('^([^_]+)_') or login.user
--  if not servers[customer] then
--    return client:err('No server for this account')
--  end
--  client.account = customer
--  return client:connect(servers[customer], login, { connect_timeout = 2 })
--end
--
--mysql_listen('/run/perilune/customers.sock', by_customer)

-- Log in to the server with credentials of this file's own. Nobody asks the client for a password
-- then, so something else must tell who it is ("unchecked" says that you thought of this): here the
-- kernel, by the user id of the process at the other end of a unix socket. Only root and Perilune
-- can read this folder.

--local by_uid = {}
--
--function by_uid.on_login(client, login)
--  if client.uid ~= 33 then
--    return client:err('Only for the web server')
--  end
--  login.user = 'www'
--  login.password = 'change me'
--  return client:connect(server, login, { unchecked = true })
--end
--
--mysql_listen('/run/perilune/www.sock', by_uid)

-- Refuse at once, and say why.

--local closed = {}
--
--function closed.on_connect(client)
--  return client:err('Closed for maintenance', { code = 1053, sqlstate = '08S01' })
--end
--
--closed.on_login = handler.on_login
--
--mysql_listen('/run/perilune/closed.sock', closed)

-- Settings of the whole daemon. The values are the defaults, except workers: the number of
-- processors. A drain_timeout beyond 30 needs a longer TimeoutStopSec= in the unit.

--settings{
--  workers = 4,
--  drain_timeout = 30,      -- seconds for sessions to end by themselves at shutdown
--  callback_timeout = 10,   -- seconds for one callback with all its waiting
--  callback_cpu_limit = 1,  -- seconds for one callback without its waiting
--  load_timeout = 30,       -- seconds for loading this file
--  script_memory = '256M',  -- for Lua in one worker
--}
