---@meta perilune
-- Annotations for editors with the Lua language server: the whole interface of Perilune's scripts.
-- Nothing here is run by the daemon. A test compares the names with those that scripts see.

---@class SocketAddress
-- Opaque; tostring() gives its numeric text.

---@class Action
-- What a callback returns.

---@class Tls
---@field version string
---@field cipher string
---@field subject string?
---@field server_name string?

---@class Cgroup
---@field path string
---@field parent Cgroup?
---@field xattr table<string, string>

---@class Login
---@field user string
---@field database string?
---@field attributes table<string, string>
---@field change boolean
---@field password string reading it asks the client (waits)
---@field password_sha1 string
local Login = {}

---Challenges the client (waits).
---@param secret string? the password or a stored verifier; nil: a challenge that nobody passes
---@return boolean
function Login:verify(secret) end

---@class ConnectOptions
---@field connect_timeout (number|string)?
---@field key string?
---@field mirror (SocketAddress|string)[]? who gets copies of what the client sends
---@field read_only boolean?
---@field retry integer?
---@field send_proxy ("v1"|"v2")?
---@field tls ("disable"|"prefer"|"require"|table)?
---@field unchecked boolean?

---@class Log
---@field written integer records
---@field dropped integer records
---@field bytes integer
---@field errors integer of the destination
---@field high_water integer most bytes that a queue has held

---@class LogOptions
---@field block_timeout (number|string)?
---@field buffer (integer|string)?
---@field format ("text"|"json"|"raw")? not for log_journal
---@field mask boolean?
---@field max_statement (integer|string)?
---@field on_full ("drop"|"block")?
---@field parameters boolean?

---@class LogFileOptions: LogOptions
---@field mode (integer|string)?

---@class LogSocketOptions: LogOptions
---@field type ("stream"|"dgram")?

---@class LogSyslogOptions: LogSocketOptions
---@field address string?

---@class LogJournalOptions: LogOptions
---@field address string?

---@class LogRecord
---@field time number seconds since 1970
---@field session integer
---@field protocol string
---@field client string
---@field account string?
---@field user string?
---@field database string?
---@field server string?
---@field kind "query"|"prepare"|"execute"|"bulk"|"command"
---@field sql string
---@field sql_bytes integer of the whole text
---@field original string?
---@field parameters table? `n` is their number
---@field duration number seconds
---@field first number seconds
---@field rows integer?
---@field affected integer?
---@field error {code: integer, sqlstate: string?, message: string}?
---@field answered boolean

---@class FanoutOptions
---@field connect_timeout (number|string)?
---@field on_failure ("close"|"continue")?
---@field reply_from integer?
---@field send_proxy ("v1"|"v2")?
---@field tls ("disable"|"require"|table)?

---@class Client
---@field id integer
---@field protocol "mysql"|"pgsql"|"tcp"
---@field address SocketAddress
---@field local_address SocketAddress?
---@field pid integer?
---@field uid integer?
---@field gid integer?
---@field cgroup Cgroup?
---@field user string?
---@field database string?
---@field server SocketAddress?
---@field tls Tls?
---@field connected_at number
---@field bytes_in integer
---@field bytes_out integer
---@field queries integer
---@field notes table
---@field account string? may be set
---@field server_version string? may be set
---@field log (Log|Log[])? may be set
local Client = {}

---@param target SocketAddress|string|Cluster
---@param login (Login|table)? not with tcp_listen
---@param options ConnectOptions?
---@return Action
function Client:connect(target, login, options) end

---With tcp_listen: what the client says goes to all of them.
---@param targets (SocketAddress|string)[]
---@param options FanoutOptions?
---@return Action
function Client:fanout(targets, options) end

---@param options {unchecked: boolean?}?
---@return Action
function Client:serve(options) end

---@param message string?
---@param options {code: integer?, sqlstate: string?}?
---@return Action
function Client:err(message, options) end

---@param name string
---@return Action
function Client:init_db(name) end

---@param text string
---@return Action
function Client:query(text) end

---@param affected integer?
---@return Action
function Client:ok(affected) end

---@param table {columns: table, rows: table[]}
---@return Action
function Client:result(table) end

---Ends the session once the callback is over.
function Client:disconnect() end

---@class ClusterNode
---@field address string
---@field name string?
---@field weight integer
---@field backup boolean
---@field max_connections integer?
---@field state "available"|"read_only"|"unknown"|"auth_failed"|"down"|"draining"
---@field reason string?
---@field since number
---@field sessions integer

---@class Cluster
local Cluster = {}

---@return ClusterNode[]
function Cluster:nodes() end

---@param nodes table[]
function Cluster:set_nodes(nodes) end

---@param node ClusterNode|SocketAddress|string
---@param options {close: boolean?}?
function Cluster:drain(node, options) end

---@param node ClusterNode|SocketAddress|string
function Cluster:enable(node) end

