-- For all Lua that is shipped: luacheck lua
std = "luajit"
max_line_length = 130
max_comment_line_length = false
self = false

local interface = {
  "admin_listen", "compiled", "control_client", "control_listen", "control_resolve", "disconnect", "every", "first_worker", "json", "jwt", "local_sessions", "log_file",
  "log_journal", "log_socket", "log_syslog", "metric", "monotonic", "mysql_cluster", "mysql_listen", "mysql_resolve", "now", "perilune", "pg", "pgsql_cluster",
  "pgsql_listen", "pgsql_resolve", "prometheus_listen", "re2", "sessions", "settings", "shared", "sleep", "socket",
  "sodium", "systemd", "tcp_cluster", "tcp_listen", "tcp_resolve", "toml", "yaml",
}
read_globals = interface

-- The prelude replaces what loads files and resumes coroutines.
files["lua/prelude.lua"] = { globals = { "coroutine", "dofile", "load", "loadfile", "loadstring", "package", "require" } }
-- Configurations define globals that the daemon looks for.
files["lua/config.lua"] = { globals = { "populate_io_buffers", "reload" } }
-- Annotations define everything, and their functions are empty.
files["lua/perilune.d.lua"] = { globals = interface, ignore = { "121", "122", "131", "212", "241" } }
