#include "log/formats.hh"

#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>

#include "log/shown.hh"
#include "util/text.hh"

namespace perilune::log {

namespace {

constexpr std::size_t kWhole = SIZE_MAX;
constexpr int kPriority = 16 * 8 + 6;  // local0, informational

// --- text

// A field of the line: blanks separate them.
void append_word(std::string& out, std::string_view text) {
  if (text.empty()) {
    out.append("- ");
    return;
  }
  for (std::size_t blank = text.find(' '); blank != text.npos; blank = text.find(' ')) {
    append_escaped(out, text.substr(0, blank), kWhole);
    out.append("\\x20");
    text.remove_prefix(blank + 1);
  }
  append_escaped(out, text, kWhole);
  out.push_back(' ');
}

void append_note(std::string& out, std::string_view name, std::string_view text) {
  out.append(1, '\t').append(name).append(1, '=');
  append_escaped(out, text, kWhole);
}

// Behind the text and separated by tabs, which the text cannot hold.
void append_notes(std::string& out, const Record& record, const Shown& shown,
                  const QueryLogOptions& options) {
  if (shown.is_cut()) append_note(out, "bytes", std::to_string(record.sql_size));
  if (record.original_size > 0) append_note(out, "original", shown.original());
  if (shown.has_parameters()) {
    out.append("\tparameters=");
    bool cut = false;
    if (shown.hides_parameters()) {
      out.append("***");
    } else {
      append_parameters(out, record, options, cut);
    }
    if (cut) out.append("...");
  }
  if (record.error) {
    const RecordError& error = *record.error;
    const std::string code = error.code != 0 ? fmt::format("{} ", error.code) : std::string{};
    append_note(out, "error", fmt::format("{}({}) ", code, error.sqlstate));
    append_escaped(out, shown.message(), kWhole);
  }
  if (!record.answered) out.append("\tunanswered");
}

void append_line(std::string& out, const Record& record, const QueryLogOptions& options) {
  const Shown shown{record, options};
  append_time(out, record.time);
  out.push_back(' ');
  append_number(out, record.session);
  out.push_back(' ');
  append_word(out, record.client);
  append_word(out, record.user);
  append_word(out, record.database);
  append_seconds(out, record.duration);
  out.push_back(' ');
  append_escaped(out, shown.sql(), kWhole);
  append_notes(out, record, shown, options);
}

// --- JSON

// `, "name": `, made while compiling.
template <std::size_t N>
struct Key {
  consteval Key(const char (&name)[N]) {
    const std::string_view around = ", \"\": ";
    auto out = std::copy_n(around.begin(), 3, text.begin());
    out = std::copy_n(name, N - 1, out);
    std::copy(around.begin() + 3, around.end(), out);
  }
  std::array<char, N + 5> text{};
};
template <Key key>
constexpr std::string_view operator""_key() noexcept {
  return {key.text.data(), key.text.size()};
}

void append_member(std::string& out, std::string_view key, std::string_view text) {
  out.append(key);
  append_json_string(out, text);
}

void append_if_any(std::string& out, std::string_view key, std::string_view text) {
  if (!text.empty()) append_member(out, key, text);
}

void append_who(std::string& out, const Record& record) {
  out.append("session"_key);
  append_number(out, record.session);
  append_member(out, "protocol"_key, record.protocol);
  append_member(out, "client"_key, record.client);
  append_if_any(out, "account"_key, record.account);
  append_member(out, "user"_key, record.user);
  append_if_any(out, "database"_key, record.database);
  append_if_any(out, "server"_key, record.server);
}

void append_what(std::string& out, const Record& record, const Shown& shown,
                 const QueryLogOptions& options) {
  append_member(out, "kind"_key, record.kind);
  append_member(out, "sql"_key, shown.sql());
  if (shown.is_cut()) {
    out.append("sql_bytes"_key);
    append_number(out, record.sql_size);
  }
  if (record.original_size > 0) append_member(out, "original"_key, shown.original());
  if (!shown.has_parameters()) return;
  out.append("parameters"_key);
  if (shown.hides_parameters()) {
    append_json_string(out, "***");
    return;
  }
  bool cut = false;
  append_parameters(out, record, options, cut);
  if (!cut) return;
  out.append("parameters_cut"_key);
  out.append("true");
}

void append_count(std::string& out, std::string_view key,
                  const std::optional<std::uint64_t>& count) {
  if (!count) return;
  out.append(key);
  append_number(out, *count);
}

void append_result(std::string& out, const Record& record, const Shown& shown) {
  out.append("duration"_key);
  append_seconds(out, record.duration);
  if (record.answered) {
    out.append("first"_key);
    append_seconds(out, record.first);
  }
  append_count(out, "rows"_key, record.rows);
  append_count(out, "affected"_key, record.affected);
  if (record.error) {
    out.append("error"_key);
    out.push_back('{');
    if (record.error->code != 0) {
      fmt::format_to(std::back_inserter(out), "\"code\": {}, ", record.error->code);
    }
    out.append("\"sqlstate\": ");
    append_json_string(out, record.error->sqlstate);
    append_member(out, "message"_key, shown.message());
    out.push_back('}');
  }
  out.append("answered"_key);
  out.append(record.answered ? "true" : "false");
}

void append_object(std::string& out, const Record& record, const QueryLogOptions& options) {
  const Shown shown{record, options};
  out.append("{\"time\": \"");
  append_time(out, record.time);
  out.push_back('"');
  append_who(out, record);
  append_what(out, record, shown, options);
  append_result(out, record, shown);
  out.push_back('}');
}

// --- syslog, journal

const std::string& host_name() {
  static const std::string name = [] {
    std::array<char, 256> text{};
    const bool known = ::gethostname(text.data(), text.size() - 1) == 0 && text[0] != '\0';
    return std::string(known ? text.data() : "-");
  }();
  return name;
}

// A value may hold line feeds: then its length stands before it, as a 64-bit number.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out.append(name);
  if (value.find('\n') == std::string_view::npos) {
    out.append(1, '=').append(value).append(1, '\n');
    return;
  }
  out.push_back('\n');
  for (unsigned shift = 0; shift < 64; shift += 8) {
    out.push_back(static_cast<char>(std::uint64_t{value.size()} >> shift));
  }
  out.append(value).append(1, '\n');
}

std::string seconds_text(std::chrono::duration<double> time) {
  std::string text;
  append_seconds(text, time);
  return text;
}

void append_result_fields(std::string& out, const Record& record, const Shown& shown) {
  append_field(out, "PERILUNE_DURATION", seconds_text(record.duration));
  if (record.rows) append_field(out, "PERILUNE_ROWS", std::to_string(*record.rows));
  if (record.affected) append_field(out, "PERILUNE_AFFECTED", std::to_string(*record.affected));
  append_field(out, "PERILUNE_ANSWERED", record.answered ? "1" : "0");
  if (!record.error) return;
  if (record.error->code != 0) {
    append_field(out, "PERILUNE_ERROR_CODE", std::to_string(record.error->code));
  }
  append_field(out, "PERILUNE_ERROR_SQLSTATE", record.error->sqlstate);
  append_field(out, "PERILUNE_ERROR_MESSAGE", shown.message());
}

void append_who_fields(std::string& out, const Record& record) {
  append_field(out, "PERILUNE_SESSION", std::to_string(record.session));
  append_field(out, "PERILUNE_PROTOCOL", record.protocol);
  append_field(out, "PERILUNE_CLIENT", record.client);
  append_field(out, "PERILUNE_ACCOUNT", record.account);
  append_field(out, "PERILUNE_USER", record.user);
  append_field(out, "PERILUNE_DATABASE", record.database);
  append_field(out, "PERILUNE_SERVER", record.server);
  append_field(out, "PERILUNE_KIND", record.kind);
}

void append_parameters_field(std::string& out, const Record& record, const Shown& shown,
                             const QueryLogOptions& options) {
  if (!shown.has_parameters()) return;
  std::string list;
  bool cut = false;
  if (!shown.hides_parameters()) append_parameters(list, record, options, cut);
  append_field(out, "PERILUNE_PARAMETERS", shown.hides_parameters() ? "***" : list);
}

}  // namespace

