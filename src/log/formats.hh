#pragma once

#include <string>
#include <string_view>

#include "log/query_log_options.hh"
#include "log/record.hh"

namespace perilune::log {

// Append one record as a log shows it: what doc/logs.rst describes. Texts are cut to max_statement
// and masked as the options say.
using Format = void (*)(std::string& out, const Record& record, const QueryLogOptions& options);

// "time session client user database duration sql" and a line feed, no other in between.
void append_text(std::string& out, const Record& record, const QueryLogOptions& options);
// One object and a line feed; always valid UTF-8.
void append_json(std::string& out, const Record& record, const QueryLogOptions& options);
// RFC 5424 around the line of text or the object.
void append_syslog(std::string& out, const Record& record, const QueryLogOptions& options);
// The journal's native protocol: MESSAGE is the line of text, each value a field PERILUNE_….
void append_journal(std::string& out, const Record& record, const QueryLogOptions& options);

Format format_of(const QueryLogOptions& options) noexcept;

}  // namespace perilune::log
