#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "net/stream.hh"
#include "session/decision.hh"
#include "session/session.hh"
#include "util/bytes.hh"
#include "wire/mysql/protocol.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

// Answers that the proxy gives instead of a server, and the statements that were prepared by such
// an answer. All answers are written at once: the caller sees to it that it is their turn.
class OwnAnswers {
 public:
  // What is written is counted as the session's.
  OwnAnswers(net::Stream& client, std::uint64_t capabilities, session::Session& session) noexcept
      : client_(client), capabilities_(capabilities), session_(session) {}

  // Where an answer stands: its first packet's number, and the status flags of the session.
  struct Turn {
    std::uint8_t sequence = 1;
    std::uint16_t status = 0;
  };

  // What the last answer said.
  struct Outcome {
    std::optional<std::uint64_t> rows;
    std::optional<std::uint64_t> affected;
    std::optional<wire::mysql::Err> error;
    std::uint32_t prepared = 0;  // its number
    std::uint16_t parameters = 0;
  };
  const Outcome& outcome() const noexcept { return outcome_; }

  // To COM_QUERY and COM_STMT_PREPARE: what the script has decided, which is not to forward
  // anything. A prepared statement is answered the same way whenever it is executed.
  void answer(Bytes command, const session::StatementDecision& decision, Turn turn);
  void ok(Turn turn, std::uint64_t affected_rows = 0);
  void err(Turn turn, const wire::mysql::Err& err);
  void text_result(Turn turn, const session::ResultTable& table);
  void payload(Turn turn, Bytes payload);

  // Of a command that names a prepared statement: as much as is needed to know whose that is.
  static constexpr std::size_t kHead = 5;
  // Whether such a command belongs to a statement that was prepared here.
  bool is_ours(Bytes command) const noexcept;
  void answer_ours(Bytes command, Turn turn);

  // Whether such commands are to be looked at: one may be ours, or mean the statement prepared
  // last, which the server must not take for an earlier one of its own.
  bool may_be_meant() const noexcept { return !statements_.empty() || last_ != 0; }
  // The statement prepared last is the server's.
  void forget_last() noexcept { last_ = 0; }
  // A session that is reset has none any more.
  void forget_statements() noexcept;

 private:
  struct Statement {
    std::shared_ptr<const session::ResultTable> table;  // null: success
    std::uint64_t affected_rows = 0;
  };

  void write(Bytes packets);
  void prepare(Bytes command, Statement statement, Turn turn);
  void execute(const Statement& statement, Turn turn);
  std::uint32_t id_of(Bytes command) const noexcept;

  net::Stream& client_;
  std::uint64_t capabilities_;
  session::Session& session_;
  std::map<std::uint32_t, Statement> statements_;
  std::uint32_t last_ = 0;  // prepared or refused; 0: not here
  std::uint32_t made_ = 0;
  Outcome outcome_;
};

// Whether a command names a prepared statement.
bool names_statement(wire::mysql::Command command) noexcept;

}  // namespace perilune::proto::mysql
