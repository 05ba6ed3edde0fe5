#pragma once

#include <optional>
#include <string_view>

#include "event/task.hh"
#include "log/record.hh"
#include "session/challenger.hh"
#include "session/decision.hh"
#include "session/declared_log.hh"

namespace perilune::session {

class Session;

// What the user's script decides about one session. Called on the session's thread, one at a time;
// the tasks never throw: a callback that fails is logged by the implementation and refuses
// (on_disconnect: is only logged). Destroying a task cancels the callback where it waits.
class Hooks {
 public:
  virtual ~Hooks() = default;

  virtual event::Task<Decision> on_connect() = 0;
  // `challenger` stays valid until the task has ended.
  virtual event::Task<Decision> on_login(Login login, Challenger& challenger) = 0;
  virtual event::Task<Decision> on_command_phase() = 0;
  virtual event::Task<> on_disconnect() = 0;

  // May be called from a tap: what the callback decides at once. Nothing while it waits: then
  // rest_of_statement() has the decision, and nothing else is asked before. The texts are valid
  // during the call.
  virtual std::optional<StatementDecision> on_query(std::string_view text, StatementKind kind) = 0;
  virtual std::optional<StatementDecision> on_init_db(std::string_view database) = 0;
  virtual event::Task<StatementDecision> rest_of_statement() = 0;

  // May be called from a tap: where a record goes; nothing: where the client's do.
  virtual std::optional<LogList> on_log(const log::Record& record) = 0;
  // The callback that waits; null: none does.
  virtual const char* waiting_callback() const noexcept { return nullptr; }

  // Whether the script has the callback at all: asked before a task is made for nothing.
  virtual bool has_on_connect() const noexcept = 0;
  virtual bool has_on_command_phase() const noexcept = 0;
  virtual bool has_on_disconnect() const noexcept = 0;
  virtual bool has_on_query() const noexcept = 0;
  virtual bool has_on_init_db() const noexcept = 0;
  virtual bool has_on_log() const noexcept = 0;
};

}  // namespace perilune::session
