#include "wire/mysql/result_columns.hh"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "util/text.hh"
#include "wire/builder.hh"
#include "wire/mysql/protocol.hh"

namespace perilune::wire::mysql {

namespace {

constexpr std::uint16_t kUtf8mb4 = 45;
constexpr std::uint16_t kBinary = 63;
constexpr std::uint64_t kBytesOfCharacter = 4;
constexpr std::uint16_t kBinaryFlag = 0x80;
constexpr std::uint8_t kFixedFields = 0x0C;
constexpr std::uint8_t kManyDecimals = 0x1F;
constexpr std::uint32_t kLongestNumber = 24;  // as a text

// The fields of a definition that its type determines.
struct TypeFields {
  std::uint16_t character_set;
  std::uint32_t length;
  std::uint16_t flags;
  std::uint8_t decimals;
};

// Servers say the length in bytes of the widest characters.
std::uint32_t announced_length(const ResultColumn& column) noexcept {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint32_t>::max();
  const std::uint64_t each = column.is_utf8 ? kBytesOfCharacter : 1;
  return static_cast<std::uint32_t>(std::min(kMax, column.length * each));
}

TypeFields fields_of(const ResultColumn& column) noexcept {
  switch (column.type) {
    case ColumnType::Tiny:
      return {kBinary, 1, kBinaryFlag, 0};
    case ColumnType::Double:
      return {kBinary, 22, kBinaryFlag, kManyDecimals};
    case ColumnType::Null:
      return {kBinary, 0, kBinaryFlag, 0};
    case ColumnType::LongLong:
      return {kBinary, 20, kBinaryFlag, 0};
    case ColumnType::VarString:
      break;
  }
  if (column.is_utf8) return {kUtf8mb4, announced_length(column), 0, kManyDecimals};
  return {kBinary, announced_length(column), kBinaryFlag, kManyDecimals};
}

// What the values of one column have been so far.
struct Seen {
  bool booleans = false;
  bool integers = false;
  bool doubles = false;
  bool texts = false;
  bool are_utf8 = true;
  std::size_t longest = 0;

  void operator()(std::monostate) noexcept {}
  void operator()(bool) noexcept { booleans = true; }
  void operator()(std::int64_t) noexcept { integers = true; }
  void operator()(double) noexcept { doubles = true; }
  void operator()(const std::string& text) noexcept {
    texts = true;
    are_utf8 = are_utf8 && is_utf8(text);
    longest = std::max(longest, text.size());
  }
};

ColumnType type_for(const Seen& seen) noexcept {
  const bool numbers = seen.integers || seen.doubles;
  if (seen.texts || (seen.booleans && numbers)) return ColumnType::VarString;
  if (seen.booleans) return ColumnType::Tiny;
  if (seen.doubles) return ColumnType::Double;
  return seen.integers ? ColumnType::LongLong : ColumnType::Null;
}

std::uint32_t length_for(const Seen& seen) noexcept {
  constexpr std::size_t kMax = std::numeric_limits<std::uint32_t>::max();
  const bool only_texts = !seen.integers && !seen.doubles && !seen.booleans;
  const std::size_t least = only_texts ? 0 : kLongestNumber;
  return static_cast<std::uint32_t>(std::clamp(seen.longest, least, kMax));
}

ResultColumn describe(const ResultRows& rows, std::size_t index) {
  Seen seen;
  for (const std::vector<Value>& row : rows.rows) {
    assert(row.size() == rows.columns.size());
    std::visit(seen, row[index]);
  }
  ResultColumn column;
  column.name = rows.columns[index];
  column.type = type_for(seen);
  column.is_utf8 = seen.are_utf8;
  column.length = length_for(seen);
  return column;
}

}  // namespace

bool is_null(const Value& value) noexcept {
  const auto* real = std::get_if<double>(&value);
  return std::holds_alternative<std::monostate>(value) || (real && !std::isfinite(*real));
}

std::vector<ResultColumn> describe_columns(const ResultRows& rows) {
  std::vector<ResultColumn> columns;
  columns.reserve(rows.columns.size());
  for (std::size_t i = 0; i < rows.columns.size(); ++i) columns.push_back(describe(rows, i));
  return columns;
}

void append_column_definition(Buffer& payload, const ResultColumn& column,
                              std::uint64_t capabilities) {
  const TypeFields fields = fields_of(column);
  Builder to{payload};
  to.lenenc_text("def").lenenc_text("").lenenc_text("").lenenc_text("");  // schema and tables
  to.lenenc_text(column.name).lenenc_text("");
  if ((capabilities & capability::kMariadbExtendedTypeInfo) != 0) to.lenenc_text("");
  to.lenenc(kFixedFields).u16(fields.character_set).u32(fields.length);
  to.u8(static_cast<std::uint8_t>(column.type)).u16(fields.flags).u8(fields.decimals).zeros(2);
}

}  // namespace perilune::wire::mysql
