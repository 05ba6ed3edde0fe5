// What CommandPhase does with bytes as they pass.

#include <algorithm>
#include <utility>
#include <variant>

#include "proto/postgres/command_phase.hh"
#include "proto/postgres/first_statement.hh"
#include "proto/postgres/question.hh"
#include "wire/postgres/statements.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;
namespace sqlstate = wire::sqlstate;
using session::Verdict;
using wire::FrontendTag;

namespace {

FrontendTag tag_of(const wire::Message& message) noexcept {
  return static_cast<FrontendTag>(message.tag);
}

}  // namespace

Verdict CommandPhase::from_client(Bytes data) {
  if (held_) {
    const bool undecided = held_->what == Held::What::Undecided;
    return {0, undecided ? Verdict::Then::Hold : Verdict::Then::Wait};
  }
  if (drops_) return drop(data);
  log_.bytes_arrived();
  if (waits_for_answers()) {
    return {0, exchange_.needs_flush() ? Verdict::Then::Stop : Verdict::Then::Wait};
  }
  if (session_.listener().notes_statements) note_statement(data);
  const bool was_idle = exchange_.outstanding() == 0;
  const std::uint32_t before = exchange_.commands();
  wire::Progress progress{0, wire::Stop::None};
  bool more = true;
  while (more) {
    mind_log();
    const Bytes rest = data.subspan(progress.consumed);
    const wire::Progress next = exchange_.client(rest, *looked_at_, std::exchange(passes_, false));
    progress.consumed += next.consumed;
    progress.stop = next.stop;
    more = false;
    if (next.stop == wire::Stop::Intercept) {
      const Look seen = look(data.subspan(progress.consumed));
      if (seen == Look::IsIncomplete) progress.stop = wire::Stop::None;
      more = passes_ = seen == Look::Passes;
    }
  }
  count_forwarded(exchange_.commands() - before);
  session_.metrics().client_bytes.add(progress.consumed);
  if (node_ != nullptr) node_->to_server.add(progress.consumed);
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

// What is taken off the stream is not forwarded: the pump stops for it.
Verdict CommandPhase::drop(Bytes data) {
  const wire::Progress progress = exchange_.discard(data);
  dropped_ = progress.consumed;
  log_.write_raw(data.first(dropped_));
  client_stop_ = progress.stop;
  if (progress.stop == wire::Stop::Intercept) drops_ = false;
  const bool nothing = dropped_ == 0 && progress.stop == wire::Stop::None;
  return {0, nothing ? Verdict::Then::Continue : Verdict::Then::Stop};
}

Verdict CommandPhase::from_server(Bytes data) {
  log_.bytes_arrived();
  const std::uint32_t before = exchange_.answered();
  const wire::Progress progress = exchange_.server(data);
  session_.metrics().server_bytes.add(progress.consumed);
  if (node_ != nullptr) node_->from_server.add(progress.consumed);
  times_.end(exchange_.answered() - before);
  if (progress.stop == wire::Stop::Malformed) {
    server_malformed_ = true;
    return {progress.consumed, Verdict::Then::Stop};
  }
  const bool awaited = (awaiting_ && is_answered()) || (session_.is_draining() && is_quiet());
  const bool is_asking = held_ && held_->what == Held::What::Undecided;
  const bool stops = awaited || (log_.is_blocked() && !is_asking);
  return {progress.consumed, stops ? Verdict::Then::Stop : Verdict::Then::Continue};
}

// --- logs

void CommandPhase::mind_log() {
  if (log_.mind(session_, exchange_.outstanding())) exchange_.set_observer(log_.get());
}

// Of the held message, before it is taken off; with all of it for those who want the bytes.
MessageStart CommandPhase::start_for_log() const {
  if (!log_) return {};
  const Bytes input = client_.input();
  if (held_->complete) log_->outlet().write_raw(input.first(held_->size));
  return log_->start_of(input);
}

void CommandPhase::log_own_answer(const MessageStart& message) {
  if (log_) log_->answered_here(message, own_->outcome());
}

// The data of a COPY takes no memory, and ends what the log holds.
bool CommandPhase::waits_for_answers() const noexcept {
  return log_ && log_->is_full() && exchange_.client_at_border() && !exchange_.copying_in();
}

bool CommandPhase::is_answered() const noexcept {
  return exchange_.outstanding() == 0 && exchange_.server_at_border();
}

// --- for those who look on

// Of several that come at once, the first. The data of a COPY is none.
void CommandPhase::note_statement(Bytes data) {
  if (!exchange_.client_at_border() || exchange_.copying_in()) return;
  const auto found = first_statement(data);
  if (!found) return;
  if (!session_.statement) session_.statement = std::make_unique<session::StatementNote>();
  session_.statement->take(found->kind, found->text, session_.loop().now());
}

// --- messages

// A length that is a lie has been found by the exchange.
CommandPhase::Look CommandPhase::look(Bytes ahead) {
  const wire::MessageHeader header = wire::decode_header(ahead);
  wire::Message message;
  message.tag = header.tag;
  message.size = wire::kHeaderSize + header.body();
  message.complete = ahead.size() >= message.size;
  if (message.complete) message.body = ahead.subspan(wire::kHeaderSize, header.body());
  const bool is_text = tag_of(message) == FrontendTag::Query ||
                       tag_of(message) == FrontendTag::Parse ||
                       tag_of(message) == FrontendTag::FunctionCall;
  return is_text ? look_at_statement(message) : look_at_named(message);
}

CommandPhase::Look CommandPhase::look_at_statement(const wire::Message& message) {
  const std::uint64_t limit = session_.options().max_query;
  const std::size_t body = message.size - wire::kHeaderSize;
  if (body > largest_body(tag_of(message), limit)) return refuse(message, too_long(limit));
  if (!message.complete) {
    return gather(body) ? Look::IsIncomplete : refuse(message, no_memory());
  }
  gathered_.reset();
  const auto size = text_size(tag_of(message), message.body);
  if (!size) {
    return refuse(message, error(sqlstate::kProtocolViolation, "invalid message format"));
  }
  if (*size > limit) return refuse(message, too_long(limit));
  auto decision = ask_script(session_.hooks(), tag_of(message), message.body);
  if (!decision) return hold(Held::What::Undecided, message);
  if (!std::holds_alternative<session::Proceed>(*decision)) {
    return hold(Held::What::Decided, message, *std::move(decision));
  }
  note(tag_of(message), message.body);
  return Look::Passes;
}

// Seen only once the proxy has prepared statements of its own. One that is not in one piece yet may
// grow as a statement's text may.
CommandPhase::Look CommandPhase::look_at_named(const wire::Message& message) {
  if (!message.complete) {
    return gather(message.size) ? Look::IsIncomplete : refuse(message, no_memory());
  }
  gathered_.reset();
  if (own_->is_ours(tag_of(message), message.body)) return hold(Held::What::Own, message);
  note(tag_of(message), message.body);
  return Look::Passes;
}

CommandPhase::Look CommandPhase::hold(Held::What what, const wire::Message& message,
                                      session::StatementDecision decision) {
  gathered_.reset();
  held_ = std::make_unique<Held>();
  held_->what = what;
  held_->tag = tag_of(message);
  held_->size = message.size;
  held_->complete = message.complete;
  held_->decision = std::move(decision);
  return Look::IsHeld;
}

CommandPhase::Look CommandPhase::refuse(const wire::Message& message, Fault fault) {
  stats::Cells& metrics = session_.metrics();
  if (fault.sql_state == sqlstate::kProgramLimitExceeded) metrics.statements_too_long.add();
  if (fault.sql_state == sqlstate::kOutOfMemory) metrics.statements_without_memory.add();
  return hold(Held::What::Decided, message, refusal_of(std::move(fault)));
}

bool CommandPhase::gather(std::uint64_t size) {
  if (!gathered_) {
    gathered_ = std::make_unique<session::MemoryBudget::Share>(session_.listener().gathered);
  }
  return gathered_->grow_to(size);
}

// What the message means to us once the server has it.
void CommandPhase::note(FrontendTag tag, Bytes body) {
  if (own_) own_->replaced_by_server(tag, body);
}

}  // namespace perilune::proto::postgres