---@class SharedDictionary
local SharedDictionary = {}

---@param key string
---@return string|number|boolean|nil
function SharedDictionary:get(key) end

---@param key string
---@param value string|number|boolean|nil nil deletes
---@param ttl number? seconds
---@return boolean? ok
---@return "full"? why
function SharedDictionary:set(key, value, ttl) end

---@param key string
---@param by number? 1
---@param ttl number? seconds from when the key is made
---@return number? value
---@return string? why
function SharedDictionary:incr(key, by, ttl) end

---@param key string
---@return boolean
function SharedDictionary:delete(key) end

---@class Counter
local Counter = {}

---@param n number? at least 0; 1 by default
function Counter:add(n) end

---@class Gauge
local Gauge = {}

---@param n number
function Gauge:set(n) end

---@param n number? 1 by default
function Gauge:add(n) end

---@class Histogram
local Histogram = {}

---@param n number
function Histogram:observe(n) end

---@class Socket
local Socket = {}

---Waits if the kernel does not take all at once.
---@param data string
---@param first integer?
---@param last integer?
---@return integer? bytes
---@return string? why
function Socket:send(data, first, last) end

---(waits)
---@param max integer? 65536
---@return string? data
---@return string? why "closed" at the end
function Socket:receive(max) end

function Socket:close() end

---@class Database
local Database = {}

---Asks PostgreSQL (waits).
---@param sql string
---@param params table? a list; `n` is its length if it has holes or ends in nil
---@return Result? result
---@return string? message
function Database:execute(sql, params) end

---@param channel string
---@param fn fun() called after notifications, and after the connection was made again
function Database:listen(channel, fn) end

---@class Result
local Result = {}

---@param row table? to be filled; nil: a new one
---@param mode ("a"|"n")? by name or by number
---@return table? row nil after the last one
function Result:fetch(row, mode) end

---@class ControlClient
local ControlClient = {}

---@return ControlBuilder
function ControlClient:build() end

---@param builder ControlBuilder
---@return true?
---@return string? message
function ControlClient:send(builder) end

---@class ControlBuilder
local ControlBuilder = {}

---Each argument adds one command.
---@param ... string
---@return ControlBuilder
function ControlBuilder:fade_children(...) end

---Each argument adds one command.
---@param ... string
---@return ControlBuilder
function ControlBuilder:flush_filter_cache(...) end

---Each argument adds one command.
---@param ... string
---@return ControlBuilder
function ControlBuilder:discard_session(...) end

---Each argument adds one command.
---@param ... string
---@return ControlBuilder
function ControlBuilder:flush_http_cache(...) end

---Each argument adds one command.
---@param ... string
---@return ControlBuilder
function ControlBuilder:terminate_children(...) end

---Each argument adds one command.
---@param ... string
---@return ControlBuilder
function ControlBuilder:disconnect_database(...) end

---Each argument adds one command.
---@param ... string
---@return ControlBuilder
function ControlBuilder:reset_limiter(...) end

---Each argument adds one command.
---@param ... string
---@return ControlBuilder
function ControlBuilder:reject_client(...) end

---Each argument adds one command.
---@param ... string
---@return ControlBuilder
function ControlBuilder:tarpit_client(...) end

---@param partition string
---@param job string
---@return ControlBuilder
function ControlBuilder:cancel_job(partition, job) end

---@class Re2
local Re2 = {}

---The groups, or the whole match if the pattern has none; nil: no match.
---@param text string
---@return string?
---@return string? ...
function Re2:match(text) end

---@param text string
---@return integer? first
---@return integer? last
---@return string? ... groups
function Re2:find(text) end

---@param text string
---@param by string \0 … \9 are groups
---@return string
---@return integer count
function Re2:replace(text, by) end

-- functions

---@type any
systemd = {}

---For perilunectl: a unix socket by default.
---@param address (SocketAddress|string)?
---@param options {token_file: string?, mode: (integer|string)?, user: string?, group: string?}?
function admin_listen(address, options) end

---@generic F: function
---@param fn F
---@return F
function compiled(fn) end

---@param address SocketAddress|string the default port is 5478
---@param options {multicast_group: string?, interface: string?, allow_uids: integer[]?, from: string[]?}?
function control_listen(address, options) end

---Waits.
---@param address string
---@return SocketAddress? address
---@return string? message
function control_resolve(address) end

---@param id integer
---@return boolean (waits)
function disconnect(id) end

---@param seconds number
---@param fn function
---@param options {once: boolean?}?
function every(seconds, fn, options) end

---@param fn function
function first_worker(fn) end

---@return Client[]
function local_sessions() end

---@param path string
---@param options LogFileOptions?
---@return Log
function log_file(path, options) end

---@param options LogJournalOptions?
---@return Log
function log_journal(options) end

---@param address string
---@param options LogSocketOptions?
---@return Log
function log_socket(address, options) end

---@param options LogSyslogOptions?
---@return Log
function log_syslog(options) end

