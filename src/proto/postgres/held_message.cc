// What CommandPhase does with a message that does not pass as it is.

#include <algorithm>
#include <string_view>
#include <utility>
#include <variant>

#include "event/first_of.hh"
#include "proto/postgres/channel.hh"
#include "proto/postgres/command_phase.hh"
#include "proto/postgres/question.hh"
#include "util/error.hh"
#include "wire/postgres/authentication.hh"
#include "wire/postgres/statements.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;
namespace sqlstate = wire::sqlstate;
using session::PumpEnd;
using wire::FrontendTag;

namespace {

// No statement: the server's parser refuses it, and its log says why.
constexpr std::string_view kRefused = "refused by the proxy";
constexpr std::size_t kErrorLimit = 64 * 1024;

template <typename... Kinds>
bool is_any_of(const session::StatementDecision& decision) noexcept {
  return (std::holds_alternative<Kinds>(decision) || ...);
}

}  // namespace

event::Task<PumpEnd> CommandPhase::pump_meanwhile() { co_return co_await pump_.run(); }

// What the server still sends goes on to the client; a client that ends is gone.
event::Task<bool> CommandPhase::hear_script() {
  event::Task<session::StatementDecision> asking = session_.hooks().rest_of_statement();
  event::Task<PumpEnd> pumping = pump_meanwhile();
  const bool decided = co_await event::FirstOfTwo(asking, pumping);
  if (!decided) {
    const PumpEnd end = pumping.take();
    co_return !is_over(end);
  }
  held_->decision = asking.take();
  held_->what = Held::What::Decided;
  co_return true;
}

// A text ends at its first NUL, and the server would see less than the script has said.
void CommandPhase::mind_text() {
  const auto* const text = std::get_if<session::SendInstead>(&held_->decision);
  if (text == nullptr || text->text.find('\0') == std::string::npos) return;
  const std::string name = session_.name();
  session_.services().logger.with(name).error("what the script sends instead has a NUL in it");
  held_->decision = session::Refuse{};
}

// What goes to the server keeps its place; answers of our own come behind the server's.
bool CommandPhase::must_wait() const noexcept {
  using namespace session;
  return held_->what != Held::What::Decided || !is_any_of<Proceed, SendInstead>(held_->decision);
}

// The server may keep answers back, and a COPY may wait for data that cannot come past us.
void CommandPhase::prepare_to_wait() {
  if (exchange_.copying_in() && exchange_.outstanding() == 1) {
    say(fatal(sqlstate::kProtocolViolation, "unexpected message during COPY from stdin"));
    throw PeerError("the client sends a statement instead of the data of its COPY");
  }
  if (exchange_.needs_flush()) send_flush();
}

void CommandPhase::send_flush() {
  Buffer flush;
  wire::append_message(flush, FrontendTag::Flush);
  forward(flush, FrontendTag::Flush);
}

// The client's stream is ours until the pump runs again.
event::Task<> CommandPhase::settle() {
  client_stop_ = wire::Stop::None;
  // Who sends statements without reading answers waits like everybody else.
  if (client_.queued() > net::Stream::kHighWater) co_await client_.flushed();
  const Held& held = *held_;
  if (!must_wait() && is_any_of<session::SendInstead>(held.decision)) {
    co_await replace(held);
  } else if (!must_wait()) {
    note(held.tag, held_body());
    passes_ = true;
  } else {
    co_await answer(held);
  }
  held_.reset();
}

Bytes CommandPhase::held_body() const noexcept {
  return client_.input().subspan(wire::kHeaderSize, held_->size - wire::kHeaderSize);
}

void CommandPhase::forward(Bytes messages, FrontendTag tag) {
  connection_.server->write(messages);
  if (connection_.mirror) connection_.mirror->copy(messages);
  if (node_ != nullptr) node_->to_server.add(messages.size());
  const bool was_idle = exchange_.outstanding() == 0;
  exchange_.forwarded(tag, messages.subspan(wire::kHeaderSize));
  if (was_idle && exchange_.outstanding() > 0) times_.begin();
}

event::Task<> CommandPhase::replace(const Held& held) {
  const auto& text = std::get<session::SendInstead>(held.decision).text;
  const Buffer message = with_text(held.tag, held_body(), text);
  note(held.tag, held_body());
  session_.metrics().statements_replaced.add();
  const MessageStart start = start_for_log();
  co_await take_off(held.size);
  if (log_) log_->will_replace(start);
  const std::uint32_t before = exchange_.commands();
  forward(message, held.tag);
  count_forwarded(exchange_.commands() - before);
}

