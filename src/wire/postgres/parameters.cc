#include "wire/postgres/parameters.hh"

#include <fmt/format.h>

#include <bit>
#include <chrono>
#include <iterator>
#include <limits>
#include <string>

#include "wire/cursor.hh"

namespace perilune::wire::postgres {

namespace {

constexpr std::uint32_t kNull = 0xFFFFFFFF;
constexpr std::size_t kCodeSize = 2;

// pg_type's OIDs ("pg_type.dat").
enum class Oid : std::uint32_t {
  Bool = 16,
  Char = 18,
  Name = 19,
  Int8 = 20,
  Int2 = 21,
  Int4 = 23,
  Text = 25,
  Oid = 26,
  Json = 114,
  Xml = 142,
  Float4 = 700,
  Float8 = 701,
  Unknown = 705,
  Bpchar = 1042,
  Varchar = 1043,
  Date = 1082,
  Time = 1083,
  Timestamp = 1114,
  Timestamptz = 1184,
  Numeric = 1700,
  Uuid = 2950,
  Jsonb = 3802,
};

using std::chrono::sys_days;
using std::chrono::year;
constexpr sys_days kEpoch{year{2000} / 1 / 1};
// What is shown as a date: years of up to four digits of our era.
constexpr sys_days kFirstDay{year{1} / 1 / 1};
constexpr sys_days kLastDay{year{9999} / 12 / 31};
constexpr std::int64_t kMicrosPerSecond = 1'000'000;
constexpr std::int64_t kSecondsPerDay = 86400;
constexpr std::int64_t kMicrosPerDay = kSecondsPerDay * kMicrosPerSecond;

std::string hex(Bytes bytes) {
  std::string text = "\\x";
  for (const std::byte byte : bytes) {
    fmt::format_to(std::back_inserter(text), "{:02x}", std::to_integer<unsigned>(byte));
  }
  return text;
}

std::uint64_t be64(Cursor& in) noexcept {
  const std::uint64_t high = in.be32();
  return high << 32 | in.be32();
}

// No value: out of what can be shown.
std::optional<std::string> day(std::int64_t days) {
  constexpr std::int64_t kFirst = (kFirstDay - kEpoch).count();
  constexpr std::int64_t kLast = (kLastDay - kEpoch).count();
  if (days < kFirst || days > kLast) return std::nullopt;
  const std::chrono::year_month_day date{kEpoch + std::chrono::days{days}};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::string time_of_day(std::int64_t micros) {
  const std::int64_t seconds = micros / kMicrosPerSecond;
  std::string text =
      fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  const std::int64_t rest = micros % kMicrosPerSecond;
  if (rest != 0) fmt::format_to(std::back_inserter(text), ".{:06}", rest);
  return text;
}

template <typename Integer>
std::optional<std::string> infinity(Integer value) {
  if (value == std::numeric_limits<Integer>::max()) return "infinity";
  if (value == std::numeric_limits<Integer>::min()) return "-infinity";
  return std::nullopt;
}

std::optional<std::string> date(std::int32_t days) {
  if (auto text = infinity(days)) return text;
  return day(days);
}

std::optional<std::string> time(std::int64_t micros) {
  if (micros < 0 || micros > kMicrosPerDay) return std::nullopt;
  return time_of_day(micros);
}

std::optional<std::string> timestamp(std::int64_t micros, const char* zone) {
  if (auto text = infinity(micros)) return text;
  std::int64_t days = micros / kMicrosPerDay;
  std::int64_t rest = micros % kMicrosPerDay;
  if (rest < 0) {
    rest += kMicrosPerDay;
    --days;
  }
  auto text = day(days);
  if (text) text->append(" ").append(time_of_day(rest)).append(zone);
  return text;
}

std::string uuid(Bytes bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    fmt::format_to(std::back_inserter(text), "{:02x}", std::to_integer<unsigned>(bytes[i]));
  }
  return text;
}

// A number's groups of four decimal digits; `weight` of them stand before the point besides the
// first (numeric_send in numeric.c).
struct Numeric {
  std::vector<std::uint16_t> groups;
  int weight = 0;
  bool is_negative = false;
  int scale = 0;

