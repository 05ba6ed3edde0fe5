#pragma once

// Answers with rows, for clients of a session that makes its own. All are appended as messages;
// none of them is ReadyForQuery, which closes a series and not a statement.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "util/bytes.hh"
#include "util/value.hh"
#include "wire/postgres/protocol.hh"

namespace perilune::wire::postgres {

// pg_type's OIDs of what is sent.
enum class TypeOid : std::uint32_t { Bool = 16, Int8 = 20, Text = 25, Float8 = 701 };

struct ResultColumn {
  std::string_view name;
  TypeOid type = TypeOid::Text;
  bool is_binary = false;  // the format that Bind wished for
};

// The rows of an answer, which somebody else owns: at most kMaxColumns columns, maybe none; every
// row has as many values.
struct ResultRows {
  std::span<const std::string> columns;
  std::span<const std::vector<Value>> rows;
};

// A server's own bound for a select list, and well below what a count of 16 bits with a sign holds.
inline constexpr std::size_t kMaxColumns = 1664;

// Types that hold all values of their columns, in text format: a mixture of integers and doubles is
// sent as doubles, any other as texts; a column of nothing but NULL is one of texts.
std::vector<ResultColumn> describe_columns(const ResultRows& rows);

// "RowDescription".
void append_row_description(Buffer& out, std::span<const ResultColumn> columns);
// "DataRow": a row for each, in the columns' formats.
void append_data_rows(Buffer& out, std::span<const ResultColumn> columns,
                      std::span<const std::vector<Value>> rows);
// "ParameterDescription": as many, each a text.
void append_parameter_description(Buffer& out, std::uint16_t parameters);
// "CommandComplete": "SELECT 3".
void append_command_complete(Buffer& out, std::string_view tag);

// A whole answer to Query but for ReadyForQuery: description, rows, "SELECT n".
void append_result(Buffer& out, const ResultRows& rows);

}  // namespace perilune::wire::postgres
