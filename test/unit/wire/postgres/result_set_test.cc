#include "wire/postgres/result_set.hh"

#include <cmath>
#include <limits>

#include "support/catch.hh"
#include "support/hex.hh"
#include "wire/cursor.hh"
#include "wire/postgres/framing.hh"

using namespace perilune;
using namespace perilune::test;
using namespace perilune::wire::postgres;

namespace {

using Row = std::vector<Value>;

struct Table {
  std::vector<std::string> columns;
  std::vector<Row> rows;

  ResultRows view() const { return {columns, rows}; }
};

// The values of the DataRow in `bytes`; "NULL" for none.
std::vector<std::string> values_of(Bytes bytes) {
  wire::Cursor in{bytes};
  CHECK(in.u8() == 'D');
  CHECK(in.be32() + 1 == bytes.size());
  std::vector<std::string> values;
  for (unsigned left = in.be16(); left > 0; --left) {
    const std::uint32_t size = in.be32();
    values.emplace_back(size == 0xFFFFFFFF ? "NULL" : in.text(size));
  }
  CHECK(in.finish(true));
  return values;
}

std::vector<std::string> texts(const Row& row) {
  Table table{std::vector<std::string>(row.size(), "c"), {row}};
  Buffer out;
  append_data_rows(out, describe_columns(table.view()), table.rows);
  return values_of(out);
}

TypeOid type_of(std::vector<Value> column) {
  Table table{{"c"}, {}};
  for (Value& value : column) table.rows.push_back({std::move(value)});
  return describe_columns(table.view()).at(0).type;
}

std::int64_t integer(std::int64_t value) { return value; }

}  // namespace

TEST_CASE("postgres result: as psql wants it", "[wire][postgres]") {
  const Table table{{"n", "t"}, {{integer(-5), std::string("x")}}};
  Buffer out;
  append_result(out, table.view());
  CHECK(out == from_hex("54 0000002e 0002"
                        "6e00 00000000 0000 00000014 0008 ffffffff 0000"
                        "7400 00000000 0000 00000019 ffff ffffffff 0000"
                        "44 00000011 0002 00000002 2d35 00000001 78"
                        "43 0000000d 53454c454354203100"));
}

TEST_CASE("postgres result: no rows, no columns", "[wire][postgres]") {
  Buffer out;
  append_result(out, {});
  CHECK(out == from_hex("54 00000006 0000 43 0000000d 53454c454354203000"));
}

TEST_CASE("postgres result: texts of values", "[wire][postgres]") {
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(texts({true, false, Value{}}) == std::vector<std::string>{"t", "f", "NULL"});
  CHECK(texts({0.1, 1e300, infinity, -infinity, std::nan("")}) ==
        std::vector<std::string>{"0.1", "1e+300", "Infinity", "-Infinity", "NaN"});
  CHECK(texts({std::numeric_limits<std::int64_t>::min()}) ==
        std::vector<std::string>{"-9223372036854775808"});
  CHECK(texts({std::string(), std::string("\0\xff", 2)}) ==
        std::vector<std::string>{"", std::string("\0\xff", 2)});
}

TEST_CASE("postgres result: types that hold a column", "[wire][postgres]") {
  CHECK(type_of({}) == TypeOid::Text);
  CHECK(type_of({Value{}}) == TypeOid::Text);
  CHECK(type_of({Value{}, true}) == TypeOid::Bool);
  CHECK(type_of({integer(1), Value{}}) == TypeOid::Int8);
  CHECK(type_of({integer(1), 2.5}) == TypeOid::Float8);
  CHECK(type_of({integer(1), true}) == TypeOid::Text);
  CHECK(type_of({integer(1), std::string("a"), 1.0}) == TypeOid::Text);
}

TEST_CASE("postgres result: binary format", "[wire][postgres]") {
  const Table table{{"a", "b", "c", "d"}, {{true, integer(-2), 1.5, std::string("x")}}};
  auto columns = describe_columns(table.view());
  for (ResultColumn& column : columns) column.is_binary = true;
  Buffer out;
  append_data_rows(out, columns, table.rows);
  CHECK(out == from_hex("44 00000028 0004 00000001 01 00000008 fffffffffffffffe"
                        "00000008 3ff8000000000000 00000001 78"));
  out.clear();
  append_row_description(out, std::span(columns).first(1));
  CHECK(out == from_hex("54 0000001a 0001 6100 00000000 0000 00000010 0001 ffffffff 0001"));
}

TEST_CASE("postgres result: integers in a column of doubles", "[wire][postgres]") {
  const Table table{{"a"}, {{integer(2)}, {0.5}}};
  auto columns = describe_columns(table.view());
  columns[0].is_binary = true;
  Buffer out;
  append_data_rows(out, columns, std::span(table.rows).first(1));
  CHECK(out == from_hex("44 00000012 0001 00000008 4000000000000000"));
}

TEST_CASE("postgres result: parameters are texts", "[wire][postgres]") {
  Buffer out;
  append_parameter_description(out, 2);
  CHECK(out == from_hex("74 0000000e 0002 00000019 00000019"));
}
