#include "wire/mysql/parameters.hh"

#include <fmt/format.h>

#include <bit>
#include <iterator>

#include "wire/cursor.hh"

namespace perilune::wire::mysql {

namespace {

constexpr ParameterType kUnsigned = 0x8000;
constexpr std::uint16_t kBulkSendsTypes = 64;

template <typename Signed, typename Unsigned>
BoundValue integer(Unsigned bits, bool is_unsigned) {
  if (is_unsigned) return std::uint64_t{bits};
  return std::int64_t{static_cast<Signed>(bits)};
}

// "MYSQL_TYPE_DATE": only as many fields as are not zero are sent.
BoundValue date(Cursor& in) {
  const std::uint8_t size = in.u8();
  if (size == 0) return std::string("0000-00-00");
  const unsigned year = in.u16();
  const unsigned month = in.u8();
  const unsigned day = in.u8();
  std::string text = fmt::format("{:04}-{:02}-{:02}", year, month, day);
  if (size >= 7) {
    const unsigned hour = in.u8();
    const unsigned minute = in.u8();
    const unsigned second = in.u8();
    fmt::format_to(std::back_inserter(text), " {:02}:{:02}:{:02}", hour, minute, second);
  }
  if (size >= 11) fmt::format_to(std::back_inserter(text), ".{:06}", in.u32());
  in.require(size == 4 || size == 7 || size == 11, "date");
  return text;
}

// "MYSQL_TYPE_TIME": days go into the hours.
BoundValue time(Cursor& in) {
  const std::uint8_t size = in.u8();
  if (size == 0) return std::string("00:00:00");
  const bool is_negative = in.u8() != 0;
  const std::uint64_t days = in.u32();
  const std::uint64_t hours = days * 24 + in.u8();
  const unsigned minute = in.u8();
  const unsigned second = in.u8();
  std::string text =
      fmt::format("{}{:02}:{:02}:{:02}", is_negative ? "-" : "", hours, minute, second);
  if (size >= 12) fmt::format_to(std::back_inserter(text), ".{:06}", in.u32());
  in.require(size == 8 || size == 12, "time");
  return text;
}

BoundValue value(Cursor& in, ParameterType type) {
  const bool is_unsigned = (type & kUnsigned) != 0;
  switch (type & 0xFF) {
    case 0x01:  // TINY
      return integer<std::int8_t>(in.u8(), is_unsigned);
    case 0x02:  // SHORT
    case 0x0D:  // YEAR
      return integer<std::int16_t>(in.u16(), is_unsigned);
    case 0x03:  // LONG
    case 0x09:  // INT24
      return integer<std::int32_t>(in.u32(), is_unsigned);
    case 0x04:  // FLOAT
      return static_cast<double>(std::bit_cast<float>(in.u32()));
    case 0x05:  // DOUBLE
      return std::bit_cast<double>(in.u64());
    case 0x06:  // NULL
      return std::monostate{};
    case 0x08:  // LONGLONG
      return integer<std::int64_t>(in.u64(), is_unsigned);
    case 0x0A:  // DATE
    case 0x07:  // TIMESTAMP
    case 0x0C:  // DATETIME
      return date(in);
    case 0x0B:  // TIME
      return time(in);
    default:  // texts, decimals, JSON, geometries
      return std::string(in.lenenc_text());
  }
}

// False: they are not all here.
bool read_types(Cursor& in, std::uint16_t count, std::vector<ParameterType>& types) {
  std::vector<ParameterType> sent;
  for (std::size_t i = 0; i < count && in.ok(); ++i) sent.push_back(in.u16());
  if (!in.ok()) return false;
  types = std::move(sent);
  return true;
}

bool is_null(Bytes nulls, std::size_t i) noexcept {
  return (std::to_integer<unsigned>(nulls[i / 8]) >> (i % 8) & 1U) != 0;
}

// False: it is not all here.
bool read_bulk_row(Cursor& in, const std::vector<ParameterType>& types,
                   std::vector<BoundValue>& row) {
  for (const ParameterType type : types) {
    const bool has_value = in.u8() == 0;
    BoundValue read = has_value ? value(in, type) : BoundValue{};
    if (!in.ok()) return false;
    row.push_back(std::move(read));
  }
  return true;
}

}  // namespace

BoundParameters decode_execute(Bytes payload, std::uint16_t count,
                               std::vector<ParameterType>& types,
                               const std::map<std::uint16_t, std::string>& long_data) {
  BoundParameters bound;
  if (count == 0) return bound;
  Cursor in{payload};
  in.take(1 + 4 + 1 + 4);  // command, statement, flags, iterations
  const Bytes nulls = in.take((std::size_t{count} + 7) / 8);
  const bool sends_types = in.u8() != 0;
  auto& row = bound.rows.emplace_back();
  bound.cut = !in.ok() || (sends_types && !read_types(in, count, types)) || types.size() != count;
  for (std::size_t i = 0; i < count && !bound.cut; ++i) {
    const auto data = long_data.find(static_cast<std::uint16_t>(i));
    const bool has_value = !is_null(nulls, i) && data == long_data.end();
    BoundValue read = has_value ? value(in, types[i]) : BoundValue{};
    if (data != long_data.end()) read = data->second;
    bound.cut = !in.ok();
    if (!bound.cut) row.push_back(std::move(read));
  }
  return bound;
}

BoundParameters decode_bulk(Bytes payload, std::uint16_t count, std::vector<ParameterType>& types) {
  BoundParameters bound;
  Cursor in{payload};
  in.take(1 + 4);  // command, statement
  const bool sends_types = (in.u16() & kBulkSendsTypes) != 0;
  bound.cut = !in.ok() || (sends_types && !read_types(in, count, types)) || types.size() != count ||
              count == 0;
  while (!bound.cut && !in.empty()) {
    std::vector<BoundValue> row;
    bound.cut = !read_bulk_row(in, types, row);
    if (!bound.cut) bound.rows.push_back(std::move(row));
  }
  return bound;
}

}  // namespace perilune::wire::mysql
