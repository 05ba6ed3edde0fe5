#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <string>

#include "auth/secret.hh"
#include "unit/proto/mysql/login_fixture.hh"

namespace perilune::proto::mysql {

namespace {

constexpr std::string_view kPassword = "a password nobody else has";

bool is_watching = false;
int found = 0;

// What goes back to the heap, and whether the password is in it.
void look_at(const void* memory) noexcept {
  if (!is_watching || memory == nullptr) return;
  const auto* begin = static_cast<const char*>(memory);
  const std::string_view block{begin, malloc_usable_size(const_cast<void*>(memory))};
  if (block.find(kPassword) != std::string_view::npos) ++found;
}

struct Watching {
  Watching() {
    found = 0;
    is_watching = true;
  }
  Watching(const Watching&) = delete;
  Watching& operator=(const Watching&) = delete;
  ~Watching() { is_watching = false; }
};

}  // namespace

}  // namespace perilune::proto::mysql

// Replaced for the whole executable: the only place where memory can be seen just before it goes.
// With the nothrow form, as AddressSanitizer's own would not go with our delete; not inlined, or
// GCC takes new and free for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(std::max<std::size_t>(size, 1));
}
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (void* const memory = operator new(size, std::nothrow)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  perilune::proto::mysql::look_at(memory);
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  perilune::proto::mysql::look_at(memory);
  std::free(memory);
}

namespace perilune::proto::mysql {

namespace {

// The test's own two ends leave nothing behind either.
event::Task<> ask_for_password(Channel& channel, bool& right) {
  channel.stream().set_sensitive(true);
  wire::AuthSwitchRequest request;
  request.auth_plugin = "mysql_clear_password";
  Buffer payload;
  wire::append_auth_switch_request(payload, request);
  channel.send(payload);
  Buffer received = co_await channel.receive(kLimit);
  right = as_text(received) == kPassword;
  auth::wipe(received);
  channel.send(ok());
}

event::Task<> tell_password(Channel& channel) {
  channel.stream().set_sensitive(true);
  co_await send_login(channel);
  co_await channel.receive(kLimit);
  channel.send(as_bytes(kPassword));
  co_await channel.receive(kLimit);
}

bool holds_password(Bytes memory) {
  return as_text(memory).find(kPassword) != std::string_view::npos;
}

}  // namespace

TEST_CASE("login: no password stays behind in memory", "[proto][mysql]") {
  const std::string path = "/tmp/perilune-unit-wipe-" + std::to_string(getpid()) + ".sock";
  event::Loop loop;
  bool right = false;
  {
    const Watching watching;
    ScriptedServer server{loop, kModern, net::Address::unix_name(path)};
    server.method = [&right](Channel& channel) { return ask_for_password(channel, right); };
    Proxy proxy{loop, connect_to(server.address())};
    test::run_task(loop, tell_password(proxy.channel));
    CHECK_FALSE(holds_password(loop.read_buffer()));
  }
  CHECK(right);
  CHECK(found == 0);
}

TEST_CASE("login: the password of the greeting's answer does not stay either", "[proto][mysql]") {
  event::Loop loop;
  {
    const Watching watching;
    ScriptedServer server{loop, kModern};
    Proxy proxy{loop, connect_to(server.address())};
    test::run_task(loop, [](Channel& channel) -> event::Task<> {
      channel.stream().set_sensitive(true);
      co_await send_login(channel, kPassword);
      co_await channel.receive(kLimit);
    }(proxy.channel));
    CHECK_FALSE(holds_password(loop.read_buffer()));
  }
  CHECK(found == 0);
}

TEST_CASE("login: this test would see what stays behind", "[proto][mysql]") {
  const Watching watching;
  {
    const std::string careless{kPassword};
    asm volatile("" : : "g"(careless.data()) : "memory");  // or a compiler leaves it out
  }
  CHECK(found == 1);
}

}  // namespace perilune::proto::mysql
