#pragma once

#include <cstdint>
#include <deque>
#include <memory>
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
  // A record of a session that has ended before there was room for it.
  struct Left {
    std::shared_ptr<const DeclaredLog> log;
    std::string bytes;
    std::uint32_t session;
    Clock::time_point until;  // of the log's block_timeout
  };

  LogOutlets() = default;
  LogOutlets(const LogOutlets&) = delete;
  LogOutlets& operator=(const LogOutlets&) = delete;
  ~LogOutlets();  // what is left still gets the place that there is

  void enter(LogOutlet& outlet) { waiting_.push_back(&outlet); }
  void leave(LogOutlet& outlet) noexcept { std::erase(waiting_, &outlet); }
  // Behind what others have left for the same log; as much as the log's buffer holds.
  void take_over(Left left);
  // Some log has room again. Called from the worker's loop.
  void retry();
  std::string& line() noexcept { return line_; }

 private:
  void retry_left();

  std::vector<LogOutlet*> waiting_;
  std::deque<Left> left_;
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

  // Whether anything of this session is to be logged by now.
  static bool is_wanted(Session& session) noexcept;

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
  void leave_kept();
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
