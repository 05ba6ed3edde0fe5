#include "wire/postgres/result_set.hh"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <iterator>
#include <optional>
#include <variant>

#include "wire/builder.hh"
#include "wire/postgres/framing.hh"

namespace perilune::wire::postgres {

namespace {

constexpr std::uint32_t kNull = 0xFFFFFFFF;

// A value that is not NULL.
struct TypeOf {
  TypeOid operator()(std::monostate) const noexcept { return TypeOid::Text; }
  TypeOid operator()(bool) const noexcept { return TypeOid::Bool; }
  TypeOid operator()(std::int64_t) const noexcept { return TypeOid::Int8; }
  TypeOid operator()(double) const noexcept { return TypeOid::Float8; }
  TypeOid operator()(const std::string&) const noexcept { return TypeOid::Text; }
};

bool is_number(TypeOid type) noexcept { return type == TypeOid::Int8 || type == TypeOid::Float8; }

TypeOid common(TypeOid a, TypeOid b) noexcept {
  if (a == b) return a;
  return is_number(a) && is_number(b) ? TypeOid::Float8 : TypeOid::Text;
}

TypeOid type_of_column(std::span<const std::vector<Value>> rows, std::size_t column) noexcept {
  std::optional<TypeOid> type;
  for (const std::vector<Value>& row : rows) {
    const Value& value = row[column];
    if (std::holds_alternative<std::monostate>(value)) continue;
    const TypeOid its = std::visit(TypeOf(), value);
    type = type ? common(*type, its) : its;
  }
  return type.value_or(TypeOid::Text);
}

// pg_type.typlen.
std::uint16_t size_of(TypeOid type) noexcept {
  switch (type) {
    case TypeOid::Bool:
      return 1;
    case TypeOid::Int8:
    case TypeOid::Float8:
      return 8;
    case TypeOid::Text:
      break;
  }
  return 0xFFFF;  // -1: it varies
}

// As float8out spells it.
std::string text_of(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return fmt::format("{}", value);
}

struct TextOf {
  std::string operator()(std::monostate) const { return {}; }
  std::string operator()(bool value) const { return value ? "t" : "f"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return text_of(value); }
  std::string operator()(const std::string& value) const { return value; }
};

void append_text(Builder& to, const Value& value) {
  const std::string text = std::visit(TextOf(), value);
  to.be32(static_cast<std::uint32_t>(text.size())).text(text);
}

void append_be64(Builder& to, std::uint64_t value) {
  to.be32(8);
  to.be32(static_cast<std::uint32_t>(value >> 32)).be32(static_cast<std::uint32_t>(value));
}

// Of a column that holds integers and doubles.
double as_double(const Value& value) noexcept {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  return std::get<double>(value);
}

void append_binary(Builder& to, TypeOid type, const Value& value) {
  switch (type) {
    case TypeOid::Bool:
      to.be32(1).u8(std::get<bool>(value) ? 1 : 0);
      break;
    case TypeOid::Int8:
      append_be64(to, static_cast<std::uint64_t>(std::get<std::int64_t>(value)));
      break;
    case TypeOid::Float8:
      append_be64(to, std::bit_cast<std::uint64_t>(as_double(value)));
      break;
    case TypeOid::Text:
      append_text(to, value);
      break;
  }
}

void append_value(Builder& to, const ResultColumn& column, const Value& value) {
  if (std::holds_alternative<std::monostate>(value)) {
    to.be32(kNull);
  } else if (column.is_binary) {
    append_binary(to, column.type, value);
  } else {
    append_text(to, value);
  }
}

void append_count(Builder& to, std::size_t count) {
  assert(count <= kMaxColumns);
  to.be16(static_cast<std::uint16_t>(count));
}

}  // namespace

std::vector<ResultColumn> describe_columns(const ResultRows& rows) {
  std::vector<ResultColumn> columns;
  columns.reserve(rows.columns.size());
  for (std::size_t i = 0; i < rows.columns.size(); ++i) {
    columns.push_back({rows.columns[i], type_of_column(rows.rows, i), false});
  }
  return columns;
}

void append_row_description(Buffer& out, std::span<const ResultColumn> columns) {
  MessageWriter message{out, BackendTag::RowDescription};
  Builder to{out};
  append_count(to, columns.size());
  for (const ResultColumn& column : columns) {
    to.text_with_nul(column.name).be32(0).be16(0);  // of no table
    to.be32(static_cast<std::uint32_t>(column.type)).be16(size_of(column.type));
    to.be32(kNull).be16(column.is_binary ? 1 : 0);  // no modifier
  }
  message.end();
}

void append_data_rows(Buffer& out, std::span<const ResultColumn> columns,
                      std::span<const std::vector<Value>> rows) {
  for (const std::vector<Value>& row : rows) {
    MessageWriter message{out, BackendTag::DataRow};
    Builder to{out};
    append_count(to, columns.size());
    for (std::size_t i = 0; i < columns.size(); ++i) append_value(to, columns[i], row[i]);
    message.end();
  }
}

void append_parameter_description(Buffer& out, std::uint16_t parameters) {
  MessageWriter message{out, BackendTag::ParameterDescription};
  Builder to{out};
  to.be16(parameters);
  for (unsigned i = 0; i < parameters; ++i) to.be32(static_cast<std::uint32_t>(TypeOid::Text));
  message.end();
}

void append_command_complete(Buffer& out, std::string_view tag) {
  MessageWriter message{out, BackendTag::CommandComplete};
  Builder{out}.text_with_nul(tag);
  message.end();
}

void append_result(Buffer& out, const ResultRows& rows) {
  const std::vector<ResultColumn> columns = describe_columns(rows);
  append_row_description(out, columns);
  append_data_rows(out, columns, rows.rows);
  append_command_complete(out, "SELECT " + std::to_string(rows.rows.size()));
}

}  // namespace perilune::wire::postgres
