// Statements of anybody, cut anywhere, in the eyes of who hides passwords in them.

#include <cstddef>
#include <cstdint>
#include <string>

#include "fuzz/expect.hh"
#include "log/mask.hh"

using namespace perilune;
using log::mask_passwords;

namespace {

constexpr std::string_view kSecret = "s3cr3t";

void try_text(std::string_view sql, log::Lexis lexis) {
  const log::Masked masked = mask_passwords(sql, lexis);
  expect(masked.changed || masked.text.empty());
  if (!masked.changed) return;
  expect(masked.text.find("'***'") != std::string::npos);
}

// Whatever stands before it as a statement of its own: behind a complete one a password is found.
void try_behind(std::string_view sql, log::Lexis lexis) {
  if (sql.find(kSecret) != std::string_view::npos) return;
  if (sql.find_first_of("'\"`/#-*\\") != std::string_view::npos) return;
  const std::string text =
      std::string(sql) + ";ALTER USER u IDENTIFIED BY '" + std::string(kSecret) + "'";
  const log::Masked masked = mask_passwords(text, lexis);
  expect(masked.changed && masked.text.find(kSecret) == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view sql{reinterpret_cast<const char*>(data), size};
  for (const bool escapes : {true, false}) {
    for (const bool is_postgres : {true, false}) {
      try_text(sql, {escapes, is_postgres});
      try_behind(sql, {escapes, is_postgres});
    }
  }
  return 0;
}
