#include "sinks/sinks.hh"

#include <algorithm>
#include <iterator>

namespace perilune::sinks {

namespace {

using Where = log::QueryLogOptions::Where;

struct Row {
  Where where;
  std::unique_ptr<log::Sink> (*make)(const log::QueryLogOptions& options);
};

constexpr Row kSinks[] = {
    {Where::File, make_file},
    {Where::Socket, make_socket},
    {Where::Syslog, make_syslog},
    {Where::Journal, make_journal},
};

}  // namespace

std::unique_ptr<log::Sink> make_sink(const log::QueryLogOptions& options) {
  if (options.format == log::QueryLogOptions::Format::Raw) return make_raw_sockets(options);
  const auto* const row = std::ranges::find(kSinks, options.where, &Row::where);
  return row->make(options);
}

}  // namespace perilune::sinks
