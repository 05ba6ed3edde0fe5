#include "ctl/text.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace perilune::ctl {

namespace {

bool continues(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

bool is_control(unsigned char c) noexcept { return c < 0x20 || c == 0x7F; }

// U+0080…U+009F: control characters for some terminals.
bool is_c1(std::string_view rest) noexcept {
  return rest.size() > 1 && static_cast<unsigned char>(rest[0]) == 0xC2 &&
         static_cast<unsigned char>(rest[1]) < 0xA0;
}

}  // namespace

std::size_t width_of(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !continues(c); }));
}

std::string cut(std::string_view text, std::size_t columns) {
  if (width_of(text) <= columns) return std::string(text);
  if (columns == 0) return {};
  std::size_t end = 0;
  for (std::size_t taken = 0; end < text.size(); ++end) {
    if (!continues(text[end]) && taken++ == columns - 1) break;
  }
  return std::string(text.substr(0, end)) + "…";
}

std::string printable(std::string_view text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_c1(text.substr(i))) {
      shown += '?';
      ++i;
    } else {
      const char c = text[i];
      const bool is_blank = c == '\n' || c == '\t' || c == '\r';
      shown += is_blank ? ' ' : is_control(static_cast<unsigned char>(c)) ? '?' : c;
    }
  }
  return shown;
}

std::string short_count(double n) {
  constexpr std::array<char, 4> kUnits{'k', 'M', 'G', 'T'};
  if (n < 9999.5) return fmt::format("{:.0f}", n);
  std::size_t unit = 0;
  for (n /= 1000; n >= 999.95 && unit + 1 < kUnits.size(); n /= 1000) ++unit;
  return fmt::format("{:.1f}{}", n, kUnits[unit]);
}

std::string short_time(double seconds) {
  const auto s = static_cast<std::int64_t>(std::max(seconds, 0.0));
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) return fmt::format("{}m{:02}s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{}h{:02}m", s / 3600, s % 3600 / 60);
  return fmt::format("{}d{:02}h", s / 86400, s % 86400 / 3600);
}

std::string text_of(const Json& json, const char* member) {
  const auto found = json.find(member);
  if (found == json.end() || found->is_null()) return "-";
  if (found->is_string()) return printable(found->get_ref<const std::string&>());
  return found->dump();
}

double number_of(const Json& json, const char* member) {
  const auto found = json.find(member);
  return found != json.end() && found->is_number() ? found->get<double>() : 0;
}

}  // namespace perilune::ctl
