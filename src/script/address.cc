#include "script/address.hh"

#include <algorithm>
#include <utility>
#include <vector>

#include "lua/class.hh"
#include "lua/wait.hh"
#include "net/connect.hh"
#include "wire/control/datagram.hh"

namespace perilune::script {

namespace {

using Addresses = lua::Class<AddressObject>;
using Systemds = lua::Class<SystemdObject>;

int address_text(lua_State* L) {
  lua::push_text(L, Addresses::check(L, 1).address.text());
  return 1;
}

int systemd_index(lua_State* L) {
  const SystemdObject& self = Systemds::check(L, 1);
  if (!self.name.empty()) throw lua::Error("systemd." + self.name + " has no fields");
  SystemdObject named;
  named.name = lua::check_text(L, 2);
  if (named.name.empty()) throw lua::Error("systemd: the name is empty");
  Systemds::push(L, std::move(named));
  return 1;
}

int systemd_text(lua_State* L) {
  const SystemdObject& self = Systemds::check(L, 1);
  lua::push_text(L, self.name.empty() ? "systemd" : "systemd." + self.name);
  return 1;
}

// IPv6 wins over IPv4, as in myproxy.
const net::Address& preferred(const std::vector<net::Address>& addresses) {
  const auto found = std::ranges::find(addresses, AF_INET6, &net::Address::family);
  return found == addresses.end() ? addresses.front() : *found;
}

// What a name is resolved for.
struct Purpose {
  std::optional<std::uint16_t> port;
  bool raises = false;  // in callbacks too
};

int fail_resolve(lua_State* L, const Purpose& purpose, const std::string& message) {
  if (purpose.raises || lua::State::of(L).is_loading()) throw lua::Error(message);
  lua_pushnil(L);
  lua::push_text(L, message);
  return 2;
}

event::Task<lua::Push> resolve_name(event::Loop& loop, net::HostName name, Purpose purpose) {
  std::string failure;
  std::vector<net::Address> addresses;
  try {
    addresses = co_await net::resolve(loop, std::move(name));
  } catch (const std::exception& error) {
    failure = error.what();
  }
  co_return lua::Push{
      [failure = std::move(failure), addresses = std::move(addresses), purpose](lua_State* L) {
        if (!failure.empty()) return fail_resolve(L, purpose, failure);
        push_address(L, preferred(addresses));
        return 1;
      }};
}

int resolve(lua_State* L, const Purpose& purpose) {
  const auto endpoint = net::parse_endpoint(lua::check_text(L, 1), purpose.port);
  if (!endpoint) return fail_resolve(L, purpose, endpoint.error().message);
  if (const auto* address = std::get_if<net::Address>(&*endpoint)) {
    push_address(L, *address);
    return 1;
  }
  auto resolving =
      resolve_name(lua::State::of(L).loop(), std::get<net::HostName>(*endpoint), purpose);
  return lua::await(L, std::move(resolving));
}

}  // namespace

void push_address(lua_State* L, const net::Address& address) {
  Addresses::push(L, AddressObject{address});
}

void define_addresses(lua_State* L) {
  constexpr lua::Function kAddress[] = {{"__tostring", lua::guarded<address_text>}};
  Addresses::define(L, [&kAddress](lua_State* l) { lua::set_functions(l, kAddress); });
  constexpr lua::Function kSystemd[] = {{"__index", lua::guarded<systemd_index>},
                                        {"__tostring", lua::guarded<systemd_text>}};
  Systemds::define(L, [&kSystemd](lua_State* l) { lua::set_functions(l, kSystemd); });
  Systemds::push(L);
  lua_setfield(L, -2, "systemd");
}

int mysql_resolve(lua_State* L) { return resolve(L, {default_port(session::Protocol::Mysql)}); }
int pgsql_resolve(lua_State* L) { return resolve(L, {default_port(session::Protocol::Pgsql)}); }
int tcp_resolve(lua_State* L) { return resolve(L, {default_port(session::Protocol::Tcp)}); }
int control_resolve(lua_State* L) { return resolve(L, {wire::control::kDefaultPort, true}); }

}  // namespace perilune::script
