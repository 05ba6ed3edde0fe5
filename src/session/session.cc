#include "session/session.hh"

#include <fmt/format.h>

#include <algorithm>

#include "net/peer_credentials.hh"
#include "session/cancel_keys.hh"

namespace perilune::session {

namespace {

// For peers of unix sockets.
std::string local_name(int fd) {
  const auto credentials = net::peer_credentials(fd);
  if (!credentials || !*credentials) return "local";
  return fmt::format("pid={} uid={}", (*credentials)->pid, (*credentials)->uid);
}

// Tests have no listener that is counted for itself.
stats::Cells& cells_of(Services& services, const Listener& listener) {
  return listener.counts ? listener.counts->worker(services.worker) : services.metrics;
}

bool take_place(const Listener& listener) noexcept {
  const std::uint64_t limit = listener.declaration.options.max_connections;
  std::uint64_t open = listener.open->load(std::memory_order_relaxed);
  do {
    if (limit > 0 && open >= limit) return false;
  } while (!listener.open->compare_exchange_weak(open, open + 1, std::memory_order_relaxed));
  return true;
}

}  // namespace

Session::Session(Services& services, std::shared_ptr<const Listener> listener, std::uint32_t id,
                 int client_fd, net::SmallAddress peer)
    : services_(services),
      user(services.texts),
      database(services.texts),
      server_version(services.texts),
      listener_(std::move(listener)),
      metrics_(cells_of(services, *listener_)),
      stopped_(services.loop),
      connected_at_(std::chrono::system_clock::now()),
      peer_(std::move(peer)),
      id_(id),
      client_fd_(client_fd),
      has_place_(take_place(*listener_)) {
  metrics_.sessions_open.add();
}

Session::~Session() {
  metrics_.sessions_open.subtract();
  if (has_place_) listener_->open->fetch_sub(1, std::memory_order_relaxed);
  if (list_ != nullptr) list_->leave(*this);
}

void SessionList::enter(Session& session) noexcept {
  session.list_ = this;
  session.next_ = first_;
  if (first_ != nullptr) first_->previous_ = &session;
  first_ = &session;
}

void SessionList::leave(Session& session) {
  (session.previous_ != nullptr ? session.previous_->next_ : first_) = session.next_;
  if (session.next_ != nullptr) session.next_->previous_ = session.previous_;
  left_();
}

void Session::watch(net::Stream& client) {
  client.begin_reading();
  client.set_hangup_listener(this);
  client_ = &client;
}

const net::Tls* Session::client_tls() const noexcept {
  const net::Tls* const tls = client_ != nullptr ? client_->tls() : nullptr;
  return tls != nullptr && tls->state() != net::Tls::State::Handshake ? tls : nullptr;
}

std::string Session::client_name() const {
  if (!peer_.is_unix()) return peer_.expand().text();
  // Announced as a unix socket's peer, of whatever name.
  return is_local() ? local_name(client_fd_) : "local";
}

std::string Session::name() const {
  std::string name = client_name();
  if (!account.empty()) name += fmt::format(" \"{}\"", account);
  return name;
}

Result<net::Address, Failure> Session::local_address() const {
  if (announced_local_) return announced_local_->expand();
  return net::local_address(client_fd_);
}

bool Session::expects_proxy_header() const noexcept {
  return options().proxy_peers.contains(peer());
}

void Session::note_proxy_header(Millis time) noexcept {
  has_proxy_header_ = true;
  header_millis_ = static_cast<std::uint32_t>(time.count());
}

void Session::announce(const net::Address& client, const net::Address& local) {
  announced_local_ = std::make_unique<const net::SmallAddress>(local);
  peer_ = net::SmallAddress{client};
}

Millis Session::handshake_limit() const noexcept {
  const Millis limit = options().handshake_timeout;
  return limit > Millis{} ? std::max(limit - Millis{header_millis_}, Millis{1}) : limit;
}

stats::NodeCells* Session::node_metrics() const {
  return lease ? &lease->node().cells(services_.worker) : nullptr;
}

const char* Session::waits_for() const noexcept {
  const char* const callback = hooks_ ? hooks_->waiting_callback() : nullptr;
  if (callback != nullptr) return callback;
  switch (phase_) {
    case Phase::ProxyHeader:
      return "proxy header";
    case Phase::Login:
      return "client";
    case Phase::Connect:
      return "connect";
    case Phase::ServerLogin:
      return "server";
    case Phase::Commands:
      return ending_ != nullptr ? ending_->waits_for() : "client";
    case Phase::Farewell:
      break;
  }
  return "end";
}

void Session::stop(StopReason reason) {
  if (stop_reason_ != StopReason::None) return;
  stop_reason_ = reason;
  stopped_.set();
}

void Session::drain() {
  draining_ = true;
  if (ending_ != nullptr) ending_->drain();
}

void Session::say_farewell() {
  if (ending_ != nullptr) ending_->say_farewell(stop_reason_);
}

}  // namespace perilune::session
