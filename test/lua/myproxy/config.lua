-- Written for myproxy, unchanged.

local accounts = dofile("accounts.lua")
local backend = mysql_resolve(require("backend").address)
local handler = {}

function handler.on_connect(client)
  if client.pid then
    client.account = client.cgroup and client.cgroup.path or "local"
  end
  client.notes.started = true
end

function handler.on_handshake_response(client, hr)
  local password = accounts[hr.user]
  if not password then
    return client:err("Unknown account")
  end

  client.account = hr.user
  hr.user = "db_" .. hr.user
  hr.password = password
  return client:connect(backend, hr, { read_only = true })
end

function handler.on_command_phase(client)
  assert(client.notes.started)
  print(client.account, client.server_version)
end

mysql_listen("/tmp/perilune-test.sock", handler)
