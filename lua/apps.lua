-- require('perilune.apps'): forwards ports to targets, as a file of apps says.

local _, native = ...
local perilune = perilune

local apps = {}

local function nodes_of(app)
  local nodes = {}
  for i, target in ipairs(app.targets) do
    nodes[i] = {
      target.address,
      weight = target.weight,
      backup = target.backup,
      max_connections = target.max_connections,
      name = target.name,
    }
  end
  return nodes
end

local function cluster_of(app)
  local health = app.health or false
  local options = { name = app.name, balance = app.sticky or app.balance or "round_robin" }
  options.monitoring = health ~= false
  if type(health) == "table" then
    for name, value in pairs(health) do
      options[name] = value
    end
  end
  return perilune.tcp_cluster(nodes_of(app), options)
end

local function serve(app)
  local cluster = cluster_of(app)
  local options = { connect_timeout = app.connect_timeout, retry = app.retry, send_proxy = app.send_proxy }
  local handler = {
    on_connect = function(client)
      return client:connect(cluster, options)
    end,
  }
  for _, address in ipairs(app.listen) do
    perilune.tcp_listen(address, handler, {
      max_connections = app.max_connections,
      idle_timeout = app.idle_timeout,
      tls = app.tls,
    })
  end
end

-- In the main chunk. Messages call the file `label`, which is its name by default.
function apps.listen(path, label)
  label = label or path
  local list, message = native.read(path, label)
  if not list then
    error(message, 0)
  end
  for _, app in ipairs(list) do
    local ok, why = pcall(serve, app)
    if not ok then
      why = tostring(why):gsub("^perilune%.apps:%d+: ", "")
      error(("%s:%d: app '%s': %s"):format(label, app.line, app.name, why), 0)
    end
  end
end

return apps
