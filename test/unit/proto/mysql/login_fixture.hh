#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "auth/secret.hh"
#include "log/output.hh"
#include "net/listener.hh"
#include "proto/mysql/channel.hh"
#include "proto/mysql/driver.hh"
#include "session/rsa_key_source.hh"
#include "session/run.hh"
#include "support/catch.hh"
#include "support/fake_hooks.hh"
#include "support/run_task.hh"
#include "support/scripted_peer.hh"
#include "support/socket_pair.hh"
#include "util/error.hh"
#include "util/scope_exit.hh"
#include "wire/mysql/handshake.hh"
#include "wire/mysql/reply.hh"

// A client, a proxy of one session and a server in one loop.
namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;

inline constexpr std::size_t kLimit = 1 << 20;

inline wire::Greeting greeting_with(std::uint64_t capabilities) {
  wire::Greeting greeting;
  greeting.server_version = "10.11.0-scripted";
  greeting.connection_id = 7;
  greeting.auth_data.assign(20, std::byte{'s'});
  greeting.capabilities = capabilities;
  greeting.auth_plugin = "mysql_native_password";
  return greeting;
}

inline constexpr std::uint64_t kModern = 0xFFFFFFFFU & ~wire::capability::kSsl;

inline net::Address any_port() { return *net::parse_address("127.0.0.1:0", 1); }

// What a server refuses a login with.
inline Buffer refusal() {
  wire::Err err;
  err.code = 1045;
  err.sql_state = "28000";
  err.message = "Access denied by the script";
  Buffer payload;
  wire::append_err(payload, err, wire::capability::kProtocol41);
  return payload;
}

inline Buffer ok() {
  Buffer payload;
  wire::append_ok(payload, {}, wire::capability::kProtocol41);
  return payload;
}

// A server that counts handshakes that break off where it waits for an answer, be it to its
// greeting, in TLS or to what its method asks. Refuses, unless it has another method.
class ScriptedServer {
 public:
  // Says the rest of the login; behind it the server waits for the end.
  using Method = std::function<event::Task<>(Channel&)>;

  ScriptedServer(event::Loop& loop, std::uint64_t capabilities, net::Address where = any_port())
      : loop_(loop),
        tasks_(loop),
        capabilities_(capabilities),
        socket_(net::ListenSocket::bind(where, 16, {})),
        acceptor_(
            loop, socket_,
            [this](UniqueFd fd, net::Address) {
              tasks_.spawn(serve(std::make_unique<net::Stream>(loop_, std::move(fd))));
            },
            [](int) {}) {}

  const net::Address& address() const { return socket_->address(); }
  int connections = 0;
  int unanswered = 0;
  int answered = 0;
  int unannounced = 0;
  int open = 0;
  std::string user;
  std::string header;  // that each connection must begin with
  bool is_silent = false;
  std::shared_ptr<const net::TlsServer> tls;
  Method method;

 private:
  event::Task<> serve(std::unique_ptr<net::Stream> stream) {
    ++connections;
    ++open;
    const ScopeExit closed([this] { --open; });
    if (address().is_tcp()) stream->set_no_delay();
    Channel channel{*stream, "proxy"};
    if (is_silent) {
      co_await stream->fill();
      co_return;
    }
    Buffer greeting;
    wire::append_greeting(greeting, greeting_with(capabilities_));
    channel.send(greeting);
    co_await receive_header(*stream);
    Buffer answer;
    try {
      answer = co_await receive_login(channel);
    } catch (const std::exception&) {
      ++unanswered;
    }
    if (answer.empty()) co_return;
    ++answered;
    user = wire::decode_handshake_response(answer)->user;
    if (!method) channel.send(refusal());
    if (method) co_await run_method(channel);
    co_await stream->fill();
  }

  event::Task<Buffer> receive_login(Channel& channel) {
    Buffer payload = co_await channel.receive(kLimit);
    if (!tls || !wire::is_ssl_request(payload)) co_return payload;
    channel.stream().start_tls(std::make_unique<net::Tls>(tls));
    co_return co_await channel.receive(kLimit);
  }

  event::Task<> receive_header(net::Stream& stream) {
    bool more = true;
    while (more && stream.input().size() < header.size()) {
      more = co_await stream.fill();
    }
    if (!as_text(stream.input()).starts_with(header)) {
      ++unannounced;
      co_return;
    }
    if (!header.empty()) stream.consume(header.size());
  }

  event::Task<> run_method(Channel& channel) {
    try {
      co_await method(channel);
    } catch (const PeerError&) {
      ++unanswered;
    }
  }

