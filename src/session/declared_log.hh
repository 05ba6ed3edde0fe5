#pragma once

#include <memory>
#include <vector>

#include "log/query_log.hh"
#include "log/query_log_options.hh"

namespace perilune::session {

// A log of statements as one worker's script declared it.
struct DeclaredLog {
  log::QueryLogOptions options;
  std::shared_ptr<log::QueryLog> log;  // from the moment that the generation takes over
  log::Producer* producer = nullptr;   // the worker's, of `log`

  bool is_raw() const noexcept { return options.format == log::QueryLogOptions::Format::Raw; }
};

// Where the statements of a session go; null: nowhere.
using LogList = std::shared_ptr<const std::vector<std::shared_ptr<const DeclaredLog>>>;

}  // namespace perilune::session