void append_text(std::string& out, const Record& record, const QueryLogOptions& options) {
  append_line(out, record, options);
  out.push_back('\n');
}

void append_json(std::string& out, const Record& record, const QueryLogOptions& options) {
  append_object(out, record, options);
  out.push_back('\n');
}

void append_syslog(std::string& out, const Record& record, const QueryLogOptions& options) {
  fmt::format_to(std::back_inserter(out), "<{}>1 ", kPriority);
  append_time(out, record.time);
  fmt::format_to(std::back_inserter(out), " {} perilune {} statement - ", host_name(), ::getpid());
  const bool is_json = options.format == QueryLogOptions::Format::Json;
  is_json ? append_object(out, record, options) : append_line(out, record, options);
}

void append_journal(std::string& out, const Record& record, const QueryLogOptions& options) {
  const Shown shown{record, options};
  std::string line;
  append_line(line, record, options);
  append_field(out, "MESSAGE", line);
  append_field(out, "PRIORITY", "6");
  append_field(out, "SYSLOG_IDENTIFIER", "perilune");
  append_who_fields(out, record);
  append_field(out, "PERILUNE_SQL", shown.sql());
  append_field(out, "PERILUNE_ORIGINAL", shown.original());
  append_parameters_field(out, record, shown, options);
  append_result_fields(out, record, shown);
}

Format format_of(const QueryLogOptions& options) noexcept {
  using Where = QueryLogOptions::Where;
  if (options.where == Where::Syslog) return append_syslog;
  if (options.where == Where::Journal) return append_journal;
  return options.format == QueryLogOptions::Format::Json ? append_json : append_text;
}

}  // namespace perilune::log
