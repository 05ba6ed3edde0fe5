// What CommandPhase does with bytes as they pass.

#include <algorithm>
#include <utility>
#include <variant>

#include "proto/mysql/command_phase.hh"
#include "proto/mysql/errors.hh"
#include "proto/mysql/question.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;
using session::Verdict;

namespace {

session::Refuse refusal_of(wire::Err err) {
  return {std::move(err.message), err.code, std::move(err.sql_state)};
}

// What those who look on are told of a command, and whether a text follows.
std::pair<const char*, bool> describe(wire::Command command) noexcept {
  switch (command) {
    case wire::Command::Query:
      return {"query", true};
    case wire::Command::StmtPrepare:
      return {"prepare", true};
    case wire::Command::InitDb:
      return {"init_db", true};
    case wire::Command::StmtExecute:
      return {"execute", false};
    case wire::Command::Ping:
      return {"ping", false};
    default:
      return {"command", false};
  }
}

}  // namespace

Verdict CommandPhase::from_client(Bytes data) {
  if (held_) {
    const bool undecided = held_->what == Held::What::Undecided;
    return {0, undecided ? Verdict::Then::Hold : Verdict::Then::Wait};
  }
  if (is_changing()) return {0, Verdict::Then::Wait};
  log_.bytes_arrived();
  const bool waits_for_answers = log_ && log_->is_full() && exchange_.client_at_border();
  if (waits_for_answers) return {0, Verdict::Then::Wait};
  if (session_.listener().notes_statements) note_statement(data);
  const bool was_idle = exchange_.outstanding() == 0;
  const std::uint32_t before = exchange_.commands();
  wire::Progress progress{0, wire::Stop::None};
  bool more = true;
  while (more) {
    mind_log();
    const Bytes rest = data.subspan(progress.consumed);
    const Bytes part = pass_ > 0 ? rest.first(std::min(pass_, rest.size())) : rest;
    const wire::Progress next = exchange_.client(part, *looked_at_, std::exchange(pass_, 0) > 0);
    progress.consumed += next.consumed;
    progress.stop = next.stop;
    more = false;
    if (next.stop == wire::Stop::Intercept) {
      const Look seen = look(data.subspan(progress.consumed));
      if (seen == Look::IsIncomplete) progress.stop = wire::Stop::None;
      more = seen == Look::Passes;
    } else if (next.stop == wire::Stop::None && part.size() < rest.size()) {
      if (is_changing()) progress.stop = wire::Stop::Full;
      more = !is_changing();
    }
  }
  const std::uint32_t forwarded = exchange_.commands() - before;
  count_statements(forwarded);
  session_.metrics().client_bytes.add(progress.consumed);
  if (node_ != nullptr) {
    node_->statements.add(forwarded);
    node_->to_server.add(progress.consumed);
  }
  if (was_idle && exchange_.outstanding() > 0) times_.begin();
  if (connection_.mirror) connection_.mirror->copy(data.first(progress.consumed));
  log_.write_raw(data.first(progress.consumed));
  return verdict_on_client(progress);
}

Verdict CommandPhase::verdict_on_client(const wire::Progress& progress) {
  client_stop_ = progress.stop;
  switch (progress.stop) {
    case wire::Stop::None: {
      const bool over = session_.is_draining() && is_quiet();
      const bool stops = over || log_.is_blocked();
      return {progress.consumed, stops ? Verdict::Then::Stop : Verdict::Then::Continue};
    }
    case wire::Stop::Full:
      return {progress.consumed, Verdict::Then::Wait};
    case wire::Stop::Intercept:
    case wire::Stop::Malformed:
      break;
  }
  return {progress.consumed, Verdict::Then::Stop};
}

Verdict CommandPhase::from_server(Bytes data) {
  log_.bytes_arrived();
  const std::size_t owed = exchange_.outstanding();
  const wire::Progress progress = exchange_.server(data);
  session_.metrics().server_bytes.add(progress.consumed);
  if (node_ != nullptr) node_->from_server.add(progress.consumed);
  times_.end(owed - std::min(owed, exchange_.outstanding()));
  mind_escapes();
  if (progress.stop == wire::Stop::Malformed) {
    server_malformed_ = true;
    return {progress.consumed, Verdict::Then::Stop};
  }
  if (is_changing() && is_answered()) note_database();
  const bool awaited = (awaiting_ && is_answered()) || (session_.is_draining() && is_quiet());
  const bool is_asking = held_ && held_->what == Held::What::Undecided;
  const bool stops = awaited || (log_.is_blocked() && !is_asking);
  return {progress.consumed, stops ? Verdict::Then::Stop : Verdict::Then::Continue};
}

void CommandPhase::mind_log() {
  if (!log_.mind(session_, exchange_.outstanding())) return;
  exchange_.set_observer(log_.get());
  mind_escapes();
}

void CommandPhase::mind_escapes() noexcept {
  if (!log_) return;
  log_->set_backslash_escapes((exchange_.status() & wire::status::kNoBackslashEscapes) == 0);
}

// Of the held command, before it is taken off.
CommandStart CommandPhase::start_for_log() const {
  return log_ ? log_->start_of(client_.input()) : CommandStart{};
}

