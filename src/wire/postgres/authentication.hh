#pragma once

// "Start-up": the messages from StartupMessage to the first ReadyForQuery. Decoders are given a
// message's body; views point into it.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "util/bytes.hh"
#include "util/result.hh"
#include "wire/postgres/protocol.hh"

namespace perilune::wire::postgres {

// What an Authentication message asks for.
enum class AuthRequest : std::uint32_t {
  Ok = 0,
  KerberosV5 = 2,  // not since PostgreSQL 9.3
  CleartextPassword = 3,
  Md5Password = 5,
  Gss = 7,
  GssContinue = 8,
  Sspi = 9,
  Sasl = 10,
  SaslContinue = 11,
  SaslFinal = 12,
};

// "Authentication…". `data` is what follows the number: md5's salt, SASL's mechanisms or data.
struct Authentication {
  AuthRequest request = AuthRequest::Ok;
  Bytes data;
};

Result<Authentication> decode_authentication(Bytes body) noexcept;
void append_authentication(Buffer& out, AuthRequest request, Bytes data = {});

inline constexpr std::string_view kScramSha256 = "SCRAM-SHA-256";
inline constexpr std::string_view kScramSha256Plus = "SCRAM-SHA-256-PLUS";

// The data of AuthenticationSASL: the mechanisms, the server's favourite first.
Result<std::vector<std::string_view>> decode_mechanisms(Bytes data);
void append_authentication_sasl(Buffer& out, const std::vector<std::string_view>& mechanisms);

// "SASLInitialResponse". Without data the length on the wire is -1: the client waits for the
// server's first word.
struct SaslInitialResponse {
  std::string_view mechanism;
  bool has_data = false;
  Bytes data;
};

Result<SaslInitialResponse> decode_sasl_initial_response(Bytes body) noexcept;
void append_sasl_initial_response(Buffer& out, const SaslInitialResponse& response);

// "PasswordMessage": the password or md5's answer, without the NUL behind it. Empty ones are
// returned as such; it is the caller who refuses them. SASLResponse has no form but its bytes.
Result<std::string_view> decode_password(Bytes body) noexcept;
void append_password(Buffer& out, Bytes password);

// "BackendKeyData": what a CancelRequest must name. `key` has 1 to kMaxCancelKeySize bytes, and
// kOldCancelKeySize unless the connection speaks kProtocol32.
struct BackendKeyData {
  std::uint32_t process_id = 0;
  Bytes key;
};

Result<BackendKeyData> decode_backend_key_data(Bytes body) noexcept;
void append_backend_key_data(Buffer& out, const BackendKeyData& data);

// "ParameterStatus".
struct ParameterStatus {
  std::string_view name;
  std::string_view value;
};

Result<ParameterStatus> decode_parameter_status(Bytes body) noexcept;
void append_parameter_status(Buffer& out, const ParameterStatus& status);

// "ReadyForQuery".
Result<TransactionStatus> decode_ready_for_query(Bytes body) noexcept;
void append_ready_for_query(Buffer& out, TransactionStatus status);

bool is_transaction_status(std::uint8_t value) noexcept;

}  // namespace perilune::wire::postgres
