#pragma once

#include <span>
#include <string>
#include <string_view>

namespace perilune {

// The name that `word` was probably meant to be: fewest inserted, deleted, replaced or swapped
// letters, case ignored; empty when no name is near.
std::string_view nearest_name(std::string_view word, std::span<const std::string_view> names);

// "unknown key 'on_conect', did you mean 'on_connect'?"; `kind` is "key", "option", …
std::string unknown_name(std::string_view kind, std::string_view word,
                         std::span<const std::string_view> names);

}  // namespace perilune
