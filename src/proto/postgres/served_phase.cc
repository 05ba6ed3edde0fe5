#include "proto/postgres/served_phase.hh"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "proto/postgres/question.hh"
#include "proto/postgres/setup_answers.hh"
#include "session/memory_budget.hh"
#include "util/error.hh"
#include "wire/postgres/framing.hh"
#include "wire/postgres/sql.hh"
#include "wire/postgres/statements.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;
namespace sqlstate = wire::sqlstate;
using session::StatementDecision;
using wire::FrontendTag;
using wire::TransactionStatus;

namespace {

bool is_of_copy(FrontendTag tag) noexcept {
  return tag == FrontendTag::CopyData || tag == FrontendTag::CopyDone ||
         tag == FrontendTag::CopyFail;
}

bool ends_in_ready(FrontendTag tag) noexcept {
  return tag == FrontendTag::Query || tag == FrontendTag::FunctionCall;
}

}  // namespace

ServedPhase::ServedPhase(session::Session& session, net::Stream& client)
    : session_(session), client_(client), answers_(client, session) {
  session_.set_ending(this);
  session_.enter(session::Phase::Commands);
  if (session_.options().idle_timeout.count() > 0) idle_ = std::make_unique<event::Deadline>();
}

ServedPhase::~ServedPhase() { session_.set_ending(nullptr); }

event::Task<> ServedPhase::run() {
  while (!over_) {
    if (session_.is_draining() && status_ == TransactionStatus::Idle && !skips_) {
      say_farewell(session::StopReason::Shutdown);
      co_return;
    }
    const Arrival arrival = co_await receive();
    if (idle_) idle_->disarm();
    co_await handle(arrival);
    // Who sends statements without reading answers waits.
    if (client_.queued() > net::Stream::kHighWater) co_await client_.flushed();
    if (log_) {
      co_await log_->outlet().settle();
    }
  }
}

// Until a message is here as a whole; it is in message_ then.
event::Task<ServedPhase::Arrival> ServedPhase::receive() {
  session::MemoryBudget::Share gathered{session_.listener().gathered};
  waits_for_message_ = true;
  arm_idle_timer();
  for (;;) {
    const auto message = wire::front_message(client_.input(), wire::kMaxLength);
    if (!message) broken("length of a message");
    if (message->size > 0) {
      waits_for_message_ = false;
      if (message->size > largest_message()) co_return Arrival::TooLong;
      if (!gathered.grow_to(message->size)) co_return Arrival::NoMemory;
    }
    if (message->complete) {
      take(*message);
      co_return Arrival::Message;
    }
    const bool grown = co_await client_.fill();
    if (!grown) co_return Arrival::End;
  }
}

std::size_t ServedPhase::largest_message() const noexcept {
  return wire::kHeaderSize + largest_body(FrontendTag::Parse, session_.options().max_query);
}

void ServedPhase::take(const wire::Message& message) {
  log_.mind(session_, 0);
  if (log_) log_->outlet().write_raw(client_.input().first(message.size));
  message_.tag = message.tag;
  message_.body.assign(message.body.begin(), message.body.end());
  client_.consume(message.size);
  count_bytes(message.size);
}

void ServedPhase::count_bytes(std::size_t bytes) noexcept {
  session_.traffic.from_client += bytes;
  session_.metrics().client_bytes.add(bytes);
}

void ServedPhase::count_statement() noexcept {
  session_.traffic.statements += 1;
  session_.metrics().statements.add();
}

// False: the client has ended inside the message.
event::Task<bool> ServedPhase::skip() {
  std::size_t left = wire::kHeaderSize + wire::decode_header(client_.input()).body();
  count_bytes(left);
  for (;;) {
    const std::size_t here = std::min(left, client_.input().size());
    client_.consume(here);
    left -= here;
    if (left == 0) co_return true;
    const bool grown = co_await client_.fill();
    if (!grown) co_return false;
  }
}

event::Task<> ServedPhase::handle(Arrival arrival) {
  if (arrival == Arrival::End) {
    over_ = true;
  } else if (arrival == Arrival::Message) {
    co_await handle_message();
  } else {
    log_.mind(session_, 0);
    const auto tag = static_cast<FrontendTag>(wire::decode_header(client_.input()).tag);
    const MessageStart start = log_ ? log_->start_of(client_.input()) : MessageStart{};
    const bool here = co_await skip();
    over_ = !here;
    const bool too_long_for_all = arrival == Arrival::TooLong;
    stats::Cells& metrics = session_.metrics();
    (too_long_for_all ? metrics.statements_too_long : metrics.statements_without_memory).add();
    if (skips_) co_return;
    refuse_unseen(tag, too_long_for_all ? too_long(session_.options().max_query) : no_memory());
    if (log_) log_->answered_here(start, answers_.outcome());
  }
}

void ServedPhase::refuse_unseen(FrontendTag tag, const Fault& fault) {
  answers_.error(fault);
  end_answer(tag, /*good=*/false);
}

// What the callback has decided counts for its statement.
void ServedPhase::log_message() {
  log_.mind(session_, 0);
  if (!log_) return;
  const std::size_t size = message_.body.size();
  const MessageStart message{static_cast<FrontendTag>(message_.tag), std::move(message_.body),
                             size};
  log_->answered_here(message, answers_.outcome());
}

