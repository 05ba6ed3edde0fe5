#include "proto/mysql/login.hh"

#include <string>
#include <utility>

#include "auth/mysql_methods.hh"
#include "unit/proto/mysql/login_fixture.hh"

namespace perilune::proto::mysql {

namespace {

// A script that lets in at the login and then thinks for ever.
class Thinking final : public test::LoginHooks {
 public:
  Thinking(event::Loop& loop, test::FakeHooks::OnLogin on_login)
      : never_(loop), on_login_(std::move(on_login)) {}
  event::Task<session::Decision> on_login(session::Login login, session::Challenger&) override {
    session::Decision decision = on_login_(std::move(login));
    co_return decision;
  }
  event::Task<session::Decision> on_command_phase() override {
    co_await never_;
    co_return session::Proceed{};
  }
  bool has_on_command_phase() const noexcept override { return true; }

 private:
  event::Latch never_;
  test::FakeHooks::OnLogin on_login_;
};

// A script that asks for the password, lets in if it is right, and then thinks for ever.
class Verifying final : public test::LoginHooks {
 public:
  Verifying(event::Loop& loop, net::Address server, std::string secret)
      : never_(loop), server_(std::move(server)), secret_(std::move(secret)) {}
  event::Task<session::Decision> on_login(session::Login login,
                                          session::Challenger& challenger) override {
    std::optional<auth::Secret> secret{auth::Secret(secret_)};
    const bool right = co_await challenger.verify(std::move(secret));
    if (!right) co_return session::Refuse{};
    co_return connect_to(server_)(std::move(login));
  }
  event::Task<session::Decision> on_command_phase() override {
    co_await never_;
    co_return session::Proceed{};
  }
  bool has_on_command_phase() const noexcept override { return true; }

