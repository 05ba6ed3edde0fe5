#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proto/postgres/named_texts.hh"
#include "proto/postgres/own_answers.hh"
#include "session/log_outlet.hh"
#include "session/session.hh"
#include "session/statement_course.hh"
#include "util/bytes.hh"
#include "util/clock.hh"
#include "util/reused_queue.hh"
#include "wire/postgres/exchange.hh"
#include "wire/postgres/parameters.hh"
#include "wire/postgres/protocol.hh"

namespace perilune::proto::postgres {

// As much of a message's body as a log needs.
struct MessageStart {
  wire::postgres::FrontendTag tag{};
  Buffer body;
  std::uint64_t size = 0;  // of the whole body
};

// A message on its way that is a statement, or matters to one.
struct LoggedStatement {
  // Makes it a new one; keeps the memory of its text unless it is much.
  void clear() noexcept;
  std::size_t cost() const noexcept;

  const char* kind = nullptr;  // null: no statement
  const char* kind_if_failed = nullptr;
  std::string text;                      // of Query and FunctionCall
  std::uint64_t size = 0;                // of the whole text
  NamedTexts::SharedStatement prepared;  // of Parse, Describe, Execute
  NamedTexts::SharedPortal portal;       // of Execute, and of Bind
  bool renames = false;  // Parse and Close of a statement: if it fails, `name` is…
  std::string name;
  NamedTexts::SharedStatement previous;  // …this one's again
  bool backslash_escapes = false;
  session::StatementCourse course;
  std::optional<Fault> error;
};

// Makes the records of one command phase: listens to its Exchange and is told what the proxy does
// by itself. There is one only where statements are logged.
class StatementLog final : public wire::postgres::ExchangeObserver {
 public:
  // `outstanding` answers belong to messages that nobody has logged.
  StatementLog(session::Session& session, std::size_t outstanding);
  StatementLog(const StatementLog&) = delete;
  StatementLog& operator=(const StatementLog&) = delete;
  ~StatementLog();  // what was never answered is logged, and says so

  session::LogOutlet& outlet() noexcept { return outlet_; }
  // The statements without answers take so much memory that the client should wait.
  bool is_full() const noexcept { return held_ > kMostHeld; }

  // Bytes of either side are here, of which the Exchange will tell now.
  void bytes_arrived() noexcept {
    now_ = Clock::now();
    wall_time_.reset();
  }
  // The message that goes to the server next was made from this one of the client's…
  void will_replace(const MessageStart& original);
  // …or is no affair of the client's.
  void will_hide() noexcept { hides_next_ = true; }
  // A message of the client's was taken off its stream, and the proxy has answered it.
  void answered_here(const MessageStart& message, const OwnAnswers::Outcome& outcome);
  // Of the message at the front of a stream, before it is taken off.
  MessageStart start_of(Bytes input) const;

  void message_begins(wire::postgres::FrontendTag tag, bool has_place) override;
  void message_bytes(Bytes piece) override;
  void message_ends() override;
  void answer_piece(wire::postgres::BackendTag tag, Bytes piece) override;
  void answer(wire::postgres::BackendTag tag, Bytes body) override;
  void rows(std::size_t count) override;
  void answered() override;
  void failed(std::size_t count) override;
  void read_over(std::size_t end) override;

 private:
  static constexpr std::size_t kMostHeld = 1 << 20;

  struct Place {
    void clear() noexcept { statement.reset(); }
    std::uint64_t number = 0;                    // of all that had places
    std::unique_ptr<LoggedStatement> statement;  // null: nothing to log
    std::size_t cost = 0;                        // of it
  };

  std::size_t worth_gathering(wire::postgres::FrontendTag tag) const noexcept;
  void measure_text(Bytes piece) noexcept;
  std::unique_ptr<LoggedStatement> make(wire::postgres::FrontendTag tag);
  std::unique_ptr<LoggedStatement> begin();
  bool matters(wire::postgres::FrontendTag tag) const noexcept;
  void make_query(LoggedStatement& statement);
  void make_parse(LoggedStatement& statement);
  void make_bind(LoggedStatement& statement);
  void make_execute(LoggedStatement& statement);
  void make_named(wire::postgres::FrontendTag tag, LoggedStatement& statement);
  void make_call(LoggedStatement& statement);
  void rename(LoggedStatement& statement, std::string_view name, NamedTexts::SharedStatement to);
  void undo(LoggedStatement& statement);
  void take_parameter(Bytes body);
  void take_types(LoggedStatement& statement, Bytes body) const;
  void mind_early_answer(std::size_t count);
  void note_original(LoggedStatement& statement);
  void leave(Place& place, bool was_answered);
  void drop(Place& place);
  void write(LoggedStatement& statement, bool was_answered);
  wire::postgres::BoundParameters parameters_of(const LoggedStatement& statement) const;

  session::LogOutlet outlet_;
  NamedTexts texts_;
  ReusedQueue<Place> due_;
  std::vector<std::unique_ptr<LoggedStatement>> spare_;  // cleared
  std::size_t held_ = 0;
  std::uint64_t messages_ = 0;
  Clock::time_point now_ = Clock::now();
  std::optional<WallTime> wall_time_;  // of the bytes that are here, once somebody has asked
  wire::postgres::FrontendTag tag_{};  // of the message that arrives
  session::Gathering body_;            // of that
  std::uint64_t text_size_ = 0;        // of its text so far
  unsigned nuls_before_text_ = 0;      // that are still to come
  bool text_ended_ = false;
  bool is_arriving_ = false;
  bool hides_next_ = false;
  bool ends_transaction_ = false;           // what is answered now
  bool backslash_escapes_ = false;          // in plain strings
  std::unique_ptr<MessageStart> original_;  // of the message that will go to the server next
  Buffer piece_;                            // of an answer that arrives
};

}  // namespace perilune::proto::postgres
