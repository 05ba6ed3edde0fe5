#include "proto/postgres/command_phase.hh"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hh"
#include "support/sanitizer.hh"
#include "support/stage.hh"
#include "unit/wire/postgres/session_file.hh"
#include "wire/postgres/authentication.hh"
#include "wire/postgres/notice.hh"
#include "wire/postgres/result_set.hh"
#include "wire/postgres/statements.hh"

using namespace perilune;
using namespace perilune::test;
using namespace perilune::test::postgres;
using namespace perilune::wire::postgres;
using session::StatementDecision;
using Kind = RecordedStep::Kind;

namespace {

constexpr std::size_t kSyncSize = kHeaderSize;
constexpr std::string_view kOurs = "this one is ours";

class PhaseDriver final : public StageDriver {
 public:
  void connect(std::unique_ptr<net::Stream> server) override {
    connection_.server = std::move(server);
  }
  event::Task<> serve(session::Session& session, net::Stream& client) const override {
    proto::postgres::CommandPhase phase{session, client, std::move(connection_)};
    co_await run(phase);
  }

 private:
  mutable proto::postgres::Connection connection_;
};

// What the script says to the session's own statements, and when.
enum class Say { Pass, SameText };
enum class When { AtOnce, Waiting };

std::shared_ptr<const session::ResultTable> table_of_ours() {
  auto table = std::make_shared<session::ResultTable>();
  table->columns = {"a", "b"};
  table->rows = {{Value{std::string("x")}, Value{}}, {Value{}, Value{std::string("y")}}};
  return table;
}

struct Script {
  Say say = Say::Pass;
  When when = When::AtOnce;
  StatementDecision to_ours = session::Refuse{};
};

// One session through the command phase, whose streams are compared as a whole.
class Show {
 public:
  explicit Show(const Script& script) : script_(script) {
    stage_.hooks->statement = [this](std::string_view text, session::StatementKind kind) {
      return answer(text, kind);
    };
  }

  void client(Bytes bytes, std::size_t piece) {
    for (; !bytes.empty(); bytes = bytes.subspan(std::min(piece, bytes.size()))) {
      stage_.from_client(bytes.first(std::min(piece, bytes.size())));
      settle();
    }
  }
  void server(Bytes bytes, std::size_t piece) {
    for (; !bytes.empty(); bytes = bytes.subspan(std::min(piece, bytes.size()))) {
      stage_.from_server(bytes.first(std::min(piece, bytes.size())));
      settle();
    }
  }

  const Buffer& seen_by_client() const { return stage_.client.received; }
  const Buffer& seen_by_server() const { return stage_.server.received; }
  const std::string& problem() const { return stage_.problem(); }
  const stats::Cells& counts() const { return counts_; }
  const session::Session* session() const { return stage_.session; }

 private:
  std::optional<StatementDecision> answer(std::string_view text, session::StatementKind kind) {
    StatementDecision decision;
    if (text == kOurs) {
      decision = script_.to_ours;
    } else if (script_.say == Say::SameText && kind != session::StatementKind::Command) {
      decision = session::SendInstead{std::string(text)};
    }
    if (script_.when == When::AtOnce) return decision;
    later_ = std::move(decision);
    return std::nullopt;
  }

  void settle() {
    stage_.turn();
    while (stage_.is_waiting()) {
      stage_.decide(std::move(later_));
      stage_.turn();
    }
  }

