#include <sys/socket.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "auth/mysql_methods.hh"
#include "auth/rsa_key.hh"
#include "proto/mysql/break_off.hh"
#include "proto/mysql/methods.hh"
#include "unit/proto/mysql/login_fixture.hh"

// Clients that vanish at every step of every way to log in, and sessions that are stopped at every
// turn of it: the server must not count a single handshake that broke off.
namespace perilune::proto::mysql {

namespace {

constexpr std::string_view kPassword = "secret";

// One way to log in: what the script does, the method that the client names, and the server's.
struct Way {
  enum class Kind { PassThrough, Known, Verify, VerifyNobody, ReadPassword };
  Kind kind;
  std::string client_plugin;
  std::string server_plugin;
  bool client_tls = false;
  bool server_tls = false;

  // Passwords come readable only where that is safe.
  bool is_local() const { return kind == Kind::ReadPassword && !client_tls; }
};

using Kind = Way::Kind;

const Way kWays[] = {
    {Kind::PassThrough, "mysql_native_password", "mysql_native_password"},
    {Kind::PassThrough, "mysql_native_password", "caching_sha2_password"},
    {Kind::PassThrough, "mysql_native_password", "client_ed25519"},
    {Kind::PassThrough, "mysql_native_password", "sha256_password"},
    {Kind::PassThrough, "mysql_native_password", "parsec"},
    {Kind::PassThrough, "mysql_native_password", "mysql_clear_password"},
    {Kind::PassThrough, "mysql_native_password", "dialog"},
    {Kind::Known, "mysql_native_password", "mysql_native_password"},
    {Kind::Known, "caching_sha2_password", "caching_sha2_password"},
    {Kind::Known, "mysql_native_password", "client_ed25519"},
    {Kind::Known, "mysql_native_password", "sha256_password"},
    {Kind::Known, "mysql_native_password", "parsec"},
    {Kind::Verify, "mysql_native_password", "mysql_native_password"},
    {Kind::Verify, "caching_sha2_password", "caching_sha2_password"},
    {Kind::VerifyNobody, "mysql_native_password", "mysql_native_password"},
    {Kind::VerifyNobody, "caching_sha2_password", "mysql_native_password"},
    {Kind::ReadPassword, "mysql_clear_password", "mysql_native_password"},
};

auth::Credentials credentials() {
  auth::Credentials known;
  known.password.emplace(kPassword);
  return known;
}

std::shared_ptr<const net::TlsServer> certificate() {
  static const auto made = net::TlsServer::make_self_signed();
  return made;
}

std::shared_ptr<net::TlsClient> tls_client() {
  static const auto made = std::make_shared<net::TlsClient>(net::TlsClientOptions{});
  return made;
}

const auth::RsaKey& server_key() {
  static const auth::RsaKey key = auth::RsaKey::generate();
  return key;
}

class Script final : public test::LoginHooks {
 public:
  Script(Way way, net::Address server) : way_(std::move(way)), server_(std::move(server)) {}
  event::Task<session::Decision> on_login(session::Login login,
                                          session::Challenger& challenger) override {
    std::string problem;
    try {
      co_await ask(challenger);
    } catch (const std::runtime_error& error) {
      problem = error.what();
    }
    if (!problem.empty()) co_return session::Refuse{problem, {}, {}};
    co_return connect(std::move(login));
  }

 private:
  event::Task<> ask(session::Challenger& challenger) {
    if (way_.kind == Kind::Verify) {
      std::optional<auth::Secret> secret{auth::Secret(kPassword)};
      const bool right = co_await challenger.verify(std::move(secret));
      if (!right) throw std::runtime_error("wrong password");
    }
    if (way_.kind == Kind::VerifyNobody) {
      std::optional<auth::Secret> none;
      const bool right = co_await challenger.verify(std::move(none));
      if (right) throw std::runtime_error("nobody's password");
    }
    if (way_.kind == Kind::ReadPassword) {
      const auth::Secret password = co_await challenger.read_password();
      if (as_text(password.bytes()) != kPassword) throw std::runtime_error("wrong password");
    }
  }

  session::ConnectTo connect(session::Login login) const {
    session::ConnectTo decision;
    decision.target = server_;
    decision.login = std::move(login);
    const bool by_ourselves = way_.kind == Kind::Known || way_.kind == Kind::VerifyNobody;
    if (by_ourselves) decision.credentials = credentials();
    if (way_.server_tls) {
      decision.tls.mode = session::ServerTls::Mode::Require;
      decision.tls.client = tls_client();
    }
    return decision;
  }

