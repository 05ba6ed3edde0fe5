#pragma once

#include <cstdint>
#include <string_view>

namespace perilune::proto::mysql {

// Names of methods as they stand in handshakes.
inline constexpr std::string_view kNativePassword = "mysql_native_password";
inline constexpr std::string_view kCachingSha2Password = "caching_sha2_password";
inline constexpr std::string_view kSha256Password = "sha256_password";
inline constexpr std::string_view kClearPassword = "mysql_clear_password";
inline constexpr std::string_view kEd25519 = "client_ed25519";

inline constexpr std::uint8_t kUtf8mb4 = 45;  // utf8mb4_general_ci, which every server has

}  // namespace perilune::proto::mysql