---@return number seconds
function monotonic() end

---@param nodes table[]
---@param options table?
---@return Cluster
function mysql_cluster(nodes, options) end

---@param nodes table[]
---@param options table?
---@return Cluster
function pgsql_cluster(nodes, options) end

---@param address SocketAddress|string|any
---@param handler table<string, function>
---@param options table?
function mysql_listen(address, handler, options) end

---@param address SocketAddress|string|any
---@param handler table<string, function>
---@param options table?
function pgsql_listen(address, handler, options) end

---(waits)
---@param address string
---@return SocketAddress?
---@return string? why
function mysql_resolve(address) end

---(waits)
---@param address string
---@return SocketAddress?
---@return string? why
function pgsql_resolve(address) end

---@return number seconds since 1970
function now() end

---To the log.
function print(...) end

---The default port is 9100.
---@param address SocketAddress|string
---@param options {mode: (integer|string)?, user: string?, group: string?}?
function prometheus_listen(address, options) end

---(waits)
---@return table[]
function sessions() end

---@param settings table
function settings(settings) end

---@param name string
---@param options {capacity: (integer|string)?, evict: boolean?}?
---@return SharedDictionary
function shared(name, options) end

---(waits)
---@param seconds number
function sleep(seconds) end

---@param nodes table[]
---@param options table?
---@return Cluster
function tcp_cluster(nodes, options) end

---@param address SocketAddress|string|any
---@param handler table<string, function>
---@param options table?
function tcp_listen(address, handler, options) end

---(waits)
---@param address string
---@return SocketAddress?
---@return string? why
function tcp_resolve(address) end

-- libraries

control_client = {}

---Waits for names.
---@param address SocketAddress|string
---@return ControlClient?
---@return string? message
function control_client:new(address) end

json = {}

---@param text string
---@return any
---@return string? why
function json.parse(text) end

---@param value any
---@return string
function json.dump(value) end

jwt = {}

---@param key string 64 bytes for EdDSA, a secret for HS256, PEM for RS256
---@param header table `alg` says which; EdDSA without it
---@param payload table
---@return string
function jwt.sign(key, header, payload) end

---@param token string
---@param key string
---@param options {alg: string?, leeway: number?, issuer: string?, audience: string?}?
---@return table? payload
---@return table|string header or why
function jwt.verify(token, key, options) end

metric = {}

---@param name string ends with _total
---@param help string
---@return Counter
function metric.counter(name, help) end

---@param name string
---@param help string
---@return Gauge
function metric.gauge(name, help) end

---@param name string
---@param help string
---@param options {buckets: number[]?}?
---@return Histogram
function metric.histogram(name, help, options) end

pg = {}

---@param conninfo string as libpq understands it
---@param schema string?
---@param options {connections: integer?}?
---@return Database
function pg:new(conninfo, schema, options) end

---@param list (string|number)[]
---@return string
function pg:encode_array(list) end

---@param text string
---@return string[]
function pg:decode_array(text) end

re2 = {}

---@param pattern string
---@param options {ignore_case: boolean?, dot_all: boolean?, multi_line: boolean?, bytes: boolean?}?
---@return Re2
function re2.compile(pattern, options) end

socket = {}

---(waits)
---@param address SocketAddress|string
---@param options {type: ("stream"|"dgram"|"seqpacket")?, timeout: number?}?
---@return Socket?
---@return string? why
function socket:connect(address, options) end

sodium = {}

---@param bytes string
---@return string
function sodium.bin2hex(bytes) end

---@param hex string
---@return string?
function sodium.hex2bin(hex) end

---@param size integer
---@return string
function sodium.randombytes(size) end

---@return string public
---@return string secret
function sodium.crypto_box_keypair() end

---@param message string
---@param public string
---@return string
function sodium.crypto_box_seal(message, public) end

---@param sealed string
---@param public string
---@param secret string
---@return string?
function sodium.crypto_box_seal_open(sealed, public, secret) end

---@param secret string
---@return string public
function sodium.crypto_scalarmult_base(secret) end

---@return string public
---@return string secret
function sodium.crypto_sign_keypair() end

---@param message string
---@param secret string
---@return string signature
function sodium.crypto_sign_detached(message, secret) end

---@param signature string
---@param message string
---@param public string
---@return boolean?
function sodium.crypto_sign_verify_detached(signature, message, public) end

toml = {}

---@param text string
---@return any
---@return string? why
function toml.parse(text) end

yaml = {}

---@param text string
---@return any
---@return string? why
function yaml.parse(text) end

-- For the test that compares: the methods of objects.
return {
  client = Client, Cluster = Cluster, control_client = ControlClient, ["control_client.builder"] = ControlBuilder,
  counter = Counter, gauge = Gauge, histogram = Histogram,
  pg = Database, ["pg.result"] = Result, re2 = Re2, shared = SharedDictionary, socket = Socket,
}
