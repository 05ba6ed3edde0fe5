#pragma once

#include <string>
#include <string_view>

namespace perilune::log {

struct Masked {
  bool changed = false;           // a secret was found; else `text` is empty
  bool hides_parameters = false;  // a parameter stands where a secret is expected
  std::string text;
};

// Replaces what may be a password in a statement by '***': strings behind IDENTIFIED and PASSWORD
// (also MASTER_PASSWORD and the like), all of SET PASSWORD, and strings that hold such a statement
// themselves. No grammar: when in doubt it masks. The text may be cut anywhere.
Masked mask_passwords(std::string_view sql, bool backslash_escapes);

}  // namespace perilune::log