  event::Loop& loop_;
  event::TaskGroup tasks_;
  std::uint64_t capabilities_;
  std::shared_ptr<net::ListenSocket> socket_;
  net::Acceptor acceptor_;
};

// A key takes its time to make.
inline std::shared_ptr<session::RsaKeySource> shared_rsa_key() {
  static const auto source = std::make_shared<session::RsaKeySource>();
  return source;
}

// How the client comes in; over a unix socket if nothing else is said.
struct Entrance {
  test::SocketPair sockets = test::make_socket_pair();
  net::Address peer = net::Address::unix_name({});
  std::shared_ptr<const net::TlsServer> tls;
  Millis handshake_timeout{10000};
};

inline Entrance tcp_entrance() {
  Entrance entrance;
  entrance.sockets = test::make_tcp_pair();
  entrance.peer = any_port();
  return entrance;
}

// A proxy of one session and its client.
struct Proxy {
  Proxy(event::Loop& loop, test::FakeHooks::OnLogin on_login)
      : Proxy(loop, std::make_unique<test::FakeHooks>(std::move(on_login))) {}
  Proxy(event::Loop& loop, std::unique_ptr<session::Hooks> hooks, Entrance entrance = {})
      : background(loop),
        services{loop, background, logger, registry.worker(0)},
        tasks(loop),
        pair(std::move(entrance.sockets)),
        client(loop, std::move(pair.theirs)),
        channel(client.stream(), "proxy") {
    if (entrance.peer.is_tcp()) client.stream().set_no_delay();
    auto made = std::make_shared<session::Listener>();
    made->open = std::make_shared<std::atomic<std::uint64_t>>(0);
    made->rsa_key = shared_rsa_key();
    made->tls = std::move(entrance.tls);
    made->declaration.options.handshake_timeout = entrance.handshake_timeout;
    listener = made;
    const int fd = pair.ours.value();
    auto stream = std::make_unique<net::Stream>(loop, std::move(pair.ours));
    if (entrance.peer.is_tcp()) stream->set_no_delay();
    auto made_session = std::make_unique<session::Session>(services, listener, 0x80000001U, fd,
                                                           net::SmallAddress{entrance.peer});
    session = made_session.get();
    sessions.enter(*session);
    session->set_hooks(std::move(hooks));
    tasks.spawn(session::run(std::move(made_session), std::move(stream), driver));
  }

  log::Output output{-1, log::LineFormat::Timed, log::Level::Error};
  log::Logger logger{output};
  stats::Registry registry{1};
  event::TaskGroup background;
  session::Services services;
  session::Session* session = nullptr;  // null once it has ended
  session::SessionList sessions{[this] { session = nullptr; }};
  std::shared_ptr<const session::Listener> listener;
  Driver driver;
  event::TaskGroup tasks;
  test::SocketPair pair;
  test::ScriptedPeer client;
  Channel channel;
};

// Leaves no copy of the answer behind.
inline event::Task<wire::Greeting> send_login(Channel& channel, std::string_view answer = {}) {
  const Buffer greeting = co_await channel.receive(kLimit);
  wire::HandshakeResponse response;
  response.capabilities = kModern & ~wire::capability::kMariadbProgress;
  response.max_packet_size = 1 << 24;
  response.character_set = 45;
  response.user = "anna";
  response.auth_plugin = "mysql_native_password";
  Buffer payload;
  response.auth_answer.assign(as_bytes(answer).begin(), as_bytes(answer).end());
  payload.reserve(1024);
  wire::append_handshake_response(payload, response);
  channel.send(payload);
  auth::wipe(payload);
  auth::wipe(response.auth_answer);
  co_return *wire::decode_greeting(greeting);
}

inline event::Task<wire::Err> log_in_and_fail(Channel& channel) {
  co_await send_login(channel);
  const Buffer payload = co_await channel.receive(kLimit);
  co_return *wire::decode_err(payload);
}

inline test::FakeHooks::OnLogin connect_to(const net::Address& address) {
  return [address](session::Login login) {
    session::ConnectTo connect;
    connect.target = address;
    connect.login = std::move(login);
    connect.connect_timeout = Millis{300};
    return session::Decision{std::move(connect)};
  };
}

template <typename Condition>
void run_until(event::Loop& loop, Condition condition) {
  const auto limit = Clock::now() + test::kTestLimit;
  while (!condition() && Clock::now() < limit) uv_run(loop.uv(), UV_RUN_NOWAIT);
}

}  // namespace perilune::proto::mysql
