#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "util/bytes.hh"
#include "util/value.hh"

namespace perilune::wire::mysql {

// "enum_field_types": those that are sent.
enum class ColumnType : std::uint8_t {
  Tiny = 0x01,  // booleans
  Double = 0x05,
  Null = 0x06,  // nothing but NULL
  LongLong = 0x08,
  VarString = 0xFD,
};

// What a column's definition says of it.
struct ResultColumn {
  std::string_view name;
  ColumnType type = ColumnType::VarString;
  bool is_utf8 = true;       // texts: else they are bytes
  std::uint32_t length = 0;  // of the longest text in bytes
};

// The rows of an answer, which somebody else owns: at least one column, at most 65535; every row
// has as many values.
struct ResultRows {
  std::span<const std::string> columns;
  std::span<const std::vector<Value>> rows;
};

// NULL, and the doubles that have no SQL form.
bool is_null(const Value& value) noexcept;

// Types that hold all values of their columns: a mixture of integers and doubles is sent as
// doubles, any other as texts.
std::vector<ResultColumn> describe_columns(const ResultRows& rows);

// "Protocol::ColumnDefinition41", one payload.
void append_column_definition(Buffer& payload, const ResultColumn& column,
                              std::uint64_t capabilities);

}  // namespace perilune::wire::mysql
