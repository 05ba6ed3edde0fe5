#pragma once

#include <string>

#include "lua/api.hh"
#include "net/address.hh"

namespace perilune::script {

inline constexpr std::uint16_t kMysqlPort = 3306;

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

}  // namespace perilune::script
