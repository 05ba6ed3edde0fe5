#pragma once

#include <string>

#include "data/json.hh"

namespace perilune::data::test {

// A parsed text as JSON, or "error: message".
inline std::string show(const Result<Tree, Failure>& parsed) {
  if (!parsed) return "error: " + parsed.error().message;
  const auto text = dump_json(*parsed);
  return text ? *text : "no JSON: " + text.error().message;
}

inline std::string repeat(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

}  // namespace perilune::data::test
