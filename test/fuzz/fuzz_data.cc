// JSON, YAML and TOML from anybody: parsing survives anything, and what JSON can say it says again.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "data/json.hh"
#include "data/toml.hh"
#include "data/yaml.hh"
#include "fuzz/expect.hh"

using namespace perilune;

namespace {

void expect_same_again(const data::Tree& tree) {
  const auto text = data::dump_json(tree);
  if (!text) return;
  const auto again = data::parse_json(*text);
  expect(static_cast<bool>(again));
  expect(*data::dump_json(*again) == *text);
}

}  // namespace

// The first byte chooses the language.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text{reinterpret_cast<const char*>(bytes) + 1, size - 1};
  const auto parse = bytes[0] % 3 == 0   ? data::parse_json
                     : bytes[0] % 3 == 1 ? data::parse_yaml
                                         : data::parse_toml;
  const auto parsed = parse(text);
  if (parsed) expect_same_again(*parsed);
  return 0;
}