  std::uint16_t group(int index) const noexcept {
    const bool is_there = index >= 0 && static_cast<std::size_t>(index) < groups.size();
    return is_there ? groups[static_cast<std::size_t>(index)] : std::uint16_t{0};
  }
};

constexpr std::uint16_t kNegative = 0x4000;
constexpr std::uint16_t kNotANumber = 0xC000;
constexpr int kMostDigits = 1000;  // that are shown
constexpr int kDigitsPerGroup = 4;

std::string show(const Numeric& number) {
  std::string text = number.is_negative ? "-" : "";
  if (number.weight < 0) text += '0';
  for (int i = 0; i <= number.weight; ++i) {
    text += i == 0 ? fmt::format("{}", number.group(i)) : fmt::format("{:04}", number.group(i));
  }
  if (number.scale == 0) return text;
  text += '.';
  const std::size_t end = text.size() + static_cast<std::size_t>(number.scale);
  for (int i = number.weight + 1; text.size() < end; ++i) {
    fmt::format_to(std::back_inserter(text), "{:04}", number.group(i));
  }
  text.resize(end);
  return text;
}

std::optional<std::string> numeric(Bytes bytes) {
  Cursor in{bytes};
  const std::uint16_t count = in.be16();
  Numeric number;
  number.weight = static_cast<std::int16_t>(in.be16());
  const std::uint16_t sign = in.be16();
  number.scale = in.be16();
  for (unsigned i = 0; i < count && in.ok(); ++i) number.groups.push_back(in.be16());
  if (!in.ok() || !in.empty()) return std::nullopt;
  if (sign == kNotANumber) return "NaN";
  const int most_groups = kMostDigits / kDigitsPerGroup;
  const bool is_shown = number.scale <= kMostDigits && number.weight < most_groups &&
                        number.weight >= -most_groups && (sign == 0 || sign == kNegative);
  if (!is_shown) return std::nullopt;
  number.is_negative = sign == kNegative;
  return show(number);
}

// No value: not of this type's size, or not to be shown.
std::optional<BoundValue> fixed(Cursor& in, Oid type) {
  const auto text = [](std::optional<std::string> shown) -> std::optional<BoundValue> {
    if (!shown) return std::nullopt;
    return BoundValue{*std::move(shown)};
  };
  switch (type) {
    case Oid::Bool:
      return BoundValue{std::string(in.u8() != 0 ? "t" : "f")};
    case Oid::Int2:
      return BoundValue{std::int64_t{static_cast<std::int16_t>(in.be16())}};
    case Oid::Int4:
      return BoundValue{std::int64_t{static_cast<std::int32_t>(in.be32())}};
    case Oid::Int8:
      return BoundValue{static_cast<std::int64_t>(be64(in))};
    case Oid::Oid:
      return BoundValue{std::int64_t{in.be32()}};
    case Oid::Float4:
      return BoundValue{static_cast<double>(std::bit_cast<float>(in.be32()))};
    case Oid::Float8:
      return BoundValue{std::bit_cast<double>(be64(in))};
    case Oid::Date:
      return text(date(static_cast<std::int32_t>(in.be32())));
    case Oid::Time:
      return text(time(static_cast<std::int64_t>(be64(in))));
    case Oid::Timestamp:
      return text(timestamp(static_cast<std::int64_t>(be64(in)), ""));
    case Oid::Timestamptz:
      return text(timestamp(static_cast<std::int64_t>(be64(in)), "+00"));
    case Oid::Uuid:
      return BoundValue{uuid(in.take(16))};
    case Oid::Numeric:
      return text(numeric(in.rest()));
    default:
      return std::nullopt;
  }
}

BoundValue binary(Bytes bytes, std::uint32_t type) {
  switch (static_cast<Oid>(type)) {
    case Oid::Char:
    case Oid::Name:
    case Oid::Text:
    case Oid::Json:
    case Oid::Xml:
    case Oid::Unknown:
    case Oid::Bpchar:
    case Oid::Varchar:
      return std::string(as_text(bytes));
    case Oid::Jsonb:
      // Behind the format's version.
      if (!bytes.empty() && bytes.front() == std::byte{1}) {
        return std::string(as_text(bytes.subspan(1)));
      }
      break;
    default:
      break;
  }
  Cursor in{bytes};
  auto value = fixed(in, static_cast<Oid>(type));
  if (value && in.ok() && in.empty()) return *std::move(value);
  return hex(bytes);
}

bool is_binary(Bytes codes, std::size_t index) noexcept {
  if (codes.empty()) return false;
  if (codes.size() > kCodeSize) codes = codes.subspan(index * kCodeSize);
  Cursor in{codes.first(kCodeSize)};
  return in.be16() == 1;
}

}  // namespace

std::optional<BindNames> decode_bind_names(Bytes body) noexcept {
  Cursor in{body};
  BindNames names;
  names.portal = in.text_until_nul();
  names.statement = in.text_until_nul();
  const bool here = in.ok();
  names.rest = in.rest();
  if (!here) return std::nullopt;
  return names;
}

BoundParameters decode_bound(Bytes rest, std::span<const std::uint32_t> types) {
  Cursor in{rest};
  BoundParameters bound;
  const Bytes codes = in.take(in.be16() * kCodeSize);
  const std::uint16_t count = in.be16();
  const std::size_t code_count = codes.size() / kCodeSize;
  bound.cut = !in.ok() || (code_count > 1 && code_count != count);
  for (std::size_t i = 0; i < count && !bound.cut; ++i) {
    const std::uint32_t size = in.be32();
    const bool is_null = size == kNull;
    const Bytes value = is_null ? Bytes{} : in.take(size);
    bound.cut = !in.ok();
    if (bound.cut) break;
    if (is_null) {
      bound.values.emplace_back();
    } else if (is_binary(codes, i)) {
      bound.values.push_back(binary(value, i < types.size() ? types[i] : 0));
    } else {
      bound.values.emplace_back(std::string(as_text(value)));
    }
  }
  return bound;
}

}  // namespace perilune::wire::postgres
