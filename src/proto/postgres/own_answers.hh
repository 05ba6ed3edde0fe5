#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/stream.hh"
#include "proto/postgres/errors.hh"
#include "session/decision.hh"
#include "session/session.hh"
#include "util/bytes.hh"
#include "wire/postgres/protocol.hh"
#include "wire/postgres/result_set.hh"
#include "wire/postgres/statements.hh"

namespace perilune::proto::postgres {

// 42501: a statement that the script refuses without saying how.
Fault usual_refusal();

// Answers that the proxy gives instead of a server, and the statements and portals that were made
// by such answers. All are written at once: the caller sees to it that it is their turn, and to
// ReadyForQuery.
class OwnAnswers {
 public:
  // What is written is counted for the session.
  OwnAnswers(net::Stream& client, session::Session& session) noexcept
      : client_(client), session_(session) {}

  // To Query and FunctionCall: what the script has decided, which is not to forward anything. The
  // body is empty if the message was too long to be seen.
  void answer_query(Bytes body, const session::StatementDecision& decision);
  // To Parse. False: by an error, behind which all up to Sync is ignored.
  bool prepare(Bytes body, const session::StatementDecision& decision);

  // Whether a Bind, Describe, Execute or Close is about a statement or a portal that was made here.
  bool is_ours(wire::postgres::FrontendTag tag, Bytes body) const;
  // To such a message, or one that names what nobody has. False: as in prepare().
  bool answer_named(wire::postgres::FrontendTag tag, Bytes body);
  // What is made under the same name by a server takes its place.
  void replaced_by_server(wire::postgres::FrontendTag tag, Bytes body);
  bool has_statements() const noexcept { return !statements_.empty() || !portals_.empty(); }
  void forget_all() noexcept;
  void forget_portals() noexcept { portals_.clear(); }

  void error(const Fault& fault);
  void ready(wire::postgres::TransactionStatus status);

  // What the last answer said; nothing of what only makes or closes a name.
  struct Outcome {
    std::optional<std::uint64_t> rows;
    std::optional<std::uint64_t> affected;
    std::optional<Fault> error;
  };
  const Outcome& outcome() const noexcept { return outcome_; }

  // The verb of the statement that was answered last, as in CommandComplete; empty: none was.
  std::string_view last_verb() const noexcept { return last_verb_; }

 private:
  using Table = std::shared_ptr<const session::ResultTable>;

  struct Statement {
    Table table;      // null: success
    std::string tag;  // of CommandComplete, without a number of rows
    std::uint64_t affected = 0;
    std::string verb;
    std::uint16_t parameters = 0;
  };
  struct Portal {
    std::shared_ptr<const Statement> statement;
    std::vector<wire::postgres::ResultColumn> columns;
    std::size_t next_row = 0;
  };
  template <typename Value>
  using ByName = std::map<std::string, Value, std::less<>>;

  void write(Bytes messages);
  bool fail(std::string_view sql_state, std::string message);
  bool bind(Bytes body);
  bool describe(Bytes body);
  bool execute(Bytes body);
  bool close(Bytes body);
  void append_rows(Buffer& out, Portal& portal, std::size_t max_rows);

  net::Stream& client_;
  session::Session& session_;
  ByName<std::shared_ptr<const Statement>> statements_;
  ByName<Portal> portals_;
  std::string last_verb_;
  Outcome outcome_;
};

}  // namespace perilune::proto::postgres