  Way way_;
  net::Address server_;
};

Buffer more(std::string_view data) {
  Buffer packet;
  wire::append_auth_more_data(packet, as_bytes(data));
  return packet;
}

bool has_long_challenge(std::string_view plugin) {
  return plugin == "client_ed25519" || plugin == "parsec";
}

// Who asks for the server's key is given it.
event::Task<Buffer> receive_encrypted(Channel& channel, std::string_view request) {
  Buffer payload = co_await channel.receive(kLimit);
  if (as_text(payload) == request) {
    channel.send(more(server_key().public_pem()));
    payload = co_await channel.receive(kLimit);
  }
  co_return payload;
}

event::Task<Buffer> receive_parsec(Channel& channel) {
  co_await channel.receive(kLimit);
  Buffer salt{std::byte{'P'}, std::byte{0}};
  salt.resize(20, std::byte{'s'});
  channel.send(salt);
  Buffer answer = co_await channel.receive(kLimit);
  if (answer.size() != 96) throw PeerError("counted by real ones");
  co_return answer;
}

// A server's method, as far as its packets go; who has no password is refused.
event::Task<> let_in_by(Channel& channel, std::string plugin) {
  wire::AuthSwitchRequest request;
  request.auth_plugin = plugin;
  request.auth_data.assign(has_long_challenge(plugin) ? 32 : 20, std::byte{'n'});
  Buffer payload;
  wire::append_auth_switch_request(payload, request);
  channel.send(payload);
  if (plugin == "sha256_password") {
    payload = co_await receive_encrypted(channel, "\x01");
  } else if (plugin == "parsec") {
    payload = co_await receive_parsec(channel);
  } else {
    payload = co_await channel.receive(kLimit);
  }
  if (plugin == "client_ed25519" && payload.size() != 64) throw PeerError("counted by real ones");
  if (plugin == "caching_sha2_password" && payload.size() > 1) {
    channel.send(more("\x04"));
    payload = co_await receive_encrypted(channel, "\x02");
  }
  payload = payload.empty() ? refusal() : ok();
  channel.send(payload);
}

// A client that knows its password and can be told to vanish: throws when its steps are used up.
class Client {
 public:
  struct Vanished {};
  static constexpr int kNever = -1;

  Client(Proxy& proxy, const Way& way, int steps)
      : channel_(proxy.channel), way_(way), steps_(steps) {}
  Client(const Client&) = delete;

  event::Task<> log_in() {
    const Buffer first = co_await receive();
    const auto greeting = wire::decode_greeting(first);
    if (way_.client_tls) co_await begin_tls();
    send(login(greeting->auth_data));
    for (;;) {
      const Buffer payload = co_await receive();
      if (is_verdict(payload)) break;
      const auto answer = answer_to(payload);
      if (answer) send(*answer);
    }
    is_done = true;
  }

  // Whose last answer is given is let in although it says nothing more.
  event::Task<> wait_in_silence() {
    const net::Tls* const tls = channel_.stream().tls();
    if (tls != nullptr && !tls->is_open()) co_return;
    try {
      while (!is_done) {
        const Buffer payload = co_await channel_.receive(kLimit);
        is_done = is_verdict(payload);
      }
    } catch (const PeerError&) {
    }
  }

  bool is_done = false;  // let in, or refused

 private:
  void step() {
    if (steps_-- == 0) throw Vanished();
  }

  void send(Bytes payload) {
    channel_.send(payload);
    step();
  }

  event::Task<Buffer> receive() {
    Buffer payload = co_await channel_.receive(kLimit);
    if (!is_verdict(payload)) step();
    co_return payload;
  }

  event::Task<> begin_tls() {
    Buffer request;
    wire::append_ssl_request(request, {kModern | wire::capability::kSsl, 1 << 24, 45});
    send(request);
    net::Stream& stream = channel_.stream();
    stream.start_tls(std::make_unique<net::Tls>(tls_client(), "localhost", "proxy"));
    step();
    while (!stream.tls()->is_open()) co_await fill(stream);
    step();
  }

  event::Task<> fill(net::Stream& stream) {
    const bool more = co_await stream.fill();
    if (!more) throw PeerError("no TLS");
  }

  Buffer login(Bytes challenge) {
    wire::HandshakeResponse response;
    response.capabilities = kModern & ~wire::capability::kMariadbProgress;
    if (way_.client_tls) response.capabilities |= wire::capability::kSsl;
    response.max_packet_size = 1 << 24;
    response.character_set = 45;
    response.user = "anna";
    response.auth_plugin = way_.client_plugin;
    if (way_.client_plugin == kNativePassword) {
      method_ = auth::make_mysql_login(kNativePassword, credentials_, auth::Transport::Plain);
      response.auth_answer = *method_->begin(challenge);
    }
    Buffer payload;
    wire::append_handshake_response(payload, response);
    return payload;
  }

  std::optional<Buffer> answer_to(Bytes payload) {
    if (payload.front() != std::byte{wire::kEofHeader}) {
      const bool is_bare = payload.front() == std::byte{'P'};  // the salt of parsec
      auto more = method_->next(is_bare ? payload : payload.subspan(1));
      return more ? std::move(*more) : std::nullopt;
    }
    const auto request = wire::decode_auth_switch_request(payload);
    if (request->auth_plugin == "dialog") {
      return Buffer(as_bytes(kPassword).begin(), as_bytes(kPassword).end());
    }
    const bool plain = !way_.client_tls && !way_.is_local();
    const auto transport = plain ? auth::Transport::Plain : auth::Transport::Tls;
    method_ = auth::make_mysql_login(request->auth_plugin, credentials_, transport);
    return std::move(*method_->begin(request->auth_data));
  }

