#pragma once

#include <fmt/format.h>

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

#include "log/query_log_options.hh"
#include "log/record.hh"

namespace perilune::log {

// What of a record one log may show.
class Shown {
 public:
  Shown(const Record& record, const QueryLogOptions& options);
  Shown(const Shown&) = delete;
  Shown& operator=(const Shown&) = delete;

  std::string_view sql() const noexcept { return sql_; }
  std::string_view original() const noexcept { return original_; }
  bool is_cut() const noexcept { return is_cut_; }
  // A message may quote a password that was masked.
  std::string_view message() const noexcept;
  bool has_parameters() const noexcept { return has_parameters_; }
  bool hides_parameters() const noexcept { return hides_parameters_; }

 private:
  std::string_view show(std::string_view text, std::string& masked);

  const Record& record_;
  const QueryLogOptions& options_;
  std::string masked_sql_;
  std::string masked_original_;
  std::string_view sql_;
  std::string_view original_;
  bool is_cut_;
  bool has_parameters_;
  bool hides_parameters_ = false;
  bool hides_message_ = false;
};

// The first bytes of a text, not in the middle of a character.
std::string_view beginning_of(std::string_view text, std::size_t most) noexcept;

template <std::integral Number>
void append_number(std::string& out, Number number) {
  const fmt::format_int digits{number};
  out.append(digits.data(), digits.size());
}
// "2026-11-21T19:20:35.123456Z"
void append_time(std::string& out, WallTime time);
// "0.001234"
void append_seconds(std::string& out, std::chrono::duration<double> time);
// A JSON string. Bytes that are no UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);
// [1, "a"], of bulk [[1, "a"], [2, "b"]]: at most max_statement bytes, and whether that was all.
void append_parameters(std::string& out, const Record& record, const QueryLogOptions& options,
                       bool& cut);

}  // namespace perilune::log
