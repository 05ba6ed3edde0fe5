#include "script/file_rights.hh"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "lua/error.hh"

namespace perilune::script {

namespace {

constexpr std::uint64_t kMaxMode = 07777;

}  // namespace

std::uint32_t parse_mode(const std::string& text) {
  std::uint64_t mode = 0;
  const bool octal = !text.empty() && std::ranges::all_of(text, [&mode](char c) {
    mode = std::min<std::uint64_t>(mode * 8 + static_cast<std::uint64_t>(c - '0'), kMaxMode + 1);
    return c >= '0' && c <= '7';
  });
  if (!octal || mode > kMaxMode) throw lua::Error("bad 'mode' value (0666, for example)");
  return static_cast<std::uint32_t>(mode);
}

net::FileRights read_file_rights(const lua::Options& options, const net::Address& where,
                                 mode_t usual) {
  for (const std::string_view name : {"mode", "user", "group"}) {
    if (options.has(name) && where.path().empty()) {
      throw lua::Error(fmt::format("'{}' is only for unix sockets with a path", name));
    }
  }
  net::FileRights rights;
  rights.mode = usual;
  if (const auto mode = options.text("mode")) rights.mode = static_cast<mode_t>(parse_mode(*mode));
  rights.user = options.text("user").value_or("");
  rights.group = options.text("group").value_or("");
  return rights;
}

}  // namespace perilune::script
