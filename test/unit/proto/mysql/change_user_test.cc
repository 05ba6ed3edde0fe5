#include "proto/mysql/change_user.hh"

#include <functional>
#include <string>
#include <utility>

#include "unit/proto/mysql/login_fixture.hh"

namespace perilune::proto::mysql {

namespace {

constexpr std::string_view kAnswer = "20 bytes of an answer";

event::Task<bool> ask(Channel& channel) {
  wire::AuthSwitchRequest request;
  request.auth_plugin = "mysql_native_password";
  request.auth_data.assign(20, std::byte{'n'});
  Buffer payload;
  wire::append_auth_switch_request(payload, request);
  channel.send(payload);
  const Buffer answer = co_await channel.receive(kLimit);
  channel.send(answer.empty() ? refusal() : ok());
  co_return !answer.empty();
}

// Empty: the end.
event::Task<Buffer> receive_command(Channel& channel) {
  channel.set_sequence(0);
  try {
    co_return co_await channel.receive(kLimit);
  } catch (const PeerError&) {
  }
  co_return Buffer{};
}

// Lets in who gives any answer, and whoever it wants to be then.
event::Task<> let_change(Channel& channel, int& quits) {
  bool more = co_await ask(channel);
  while (more) {
    const Buffer command = co_await receive_command(channel);
    more = !command.empty() && command.front() == std::byte{17};
    if (!command.empty() && command.front() == std::byte{1}) ++quits;
    if (more) co_await ask(channel);
  }
}

struct Servers {
  explicit Servers(event::Loop& loop) : first(loop, kModern), second(loop, kModern) {
    first.method = [this](Channel& channel) { return let_change(channel, quits); };
    second.method = first.method;
  }

  // The first login goes to the first server, every change of user where it says.
  test::FakeHooks::OnLogin script(bool change_elsewhere) const {
    return [this, change_elsewhere](session::Login login) {
      const bool elsewhere = login.change && change_elsewhere;
      return connect_to((elsewhere ? second : first).address())(std::move(login));
    };
  }

  int quits = 0;
  ScriptedServer first;
  ScriptedServer second;
};

event::Task<Buffer> answer_switch(Channel& channel, std::string_view answer) {
  const Buffer asked = co_await channel.receive(kLimit);
  REQUIRE(asked.front() == std::byte{wire::kEofHeader});
  channel.send(as_bytes(answer));
  co_return co_await channel.receive(kLimit);
}

event::Task<> log_in_first(Channel& channel) {
  co_await send_login(channel);
  const Buffer verdict = co_await answer_switch(channel, kAnswer);
  REQUIRE(verdict.front() == std::byte{wire::kOkHeader});
}

void send_change(Channel& channel) {
  wire::ChangeUser request;
  request.user = "berta";
  request.database = "shop";
  request.auth_plugin = "mysql_native_password";
  Buffer payload;
  wire::append_change_user(payload, request, kModern);
  channel.set_sequence(0);
  channel.send(payload);
}

event::Task<Buffer> change(Channel& channel, std::string_view answer) {
  co_await log_in_first(channel);
  send_change(channel);
  co_return co_await answer_switch(channel, answer);
}

bool is_over(const Proxy& proxy, const ScriptedServer& server) {
  return proxy.tasks.size() == 0 && proxy.background.size() == 0 && server.open == 0;
}

}  // namespace

TEST_CASE("change of user: the same server decides on the same connection", "[proto][mysql]") {
  event::Loop loop;
  Servers servers{loop};
  Proxy proxy{loop, servers.script(false)};
  const Buffer verdict = test::run_task(loop, change(proxy.channel, kAnswer));
  CHECK(verdict.front() == std::byte{wire::kOkHeader});
  CHECK(servers.first.connections == 1);
  CHECK(servers.first.open == 1);
  CHECK(servers.quits == 0);
  CHECK(proxy.session->user.text() == "berta");
  CHECK(proxy.session->database.text() == "shop");
}

TEST_CASE("change of user: the old connection ends in good order behind a fresh login",
          "[proto][mysql]") {
  event::Loop loop;
  Servers servers{loop};
  Proxy proxy{loop, servers.script(true)};
  const Buffer verdict = test::run_task(loop, change(proxy.channel, kAnswer));
  CHECK(verdict.front() == std::byte{wire::kOkHeader});
  run_until(loop, [&] { return servers.first.open == 0 || servers.quits == 1; });
  CHECK(servers.quits == 1);
  CHECK(servers.second.open == 1);
  CHECK(proxy.session->user.text() == "berta");
}

TEST_CASE("change of user: who is refused is who it was", "[proto][mysql]") {
  const bool elsewhere = GENERATE(false, true);
  event::Loop loop;
  Servers servers{loop};
  Proxy proxy{loop, servers.script(elsewhere)};
  const Buffer verdict = test::run_task(loop, change(proxy.channel, {}));
  const auto err = wire::decode_err(verdict);
  REQUIRE(err);
  CHECK(err->code == 1045);
  CHECK(servers.first.open == 1);
  CHECK(servers.quits == 0);
  run_until(loop, [&] { return proxy.session->user.text() == "anna"; });
  CHECK(proxy.session->user.text() == "anna");
  CHECK(proxy.session->database.empty());
}

TEST_CASE("change of user: a client that vanishes leaves no question unanswered",
          "[proto][mysql]") {
  const bool elsewhere = GENERATE(false, true);
  // At every turn of the loop behind the command and behind the answer.
  for (int turns = 0; turns < 24; ++turns) {
    event::Loop loop;
    Servers servers{loop};
    Proxy proxy{loop, servers.script(elsewhere)};
    test::run_task(loop, log_in_first(proxy.channel));
    send_change(proxy.channel);
    for (int i = 0; i < turns; ++i) {
      uv_run(loop.uv(), UV_RUN_NOWAIT);
      if (i != 12) continue;
      proxy.channel.set_sequence(2);  // behind the question
      proxy.channel.send(as_bytes(kAnswer));
    }
    if (proxy.session != nullptr) proxy.session->stop(session::StopReason::ClientGone);
    run_until(loop, [&] { return is_over(proxy, servers.first) && servers.second.open == 0; });
    CHECK(is_over(proxy, servers.first));
    CHECK(servers.first.unanswered + servers.second.unanswered == 0);
  }
}

}  // namespace perilune::proto::mysql
