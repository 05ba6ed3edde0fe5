#pragma once

#include <memory>
#include <optional>

#include "lua/api.hh"
#include "session/declared_log.hh"

namespace perilune::script {

// A log of statements, as a script holds it.
struct LogObject {
  static constexpr const char* kClassName = "Log";
  std::shared_ptr<const session::DeclaredLog> log;
};

void define_logs(lua_State* L);

// log_file(path [, options]), log_socket(address [, options]), log_syslog([options]),
// log_journal([options])
int log_file(lua_State* L);
int log_socket(lua_State* L);
int log_syslog(lua_State* L);
int log_journal(lua_State* L);

// A log, a list of logs, or nil. Throws lua::Error for anything else.
session::LogList read_logs(lua_State* L, int index);
// The same without a throw: null is what is none of these.
std::optional<session::LogList> test_logs(lua_State* L, int index);
// A log, a list or nil, as it was assigned.
void push_logs(lua_State* L, const session::LogList& logs);

}  // namespace perilune::script
