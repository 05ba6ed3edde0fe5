#include "log/shown.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <iterator>
#include <variant>

#include "log/mask.hh"
#include "util/text.hh"

namespace perilune::log {

namespace {

constexpr std::string_view kHidden = "***";

bool continues_character(char c) noexcept { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// How many bytes of UTF-8 are at the front; 0: none of it is.
std::size_t character_at(std::string_view text) noexcept {
  const auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80) return 1;
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  return text.size() >= length && is_utf8(text.substr(0, length)) ? length : 0;
}

void append_control(std::string& out, char c) {
  switch (c) {
    case '\n':
      out.append("\\n");
      return;
    case '\r':
      out.append("\\r");
      return;
    case '\t':
      out.append("\\t");
      return;
    case '"':
    case '\\':
      out.push_back('\\');
      out.push_back(c);
      return;
    default:
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
  }
}

bool is_control(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7F || c == '"' || c == '\\';
}

constexpr std::int64_t kMicros = 1'000'000;  // in a second

// Of a second: six digits.
void append_micros(std::string& out, std::int64_t micros) {
  std::array<char, 6> digits;
  for (std::size_t i = digits.size(); i-- > 0; micros /= 10) {
    digits[i] = static_cast<char>('0' + micros % 10);
  }
  out.append(digits.data(), digits.size());
}

struct AppendValue {
  std::string& out;
  std::size_t most;
  void operator()(std::monostate) const { out.append("null"); }
  void operator()(std::int64_t number) const { append_number(out, number); }
  void operator()(std::uint64_t number) const { append_number(out, number); }
  void operator()(double number) const {
    if (!std::isfinite(number)) return append_json_string(out, fmt::format("{}", number));
    fmt::format_to(std::back_inserter(out), "{}", number);
  }
  void operator()(const std::string& text) const {
    append_json_string(out, beginning_of(text, most));
  }
};

}  // namespace

Shown::Shown(const Record& record, const QueryLogOptions& options)
    : record_(record),
      options_(options),
      is_cut_(record.sql_size > std::min<std::uint64_t>(record.sql.size(), options.max_statement)),
      has_parameters_(options.parameters && !record.parameters.empty()) {
  sql_ = show(record.sql, masked_sql_);
  original_ = show(record.original, masked_original_);
}

std::string_view Shown::show(std::string_view text, std::string& masked) {
  const std::string_view part = beginning_of(text, options_.max_statement);
  if (!options_.mask) return part;
  Masked result = mask_passwords(part, record_.lexis);
  hides_parameters_ = hides_parameters_ || result.hides_parameters;
  hides_message_ = hides_message_ || result.changed || result.hides_parameters;
  if (!result.changed) return part;
  masked = std::move(result.text);
  return masked;
}

std::string_view Shown::message() const noexcept {
  return hides_message_ ? kHidden : record_.error->message;
}

std::string_view beginning_of(std::string_view text, std::size_t most) noexcept {
  if (text.size() <= most) return text;
  std::size_t end = most;
  while (end > 0 && most - end < 3 && continues_character(text[end])) --end;
  return text.substr(0, end);
}

void append_time(std::string& out, WallTime time) {
  using namespace std::chrono;
  const auto micros = duration_cast<microseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = micros / kMicros;
  thread_local std::time_t last = -1;
  thread_local std::string shown;
  if (seconds != last) {
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    shown = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", parts.tm_year + 1900,
                        parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
    last = seconds;
  }
  out.append(shown).append(1, '.');
  append_micros(out, micros % kMicros);
  out.push_back('Z');
}

void append_seconds(std::string& out, std::chrono::duration<double> time) {
  const auto micros = std::chrono::round<std::chrono::microseconds>(time).count();
  append_number(out, micros / kMicros);
  out.push_back('.');
  append_micros(out, micros % kMicros);
}

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  while (!text.empty()) {
    const std::size_t plain = plain_beginning(text, '"');
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const std::size_t length = character_at(text);
    if (length == 0) {
      out.append("\xEF\xBF\xBD");
    } else if (is_control(text.front())) {
      append_control(out, text.front());
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  out.push_back('"');
}

namespace {

// False: there was no room for all of it.
bool append_list(std::string& out, const std::vector<BoundValue>& values, std::size_t end) {
  out.push_back('[');
  bool whole = true;
  for (std::size_t i = 0; i < values.size() && whole; ++i) {
    whole = out.size() < end;
    if (!whole) break;
    if (i > 0) out.append(", ");
    const auto* const text = std::get_if<std::string>(&values[i]);
    const std::size_t room = end - std::min(out.size(), end);
    whole = text == nullptr || text->size() <= room;
    std::visit(AppendValue{out, room}, values[i]);
  }
  out.push_back(']');
  return whole;
}

}  // namespace

void append_parameters(std::string& out, const Record& record, const QueryLogOptions& options,
                       bool& cut) {
  const std::size_t end = out.size() + options.max_statement;
  const bool is_bulk = record.kind == "bulk";
  bool whole = true;
  if (is_bulk) out.push_back('[');
  for (std::size_t i = 0; i < record.parameters.size() && whole; ++i) {
    if (i > 0) out.append(", ");
    whole = append_list(out, record.parameters[i], end);
  }
  if (is_bulk) out.push_back(']');
  cut = !whole || record.parameters_cut;
}

}  // namespace perilune::log
