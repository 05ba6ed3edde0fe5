#pragma once

// sinks: where logs of statements go: a file each, and a row in sinks.cc. What a record looks like
// and who waits for room is log's business. Everything here runs on the writer's thread and never
// waits.

#include <memory>

#include "log/query_log_options.hh"
#include "log/sink.hh"

namespace perilune::sinks {

// Opens the destination of a log. Throws ConfigError.
std::unique_ptr<log::Sink> make_sink(const log::QueryLogOptions& options);

// A row of the table each.
std::unique_ptr<log::Sink> make_file(const log::QueryLogOptions& options);
std::unique_ptr<log::Sink> make_socket(const log::QueryLogOptions& options);
std::unique_ptr<log::Sink> make_raw_sockets(const log::QueryLogOptions& options);
std::unique_ptr<log::Sink> make_syslog(const log::QueryLogOptions& options);
std::unique_ptr<log::Sink> make_journal(const log::QueryLogOptions& options);

}  // namespace perilune::sinks
