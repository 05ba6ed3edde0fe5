#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "event/latch.hh"
#include "event/task.hh"
#include "log/record.hh"
#include "session/declared_log.hh"
#include "util/bytes.hh"
#include "util/clock.hh"

namespace perilune::session {

class LogOutlet;
class Session;

// What the outlets of one worker share: who waits for room, and where records are formatted.
class LogOutlets {
 public:
  void enter(LogOutlet& outlet) { waiting_.push_back(&outlet); }
  void leave(LogOutlet& outlet) noexcept { std::erase(waiting_, &outlet); }
  // Some log has room again. Called from the worker's loop.
  void retry();
  std::string& line() noexcept { return line_; }

 private:
  std::vector<LogOutlet*> waiting_;
  std::string line_;
};

// From a session to its logs: asks the script where a record goes, formats it and hands it over.
// What a log with on_full = 'block' has no room for is kept, and the protocol goes no further until
// settle() has ended.
class LogOutlet {
 public:
  explicit LogOutlet(Session& session);
  LogOutlet(const LogOutlet&) = delete;
  LogOutlet& operator=(const LogOutlet&) = delete;
  ~LogOutlet();  // what is kept still gets the place that there is

  // Fills in who the session is.
  void write(log::Record& record);
  // What the client has sent, for logs of this format.
  void write_raw(Bytes bytes);

  // How much of a statement is worth gathering now, and whether its parameters are.
  std::uint64_t max_statement() const noexcept;
  bool wants_parameters() const noexcept;
  bool wants_raw() const noexcept;

  bool is_blocked() const noexcept { return !kept_.empty(); }
  // Until nothing is kept any more; after block_timeout it is dropped.
  event::Task<> settle();

 private:
  friend class LogOutlets;
  struct Kept {
    std::shared_ptr<const DeclaredLog> log;
    std::string bytes;
  };
  struct Raw {
    std::shared_ptr<const DeclaredLog> log;
    bool is_lost = false;  // something is missing: the rest is worth nothing
  };

  void fill_in(log::Record& record) const;
  void write_to(const LogList& logs, const log::Record& record);
  void write_raw_to(const std::shared_ptr<const DeclaredLog>& log, Bytes bytes);
  bool push(const std::shared_ptr<const DeclaredLog>& log, std::string_view bytes);
  bool push_now(const DeclaredLog& log, std::string_view bytes);
  void retry();
  void drop_kept();
  event::Task<> until_room();

  Session& session_;
  const std::string client_;
  const std::string server_;
  std::vector<Kept> kept_;
  std::optional<event::Latch> room_;
  std::vector<Raw> raw_;  // that were given something
};

}  // namespace perilune::session
