// What CommandPhase does with a command that does not pass as it is.

#include <algorithm>
#include <utility>
#include <variant>

#include "event/first_of.hh"
#include "proto/mysql/change_user.hh"
#include "proto/mysql/command_phase.hh"
#include "proto/mysql/errors.hh"
#include "proto/mysql/question.hh"
#include "util/error.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;
using session::PumpEnd;

namespace {

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
  mind_kill();
  co_return true;
}

// What the script lets pass, or sends instead.
void CommandPhase::mind_kill() {
  if (!is_any_of<session::Proceed, session::SendInstead>(held_->decision)) return;
  const wire::FrontPayload payload{client_.input()};
  held_->kill = kill_of(payload.bytes(), held_->decision);
  if (held_->kill) held_->what = Held::What::Kill;
}

// A text that takes more packets than the client's would be answered under other numbers; one that
// takes less can be filled up, a name cannot.
void CommandPhase::mind_length() {
  const auto* const text = std::get_if<session::SendInstead>(&held_->decision);
  const std::uint32_t packets = held_->extent.packets;
  const bool fits = text == nullptr || wire::packets_for(text->text.size() + 1) <= packets;
  if (fits && (packets == 1 || !is_any_of<session::UseDatabase>(held_->decision))) return;
  const std::string name = session_.name();
  session_.services().logger.with(name).error(
      "what the script sends instead takes more packets than what it replaces");
  session::Refuse refusal;
  refusal.message = "The statement has become too long";
  held_->decision = std::move(refusal);
}

// What goes to the server keeps its place; answers of our own come behind the server's.
bool CommandPhase::must_wait() const noexcept {
  using namespace session;
  return held_->what != Held::What::Decided ||
         !is_any_of<Proceed, SendInstead, UseDatabase>(held_->decision);
}

// The client's stream is ours until the pump runs again. Who is stopped meanwhile is told in the
// held command's place.
event::Task<> CommandPhase::settle() {
  using namespace session;
  client_stop_ = wire::Stop::None;
  // Who sends commands without reading answers waits like everybody else.
  if (client_.queued() > net::Stream::kHighWater) co_await client_.flushed();
  const Held& held = *held_;
  if (held.what == Held::What::OwnStatement) {
    co_await answer_own_statement();
  } else if (held.what == Held::What::ChangeUser) {
    co_await change_user();
  } else if (held.what == Held::What::Kill) {
    co_await kill(held);
  } else if (is_any_of<Proceed>(held.decision)) {
    let_pass(held);
  } else if (is_any_of<SendInstead, UseDatabase>(held.decision)) {
    co_await replace(held);
  } else {
    co_await answer(held);
  }
  held_.reset();
}

void CommandPhase::let_pass(const Held& held) {
  const wire::FrontPayload payload{client_.input()};
  note(payload.bytes());
  pass_ = held.extent.bytes;
}

// --- something else for the server

event::Task<> CommandPhase::replace(const Held& held) {
  const wire::FrontPayload original{client_.input()};
  Buffer payload;
  if (const auto* database = std::get_if<session::UseDatabase>(&held.decision)) {
    payload.push_back(static_cast<std::byte>(wire::Command::InitDb));
    append(payload, as_bytes(database->name));
    note(original.bytes());  // the client goes on calling it by its own name
  } else {
    payload.push_back(original.bytes().front());
    append(payload, as_bytes(std::get<session::SendInstead>(held.decision).text));
    note(payload);
  }
  session_.metrics().statements_replaced.add();
  const CommandStart start = start_for_log();
  const OwnAnswers::Turn turn = co_await take_off();
  static_cast<void>(turn);  // the server answers
  if (log_) log_->replaced(start, payload);
  forward(payload, held.extent.packets);
}