 private:
  event::Latch never_;
  net::Address server_;
  std::string secret_;
};

// Until the server's or the proxy's verdict.
event::Task<> log_in_natively(Channel& channel, std::string password) {
  const Buffer first = co_await channel.receive(kLimit);
  const auto greeting = wire::decode_greeting(first);
  auth::Credentials credentials;
  credentials.password.emplace(std::string_view(password));
  auto method =
      auth::make_mysql_login("mysql_native_password", credentials, auth::Transport::Plain);
  wire::HandshakeResponse response;
  response.capabilities = kModern & ~wire::capability::kMariadbProgress;
  response.max_packet_size = 1 << 24;
  response.character_set = 45;
  response.user = "anna";
  response.auth_plugin = "mysql_native_password";
  response.auth_answer = *method->begin(greeting->auth_data);
  Buffer payload;
  wire::append_handshake_response(payload, response);
  channel.send(payload);
  co_await channel.receive(kLimit);
}

event::Task<> say_ok(Channel& channel) {
  channel.send(ok());
  co_return;
}

event::Task<> let_in(Channel& channel) {
  wire::AuthSwitchRequest request;
  request.auth_plugin = "mysql_native_password";
  request.auth_data.assign(20, std::byte{'n'});
  Buffer payload;
  wire::append_auth_switch_request(payload, request);
  channel.send(payload);
  co_await channel.receive(kLimit);
  channel.send(ok());
}

// The client's half of let_in().
event::Task<> be_let_in(Channel& channel) {
  co_await send_login(channel);
  co_await channel.receive(kLimit);
  channel.send(Buffer(20, std::byte{'a'}));
  const Buffer payload = co_await channel.receive(kLimit);
  REQUIRE(payload.front() == std::byte{wire::kOkHeader});
}

}  // namespace

TEST_CASE("login: the greeting has our id, a fresh scramble and the announced flags",
          "[proto][mysql]") {
  event::Loop loop;
  ScriptedServer server{loop, kModern};
  Proxy first{loop, connect_to(server.address())};
  Proxy second{loop, connect_to(server.address())};
  const wire::Greeting a = test::run_task(loop, send_login(first.channel));
  const wire::Greeting b = test::run_task(loop, send_login(second.channel));
  CHECK(a.connection_id == 0x80000001U);
  CHECK(a.auth_data.size() == 20);
  CHECK(a.auth_data != b.auth_data);
  CHECK((a.capabilities & wire::capability::kDeprecateEof) != 0);
  CHECK((a.capabilities & (wire::capability::kSsl | wire::capability::kCompress)) == 0);
}

TEST_CASE("login: the server's refusal reaches the client unchanged", "[proto][mysql]") {
  event::Loop loop;
  ScriptedServer server{loop, kModern};
  Proxy proxy{loop, connect_to(server.address())};
  const wire::Err err = test::run_task(loop, log_in_and_fail(proxy.channel));
  CHECK(err.code == 1045);
  CHECK(err.sql_state == "28000");
  CHECK(err.message == "Access denied by the script");
  CHECK(server.user == "anna");
}

TEST_CASE("login: a server that lacks what the client was promised is refused, and answered",
          "[proto][mysql]") {
  event::Loop loop;
  ScriptedServer server{loop, kModern & ~wire::capability::kDeprecateEof};
  Proxy proxy{loop, connect_to(server.address())};
  const wire::Err err = test::run_task(loop, log_in_and_fail(proxy.channel));
  CHECK(err.code == 1043);
  CHECK(err.message.find("DEPRECATE_EOF") != std::string::npos);
  run_until(loop, [&] { return server.answered == 1; });
  CHECK(server.answered == 1);
  CHECK(server.unanswered == 0);
}

TEST_CASE("login: a client that vanishes leaves no handshake unanswered", "[proto][mysql]") {
  event::Loop loop;
  ScriptedServer server{loop, kModern};
  // At every turn of the loop between the client's login and the server's answer.
  for (int turns = 0; turns < 12; ++turns) {
    Proxy proxy{loop, connect_to(server.address())};
    test::run_task(loop, [](Channel& channel) -> event::Task<> {
      co_await send_login(channel);
    }(proxy.channel));
    for (int i = 0; i < turns; ++i) uv_run(loop.uv(), UV_RUN_NOWAIT);
    if (proxy.session != nullptr) proxy.session->stop(session::StopReason::ClientGone);
    run_until(loop, [&] {
      return proxy.tasks.size() == 0 && proxy.background.size() == 0 &&
             server.answered + server.unanswered == server.connections;
    });
  }
  CHECK(server.connections > 0);
  CHECK(server.unanswered == 0);
}

TEST_CASE("login: every connection to a server begins with the header, abandoned ones too",
          "[proto][mysql]") {
  event::Loop loop;
  ScriptedServer server{loop, kModern};
  server.header = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 3306\r\n";
  const auto connect = [&server](session::Login login) {
    auto decision = connect_to(server.address())(std::move(login));
    std::get<session::ConnectTo>(decision).send_proxy = session::SendProxy::V1;
    return decision;
  };
  for (int turns = 0; turns < 12; ++turns) {
    Proxy proxy{loop, connect};
    proxy.session->announce(*net::parse_address("192.0.2.7:4711", 1),
                            *net::parse_address("198.51.100.1:3306", 1));
    test::run_task(loop, [](Channel& channel) -> event::Task<> {
      co_await send_login(channel);
    }(proxy.channel));
    for (int i = 0; i < turns; ++i) uv_run(loop.uv(), UV_RUN_NOWAIT);
    if (proxy.session != nullptr) proxy.session->stop(session::StopReason::ClientGone);
    run_until(loop, [&] {
      return proxy.tasks.size() == 0 && proxy.background.size() == 0 &&
             server.answered + server.unanswered == server.connections;
    });
  }
  CHECK(server.connections > 0);
  CHECK(server.unannounced == 0);
  CHECK(server.unanswered == 0);
}

TEST_CASE("login: a silent server is given up in time", "[proto][mysql]") {
  event::Loop loop;
  ScriptedServer server{loop, kModern};
  server.is_silent = true;
  Proxy proxy{loop, connect_to(server.address())};
  const wire::Err err = test::run_task(loop, log_in_and_fail(proxy.channel));
  CHECK(err.code == 1043);
  CHECK(err.message == "Connection error: the server is silent");
}

TEST_CASE("login: who is stopped before the command phase began is told in answer to a command",
          "[proto][mysql]") {
  event::Loop loop;
  ScriptedServer server{loop, kModern};
  server.method = let_in;
  Proxy proxy{loop, std::make_unique<Thinking>(loop, connect_to(server.address()))};
  test::run_task(loop, be_let_in(proxy.channel));
  for (int i = 0; i < 4; ++i) uv_run(loop.uv(), UV_RUN_NOWAIT);
  REQUIRE(proxy.session != nullptr);
  proxy.session->stop(session::StopReason::Shutdown);
  proxy.channel.set_sequence(1);  // a command was sent; throws if the error has another number
  const Buffer payload = test::run_task(loop, proxy.channel.receive(kLimit));
  CHECK(wire::decode_err(payload)->code == 1053);
}

TEST_CASE("login: the session notes what a KILL needs", "[proto][mysql]") {
  event::Loop loop;
  ScriptedServer server{loop, kModern};
  SECTION("passed through: no secret") {
    server.method = let_in;
    Proxy proxy{loop, std::make_unique<Thinking>(loop, connect_to(server.address()))};
    test::run_task(loop, be_let_in(proxy.channel));
    REQUIRE(proxy.session != nullptr);
    CHECK(proxy.session->server_thread == greeting_with(0).connection_id);
    CHECK(proxy.session->known_login == nullptr);
  }
  SECTION("credentials of the script's") {
    server.method = say_ok;
    const auto pass_through = connect_to(server.address());
    Proxy proxy{loop, std::make_unique<Thinking>(loop, [&pass_through](session::Login login) {
                  login.user = "shop";
                  session::Decision decision = pass_through(std::move(login));
                  auto& connect = std::get<session::ConnectTo>(decision);
                  connect.credentials.password.emplace(std::string_view("secret"));
                  return decision;
                })};
    test::run_task(loop, send_login(proxy.channel));
    test::run_task(loop, proxy.channel.receive(kLimit));
    REQUIRE(proxy.session != nullptr);
    CHECK(proxy.session->server_thread == greeting_with(0).connection_id);
    REQUIRE(proxy.session->known_login != nullptr);
    CHECK(proxy.session->known_login->user == "shop");
    CHECK(as_text(proxy.session->known_login->credentials.password->bytes()) == "secret");
    CHECK(proxy.session->known_login->tls.server_name == "127.0.0.1");
  }
  SECTION("a password that the client has shown to know") {
    server.method = say_ok;
    Proxy proxy{loop, std::make_unique<Verifying>(loop, server.address(), "secret")};
    test::run_task(loop, log_in_natively(proxy.channel, "secret"));
    REQUIRE(proxy.session != nullptr);
    REQUIRE(proxy.session->known_login != nullptr);
    CHECK(proxy.session->known_login->user == "anna");
    CHECK(as_text(proxy.session->known_login->credentials.password->bytes()) == "secret");
  }
  SECTION("what its answer to a stored verifier gave away") {
    server.method = say_ok;
    const std::string stored = "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7";  // of "secret"
    Proxy proxy{loop, std::make_unique<Verifying>(loop, server.address(), stored)};
    test::run_task(loop, log_in_natively(proxy.channel, "secret"));
    REQUIRE(proxy.session != nullptr);
    REQUIRE(proxy.session->known_login != nullptr);
    CHECK_FALSE(proxy.session->known_login->credentials.password.has_value());
    CHECK(proxy.session->known_login->credentials.password_sha1.has_value());
  }
  SECTION("a refused login leaves nothing") {
    Proxy proxy{loop, connect_to(server.address())};
    test::run_task(loop, send_login(proxy.channel));
    run_until(loop, [&server] { return server.answered == 1; });
    REQUIRE(proxy.session != nullptr);
    CHECK(proxy.session->server_thread == 0);
  }
}

TEST_CASE("login: a server connection left behind keeps the place of its session",
          "[proto][mysql]") {
  event::Loop loop;
  auto server = std::make_unique<ScriptedServer>(loop, kModern);
  server->is_silent = true;
  Proxy proxy{loop, connect_to(server->address())};
  test::run_task(
      loop, [](Channel& channel) -> event::Task<> { co_await send_login(channel); }(proxy.channel));
  run_until(loop, [&] { return server->connections == 1; });
  for (int i = 0; i < 4; ++i) uv_run(loop.uv(), UV_RUN_NOWAIT);
  REQUIRE(proxy.session != nullptr);
  proxy.session->stop(session::StopReason::ClientGone);
  run_until(loop, [&] { return proxy.session == nullptr; });
  REQUIRE(proxy.session == nullptr);
  CHECK(proxy.background.size() == 1);
  CHECK(proxy.listener->open->load() == 1);
  server.reset();
  run_until(loop, [&] { return proxy.background.size() == 0; });
  CHECK(proxy.background.size() == 0);
  CHECK(proxy.listener->open->load() == 0);
}

}  // namespace perilune::proto::mysql
