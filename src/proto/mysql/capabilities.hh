#pragma once

#include <cstdint>
#include <string_view>

#include "wire/mysql/protocol.hh"

namespace perilune::proto::mysql {

// What is announced to clients before any server is known: flags that MariaDB since 10.5 and MySQL
// since 5.7 all have.
inline constexpr std::uint64_t kAnnounced = [] {
  using namespace wire::mysql::capability;
  return kMysql | kFoundRows | kLongFlag | kConnectWithDb | kNoSchema | kOdbc | kLocalFiles |
         kIgnoreSpace | kProtocol41 | kInteractive | kIgnoreSigpipe | kTransactions | kReserved |
         kSecureConnection | kMultiStatements | kMultiResults | kPsMultiResults | kPluginAuth |
         kConnectAttributes | kPluginAuthLenencData | kCanHandleExpiredPasswords | kSessionTrack |
         kDeprecateEof;
}();

// Flags that are announced whatever the server has: our login needs them. Without the first,
// MariaDB's clients would look for capabilities that are not followed.
inline constexpr std::uint64_t kOwn = [] {
  using namespace wire::mysql::capability;
  return kMysql | kProtocol41 | kSecureConnection | kPluginAuth | kPluginAuthLenencData |
         kConnectWithDb;
}();

// Flags that change the form of packets: a server that lacks one which the client negotiated would
// talk past it.
inline constexpr std::uint64_t kFraming = [] {
  using namespace wire::mysql::capability;
  return kProtocol41 | kSecureConnection | kSessionTrack | kDeprecateEof;
}();

// Flags that are each side's own business during its login.
inline constexpr std::uint64_t kPerSide = [] {
  using namespace wire::mysql::capability;
  return kConnectWithDb | kPluginAuth | kPluginAuthLenencData | kSsl;
}();

// The name of the first framing flag that is set.
constexpr std::string_view framing_flag_name(std::uint64_t flags) noexcept {
  using namespace wire::mysql::capability;
  if ((flags & kDeprecateEof) != 0) return "DEPRECATE_EOF";
  if ((flags & kSessionTrack) != 0) return "SESSION_TRACK";
  if ((flags & kSecureConnection) != 0) return "SECURE_CONNECTION";
  return "PROTOCOL_41";
}

}  // namespace perilune::proto::mysql