  Script script_;
  StatementDecision later_;
  AnyStage stage_{std::make_unique<PhaseDriver>(), {}};
  const stats::Cells& counts_ = stage_.session->metrics();
};

Buffer all_of(const RecordedSession& session, Kind kind) {
  Buffer bytes;
  for (const RecordedStep& step : session.commands) {
    if (step.kind == kind) append(bytes, step.bytes);
  }
  return bytes;
}

std::uint64_t timed(const Show& show) {
  stats::HistogramSum sum;
  show.counts().statement_seconds.add_to(sum);
  return sum.count();
}

// Every byte once, whoever moved it.
void check_bytes(const Show& show, std::size_t sent) {
  CHECK(show.counts().client_bytes.read() == sent);
  CHECK(show.counts().server_bytes.read() == show.seen_by_client().size());
  if (show.session() == nullptr) return;
  CHECK(show.session()->traffic.from_client == sent);
  CHECK(show.session()->traffic.from_server == show.seen_by_client().size());
  CHECK(show.session()->traffic.statements == show.counts().statements.read());
}

void replay(const RecordedSession& session, const Script& script, std::size_t piece) {
  Show show{script};
  for (const RecordedStep& step : session.commands) {
    if (step.kind == Kind::Client) show.client(step.bytes, piece);
    if (step.kind == Kind::Server) show.server(step.bytes, piece);
  }
  CAPTURE(session.name, piece, static_cast<int>(script.say), static_cast<int>(script.when),
          show.problem());
  CHECK(show.seen_by_client() == all_of(session, Kind::Server));
  CHECK(show.seen_by_server() == all_of(session, Kind::Client));
  check_bytes(show, show.seen_by_server().size());
  CHECK(timed(show) <= show.counts().statements.read());
}

// --- what is put in

Buffer query_of_ours() {
  Buffer bytes;
  append_query(bytes, kOurs);
  return bytes;
}

Buffer answer_to_query(const StatementDecision& decision, TransactionStatus status) {
  Buffer bytes;
  if (std::holds_alternative<session::Refuse>(decision)) {
    append_error(
        bytes, {Severity::Error, sqlstate::kInsufficientPrivilege, "the statement is not allowed"});
  } else if (std::holds_alternative<session::Succeed>(decision)) {
    append_command_complete(bytes, "THIS");
  } else {
    const auto table = table_of_ours();
    append_result(bytes, {table->columns, table->rows});
  }
  append_ready_for_query(bytes, status);
  return bytes;
}

// From step `at` on: the next moment when nothing is outstanding, if only answers are left to come.
const RecordedStep* next_idle(const std::vector<RecordedStep>& steps, std::size_t at) {
  for (std::size_t i = at; i < steps.size(); ++i) {
    if (steps[i].kind == Kind::Idle) return &steps[i];
    if (steps[i].kind != Kind::Server) return nullptr;
  }
  return nullptr;
}

// Data of a COPY that goes on: no client puts a statement there.
bool ends_in_data(Bytes bytes) {
  std::uint8_t last = 0;
  while (const auto message = front_message(bytes, kMaxLength)) {
    if (!message->complete) break;
    last = message->tag;
    bytes = bytes.subspan(message->size);
  }
  return last == static_cast<std::uint8_t>(FrontendTag::CopyData);
}

// Who waits for answers may ask for them.
Buffer without_flush(Bytes bytes) {
  Buffer rest;
  while (const auto message = front_message(bytes, kMaxLength)) {
    if (!message->complete) break;
    const bool is_flush = message->tag == static_cast<std::uint8_t>(FrontendTag::Flush);
    if (!is_flush) append(rest, bytes.first(message->size));
    bytes = bytes.subspan(message->size);
  }
  append(rest, bytes);
  return rest;
}

// Puts a query of ours behind each of the client's steps: it is answered behind what the server
// still owes, and the server hears nothing of it.
std::size_t put_in_queries(const RecordedSession& session, const Script& script) {
  CAPTURE(session.name, static_cast<int>(script.when), script.to_ours.index());
  Show show{script};
  Buffer expected;
  std::size_t count = 0;
  Buffer owed;
  const auto& steps = session.commands;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const RecordedStep& step = steps[i];
    if (step.kind == Kind::Server) {
      append(expected, step.bytes);
      show.server(step.bytes, step.bytes.size());
    } else if (step.kind == Kind::Idle) {
      append(expected, owed);
      owed.clear();
    } else if (step.kind == Kind::Client) {
      const RecordedStep* const idle = next_idle(steps, i + 1);
      Buffer bytes = step.bytes;
      if (idle != nullptr && !ends_in_data(bytes)) {
        ++count;
        append(bytes, query_of_ours());
        owed = answer_to_query(script.to_ours, idle->status);
      }
      show.client(bytes, bytes.size());
    }
  }
  CAPTURE(show.problem());
  CHECK(show.seen_by_client() == expected);
  CHECK(without_flush(show.seen_by_server()) == without_flush(all_of(session, Kind::Client)));
  return count;
}

