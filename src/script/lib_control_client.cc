// The library `control_client`:
//   control_client:new(address) (waits) → c, or nil, message
//   c:build() → builder; builder:NAME(argument, …) → builder
//   c:send(builder) → true, or nil, message

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lua/class.hh"
#include "lua/wait.hh"
#include "net/connect.hh"
#include "net/datagram.hh"
#include "script/address.hh"
#include "script/libs.hh"
#include "wire/control/datagram.hh"

namespace perilune::script {

namespace {

using wire::control::Number;

struct ClientObject {
  static constexpr const char* kClassName = "control_client";
  std::unique_ptr<net::DatagramSender> sender;
};

struct BuilderObject {
  static constexpr const char* kClassName = "control_client.builder";
  Buffer datagram;
};

using Clients = lua::Class<ClientObject>;
using Builders = lua::Class<BuilderObject>;

// --- control_client:new

int push_client(lua_State* L, const net::Address& to) {
  std::string failure;
  try {
    Clients::push(L, ClientObject{std::make_unique<net::DatagramSender>(to)});
  } catch (const std::exception& error) {
    failure = error.what();
  }
  return failure.empty() ? 1 : push_failure(L, failure);
}

event::Task<lua::Push> resolve_for_client(event::Loop& loop, net::HostName name) {
  std::string failure;
  std::vector<net::Address> addresses;
  try {
    addresses = co_await net::resolve(loop, std::move(name));
  } catch (const std::exception& error) {
    failure = error.what();
  }
  co_return lua::Push{
      [failure = std::move(failure), addresses = std::move(addresses)](lua_State* L) {
        return failure.empty() ? push_client(L, addresses.front()) : push_failure(L, failure);
      }};
}

int create(lua_State* L) {
  if (const auto* object = lua::Class<AddressObject>::test(L, 2)) {
    return push_client(L, object->address);
  }
  const auto endpoint = net::parse_endpoint(lua::check_text(L, 2), wire::control::kDefaultPort);
  if (!endpoint) return push_failure(L, endpoint.error().message);
  if (const auto* address = std::get_if<net::Address>(&*endpoint)) return push_client(L, *address);
  const auto& name = std::get<net::HostName>(*endpoint);
  return lua::await(L, resolve_for_client(lua::State::of(L).loop(), name));
}

// --- building and sending

int build(lua_State* L) {
  Clients::check(L, 1);
  Builders::push(L, BuilderObject{wire::control::make_datagram()});
  return 1;
}

std::string_view check_payload(lua_State* L, int index) {
  const std::string_view payload = lua::check_text(L, index);
  if (payload.size() > wire::control::kMaxPayload) {
    throw lua::ArgumentError(index, "longer than a control command can be");
  }
  return payload;
}

// Each argument makes a command.
template <Number number>
int add(lua_State* L) {
  BuilderObject& self = Builders::check(L, 1);
  const int count = lua_gettop(L);
  if (count < 2) throw lua::Error("Not enough parameters");
  for (int i = 2; i <= count; ++i) check_payload(L, i);
  for (int i = 2; i <= count; ++i) {
    append_command(self.datagram, number, as_bytes(lua::text_at(L, i)));
  }
  lua_settop(L, 1);
  return 1;
}

int cancel_job(lua_State* L) {
  BuilderObject& self = Builders::check(L, 1);
  if (lua_gettop(L) != 3) throw lua::Error("Invalid parameters: a partition and a job expected");
  std::string payload{check_payload(L, 2)};
  payload += '\0';
  payload += check_payload(L, 3);
  if (payload.size() > wire::control::kMaxPayload) {
    throw lua::ArgumentError(3, "longer than a control command can be");
  }
  append_command(self.datagram, Number::CancelJob, as_bytes(payload));
  lua_settop(L, 1);
  return 1;
}

int send(lua_State* L) {
  const ClientObject& self = Clients::check(L, 1);
  const BuilderObject& builder = Builders::check(L, 2);
  if (const int error = self.sender->send(builder.datagram)) {
    return push_failure(L, std::strerror(error));
  }
  lua_pushboolean(L, 1);
  return 1;
}

constexpr lua::Function kClient[] = {
    {"build", lua::guarded<build>},
    {"send", lua::guarded<send>},
};
constexpr lua::Function kBuilder[] = {
    {"cancel_job", lua::guarded<cancel_job>},
    {"discard_session", lua::guarded<add<Number::DiscardSession>>},
    {"disconnect_database", lua::guarded<add<Number::DisconnectDatabase>>},
    {"fade_children", lua::guarded<add<Number::FadeChildren>>},
    {"flush_filter_cache", lua::guarded<add<Number::FlushFilterCache>>},
    {"flush_http_cache", lua::guarded<add<Number::FlushHttpCache>>},
    {"reject_client", lua::guarded<add<Number::RejectClient>>},
    {"reset_limiter", lua::guarded<add<Number::ResetLimiter>>},
    {"tarpit_client", lua::guarded<add<Number::TarpitClient>>},
    {"terminate_children", lua::guarded<add<Number::TerminateChildren>>},
};
constexpr lua::Function kLibrary[] = {{"new", lua::guarded<create>, true}};

}  // namespace

void push_control_client(lua_State* L) {
  define_class<ClientObject>(L, kClient);
  define_class<BuilderObject>(L, kBuilder);
  push_library(L, kLibrary);
}

}  // namespace perilune::script
