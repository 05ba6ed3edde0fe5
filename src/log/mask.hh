#pragma once

#include <string>
#include <string_view>

namespace perilune::log {

// How statements are to be read.
struct Lexis {
  bool backslash_escapes = true;  // in plain strings
  bool is_postgres = false;       // comments, names and parameters as PostgreSQL has them
};

struct Masked {
  bool changed = false;           // a secret was found; else `text` is empty
  bool hides_parameters = false;  // a parameter stands where a secret is expected
  std::string text;
};

// Replaces what may be a password in a statement by '***': strings behind IDENTIFIED and PASSWORD
// (also MASTER_PASSWORD and the like), all of SET PASSWORD, and strings that hold such a statement
// themselves. No grammar: when in doubt it masks. The text may be cut anywhere.
Masked mask_passwords(std::string_view sql, Lexis lexis);

}  // namespace perilune::log
