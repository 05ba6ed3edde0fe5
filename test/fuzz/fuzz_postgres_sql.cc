// What is understood of a client's SQL. Input: the text.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/expect.hh"
#include "wire/postgres/sql.hh"

using namespace perilune;
using namespace perilune::wire::postgres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const std::string word = first_word(text);
  expect(word.size() <= size);
  expect(!command_tag(word, size).empty());
  // A blank in front changes nothing.
  const std::string moved = " " + std::string(text);
  expect(first_word(moved) == word);
  expect(count_parameters(moved) == count_parameters(text));
  return 0;
}
