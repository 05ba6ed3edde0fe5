#include "log/logger.hh"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <exception>
#include <string>

#include "util/text.hh"

namespace perilune::log {

namespace {

constexpr std::size_t kMaxText = std::size_t{64} * 1024;
// A session's name has the client's address and may have an account's name.
constexpr std::size_t kMaxName = 128;
// Some fields are messages of a database or of a script.
constexpr std::size_t kMaxValue = 1024;

void append_time(std::string& out, std::chrono::system_clock::time_point now) {
  using namespace std::chrono;
  const std::time_t seconds = system_clock::to_time_t(floor<std::chrono::seconds>(now));
  const auto part = floor<milliseconds>(now - floor<std::chrono::seconds>(now)).count();
  std::tm local{};
  localtime_r(&seconds, &local);
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03} ",
                 local.tm_year + 1900, local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min,
                 local.tm_sec, part);
}

void append_prefix(std::string& out, LineFormat format, Level level, std::string_view name) {
  if (format == LineFormat::Journal) {
    fmt::format_to(std::back_inserter(out), "<{}>", static_cast<int>(level));
  } else {
    append_time(out, std::chrono::system_clock::now());
    out.append(level_name(level)).append(" ");
  }
  if (name.empty()) return;
  out.append("[");
  append_escaped(out, name, kMaxName);
  out.append("] ");
}

struct AppendValue {
  std::string& out;
  void operator()(std::string_view text) const { append_quoted(out, text, kMaxValue); }
  void operator()(bool value) const { out.append(value ? "true" : "false"); }
  template <typename Number>
  void operator()(Number number) const {
    fmt::format_to(std::back_inserter(out), "{}", number);
  }
};

void append_field(std::string& out, const Field& field) {
  out.append(" ").append(field.name).append("=");
  std::visit(AppendValue{out}, field.value);
}

// The first line of `text`, taken off it together with its line feed.
std::string_view take_line(std::string_view& text) noexcept {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

// Builds a record and writes it; a record that finds no memory is a lost one.
template <typename Build>
void write_record(Output& output, Build build) noexcept {
  try {
    std::string record;
    record.reserve(256);
    build(record);
    output.write(record);
  } catch (const std::exception&) {
    output.count_lost();
  }
}

}  // namespace

void Logger::record(Level level, std::string_view event,
                    std::span<const Field> fields) const noexcept {
  if (!shows(level)) return;
  write_record(*output_, [&](std::string& record) {
    append_prefix(record, output_->format(), level, name_);
    record.append(event);
    for (const Field& field : fields) append_field(record, field);
    record.push_back('\n');
  });
}

void Logger::text(Level level, std::string_view source, std::string_view text) const noexcept {
  if (!shows(level)) return;
  write_record(*output_, [&, rest = text.substr(0, kMaxText)](std::string& record) mutable {
    do {
      append_prefix(record, output_->format(), level, name_);
      record.append(source).append(": ");
      append_escaped(record, take_line(rest), kMaxText);
      record.push_back('\n');
    } while (!rest.empty());
    if (text.size() <= kMaxText) return;
    append_prefix(record, output_->format(), level, name_);
    fmt::format_to(std::back_inserter(record), "{}: ...({} bytes)\n", source, text.size());
  });
}

}  // namespace perilune::log
