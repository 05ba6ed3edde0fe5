#pragma once

// "Bind": what a client binds to the parameters of a prepared statement, for people to read.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "util/bytes.hh"
#include "util/value.hh"

namespace perilune::wire::postgres {

// What a Bind begins with.
struct BindNames {
  std::string_view portal;
  std::string_view statement;
  Bytes rest;
};

// Of the body, maybe only its beginning. No value: the names are not all here.
std::optional<BindNames> decode_bind_names(Bytes body) noexcept;

struct BoundParameters {
  std::vector<BoundValue> values;
  bool cut = false;  // the body ended, or could not be understood further
};

// Of what stands behind the names, or its beginning. Values in text format are the texts. Those in
// binary format are numbers, or the texts that a server would show, if their type (pg_type's OID;
// 0 or missing: unknown) is a common one, else "\x" and hexadecimal digits.
BoundParameters decode_bound(Bytes rest, std::span<const std::uint32_t> types);

}  // namespace perilune::wire::postgres