Buffer series_of_ours() {
  Buffer bytes;
  append_parse(bytes, {"ours", kOurs, 0, {}});
  MessageWriter bind{bytes, FrontendTag::Bind};
  append(bind.body(), as_bytes(std::string_view("\0ours\0\0\0\0\0\0\0", 12)));
  bind.end();
  append_named(bytes, FrontendTag::Describe, {Target::Portal, {}});
  append_execute(bytes, {});
  append_named(bytes, FrontendTag::Close, {Target::Statement, "ours"});
  append_message(bytes, FrontendTag::Sync);
  return bytes;
}

Buffer answer_to_series(const StatementDecision& decision) {
  Buffer bytes;
  if (std::holds_alternative<session::Refuse>(decision)) {
    append_error(
        bytes, {Severity::Error, sqlstate::kInsufficientPrivilege, "the statement is not allowed"});
    return bytes;
  }
  append_message(bytes, BackendTag::ParseComplete);
  append_message(bytes, BackendTag::BindComplete);
  if (std::holds_alternative<session::Succeed>(decision)) {
    append_message(bytes, BackendTag::NoData);
    append_command_complete(bytes, "THIS");
  } else {
    const auto table = table_of_ours();
    append_result(bytes, {table->columns, table->rows});
  }
  append_message(bytes, BackendTag::CloseComplete);
  return bytes;
}

// Where nothing is outstanding, a prepared statement of ours: the server hears Sync alone.
std::size_t put_in_series(const RecordedSession& session, const Script& script) {
  Show show{script};
  Buffer for_client;
  Buffer for_server;
  std::size_t count = 0;
  for (const RecordedStep& step : session.commands) {
    if (step.kind == Kind::Server) {
      append(for_client, step.bytes);
      show.server(step.bytes, step.bytes.size());
    } else if (step.kind == Kind::Client) {
      append(for_server, step.bytes);
      show.client(step.bytes, step.bytes.size());
    } else if (step.kind == Kind::Idle) {
      ++count;
      const Buffer series = series_of_ours();
      show.client(series, series.size());
      append(for_client, answer_to_series(script.to_ours));
      append_message(for_server, FrontendTag::Sync);
      Buffer ready;
      append_ready_for_query(ready, step.status);
      append(for_client, ready);
      show.server(ready, ready.size());
    }
  }
  CAPTURE(session.name, show.problem(), static_cast<int>(script.when));
  CHECK(show.seen_by_client() == for_client);
  CHECK(show.seen_by_server() == for_server);
  check_bytes(show, for_server.size() + count * (series_of_ours().size() - kSyncSize));
  return count;
}

std::vector<StatementDecision> decisions() {
  return {session::Refuse{}, session::Succeed{7}, table_of_ours()};
}

}  // namespace

TEST_CASE("postgres phase: recorded sessions pass unchanged", "[proto][postgres]") {
  const std::vector<std::size_t> pieces =
      kAddressSanitizer ? std::vector<std::size_t>{7, 1 << 20}
                        : std::vector<std::size_t>{1, 2, 3, 5, 11, 64, 1 << 20};
  for (const RecordedSession& session : recorded_sessions()) {
    for (const Say say : {Say::Pass, Say::SameText}) {
      for (const When when : {When::AtOnce, When::Waiting}) {
        for (const std::size_t piece : pieces) replay(session, {say, when, {}}, piece);
      }
    }
  }
}

TEST_CASE("postgres phase: answers of our own take their turn in pipelines", "[proto][postgres]") {
  std::size_t count = 0;
  for (const RecordedSession& session : recorded_sessions()) {
    for (const StatementDecision& decision : decisions()) {
      for (const When when : {When::AtOnce, When::Waiting}) {
        count += put_in_queries(session, {Say::Pass, when, decision});
      }
    }
  }
  CHECK(count >= 300);
}

