#pragma once

#include <cstdint>
#include <string>

#include "lua/options.hh"
#include "net/listener.hh"

namespace perilune::script {

// 0666 or '0666': Lua 5.1 has no octal numbers, so the digits are meant as chmod means them. Throws
// lua::Error.
std::uint32_t parse_mode(const std::string& text);

// The options mode, user and group, which only fit a unix socket with a path.
net::FileRights read_file_rights(const lua::Options& options, const net::Address& where,
                                 mode_t usual);

}  // namespace perilune::script
