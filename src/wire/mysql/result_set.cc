#include "wire/mysql/result_set.hh"

#include <fmt/format.h>

#include <bit>
#include <cassert>

#include "wire/builder.hh"
#include "wire/mysql/framing.hh"
#include "wire/mysql/protocol.hh"
#include "wire/mysql/reply.hh"

namespace perilune::wire::mysql {

namespace {

constexpr std::uint8_t kNull = 0xFB;
// In the binary protocol's bitmaps of NULLs the first bits are reserved.
constexpr std::size_t kBitmapOffset = 2;

// Makes packets of payloads that are written one after the other.
class PacketWriter {
 public:
  PacketWriter(Buffer& out, const ResultContext& context, std::uint8_t& sequence) noexcept
      : out_(out), context_(context), sequence_(sequence) {
    context_.status &= static_cast<std::uint16_t>(~status::kSessionStateChanged);
  }

  bool has(std::uint64_t capability) const noexcept {
    return (context_.capabilities & capability) != 0;
  }
  const ResultContext& context() const noexcept { return context_; }

  Buffer& begin() noexcept {
    payload_.clear();
    return payload_;
  }
  void end() { append_packets(out_, payload_, sequence_); }

 private:
  Buffer& out_;
  ResultContext context_;
  std::uint8_t& sequence_;
  Buffer payload_;
};

void write_definition(PacketWriter& to, const ResultColumn& column) {
  append_column_definition(to.begin(), column, to.context().capabilities);
  to.end();
}

void write_eof(PacketWriter& to) {
  append_eof(to.begin(), {to.context().warnings, to.context().status});
  to.end();
}

void write_end_of_definitions(PacketWriter& to) {
  if (!to.has(capability::kDeprecateEof)) write_eof(to);
}

void write_end_of_rows(PacketWriter& to) {
  if (!to.has(capability::kDeprecateEof)) return write_eof(to);
  Ok ok;
  ok.header = kEofHeader;
  ok.status = to.context().status;
  ok.warnings = to.context().warnings;
  append_ok(to.begin(), ok, to.context().capabilities);
  to.end();
}

// Clients that could do without the definitions are told that they come.
void write_head(PacketWriter& to, std::span<const ResultColumn> columns) {
  assert(!columns.empty() && columns.size() <= 0xFFFF);
  Builder head{to.begin()};
  head.lenenc(columns.size());
  if (to.has(capability::kMariadbCacheMetadata | capability::kOptionalResultsetMetadata)) {
    head.u8(1);
  }
  to.end();
  for (const ResultColumn& column : columns) write_definition(to, column);
  write_end_of_definitions(to);
}

// A value that is not NULL, as a text.
struct TextEncoder {
  Builder& to;

  void operator()(std::monostate) const { to.u8(kNull); }
  void operator()(bool value) const { to.lenenc_text(value ? "1" : "0"); }
  void operator()(const std::string& value) const { to.lenenc_text(value); }
  template <typename Number>
  void operator()(Number value) const {
    fmt::memory_buffer text;
    fmt::format_to(std::back_inserter(text), "{}", value);
    to.lenenc_text({text.data(), text.size()});
  }
};

void append_text_row(Buffer& payload, const std::vector<Value>& row) {
  Builder to{payload};
  for (const Value& value : row) {
    if (is_null(value)) {
      to.u8(kNull);
    } else {
      std::visit(TextEncoder{to}, value);
    }
  }
}

// Of a column that holds integers and doubles.
double as_double(const Value& value) noexcept {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  return std::get<double>(value);
}

// A value that is not NULL.
void append_binary_value(Builder& to, ColumnType type, const Value& value) {
  switch (type) {
    case ColumnType::Tiny:
      to.u8(std::get<bool>(value) ? 1 : 0);
      break;
    case ColumnType::LongLong:
      to.u64(static_cast<std::uint64_t>(std::get<std::int64_t>(value)));
      break;
    case ColumnType::Double:
      to.u64(std::bit_cast<std::uint64_t>(as_double(value)));
      break;
    case ColumnType::VarString:
      std::visit(TextEncoder{to}, value);
      break;
    case ColumnType::Null:
      break;
  }
}

void append_null_bitmap(Buffer& payload, const std::vector<Value>& row) {
  const std::size_t begin = payload.size();
  payload.resize(begin + (row.size() + kBitmapOffset + 7) / 8);
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (!is_null(row[i])) continue;
    const std::size_t bit = i + kBitmapOffset;
    payload[begin + bit / 8] |= std::byte{1} << (bit % 8);
  }
}

// "Binary Protocol Resultset Row".
void append_binary_row(Buffer& payload, std::span<const ResultColumn> columns,
                       const std::vector<Value>& row) {
  Builder to{payload};
  to.u8(kOkHeader);
  append_null_bitmap(payload, row);
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (!is_null(row[i])) append_binary_value(to, columns[i].type, row[i]);
  }
}

void write_prepared_head(PacketWriter& to, const Prepared& prepared) {
  Builder head{to.begin()};
  head.u8(kOkHeader).u32(prepared.id);
  head.u16(static_cast<std::uint16_t>(prepared.columns.size())).u16(prepared.parameters);
  head.zeros(1).u16(to.context().warnings);
  if (to.has(capability::kOptionalResultsetMetadata)) head.u8(1);
  to.end();
}

// What a parameter will be is known to nobody; MariaDB says the same of it.
void write_parameters(PacketWriter& to, std::uint16_t count) {
  if (count == 0) return;
  ResultColumn parameter;
  parameter.name = "?";
  parameter.type = ColumnType::Null;
  for (unsigned i = 0; i < count; ++i) write_definition(to, parameter);
  write_end_of_definitions(to);
}

}  // namespace

void append_text_result(Buffer& out, const ResultRows& rows, const ResultContext& context,
                        std::uint8_t& sequence) {
  PacketWriter to{out, context, sequence};
  write_head(to, describe_columns(rows));
  for (const std::vector<Value>& row : rows.rows) {
    append_text_row(to.begin(), row);
    to.end();
  }
  write_end_of_rows(to);
}

void append_binary_result(Buffer& out, const ResultRows& rows, const ResultContext& context,
                          std::uint8_t& sequence) {
  PacketWriter to{out, context, sequence};
  const std::vector<ResultColumn> columns = describe_columns(rows);
  write_head(to, columns);
  for (const std::vector<Value>& row : rows.rows) {
    append_binary_row(to.begin(), columns, row);
    to.end();
  }
  write_end_of_rows(to);
}

void append_prepared(Buffer& out, const Prepared& prepared, const ResultContext& context,
                     std::uint8_t& sequence) {
  assert(prepared.columns.size() <= 0xFFFF);
  PacketWriter to{out, context, sequence};
  write_prepared_head(to, prepared);
  write_parameters(to, prepared.parameters);
  if (prepared.columns.empty()) return;
  for (const ResultColumn& column : prepared.columns) write_definition(to, column);
  write_end_of_definitions(to);
}

}  // namespace perilune::wire::mysql
