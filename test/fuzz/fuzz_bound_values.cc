// What clients bind to the parameters of prepared statements, in the eyes of a log.
//
// Input: a byte that says whose, one for the number of parameters, types of four bytes each, and
// the message, maybe cut.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "fuzz/expect.hh"
#include "wire/cursor.hh"
#include "wire/mysql/parameters.hh"
#include "wire/postgres/parameters.hh"

using namespace perilune;

namespace {

void try_mysql(Bytes payload, bool is_bulk, std::vector<std::uint32_t> all) {
  std::vector<wire::mysql::ParameterType> types(all.begin(), all.end());
  const auto count = static_cast<std::uint16_t>(types.size());
  const wire::mysql::BoundParameters bound =
      is_bulk ? wire::mysql::decode_bulk(payload, count, types)
              : wire::mysql::decode_execute(payload, count, types, {{1, "long data"}});
  for (const auto& row : bound.rows) expect(row.size() <= count);
}

void try_postgres(Bytes body, const std::vector<std::uint32_t>& types) {
  const auto names = wire::postgres::decode_bind_names(body);
  if (names) expect(names->portal.size() + names->statement.size() < body.size());
  const Bytes rest = names ? names->rest : body;
  const auto bound = wire::postgres::decode_bound(rest, types);
  expect(bound.values.size() <= rest.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  wire::Cursor in{{reinterpret_cast<const std::byte*>(data), size}};
  const std::uint8_t whose = in.u8();
  std::vector<std::uint32_t> types(in.u8() % 8);
  for (std::uint32_t& type : types) type = in.u32();
  const Bytes message = in.rest();
  if (whose % 3 == 0) {
    try_postgres(message, types);
  } else {
    try_mysql(message, whose % 3 == 1, types);
  }
  return 0;
}