TEST_CASE("postgres phase: statements of our own between those of a session", "[proto][postgres]") {
  std::size_t count = 0;
  for (const RecordedSession& session : recorded_sessions()) {
    for (const StatementDecision& decision : decisions()) {
      for (const When when : {When::AtOnce, When::Waiting}) {
        count += put_in_series(session, {Say::Pass, when, decision});
      }
    }
  }
  CHECK(count >= 300);
}

TEST_CASE("postgres phase: a refusal inside a series is the server's to undo",
          "[proto][postgres]") {
  const When when = GENERATE(When::AtOnce, When::Waiting);
  Show show{{Say::Pass, when, session::Refuse{}}};
  Buffer series;
  append_parse(series, {{}, "INSERT", 0, {}});
  append_parse(series, {{}, kOurs, 0, {}});
  append_message(series, FrontendTag::Sync);
  show.client(series, series.size());
  Buffer answers;
  append_message(answers, BackendTag::ParseComplete);
  show.server(answers, answers.size());
  Buffer sent;
  append_parse(sent, {{}, "INSERT", 0, {}});
  append_message(sent, FrontendTag::Flush);
  append_parse(sent, {{}, "refused by the proxy", 0, {}});
  append_message(sent, FrontendTag::Flush);
  CHECK(show.seen_by_server() == sent);
  Buffer error;
  append_error(error, {Severity::Error, sqlstate::kSyntaxError, "syntax error"});
  show.server(error, error.size());
  append_message(sent, FrontendTag::Sync);
  CHECK(show.seen_by_server() == sent);
  append_error(answers,
               {Severity::Error, sqlstate::kInsufficientPrivilege, "the statement is not allowed"});
  Buffer ready;
  append_ready_for_query(ready, TransactionStatus::Idle);
  show.server(ready, ready.size());
  append(answers, ready);
  CHECK(show.seen_by_client() == answers);
  check_bytes(show, series.size());
}

TEST_CASE("postgres phase: every answered statement has its time", "[proto][postgres]") {
  Show show{{}};
  Buffer series;
  append_query(series, "SELECT 1");
  append_execute(series, {});
  append_execute(series, {});
  append_message(series, FrontendTag::Sync);
  show.client(series, series.size());
  CHECK(show.counts().statements.read() == 3);
  CHECK(std::string_view{show.session()->waits_for()} == "server");
  CHECK(timed(show) == 0);
  Buffer answer;
  append_command_complete(answer, "SELECT 0");
  append_ready_for_query(answer, TransactionStatus::Idle);
  show.server(answer, answer.size());
  CHECK(timed(show) == 1);
  // What follows an error has no answer.
  Buffer error;
  append_error(error, {Severity::Error, sqlstate::kSyntaxError, "no"});
  append_ready_for_query(error, TransactionStatus::Idle);
  show.server(error, error.size());
  CHECK(timed(show) == 2);
  CHECK(std::string_view{show.session()->waits_for()} == "client");
}

TEST_CASE("postgres phase: a COPY waits for the client's data", "[proto][postgres]") {
  Show show{{}};
  Buffer query;
  append_query(query, "COPY t FROM STDIN");
  show.client(query, query.size());
  Buffer begin;
  append_message(begin, BackendTag::CopyInResponse, as_bytes(std::string_view("\0\0\0", 3)));
  show.server(begin, begin.size());
  CHECK(std::string_view{show.session()->waits_for()} == "copy data");
  Buffer data;
  append_message(data, FrontendTag::CopyData, as_bytes("Q"));
  show.client(data, data.size());
  CHECK(show.session()->statement->text() == "COPY t FROM STDIN");
  CHECK(std::string_view{show.session()->waits_for()} == "copy data");
  Buffer end;
  append_message(end, FrontendTag::CopyDone);
  show.client(end, end.size());
  CHECK(std::string_view{show.session()->waits_for()} == "server");
  Buffer answer;
  append_command_complete(answer, "COPY 1");
  append_ready_for_query(answer, TransactionStatus::Idle);
  show.server(answer, answer.size());
  CHECK(std::string_view{show.session()->waits_for()} == "client");
  CHECK(timed(show) == 1);
}
