#include "script/later.hh"
#include "stage.hh"
#include "support/catch.hh"
#include "told.hh"

namespace perilune::script {

namespace {

// Collects differences between what lua/perilune.d.lua says and what scripts see; fails the load
// with them.
constexpr const char* kCompare = R"lua(
local said = {}
local annotate = assert(loadfile(FILE))
setfenv(annotate, said)
local methods = annotate()
local differences = {}

local function compare(where, real, annotated)
  for name in pairs(real) do
    if not LATER[name] and annotated[name] == nil then
      differences[#differences + 1] = where .. name .. ' is not annotated'
    end
  end
  for name in pairs(annotated) do
    if LATER[name] or real[name] == nil then
      differences[#differences + 1] = where .. name .. ' does not exist'
    end
  end
end

compare('', perilune, said)
for name, library in pairs(said) do
  if type(library) == 'table' and type(perilune[name]) == 'table' then
    compare(name .. '.', perilune[name], library)
  end
end

-- The metatables of all classes are in the registry.
local classes = 0
for _, class in pairs(debug.getregistry()) do
  local name = type(class) == 'table' and rawget(class, '__metatable')
  if methods[name] then
    classes = classes + 1
    local index = rawget(class, '__index')
    if type(index) == 'function' then
      local _, behind = debug.getupvalue(index, 3)
      index = behind
    end
    compare(name .. ':', index, methods[name])
  end
end
local expected = 0
for _ in pairs(methods) do expected = expected + 1 end
assert(classes == expected, classes .. ' classes')
table.sort(differences)
assert(#differences == 0, table.concat(differences, '\n'))
)lua";

std::string later_names() {
  std::string table = "LATER = {";
  for (const char* name : later_functions()) table += std::string(name) + " = true, ";
  return table + "}\n";
}

}  // namespace

TEST_CASE("script annotations: they and what scripts see agree", "[script]") {
  const std::string file = "FILE = '" SHIPPED_LUA_FOLDER "/perilune.d.lua'\n";
  CHECK(test::Stage{file + later_names() + kCompare}.load_error() == "no error");
}

TEST_CASE("script annotations: clients have the fields that they say", "[script]") {
  CHECK(test::told("local file = assert(io.open('" SHIPPED_LUA_FOLDER "/perilune.d.lua'))"
                   R"lua(
    local text = file:read('*a'):match('%-%-%-@class Client\n(.-)\nlocal Client')
    file:close()
    local count, missing = 0, {}
    for name in text:gmatch('%-%-%-@field ([%w_]+)') do
      count = count + 1
      local fine, why = pcall(function() return client[name] end)
      if not fine and tostring(why):find('Unknown attribute', 1, true) then
        missing[#missing + 1] = name
      end
    end
    assert(count >= 18, count)
    assert(not pcall(function() return client.surplus end))
    return 'missing: ' .. table.concat(missing, ', '))lua") == "missing: ");
}

TEST_CASE("script annotations: what is missing is found", "[script]") {
  const std::string file = "FILE = '" SHIPPED_LUA_FOLDER "/perilune.d.lua'\n";
  const std::string more = "perilune.surplus = print perilune.json.dump = nil\n";
  const std::string error = test::Stage{file + later_names() + more + kCompare}.load_error();
  CHECK(error.find("surplus is not annotated") != std::string::npos);
  CHECK(error.find("json.dump does not exist") != std::string::npos);
}

}  // namespace perilune::script
