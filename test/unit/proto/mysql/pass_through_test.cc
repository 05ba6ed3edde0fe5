#include "proto/mysql/pass_through.hh"

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "auth/rsa_key.hh"
#include "unit/proto/mysql/login_fixture.hh"

namespace perilune::proto::mysql {

namespace {

const auth::RsaKey& server_key() {
  static const auth::RsaKey key = auth::RsaKey::generate();
  return key;
}

Buffer switch_to(const std::string& plugin) {
  wire::AuthSwitchRequest request;
  request.auth_plugin = plugin;
  request.auth_data.assign(20, std::byte{'c'});
  Buffer payload;
  wire::append_auth_switch_request(payload, request);
  return payload;
}

Buffer more(std::string_view data) {
  Buffer payload;
  wire::append_auth_more_data(payload, as_bytes(data));
  return payload;
}

Buffer bytes_of(std::string_view text) { return {as_bytes(text).begin(), as_bytes(text).end()}; }

// The server's side of the two methods that encrypt, up to its OK.
struct Encrypting {
  std::string plugin;
  std::string key_request;
  std::vector<Buffer> received{};

  event::Task<> operator()(Channel& channel) {
    channel.send(switch_to(plugin));
    if (plugin == "caching_sha2_password") {
      co_await channel.receive(kLimit);  // a digest
      channel.send(more("\x04"));
    }
    Buffer packet = co_await channel.receive(kLimit);
    received.push_back(packet);
    if (as_text(packet) == key_request) {
      channel.send(more(server_key().public_pem()));
      packet = co_await channel.receive(kLimit);
      received.push_back(packet);
    }
    channel.send(ok());
  }
};

// The client's side of it: `answers` to what wants one.
event::Task<Buffer> log_in_by(Channel& channel, std::string plugin, std::vector<Buffer> answers) {
  co_await send_login(channel);
  co_await channel.receive(kLimit);
  if (plugin == "caching_sha2_password") {
    channel.send(Buffer(32, std::byte{'d'}));
    co_await channel.receive(kLimit);
  }
  Buffer reply;
  for (const Buffer& answer : answers) {
    channel.send(answer);
    reply = co_await channel.receive(kLimit);
  }
  co_return reply;
}

std::string decrypted(Bytes cipher) {
  const auto text = server_key().decrypt(cipher);
  REQUIRE(text);
  Buffer plain(text->bytes().begin(), text->bytes().end());
  for (std::byte& byte : plain) byte ^= std::byte{'c'};  // the scramble
  return std::string(as_text(plain));
}

Encrypting encrypting(int which) {
  return which == 0 ? Encrypting{"caching_sha2_password", "\x02"}
                    : Encrypting{"sha256_password", "\x01"};
}

struct SocketPath {
  ~SocketPath() { unlink(path.c_str()); }
  std::string path = "/tmp/perilune-unit-proto-" + std::to_string(getpid()) + ".sock";
};

}  // namespace

TEST_CASE("pass-through: a clear password is encrypted before it goes over plain TCP",
          "[proto][mysql]") {
  Encrypting method = encrypting(GENERATE(0, 1));
  event::Loop loop;
  ScriptedServer server{loop, kModern};
  server.method = [&method](Channel& channel) { return method(channel); };
  Proxy proxy{loop, connect_to(server.address())};
  const Buffer password = bytes_of(std::string_view("secret\0", 7));
  const Buffer reply = test::run_task(loop, log_in_by(proxy.channel, method.plugin, {password}));
  CHECK(reply.front() == std::byte{wire::kOkHeader});
  REQUIRE(method.received.size() == 2);
  CHECK(as_text(method.received[0]) == method.key_request);
  CHECK(decrypted(method.received[1]) == std::string("secret\0", 7));
}

TEST_CASE("pass-through: a client that asked for the key has encrypted by itself",
          "[proto][mysql]") {
  Encrypting method = encrypting(GENERATE(0, 1));
  event::Loop loop;
  ScriptedServer server{loop, kModern};
  server.method = [&method](Channel& channel) { return method(channel); };
  Proxy proxy{loop, connect_to(server.address())};
  Buffer cipher(256, std::byte{'x'});
  cipher.back() = std::byte{};  // one of 256 ends like a clear password
  const Buffer reply = test::run_task(
      loop, log_in_by(proxy.channel, method.plugin, {bytes_of(method.key_request), cipher}));
  CHECK(reply.front() == std::byte{wire::kOkHeader});
  REQUIRE(method.received.size() == 2);
  CHECK(method.received[1] == cipher);
}

TEST_CASE("pass-through: sha256_password's word for no password is passed on", "[proto][mysql]") {
  Encrypting method = encrypting(1);
  event::Loop loop;
  ScriptedServer server{loop, kModern};
  server.method = [&method](Channel& channel) { return method(channel); };
  Proxy proxy{loop, connect_to(server.address())};
  const Buffer none(1, std::byte{});
  test::run_task(loop, log_in_by(proxy.channel, method.plugin, {none}));
  REQUIRE(method.received.size() == 1);
  CHECK(method.received[0] == none);
}

TEST_CASE("pass-through: no client is asked for a clear password that goes over plain TCP",
          "[proto][mysql]") {
  const std::string plugin = GENERATE("mysql_clear_password", "dialog", "of_another_world");
  event::Loop loop;
  ScriptedServer server{loop, kModern};
  bool got_password = false;
  server.method = [&](Channel& channel) -> event::Task<> {
    channel.send(switch_to(plugin));
    const Buffer answer = co_await channel.receive(kLimit);
    got_password = !answer.empty();
    channel.send(refusal());
  };
  Proxy proxy{loop, connect_to(server.address())};
  const wire::Err err = test::run_task(loop, log_in_and_fail(proxy.channel));
  CHECK(err.code == 1043);
  CHECK(err.message.find(plugin) != std::string::npos);
  CHECK(err.message.find("needs TLS or a unix socket") != std::string::npos);
  run_until(loop, [&] { return server.open == 0; });
  CHECK(server.unanswered == 0);
  CHECK_FALSE(got_password);
}

TEST_CASE("pass-through: over a unix socket a clear password may go", "[proto][mysql]") {
  const std::string plugin = GENERATE("mysql_clear_password", "dialog", "mysql_native_password");
  const SocketPath socket;
  event::Loop loop;
  ScriptedServer server{loop, kModern, net::Address::unix_name(socket.path)};
  Buffer received;
  server.method = [&](Channel& channel) -> event::Task<> {
    channel.send(switch_to(plugin));
    received = co_await channel.receive(kLimit);
    channel.send(ok());
  };
  Proxy proxy{loop, connect_to(server.address())};
  const Buffer answer = bytes_of(std::string_view("secret\0", 7));
  const Buffer reply = test::run_task(loop, log_in_by(proxy.channel, plugin, {answer}));
  CHECK(reply.front() == std::byte{wire::kOkHeader});
  CHECK(received == answer);
}

TEST_CASE("pass-through: sha256_password wants its encryption over a unix socket as well",
          "[proto][mysql]") {
  const SocketPath socket;
  Encrypting method = encrypting(1);
  event::Loop loop;
  ScriptedServer server{loop, kModern, net::Address::unix_name(socket.path)};
  server.method = [&method](Channel& channel) { return method(channel); };
  Proxy proxy{loop, connect_to(server.address())};
  const Buffer password = bytes_of(std::string_view("secret\0", 7));
  test::run_task(loop, log_in_by(proxy.channel, method.plugin, {password}));
  REQUIRE(method.received.size() == 2);
  CHECK(decrypted(method.received[1]) == std::string("secret\0", 7));
}

TEST_CASE("pass-through: a client is not let in as the proxy's own user", "[proto][mysql]") {
  const SocketPath socket;
  event::Loop loop;
  ScriptedServer server{loop, kModern, net::Address::unix_name(socket.path)};
  server.method = [](Channel& channel) -> event::Task<> {
    channel.send(ok());
    co_return;
  };
  Proxy proxy{loop, connect_to(server.address())};
  const wire::Err err = test::run_task(loop, log_in_and_fail(proxy.channel));
  CHECK(err.code == 1043);
  CHECK(err.message.find("credentials given by the script") != std::string::npos);
}

TEST_CASE("pass-through: a server must name its method before it asks", "[proto][mysql]") {
  event::Loop loop;
  ScriptedServer server{loop, kModern};
  server.method = [](Channel& channel) -> event::Task<> {
    channel.send(more("what?"));
    co_return;
  };
  Proxy proxy{loop, connect_to(server.address())};
  const wire::Err err = test::run_task(loop, log_in_and_fail(proxy.channel));
  CHECK(err.code == 1043);
}

}  // namespace perilune::proto::mysql