event::Task<> ServedPhase::handle_message() {
  const auto tag = static_cast<FrontendTag>(message_.tag);
  if (tag == FrontendTag::Sync) {
    skips_ = false;
    answers_.ready(status_);
  } else if (tag == FrontendTag::Terminate) {
    over_ = true;
  } else if (skips_ || tag == FrontendTag::Flush) {
    co_return;
  } else {
    co_await answer_message(tag);
  }
}

event::Task<> ServedPhase::answer_message(FrontendTag tag) {
  if (tag == FrontendTag::Query) {
    co_await handle_query(message_.body);
  } else if (tag == FrontendTag::Parse) {
    co_await handle_parse(message_.body);
  } else if (tag == FrontendTag::FunctionCall) {
    count_statement();
    answers_.error(error(sqlstate::kFeatureNotSupported,
                         "there is no server behind this session to call functions of"));
    end_answer(tag, /*good=*/false);
  } else if (is_of_copy(tag)) {
    co_return;  // the rest of a COPY that has failed
  } else {
    handle_named(tag, message_.body);
  }
  log_message();
}

event::Task<> ServedPhase::handle_query(Bytes body) {
  const StatementDecision decision = co_await ask(FrontendTag::Query, body);
  answers_.answer_query(body, decision);
  end_answer(FrontendTag::Query, !std::holds_alternative<session::Refuse>(decision));
}

event::Task<> ServedPhase::handle_parse(Bytes body) {
  const StatementDecision decision = co_await ask(FrontendTag::Parse, body);
  const bool good = answers_.prepare(body, decision);
  end_answer(FrontendTag::Parse, good);
}

// Never leaves the statement undecided.
event::Task<StatementDecision> ServedPhase::ask(FrontendTag tag, Bytes body) {
  const auto size = text_size(tag, body);
  if (!size) broken("text of a message");
  if (*size > session_.options().max_query) {
    session_.metrics().statements_too_long.add();
    co_return refusal_of(too_long(session_.options().max_query));
  }
  StatementDecision decision;
  if (session_.hooks().has_on_query()) {
    auto decided = ask_script(session_.hooks(), tag, body);
    if (decided) {
      decision = *std::move(decided);
    } else {
      decision = co_await session_.hooks().rest_of_statement();
    }
  }
  if (tag == FrontendTag::Query) count_statement();
  count(decision);
  if (std::holds_alternative<session::SendInstead>(decision)) {
    const std::string name = session_.name();
    session_.services().logger.with(name).error("client:query needs a server");
    co_return session::Refuse{};
  }
  if (std::holds_alternative<session::Proceed>(decision)) {
    co_return answer_of_our_own(tag, body);
  }
  co_return decision;
}

StatementDecision ServedPhase::answer_of_our_own(FrontendTag tag, Bytes body) const {
  const std::string_view text =
      tag == FrontendTag::Parse ? wire::decode_parse(body)->text : *wire::decode_query(body);
  if (auto answer = answer_setup(session_, text)) return *std::move(answer);
  return session::Refuse{
      "the script answers no such statement", {}, std::string(sqlstate::kFeatureNotSupported)};
}

void ServedPhase::count(const StatementDecision& decision) {
  if (std::holds_alternative<session::Proceed>(decision)) return;
  const bool refused = std::holds_alternative<session::Refuse>(decision);
  stats::Cells& metrics = session_.metrics();
  (refused ? metrics.statements_refused : metrics.statements_answered).add();
}

void ServedPhase::handle_named(FrontendTag tag, Bytes body) {
  switch (tag) {
    case FrontendTag::Execute:
      count_statement();
      [[fallthrough]];
    case FrontendTag::Bind:
    case FrontendTag::Describe:
    case FrontendTag::Close:
      return end_answer(tag, answers_.answer_named(tag, body));
    default:
      answers_.error(fatal(sqlstate::kProtocolViolation, "unknown type of a message"));
      broken("type of a message");
  }
}

void ServedPhase::broken(const char* what) {
  session_.metrics().client_malformed.add();
  throw PeerError(std::string("malformed message from the client: ") + what);
}

void ServedPhase::end_answer(FrontendTag tag, bool good) {
  if (good && (tag == FrontendTag::Query || tag == FrontendTag::Execute)) follow_transaction();
  if (!good && status_ == TransactionStatus::InTransaction) status_ = TransactionStatus::Failed;
  if (ends_in_ready(tag)) return answers_.ready(status_);
  skips_ = !good;
}

void ServedPhase::follow_transaction() {
  const std::string_view verb = answers_.last_verb();
  if (verb == "BEGIN" || verb == "START") status_ = TransactionStatus::InTransaction;
  if (verb == "COMMIT" || verb == "END" || verb == "ROLLBACK" || verb == "ABORT") {
    status_ = TransactionStatus::Idle;
  }
  if (verb == "DISCARD" || verb == "DEALLOCATE") answers_.forget_all();
}

// --- ending

void ServedPhase::say_farewell(session::StopReason reason) {
  if (reason != session::StopReason::Dropped) answers_.error(farewell(reason));
}

void ServedPhase::drain() {
  if (waits_for_message_ && status_ == TransactionStatus::Idle && !skips_) {
    session_.stop(session::StopReason::Shutdown);
  }
}

void ServedPhase::arm_idle_timer() {
  if (!idle_) return;
  idle_->arm(session_.loop(), session_.options().idle_timeout,
             [this] { session_.stop(session::StopReason::IdleTimeout); });
}

}  // namespace perilune::proto::postgres
