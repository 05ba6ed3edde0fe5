#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "log/output.hh"

namespace perilune::log {

// One name="value" of a line. Refers to the text it was made from: only for use as an argument.
struct Field {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool> value;
};

inline Field field(std::string_view name, std::string_view value) noexcept { return {name, value}; }
inline Field field(std::string_view name, const char* value) noexcept {
  return {name, std::string_view(value)};
}
inline Field field(std::string_view name, bool value) noexcept { return {name, value}; }
inline Field field(std::string_view name, double value) noexcept { return {name, value}; }
template <std::signed_integral T>
Field field(std::string_view name, T value) noexcept {
  return {name, static_cast<std::int64_t>(value)};
}
template <std::unsigned_integral T>
requires(!std::same_as<T, bool>) Field field(std::string_view name, T value)
noexcept { return {name, static_cast<std::uint64_t>(value)}; }

template <typename T>
concept FieldLike = std::same_as<T, Field>;

// Writes lines to an Output under a name; a view, as cheap to copy as a string_view, that lives no
// longer than the Output and the name. Events are fixed lower-case names, what varies is a field:
//   logger.info("login", field("user", login.user));   →   … info [17] login user="anna"
// Values are quoted and escaped, so they may come from anybody. Safe from every thread.
class Logger {
 public:
  explicit Logger(Output& output, std::string_view name = {}) noexcept
      : output_(&output), name_(name) {}

  // A session's logger: the same output under the session's name.
  Logger with(std::string_view name) const noexcept { return Logger(*output_, name); }
  bool shows(Level level) const noexcept { return output_->shows(level); }
  // Lines of all loggers of this output that could not be written.
  std::uint64_t lost() const noexcept { return output_->lost(); }

  template <FieldLike... F>
  void error(std::string_view event, const F&... fields) const noexcept {
    event_line(Level::Error, event, fields...);
  }
  template <FieldLike... F>
  void warning(std::string_view event, const F&... fields) const noexcept {
    event_line(Level::Warning, event, fields...);
  }
  template <FieldLike... F>
  void notice(std::string_view event, const F&... fields) const noexcept {
    event_line(Level::Notice, event, fields...);
  }
  template <FieldLike... F>
  void info(std::string_view event, const F&... fields) const noexcept {
    event_line(Level::Info, event, fields...);
  }
  template <FieldLike... F>
  void debug(std::string_view event, const F&... fields) const noexcept {
    event_line(Level::Debug, event, fields...);
  }

  // An event whose fields are known at run time only.
  void record(Level level, std::string_view event, std::span<const Field> fields) const noexcept;

  // Free text, such as what a script prints or a traceback: each of its lines becomes
  // "… info [17] print: line", all of them written at once; only the first 64 KiB are shown.
  void text(Level level, std::string_view source, std::string_view text) const noexcept;

 private:
  template <typename... F>
  void event_line(Level level, std::string_view event, const F&... fields) const noexcept {
    if (!shows(level)) return;
    const std::array<Field, sizeof...(F)> list{fields...};
    record(level, event, list);
  }

  Output* output_;
  std::string_view name_;
};

}  // namespace perilune::log