void CommandPhase::log_own_answer(const CommandStart& command) {
  if (log_) log_->answered_here(command, own_->outcome());
}

void CommandPhase::count_statements(std::uint32_t more) noexcept {
  if (more > 0) refused_ = false;
  session_.traffic.statements += more;
  session_.metrics().statements.add(more);
}

// --- for those who look on

// Of several that come at once, the first.
void CommandPhase::note_statement(Bytes data) {
  if (data.size() <= wire::kHeaderSize || !exchange_.client_at_border()) return;
  if (!session_.statement) session_.statement = std::make_unique<session::StatementNote>();
  const Bytes payload = data.subspan(wire::kHeaderSize);
  const auto [kind, has_text] = describe(static_cast<wire::Command>(payload.front()));
  const Bytes text = has_text ? payload.subspan(1) : Bytes{};
  const std::size_t length = wire::decode_header(data).length;
  session_.statement->take(kind, as_text(text.first(std::min(text.size(), length - 1))),
                           session_.loop().now());
}

// --- commands

// Most statements of sessions without on_query end here.
CommandPhase::Look CommandPhase::look(Bytes ahead) {
  const auto command = static_cast<wire::Command>(ahead[wire::kHeaderSize]);
  if (command == wire::Command::ChangeUser) {
    return hold(Held::What::ChangeUser, {});
  }
  // Seen only once the proxy has prepared statements of its own.
  if (own_ && names_statement(command)) return look_at_statement(ahead);
  switch (need_of(session_.hooks(), ahead)) {
    case Need::Nothing:
      return pass(ahead.size());
    case Need::Beginning:
      return Look::IsIncomplete;
    case Need::Whole:
      break;
  }
  return look_into(ahead);
}

CommandPhase::Look CommandPhase::look_at_statement(Bytes ahead) {
  const std::size_t wanted =
      std::min<std::size_t>(wire::decode_header(ahead).length, OwnAnswers::kHead);
  const Bytes body = ahead.subspan(wire::kHeaderSize);
  if (body.size() < wanted) return Look::IsIncomplete;
  if (!own_->is_ours(body.first(wanted))) return pass(ahead.size());
  return hold(Held::What::OwnStatement, {});
}

CommandPhase::Look CommandPhase::look_into(Bytes ahead) {
  const wire::Extent extent = wire::extent_of(ahead);
  if (extent.payload > session_.options().max_query + 1) {
    session_.metrics().statements_too_long.add();
    return hold(Held::What::Decided, extent,
                refusal_of(too_long_err(session_.options().max_query)));
  }
  if (!extent.complete) {
    if (gather(extent.payload)) return Look::IsIncomplete;
    session_.metrics().statements_without_memory.add();
    return hold(Held::What::Decided, extent, refusal_of(no_memory_err()));
  }
  gathered_.reset();
  const wire::FrontPayload payload{ahead};
  auto decision = ask_script(session_.hooks(), payload.bytes());
  if (!decision) return hold(Held::What::Undecided, extent);
  if (auto request = kill_of(payload.bytes(), *decision)) {
    hold(Held::What::Kill, extent, *std::move(decision));
    held_->kill = *std::move(request);
    return Look::IsHeld;
  }
  if (!std::holds_alternative<session::Proceed>(*decision)) {
    return hold(Held::What::Decided, extent, *std::move(decision));
  }
  note(payload.bytes());
  return pass(extent.bytes);
}

CommandPhase::Look CommandPhase::pass(std::size_t bytes) noexcept {
  pass_ = bytes;
  return Look::Passes;
}

CommandPhase::Look CommandPhase::hold(Held::What what, const wire::Extent& extent,
                                      session::StatementDecision decision) {
  gathered_.reset();
  held_ = std::make_unique<Held>();
  held_->what = what;
  held_->extent = extent;
  held_->decision = std::move(decision);
  return Look::IsHeld;
}

bool CommandPhase::gather(std::uint64_t size) {
  if (!gathered_) {
    gathered_ = std::make_unique<session::MemoryBudget::Share>(session_.listener().gathered);
  }
  return gathered_->grow_to(size);
}

// What the command means to us once the server has it.
void CommandPhase::note(Bytes payload) {
  const auto command = static_cast<wire::Command>(payload.front());
  if (own_ && command == wire::Command::StmtPrepare) own_->forget_last();
  if (own_ && command == wire::Command::ResetConnection) own_->forget_statements();
  if (auto name = database_of(payload)) {
    changing_to_ = std::make_unique<std::string>(*std::move(name));
  }
}

// Only once the command is on its way, which after a wait is not before the pump runs again.
bool CommandPhase::is_changing() const noexcept { return changing_to_ && pass_ == 0; }

bool CommandPhase::is_answered() const noexcept {
  return exchange_.outstanding() == 0 && exchange_.server_at_border();
}

void CommandPhase::note_database() {
  const auto name = std::move(changing_to_);
  if (!exchange_.last_answer_failed()) session_.database = std::move(*name);
}

}  // namespace perilune::proto::mysql
