#include "unit/proto/mysql/phase_run.hh"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace perilune::test {

namespace {

void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

StageOptions options_of(const Plan& plan) {
  StageOptions options;
  options.capabilities = plan.capabilities;
  options.status = plan.status;
  return options;
}

}  // namespace

PhaseRun::PhaseRun(const Plan& plan, const Way& way)
    : plan_(plan),
      way_(way),
      stage_(options_of(plan)),
      client_{plan.from_client, plan.to_client, way_.client, stage_.client, "client"},
      server_{plan.from_server, plan.to_server, way_.server, stage_.server, "server"} {
  for (const Plan::Send& send : client_.sends) append(client_.stream, send.bytes);
  for (const Plan::Send& send : server_.sends) append(server_.stream, send.bytes);
  stage_.hooks->statement = [this](std::string_view text, session::StatementKind kind) {
    const bool is_text = kind != session::StatementKind::Command;
    return answer_next([&](std::string_view due) { return !is_text || due == text; });
  };
  stage_.hooks->database = [this](std::string_view name) {
    return answer_next([&](std::string_view due) { return due.ends_with(name); });
  };
}

template <typename IsRight>
FakeHooks::Answer PhaseRun::answer_next(IsRight is_right) {
  require(asked_ < plan_.asked.size(), "asked too often");
  require(!stage_.is_waiting(), "asked while a callback waits");
  const Plan::Asked& asked = plan_.asked[asked_++];
  require(is_right(asked.text), "asked about other bytes");
  if (asked.waits) return std::nullopt;
  return asked.decision;
}

void PhaseRun::run() {
  stage_.turn();
  bool moved = true;
  while (moved) {
    moved = std::ranges::any_of(way_.order, [this](Actor actor) { return move(actor); });
    check_arrival(client_);
    check_arrival(server_);
  }
  check_end();
}

bool PhaseRun::move(Actor actor) {
  if (actor == Actor::Client) return send_piece(client_);
  if (actor == Actor::Server) return send_piece(server_);
  if (!stage_.is_waiting()) return false;
  stage_.decide(plan_.asked[asked_ - 1].decision);
  stage_.turn();
  return true;
}

bool PhaseRun::send_piece(Side& side) {
  const std::size_t ready = allowed(side);
  if (ready <= side.sent) return false;
  const std::size_t size = side.cut.next(side.sent, ready - side.sent);
  const std::size_t sent = side.peer.send(Bytes{side.stream}.subspan(side.sent, size));
  side.sent += sent;
  stage_.turn();
  return sent > 0;
}

// How many bytes of its stream a side may have sent, given what it has received.
std::size_t PhaseRun::allowed(const Side& side) {
  std::size_t size = 0;
  for (const Plan::Send& send : side.sends) {
    if (send.wait_for > side.checked) break;
    size += send.bytes.size();
  }
  return size;
}

void PhaseRun::check_arrival(Side& side) {
  const Bytes got = side.peer.received;
  const std::string to = std::string{" arrived at the "} + side.name + " behind " +
                         std::to_string(side.checked);
  require(got.size() <= side.expected.size(), "more than expected" + to);
  const Bytes due = Bytes{side.expected}.subspan(side.checked, got.size() - side.checked);
  require(std::ranges::equal(got.subspan(side.checked), due), "other bytes" + to);
  side.checked = got.size();
}

void PhaseRun::check_end() {
  for (const Side* side : {&client_, &server_}) {
    const std::string name = side->name;
    require(side->checked == side->expected.size(), "too little arrived at the " + name);
    require(side->sent == side->stream.size(), "not all was taken from the " + name);
  }
  require(asked_ == plan_.asked.size(), "not asked about everything");
  require(!stage_.has_ended(), "the session ended by itself");
  stage_.client.end_sending();
  stage_.turn();
  require(stage_.has_ended(), "the session outlives its client");
  require(stage_.problem().empty(), "the session failed: " + stage_.problem());
}

}  // namespace perilune::test
