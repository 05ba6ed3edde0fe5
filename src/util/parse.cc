#include "util/parse.hh"

#include <charconv>
#include <cmath>
#include <span>

#include "util/text.hh"

namespace perilune {

namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr Unit kSizeUnits[] = {{"k", std::uint64_t{1} << 10},
                               {"m", std::uint64_t{1} << 20},
                               {"g", std::uint64_t{1} << 30},
                               {"t", std::uint64_t{1} << 40}};
constexpr Unit kMillisecondUnits[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}, {"", 1000}};

// About 31 years: far from every overflow of clocks and timers.
constexpr double kMaxSeconds = 1e9;

Failure not_a(std::string_view what, std::string_view text) {
  return {quoted(text, 64) + " is not " + std::string(what)};
}

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

bool same_ignoring_case(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

const Unit* find_unit(std::span<const Unit> units, std::string_view name) noexcept {
  for (const Unit& unit : units) {
    if (same_ignoring_case(unit.name, name)) return &unit;
  }
  return nullptr;
}

std::size_t number_length(std::string_view text) noexcept {
  const std::size_t end = text.find_first_not_of("0123456789.");
  return end == text.npos ? text.size() : end;
}

template <typename T>
bool read_whole(std::string_view text, T& number) noexcept {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end;
}

}  // namespace

Result<std::uint64_t, Failure> parse_unsigned(std::string_view text, std::uint64_t max) {
  std::uint64_t number = 0;
  if (!read_whole(text, number)) return not_a("a whole number that is not negative", text);
  if (number > max) return Failure{std::string(text) + " is more than " + std::to_string(max)};
  return number;
}

Result<std::uint64_t, Failure> parse_size(std::string_view text) {
  constexpr std::string_view kExpected = "a size such as 65536, '64K', '16M' or '4G'";
  const std::size_t split = number_length(text);
  std::uint64_t number = 0;
  if (!read_whole(text.substr(0, split), number)) return not_a(kExpected, text);
  if (split == text.size()) return number;
  const Unit* const unit = find_unit(kSizeUnits, text.substr(split));
  if (unit == nullptr) return not_a(kExpected, text);
  if (number > std::numeric_limits<std::uint64_t>::max() / unit->factor) {
    return Failure{std::string(text) + " is too large a size"};
  }
  return number * unit->factor;
}

Result<Millis, Failure> parse_duration(std::string_view text) {
  constexpr std::string_view kExpected = "a duration such as 10, '0.5', '500ms', '10s' or '5m'";
  const std::size_t split = number_length(text);
  const Unit* const unit = find_unit(kMillisecondUnits, text.substr(split));
  double number = 0;
  if (unit == nullptr || !read_whole(text.substr(0, split), number)) return not_a(kExpected, text);
  return duration_from_seconds(number * static_cast<double>(unit->factor) / 1000);
}

Result<Millis, Failure> duration_from_seconds(double seconds) {
  // Written so that NaN fails too.
  if (!(seconds >= 0)) return Failure{"a duration must not be negative"};
  if (!(seconds <= kMaxSeconds)) return Failure{"a duration must not exceed 1000000000 seconds"};
  const Millis rounded(std::llround(seconds * 1000));
  return seconds > 0 && rounded.count() == 0 ? Millis(1) : rounded;
}

}  // namespace perilune
