#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lua/api.hh"
#include "net/address.hh"
#include "session/declaration.hh"

namespace perilune::script {

// What an address without a port means; none: that is an error.
constexpr std::optional<std::uint16_t> default_port(session::Protocol protocol) noexcept {
  constexpr std::uint16_t kMysqlPort = 3306;
  constexpr std::uint16_t kPostgresPort = 5432;
  switch (protocol) {
    case session::Protocol::Mysql:
      return kMysqlPort;
    case session::Protocol::Pgsql:
      return kPostgresPort;
    case session::Protocol::Tcp:
      break;
  }
  return std::nullopt;
}

// SocketAddress: opaque, only tostring().
struct AddressObject {
  static constexpr const char* kClassName = "SocketAddress";
  net::Address address;
};

// `systemd` and systemd.NAME.
struct SystemdObject {
  static constexpr const char* kClassName = "systemd";
  std::string name;  // empty: all sockets
};

void push_address(lua_State* L, const net::Address& address);

// Once a state: defines the classes, and sets `systemd` in the table on top of the stack.
void define_addresses(lua_State* L);

// mysql_resolve(text) (waits) → address; what fails raises in the main chunk and gives nil, message
// in callbacks.
int mysql_resolve(lua_State* L);
int pgsql_resolve(lua_State* L);
// The same; the port must be there.
int tcp_resolve(lua_State* L);
// The same for where control datagrams go; what fails always raises.
int control_resolve(lua_State* L);

}  // namespace perilune::script
