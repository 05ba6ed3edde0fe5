#include "wire/postgres/authentication.hh"

#include <utility>

#include "wire/builder.hh"
#include "wire/cursor.hh"
#include "wire/postgres/framing.hh"

namespace perilune::wire::postgres {

namespace {

constexpr std::uint32_t kNoData = 0xFFFFFFFF;

}  // namespace

Result<Authentication> decode_authentication(Bytes body) noexcept {
  Cursor in{body};
  Authentication message;
  message.request = static_cast<AuthRequest>(in.be32());
  message.data = in.rest();
  const bool salted = message.request == AuthRequest::Md5Password;
  in.require(!salted || message.data.size() == 4, "salt of AuthenticationMD5Password");
  return in.finish(message);
}

void append_authentication(Buffer& out, AuthRequest request, Bytes data) {
  MessageWriter message{out, BackendTag::Authentication};
  Builder{out}.be32(static_cast<std::uint32_t>(request)).bytes(data);
  message.end();
}

Result<std::vector<std::string_view>> decode_mechanisms(Bytes data) {
  Cursor in{data};
  std::vector<std::string_view> mechanisms;
  std::string_view name = in.text_until_nul();
  while (!name.empty()) {
    mechanisms.push_back(name);
    name = in.text_until_nul();
  }
  return in.finish(std::move(mechanisms));
}

void append_authentication_sasl(Buffer& out, const std::vector<std::string_view>& mechanisms) {
  Buffer data;
  Builder to{data};
  for (const std::string_view mechanism : mechanisms) to.text_with_nul(mechanism);
  to.u8(0);
  append_authentication(out, AuthRequest::Sasl, data);
}

Result<SaslInitialResponse> decode_sasl_initial_response(Bytes body) noexcept {
  Cursor in{body};
  SaslInitialResponse response;
  response.mechanism = in.text_until_nul();
  const std::uint32_t size = in.be32();
  response.has_data = size != kNoData;
  if (response.has_data) response.data = in.take(size);
  return in.finish(response);
}

void append_sasl_initial_response(Buffer& out, const SaslInitialResponse& response) {
  MessageWriter message{out, FrontendTag::Password};
  Builder to{out};
  to.text_with_nul(response.mechanism);
  to.be32(response.has_data ? static_cast<std::uint32_t>(response.data.size()) : kNoData);
  if (response.has_data) to.bytes(response.data);
  message.end();
}

Result<std::string_view> decode_password(Bytes body) noexcept {
  Cursor in{body};
  const std::string_view password = in.text_until_nul();
  return in.finish(password);
}

void append_password(Buffer& out, Bytes password) {
  MessageWriter message{out, FrontendTag::Password};
  Builder{out}.text_with_nul(as_text(password));
  message.end();
}

Result<BackendKeyData> decode_backend_key_data(Bytes body) noexcept {
  Cursor in{body};
  BackendKeyData data;
  data.process_id = in.be32();
  data.key = in.rest();
  in.require(!data.key.empty() && data.key.size() <= kMaxCancelKeySize, "length of a cancel key");
  return in.finish(data);
}

void append_backend_key_data(Buffer& out, const BackendKeyData& data) {
  MessageWriter message{out, BackendTag::BackendKeyData};
  Builder{out}.be32(data.process_id).bytes(data.key);
  message.end();
}

Result<ParameterStatus> decode_parameter_status(Bytes body) noexcept {
  Cursor in{body};
  ParameterStatus status;
  status.name = in.text_until_nul();
  status.value = in.text_until_nul();
  return in.finish(status);
}

void append_parameter_status(Buffer& out, const ParameterStatus& status) {
  MessageWriter message{out, BackendTag::ParameterStatus};
  Builder{out}.text_with_nul(status.name).text_with_nul(status.value);
  message.end();
}

bool is_transaction_status(std::uint8_t value) noexcept {
  return value == 'I' || value == 'T' || value == 'E';
}

Result<TransactionStatus> decode_ready_for_query(Bytes body) noexcept {
  Cursor in{body};
  const std::uint8_t status = in.u8();
  in.require(is_transaction_status(status), "transaction status");
  return in.finish(static_cast<TransactionStatus>(status));
}

void append_ready_for_query(Buffer& out, TransactionStatus status) {
  MessageWriter message{out, BackendTag::ReadyForQuery};
  Builder{out}.u8(static_cast<std::uint8_t>(status));
  message.end();
}

}  // namespace perilune::wire::postgres
