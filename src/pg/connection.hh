#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "event/loop.hh"
#include "event/task.hh"
#include "pg/conninfo.hh"
#include "pg/rows.hh"
#include "util/failure.hh"
#include "util/result.hh"
#include "util/unique_function.hh"

extern "C" {
struct pg_conn;
}

namespace perilune::pg {

// Without parameters the simple protocol is used, which takes several statements.
struct Query {
  std::string text;
  std::optional<std::vector<std::optional<std::string>>> parameters;  // no value: NULL
};

// Of several statements the last result; a failure has the server's words.
using Answer = Result<Rows, Failure>;

// There is no connection, or not any more; the message is libpq's.
class Lost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// One connection of libpq, in non-blocking mode. One operation at a time; all of them throw Lost,
// after which the object is good for nothing but its destructor. That cancels what still runs.
class Connection {
 public:
  // The callbacks must not destroy the connection.
  using Notified = UniqueFunction<void(std::string_view channel)>;
  using Noticed = UniqueFunction<void(std::string_view text)>;
  Connection(event::Loop& loop, Notified notified, Noticed noticed);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // The options name no host that has to be looked up.
  event::Task<> open(Options options);

  // A run that is given up, by destroying the task, must be followed by cancel().
  event::Task<Answer> run(Query query);
  // Asks the server to end what runs, and waits for the end.
  event::Task<> cancel();

  // Waits for something that the server says of itself.
  event::Task<> receive();
  // Takes what it has said already.
  void consume();

  std::string quote_name(const std::string& name);

 private:
  event::Task<> poll_until_open();
  event::Task<int> ready(int events);
  std::optional<Failure> send(const Query& query);
  event::Task<> flush();
  event::Task<Answer> collect();
  event::Task<> cancel_and_drain();
  Answer answer_of(pg_result* result);
  void pass_notifications_on();
  UniqueFunction<void()> make_cancel_request();
  [[noreturn]] void fail();

  event::Loop& loop_;
  Notified notified_;
  Noticed noticed_;
  pg_conn* connection_ = nullptr;
  bool busy_ = false;       // something was sent, and its end has not been seen
  std::string last_error_;  // of the statement: says more than the loss of the connection after it
};

}  // namespace perilune::pg