// Filled up by blanks to as many packets as the client has sent.
void CommandPhase::forward(Bytes payload, std::uint32_t packets) {
  Buffer filled(payload.begin(), payload.end());
  const std::size_t least = std::size_t{packets - 1} * wire::kMaxPacket;
  if (filled.size() < least) filled.resize(least, std::byte{' '});
  Buffer out;
  std::uint8_t sequence = 0;
  wire::append_packets(out, filled, sequence);
  connection_.server->write(out);
  if (connection_.mirror) connection_.mirror->copy(out);
  if (node_ != nullptr) {
    node_->statements.add();
    node_->to_server.add(out.size());
  }
  const bool was_idle = exchange_.outstanding() == 0;
  const auto last = static_cast<std::uint8_t>(sequence - 1);
  exchange_.forwarded(static_cast<wire::Command>(payload.front()), last);
  if (was_idle && exchange_.outstanding() > 0) times_.begin();
  if (exchange_.client_broke()) broken();
}

// --- answers of our own

OwnAnswers& CommandPhase::own() {
  if (!own_) own_ = std::make_unique<OwnAnswers>(client_, connection_.capabilities, session_);
  return *own_;
}

// The command's end, wherever it is; who may not have a command answered is at least told why.
event::Task<OwnAnswers::Turn> CommandPhase::take_off() {
  Channel channel{client_, "Client"};
  std::string problem;
  try {
    const std::uint64_t skipped = co_await channel.skip();
    session_.traffic.from_client += skipped;
    session_.metrics().client_bytes.add(skipped);
  } catch (const PeerError& error) {
    problem = error.what();
  }
  if (!problem.empty()) {
    say_at(channel.sequence(), command_err(problem));
    throw PeerError("a command of the client is incomplete");
  }
  count_statements(1);
  co_return OwnAnswers::Turn{channel.sequence(), exchange_.status()};
}

event::Task<> CommandPhase::answer(const Held& held) {
  const bool refused = is_any_of<session::Refuse>(held.decision);
  stats::Cells& metrics = session_.metrics();
  (refused ? metrics.statements_refused : metrics.statements_answered).add();
  Buffer command;  // as much as its answer needs
  if (held.extent.complete) {
    const wire::FrontPayload payload{client_.input()};
    command.assign(payload.bytes().begin(), payload.bytes().end());
  } else {
    command.push_back(client_.input()[wire::kHeaderSize]);
  }
  const CommandStart start = start_for_log();
  const OwnAnswers::Turn turn = co_await take_off();
  own().answer(command, held.decision, turn);
  log_own_answer(start);
  looked_at_ = own().may_be_meant() ? &commands_with_statements() : looked_at_;
}

event::Task<> CommandPhase::answer_own_statement() {
  Buffer head;
  const Bytes input = client_.input();
  const std::size_t length = wire::decode_header(input).length;
  const Bytes body = input.subspan(wire::kHeaderSize);
  append(head, body.first(std::min({length, body.size(), OwnAnswers::kHead})));
  const CommandStart start = start_for_log();
  const OwnAnswers::Turn turn = co_await take_off();
  own().answer_ours(head, turn);
  log_own_answer(start);
}

// The server's own number of the session takes the place of ours; at another server it is done by
// ourselves.
event::Task<> CommandPhase::kill(const Held& held) {
  KillRequest request = *held.kill;
  const KillDecision decision = co_await decide_kill(session_, std::move(request));
  if (std::holds_alternative<KillUnchanged>(decision)) {
    if (is_any_of<session::Proceed>(held.decision)) co_return let_pass(held);
    co_return co_await replace(held);
  }
  const wire::FrontPayload payload{client_.input()};
  Buffer renumbered;
  const auto* const thread = std::get_if<KillThread>(&decision);
  if (thread != nullptr) renumbered = with_thread(payload.bytes(), *held.kill, thread->id);
  const CommandStart start = start_for_log();
  const OwnAnswers::Turn turn = co_await take_off();
  if (thread != nullptr) {
    if (log_) log_->replaced(start, renumbered);
    co_return forward(renumbered, held.extent.packets);
  }
  const auto& answer = std::get<KillAnswer>(decision);
  answer.err ? own().err(turn, *answer.err) : own().ok(turn);
  log_own_answer(start);
}

// A login in the middle of the session: what comes back takes this phase's place.
event::Task<> CommandPhase::change_user() {
  count_statements(1);
  connection_.status = exchange_.status();
  next_ = co_await mysql::change_user(session_, client_, connection_);
  session_.set_ending(this);
  refused_ = next_ == nullptr;
  exchange_.set_status(connection_.status);
}

}  // namespace perilune::proto::mysql
