#include "script/control_listen.hh"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lua/class.hh"
#include "lua/options.hh"
#include "net/network.hh"
#include "script/address.hh"
#include "script/globals.hh"
#include "script/host.hh"
#include "wire/control/datagram.hh"

namespace perilune::script {

namespace {

constexpr std::array<std::string_view, 4> kOptions{"allow_uids", "from", "interface",
                                                   "multicast_group"};
constexpr std::array<std::string_view, 3> kNetworkOptions{"from", "interface", "multicast_group"};

void read_where(lua_State* L, int index, session::ControlDeclaration& declaration) {
  if (const auto* object = lua::Class<AddressObject>::test(L, index)) {
    declaration.where = object->address;
    declaration.label = object->address.text();
    return;
  }
  const std::string_view text = lua::check_text(L, index);
  const auto address = net::parse_listen_address(text, wire::control::kDefaultPort);
  if (!address) throw lua::ArgumentError(index, address.error().message);
  declaration.where = *address;
  declaration.label = text;
}

void check_options_fit(const lua::Options& options, const net::Address& where) {
  if (!where.is_unix() && options.has("allow_uids")) {
    throw lua::Error("'allow_uids' is only for unix sockets; others have 'from'");
  }
  for (const std::string_view name : kNetworkOptions) {
    if (where.is_unix() && options.has(name)) {
      throw lua::Error("'" + std::string(name) + "' is not for unix sockets");
    }
  }
}

bool is_multicast(const net::Address& address) noexcept {
  if (address.family() == AF_INET) {
    const auto* const ipv4 = reinterpret_cast<const sockaddr_in*>(address.data());
    return IN_MULTICAST(ntohl(ipv4->sin_addr.s_addr));
  }
  const auto* const ipv6 = reinterpret_cast<const sockaddr_in6*>(address.data());
  return address.family() == AF_INET6 && IN6_IS_ADDR_MULTICAST(&ipv6->sin6_addr);
}

net::Address read_group(const lua::Options& options, const std::string& text,
                        const net::Address& where) {
  const auto group = net::parse_address(text, wire::control::kDefaultPort);
  if (!group) options.fail("multicast_group", group.error().message);
  if (!is_multicast(*group)) options.fail("multicast_group", "not a multicast address");
  const bool fits = where.is_dual_stack() || where.family() == group->family();
  if (!fits) options.fail("multicast_group", "not of the address's family");
  return *group;
}

std::uint32_t check_uid(lua_State* L, const lua::Options& options) {
  constexpr double kLargest = std::numeric_limits<std::uint32_t>::max();
  const double number = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
  if (number < 0 || number > kLargest || std::trunc(number) != number) {
    options.fail("allow_uids", "a list of user ids expected");
  }
  return static_cast<std::uint32_t>(number);
}

std::vector<std::uint32_t> read_uids(lua_State* L, const lua::Options& options) {
  std::vector<std::uint32_t> uids;
  const int list = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, list) != 0; lua_pop(L, 1)) {
    uids.push_back(check_uid(L, options));
  }
  lua_pop(L, 1);
  if (uids.empty()) options.fail("allow_uids", "at least one user id expected");
  std::ranges::sort(uids);
  uids.erase(std::unique(uids.begin(), uids.end()), uids.end());
  return uids;
}

std::vector<net::Network> read_networks(const lua::Options& options,
                                        const std::vector<std::string>& texts) {
  std::vector<net::Network> networks;
  for (const std::string& text : texts) {
    const auto network = net::parse_network(text);
    if (!network) options.fail("from", network.error().message);
    networks.push_back(*network);
  }
  std::ranges::sort(networks);
  networks.erase(std::unique(networks.begin(), networks.end()), networks.end());
  return networks;
}

void read_options(lua_State* L, int index, session::ControlDeclaration& declaration) {
  if (lua_isnoneornil(L, index)) return;
  lua::check_table(L, index);
  const lua::Options options{L, index, "option", kOptions};
  check_options_fit(options, declaration.where);
  declaration.socket.interface = options.text("interface").value_or("");
  if (const auto group = options.text("multicast_group")) {
    declaration.socket.multicast_group = read_group(options, *group, declaration.where);
  }
  if (options.push_table("allow_uids")) declaration.allow_uids = read_uids(L, options);
  if (const auto from = options.texts("from")) declaration.from = read_networks(options, *from);
}

}  // namespace

int control_listen(lua_State* L) {
  check_is_loading(L, "control_listen");
  session::ControlDeclaration declaration;
  read_where(L, 1, declaration);
  read_options(L, 2, declaration);
  Host::of(L).add_control(std::move(declaration));
  return 0;
}

}  // namespace perilune::script