  Channel& channel_;
  const Way& way_;
  int steps_;
  auth::Credentials credentials_ = credentials();
  std::unique_ptr<auth::MysqlLogin> method_;
};

enum class End { Fin, Rst, Silence };

void vanish(net::Stream& stream, End end) {
  if (end == End::Silence) return;
  if (end == End::Fin || !net::local_address(stream.fd())->is_tcp()) return stream.shut_down();
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  connect(stream.fd(), &nobody, sizeof nobody);  // resets the connection
}

event::Task<> run_client(Client& client, net::Stream& stream, End end) {
  bool silent = false;
  try {
    co_await client.log_in();
  } catch (const Client::Vanished&) {
    vanish(stream, end);
    silent = end == End::Silence;
  } catch (const PeerError&) {
  }
  if (silent) co_await client.wait_in_silence();
  if (client.is_done) stream.shut_down();
}

// A server and one login after the other, each by a proxy of its own.
class Stage {
 public:
  explicit Stage(Way way)
      : way_(std::move(way)),
        server_(loop_, kModern | (way_.server_tls ? wire::capability::kSsl : 0)) {
    if (way_.server_tls) server_.tls = certificate();
    server_.method = [this](Channel& channel) { return let_in_by(channel, way_.server_plugin); };
  }
  Stage(const Stage&) = delete;

  // The client vanishes behind that many steps; false: there are not so many.
  bool vanish_after(int steps, End end) {
    Proxy proxy{loop_, script(), entrance(end)};
    Client client{proxy, way_, steps};
    event::TaskGroup clients{loop_};
    clients.spawn(run_client(client, proxy.channel.stream(), end));
    run_until(loop_, [&] { return clients.size() == 0; });
    finish(proxy, clients);
    return !client.is_done;
  }

  // The session is stopped behind that many turns of the loop; false: it has logged in by then.
  bool stop_after(int turns, session::StopReason reason) {
    Proxy proxy{loop_, script(), entrance(End::Fin)};
    Client client{proxy, way_, Client::kNever};
    event::TaskGroup clients{loop_};
    clients.spawn(run_client(client, proxy.channel.stream(), End::Fin));
    for (int i = 0; i < turns && !client.is_done; ++i) uv_run(loop_.uv(), UV_RUN_NOWAIT);
    const bool stopped = !client.is_done && proxy.session != nullptr;
    if (proxy.session != nullptr) proxy.session->stop(reason);
    finish(proxy, clients);
    return stopped;
  }

  void check() const {
    INFO("kind " << static_cast<int>(way_.kind) << ", methods " << way_.client_plugin << ", "
                 << way_.server_plugin << ", TLS " << way_.client_tls << way_.server_tls);
    CHECK(server_.connections > 0);
    CHECK(server_.unanswered == 0);
    CHECK(left_over_ == 0);
  }

 private:
  std::unique_ptr<session::Hooks> script() {
    return std::make_unique<Script>(way_, server_.address());
  }

  Entrance entrance(End end) const {
    Entrance entrance = way_.is_local() ? Entrance() : tcp_entrance();
    if (way_.client_tls) entrance.tls = certificate();
    if (end == End::Silence) entrance.handshake_timeout = Millis{5};
    return entrance;
  }

  void finish(Proxy& proxy, event::TaskGroup& clients) {
    run_until(loop_, [&] {
      return proxy.tasks.size() + proxy.background.size() + clients.size() == 0 &&
             server_.open == 0;
    });
    left_over_ += proxy.tasks.size() + proxy.background.size() + clients.size();
  }

  event::Loop loop_;
  Way way_;
  ScriptedServer server_;
  std::size_t left_over_ = 0;
};

template <typename Test>
void for_each_way(Test test) {
  for (Way way : kWays) {
    for (const int tls : {0, 1, 2, 3}) {
      way.client_tls = (tls & 1) != 0;
      way.server_tls = (tls & 2) != 0;
      Stage stage{way};
      test(stage);
      stage.check();
    }
  }
}

}  // namespace

TEST_CASE("login: a client that vanishes behind any step leaves no handshake unanswered",
          "[proto][mysql]") {
  const End end = GENERATE(End::Fin, End::Rst);
  for_each_way([end](Stage& stage) {
    int steps = 0;
    while (stage.vanish_after(steps, end)) ++steps;
    CHECK(steps >= 2);
  });
}

TEST_CASE("login: a client that falls silent behind any step leaves no handshake unanswered",
          "[proto][mysql]") {
  for_each_way([](Stage& stage) {
    for (int steps = 0; steps < 10; ++steps) stage.vanish_after(steps, End::Silence);
  });
}

TEST_CASE("login: a session stopped at any turn leaves no handshake unanswered", "[proto][mysql]") {
  using enum session::StopReason;
  const auto reason = GENERATE(ClientGone, Disconnect, HandshakeTimeout, Shutdown);
  for_each_way([reason](Stage& stage) {
    int turns = 0;
    while (stage.stop_after(turns, reason)) ++turns;
    CHECK(turns >= 3);
  });
}

}  // namespace perilune::proto::mysql
