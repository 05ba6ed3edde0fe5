#pragma once

// wire/postgres: PostgreSQL's frontend/backend protocol, versions 3.0 and 3.2. Names as in the
// PostgreSQL manual, chapter "Frontend/Backend Protocol"; behaviour that it leaves open is that of
// src/backend/tcop/postgres.c.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace perilune::wire::postgres {

// The first byte of a client's message, "(F)" in "Message Formats".
enum class FrontendTag : std::uint8_t {
  Bind = 'B',
  Close = 'C',
  CopyData = 'd',
  CopyDone = 'c',
  CopyFail = 'f',
  Describe = 'D',
  Execute = 'E',
  Flush = 'H',
  FunctionCall = 'F',
  Parse = 'P',
  Password = 'p',  // PasswordMessage, SASLInitialResponse, SASLResponse, GSSResponse
  Query = 'Q',
  Sync = 'S',
  Terminate = 'X',
};

// The first byte of a server's message, "(B)".
enum class BackendTag : std::uint8_t {
  Authentication = 'R',
  BackendKeyData = 'K',
  BindComplete = '2',
  CloseComplete = '3',
  CommandComplete = 'C',
  CopyBothResponse = 'W',
  CopyData = 'd',
  CopyDone = 'c',
  CopyInResponse = 'G',
  CopyOutResponse = 'H',
  DataRow = 'D',
  EmptyQueryResponse = 'I',
  ErrorResponse = 'E',
  FunctionCallResponse = 'V',
  NegotiateProtocolVersion = 'v',
  NoData = 'n',
  NoticeResponse = 'N',
  NotificationResponse = 'A',
  ParameterDescription = 't',
  ParameterStatus = 'S',
  ParseComplete = '1',
  PortalSuspended = 's',
  ReadyForQuery = 'Z',
  RowDescription = 'T',
};

// The byte of ReadyForQuery.
enum class TransactionStatus : std::uint8_t {
  Idle = 'I',
  InTransaction = 'T',
  Failed = 'E',  // statements are refused until the transaction's end
};

// Tag and length; the length counts itself and the body.
inline constexpr std::size_t kHeaderSize = 5;
inline constexpr std::uint32_t kMinLength = 4;
// The servers' own bound is MaxAllocSize, one byte less than 1 GiB, for the body.
inline constexpr std::uint32_t kMaxLength = (1U << 30) + kMinLength;

// The first packet of a connection has no tag: a length and one of these numbers, or a version.
inline constexpr std::uint32_t kCancelRequestCode = 1234U << 16 | 5678;
inline constexpr std::uint32_t kSslRequestCode = 1234U << 16 | 5679;
inline constexpr std::uint32_t kGssEncRequestCode = 1234U << 16 | 5680;

constexpr std::uint32_t protocol_version(std::uint32_t major, std::uint32_t minor) noexcept {
  return major << 16 | minor;
}
constexpr std::uint32_t major_of(std::uint32_t version) noexcept { return version >> 16; }
constexpr std::uint32_t minor_of(std::uint32_t version) noexcept { return version & 0xFFFF; }

inline constexpr std::uint32_t kProtocol30 = protocol_version(3, 0);
// 3.1 was never used: some pooler took the number first.
inline constexpr std::uint32_t kProtocol32 = protocol_version(3, 2);

// MAX_STARTUP_PACKET_LENGTH, without the length's own bytes.
inline constexpr std::size_t kMaxStartupPacket = 10000;
// "BackendKeyData": 4 bytes before version 3.2.
inline constexpr std::size_t kOldCancelKeySize = 4;
inline constexpr std::size_t kMaxCancelKeySize = 256;
// libpq's PG_MAX_AUTH_TOKEN_LENGTH: no message of a login is longer.
inline constexpr std::size_t kMaxAuthMessage = 65535;

// The answers to SSLRequest and GSSENCRequest, one byte each.
inline constexpr std::byte kAcceptEncryption{'S'};
inline constexpr std::byte kRefuseEncryption{'N'};
// What a TLS client names that starts without SSLRequest.
inline constexpr std::string_view kAlpn = "postgresql";

// "PostgreSQL Error Codes": those that a proxy says or looks at.
namespace sqlstate {

inline constexpr std::string_view kSuccessfulCompletion = "00000";
inline constexpr std::string_view kConnectionFailure = "08006";
inline constexpr std::string_view kUnableToConnect = "08001";
inline constexpr std::string_view kRejectedConnection = "08004";
inline constexpr std::string_view kProtocolViolation = "08P01";
inline constexpr std::string_view kFeatureNotSupported = "0A000";
inline constexpr std::string_view kInvalidAuthorization = "28000";
inline constexpr std::string_view kInvalidPassword = "28P01";
inline constexpr std::string_view kUndefinedPreparedStatement = "26000";
inline constexpr std::string_view kInvalidCursorName = "34000";
inline constexpr std::string_view kInvalidCatalogName = "3D000";
inline constexpr std::string_view kInsufficientPrivilege = "42501";
inline constexpr std::string_view kSyntaxError = "42601";
inline constexpr std::string_view kOutOfMemory = "53200";
inline constexpr std::string_view kTooManyConnections = "53300";
inline constexpr std::string_view kProgramLimitExceeded = "54000";
inline constexpr std::string_view kQueryCanceled = "57014";
inline constexpr std::string_view kIdleSessionTimeout = "57P05";
inline constexpr std::string_view kAdminShutdown = "57P01";
inline constexpr std::string_view kCannotConnectNow = "57P03";
inline constexpr std::string_view kInternalError = "XX000";

}  // namespace sqlstate

}  // namespace perilune::wire::postgres
