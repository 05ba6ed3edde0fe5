#include "support/stage.hh"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "util/scope_exit.hh"

namespace perilune::test {

using session::StatementDecision;

std::size_t Peer::send(Bytes bytes) const {
  const ssize_t sent = ::send(socket_.value(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

bool Peer::receive() {
  static std::array<std::byte, 256 * 1024> buffer;
  if (socket_.value() < 0 || has_ended) return false;
  const ssize_t size = ::recv(socket_.value(), buffer.data(), buffer.size(), 0);
  has_ended = size == 0;
  if (size > 0) append(received, Bytes{buffer}.first(static_cast<std::size_t>(size)));
  return size > 0;
}

void Peer::end_sending() const { ::shutdown(socket_.value(), SHUT_WR); }

AnyStage::AnyStage(std::unique_ptr<StageDriver> driver, const Limits& limits)
    : AnyStage(std::move(driver), limits, make_socket_pair(), make_socket_pair()) {}

AnyStage::AnyStage(std::unique_ptr<StageDriver> driver, const Limits& limits,
                   SocketPair client_pair, SocketPair server_pair)
    : client(std::move(client_pair.theirs)),
      server(std::move(server_pair.theirs)),
      driver_(std::move(driver)) {
  begin(limits, std::move(client_pair.ours), std::move(server_pair.ours));
}

void AnyStage::begin(const Limits& limits, UniqueFd to_client, UniqueFd to_server) {
  driver_->connect(std::make_unique<net::Stream>(loop_, std::move(to_server)));
  auto listener = std::make_shared<session::Listener>();
  listener->open = std::make_shared<std::atomic<std::uint64_t>>(0);
  listener->declaration.options.max_query = limits.max_query;
  listener->gathered = limits.gathered;
  listener->times_statements = listener->notes_statements = true;
  const int fd = to_client.value();
  auto stream = std::make_unique<net::Stream>(loop_, std::move(to_client));
  auto made = std::make_unique<session::Session>(services_, listener, 0x80000001U, fd,
                                                 net::SmallAddress{net::Address::unix_name({})});
  session = made.get();
  sessions_.enter(*made);
  auto script = std::make_unique<FakeHooks>([](const session::Login&) { return session::Serve{}; });
  script->rest = [this] { return wait_at_gate(); };
  script->statement = [](auto, auto) { return session::Proceed{}; };
  hooks = script.get();
  made->set_hooks(std::move(script));
  tasks_.spawn(session::run(std::move(made), std::move(stream), *driver_));
}

event::Task<StatementDecision> AnyStage::wait_at_gate() {
  Gate gate{loop_};
  gate_ = &gate;
  const ScopeExit left([this, &gate] {
    if (!gate.open.is_set()) ++cancelled;
    gate_ = nullptr;
  });
  co_await gate.open;
  co_return std::move(gate.decision);
}

void AnyStage::decide(StatementDecision decision) {
  if (gate_ == nullptr) throw std::runtime_error("no callback waits");
  gate_->decision = std::move(decision);
  gate_->open.set();
  gate_ = nullptr;
}

void AnyStage::turn() {
  bool moved = true;
  while (moved) {
    uv_run(loop_.uv(), UV_RUN_NOWAIT);
    const bool client_got = client.receive();
    const bool server_got = server.receive();
    const bool has_put_off = uv_loop_alive(loop_.uv()) != 0 && uv_backend_timeout(loop_.uv()) == 0;
    moved = client_got || server_got || has_put_off;
  }
}

void AnyStage::deliver(Peer& peer, Bytes bytes) {
  while (!bytes.empty()) {
    const std::size_t sent = peer.send(bytes);
    bytes = bytes.subspan(sent);
    turn();
    if (sent == 0) throw std::runtime_error("nobody takes what a peer sends");
  }
}

}  // namespace perilune::test