// The message's end, wherever it is.
event::Task<> CommandPhase::take_off(std::size_t size) {
  count_taken(size);
  for (;;) {
    const std::size_t here = std::min(size, client_.input().size());
    client_.consume(here);
    size -= here;
    if (size == 0) co_return;
    const bool grown = co_await client_.fill();
    if (!grown) throw ClientGone("Client closed the connection inside a message");
  }
}

void CommandPhase::take_dropped() noexcept {
  const std::size_t size = std::exchange(dropped_, 0);
  client_.consume(size);
  count_taken(size);
}

// What is not the pump's to count.
void CommandPhase::count_taken(std::size_t bytes) noexcept {
  session_.traffic.from_client += bytes;
  session_.metrics().client_bytes.add(bytes);
}

// --- answers of our own

OwnAnswers& CommandPhase::own() {
  if (!own_) own_ = std::make_unique<OwnAnswers>(client_, session_);
  return *own_;
}

event::Task<> CommandPhase::answer(const Held& held) {
  Buffer body;
  if (held.complete) {
    const Bytes held_here = held_body();
    body.assign(held_here.begin(), held_here.end());
  }
  mind_log();
  const MessageStart start = start_for_log();
  co_await take_off(held.size);
  // The server ignores all up to Sync, and would have ignored this one.
  if (exchange_.skipping()) co_return;
  if (held.what == Held::What::Own) {
    if (held.tag == FrontendTag::Execute) count_statements(1);
    drops_ = !own().answer_named(held.tag, body);
  } else {
    const bool refused = is_any_of<session::Refuse>(held.decision);
    stats::Cells& metrics = session_.metrics();
    (refused ? metrics.statements_refused : metrics.statements_answered).add();
    co_await answer_statement(held.tag, body, held.decision);
  }
  log_own_answer(start);
}

event::Task<> CommandPhase::answer_statement(FrontendTag tag, Bytes body,
                                             const session::StatementDecision& decision) {
  const auto* const refused = std::get_if<session::Refuse>(&decision);
  const bool is_prepare = tag == FrontendTag::Parse;
  if (!is_prepare) count_statements(1);
  if (refused != nullptr && exchange_.unsynced()) {
    co_await refuse_in_series(tag, refusal(*refused, usual_refusal()));
  } else if (is_prepare) {
    drops_ = !own().prepare(body, decision);
    looked_at_ = own().has_statements() ? &messages_with_statements() : looked_at_;
  } else {
    own().answer_query(body, decision);
    own().ready(exchange_.status());
  }
}

// What came before in the same series is undone when one of it fails, and only the server can undo
// it: it is given something to refuse, and the client our reason instead of the server's.
event::Task<> CommandPhase::refuse_in_series(FrontendTag tag, const Fault& fault) {
  Buffer messages;
  if (log_) log_->will_hide();
  if (tag == FrontendTag::Parse) {
    wire::append_parse(messages, {{}, kRefused, 0, {}});
    forward(messages, tag);
    send_flush();
  } else {
    wire::append_query(messages, kRefused);
    forward(messages, FrontendTag::Query);
  }
  co_await receive_refusal();
  own().error(fault);
}

// What the server says of its own accord in between is for the client.
event::Task<> CommandPhase::receive_refusal() {
  Channel channel{*connection_.server, "Server"};
  bool refused = false;
  while (!refused) {
    const Received message = co_await channel.receive(kErrorLimit);
    Buffer bytes;
    const auto tag = static_cast<wire::BackendTag>(message.tag);
    wire::append_message(bytes, tag, message.body);
    const wire::Progress progress = exchange_.server(bytes);
    server_malformed_ = progress.stop == wire::Stop::Malformed;
    if (server_malformed_) broken();
    if (node_ != nullptr) node_->from_server.add(bytes.size());
    refused = tag == wire::BackendTag::ErrorResponse;
    if (!refused) pass_on(bytes);
  }
}

void CommandPhase::pass_on(Bytes bytes) {
  client_.write(bytes);
  session_.traffic.from_server += bytes.size();
  session_.metrics().server_bytes.add(bytes.size());
}

}  // namespace perilune::proto::postgres
