-- What the bridge needs in Lua: waiting passes outward through coroutines, and files are read
-- through the configuration's sources.

local native = ...
local park, parents, waiting = native.park, native.parents, native.waiting
local collect, over = native.collect, native.over
local read_source, compile = native.read_source, native.compile
local raw_resume, raw_yield = coroutine.resume, coroutine.yield
local create, running, status = coroutine.create, coroutine.running, coroutine.status
local error, type, select = error, type, select
local ipairs, pcall, setfenv = ipairs, pcall, setfenv
local concat = table.concat

-- Coroutines. One that waits yields `park` to whoever resumed it, which yields in turn, up to the
-- call that C++ made; C++ resumes that call when the result is there, and all go on.

local function step(co, ok, ...)
  if ok and (...) == park then
    raw_yield(park)
    return step(co, raw_resume(co))
  end
  if status(co) == "dead" then
    return over(co, ok, ...)
  end
  return ok, ...
end

local function resume(co, ...)
  if type(co) ~= "thread" then
    return raw_resume(co, ...)
  end
  if waiting[co] then
    return false, "cannot resume waiting coroutine"
  end
  if status(co) ~= "suspended" then
    return raw_resume(co, ...)
  end
  parents[co] = running()
  return step(co, raw_resume(co, ...))
end
coroutine.resume = resume

local function unwrap(ok, ...)
  if ok then
    return ...
  end
  error((...), 0)
end

function coroutine.wrap(f)
  local co = create(f)
  return function(...)
    return unwrap(resume(co, ...))
  end
end

-- Makes a C function that ends with await() into one that returns what was waited for.
local function waits(raw)
  return function(...)
    return collect(raw(...))
  end
end

for _, f in ipairs({ pcall, xpcall, raw_resume, raw_yield }) do
  native.resumable[f] = true
end

-- Chunks. The originals read files themselves and call back from C, through which nothing waits.

local function gather(reader)
  local pieces = {}
  while true do
    local piece = reader()
    if piece == nil or piece == "" then
      return concat(pieces)
    end
    if type(piece) ~= "string" then
      return nil, "reader function must return a string"
    end
    pieces[#pieces + 1] = piece
  end
end

local function chunk(text, name, mode, set, env)
  local kind = text:byte() == 27 and "binary" or "text"
  if mode and not mode:find(kind:sub(1, 1), 1, true) then
    return nil, "attempt to load chunk with wrong mode"
  end
  local f, message = compile(text, name)
  if not f then
    return nil, message
  end
  return set and setfenv(f, env) or f
end

function load(source, name, mode, ...)
  local text, message = source
  if type(source) == "function" then
    text, message = gather(source)
    if not text then
      return nil, message
    end
  elseif type(source) ~= "string" then
    error("bad argument #1 to 'load' (function expected, got " .. type(source) .. ")", 2)
  end
  local default = type(source) == "string" and source or "=(load)"
  return chunk(text, name or default, mode, select("#", ...) > 0, (...))
end

function loadstring(text, name)
  if type(text) ~= "string" then
    error("bad argument #1 to 'loadstring' (string expected, got " .. type(text) .. ")", 2)
  end
  return chunk(text, name or text)
end

function loadfile(path, mode, ...)
  local text, message = read_source(path)
  if not text then
    return nil, message
  end
  return chunk(text, "@" .. path, mode, select("#", ...) > 0, (...))
end

function dofile(path)
  local f, message = loadfile(path)
  if not f then
    error(message, 0)
  end
  return f()
end

-- Modules, as in Lua 5.1; but a module that failed may be tried again.

local loaded, loading = package.loaded, {}

local function search_path(name, path)
  local tried = {}
  local file = name:gsub("%.", "/")
  for template in path:gmatch("[^;]+") do
    local candidate = template:gsub("?", (file:gsub("%%", "%%%%")))
    local text = read_source(candidate)
    if text then
      return candidate, text
    end
    tried[#tried + 1] = "\n\tno file '" .. candidate .. "'"
  end
  return nil, concat(tried)
end

local function load_lua_module(name)
  local path, text = search_path(name, package.path)
  if not path then
    return text
  end
  local f, message = compile(text, "@" .. path)
  if not f then
    error("error loading module '" .. name .. "' from file '" .. path .. "':\n\t" .. message, 0)
  end
  return f
end

package.loaders[2] = load_lua_module
package.path = native.folder .. "/?.lua;" .. native.folder .. "/?/init.lua;" .. package.path

local function find_loader(name)
  local tried = {}
  for _, loader in ipairs(package.loaders) do
    local result = loader(name)
    if type(result) == "function" then
      return result
    end
    if type(result) == "string" then
      tried[#tried + 1] = result
    end
  end
  error("module '" .. name .. "' not found:" .. concat(tried), 3)
end

function require(name)
  if type(name) ~= "string" then
    error("bad argument #1 to 'require' (string expected, got " .. type(name) .. ")", 2)
  end
  local value = loaded[name]
  if value == loading then
    error("loop loading module '" .. name .. "'", 2)
  end
  if value then
    return value
  end
  local loader = find_loader(name)
  loaded[name] = loading
  local ok, result = pcall(loader, name)
  if not ok then
    loaded[name] = nil
    error(result, 0)
  end
  if result ~= nil then
    loaded[name] = result
  elseif loaded[name] == loading then
    loaded[name] = true
  end
  return loaded[name]
end

-- The first function of every call: `prepare` pushes the function and its arguments.

local prepare = native.prepare

local function run(f, ...)
  return f(...)
end

local function enter()
  return run(prepare())
end

return enter, waits
