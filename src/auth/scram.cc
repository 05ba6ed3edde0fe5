#include "auth/scram.hh"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "auth/base64.hh"
#include "auth/digests.hh"
#include "auth/random.hh"
#include "util/scope_exit.hh"

namespace perilune::auth {

namespace {

constexpr std::string_view kEndPointHeader = "p=tls-server-end-point,,";
constexpr std::size_t kNonceSize = 18;
constexpr std::size_t kMaxNonce = 1024;

std::string_view header_of(ScramBinding binding) noexcept {
  switch (binding) {
    case ScramBinding::None:
      return "n,,";
    case ScramBinding::Unoffered:
      return "y,,";
    case ScramBinding::EndPoint:
      break;
  }
  return kEndPointHeader;
}

// The value of attribute `name`, which `message` must begin with; taken off with the comma behind.
std::optional<std::string_view> take(std::string_view& message, char name) noexcept {
  if (message.size() < 2 || message[0] != name || message[1] != '=') return std::nullopt;
  const std::size_t end = std::min(message.find(','), message.size());
  const std::string_view value = message.substr(2, end - 2);
  message.remove_prefix(std::min(end + 1, message.size()));
  return value;
}

bool is_nonce(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kMaxNonce &&
         std::ranges::all_of(text, [](char c) { return c >= '!' && c <= '~' && c != ','; });
}

// "c=": the header, and what it binds to.
std::string encode_binding(std::string_view header, Bytes end_point) {
  Buffer bytes(as_bytes(header).begin(), as_bytes(header).end());
  if (header == kEndPointHeader) append(bytes, end_point);
  return encode_base64(bytes);
}

// "AuthMessage"
std::string auth_message(std::string_view first_bare, std::string_view server_first,
                         std::string_view without_proof) {
  std::string message(first_bare);
  message.append(",").append(server_first).append(",").append(without_proof);
  return message;
}

// "n" and "p" with what they say up to the second comma.
std::string_view header_in(std::string_view client_first) noexcept {
  const std::size_t one = client_first.find(',');
  if (one == client_first.npos) return {};
  const std::size_t two = client_first.find(',', one + 1);
  return two == client_first.npos ? std::string_view() : client_first.substr(0, two + 1);
}

AuthError malformed(const char* what) { return {std::string("malformed SCRAM message: ") + what}; }

}  // namespace

std::string make_scram_nonce() {
  std::array<std::byte, kNonceSize> bytes;
  fill_random(bytes);
  return encode_base64(bytes);
}

ScramClient::ScramClient(const Setup& setup)
    : header_(header_of(setup.binding)),
      end_point_(setup.end_point.begin(), setup.end_point.end()),
      nonce_(setup.nonce) {
  first_ = header_ + "n=" + std::string(setup.user) + ",r=" + nonce_;
}

Result<ScramClient::Question, AuthError> ScramClient::read(std::string_view server_first) {
  std::string_view left = server_first;
  const auto nonce = take(left, 'r');
  const auto salt = take(left, 's');
  const auto iterations = take(left, 'i');
  if (!nonce || !salt || !iterations || !left.empty()) return malformed("the server's first");
  if (!is_nonce(*nonce) || !nonce->starts_with(nonce_) || nonce->size() == nonce_.size()) {
    return AuthError{"the server's SCRAM nonce does not continue ours"};
  }
  auto bytes = decode_base64(*salt, kMaxScramSalt);
  const auto count = parse_scram_iterations(*iterations);
  if (!bytes || bytes->empty() || !count) return malformed("salt or iterations");
  server_first_ = server_first;
  full_nonce_ = *nonce;
  return Question{*std::move(bytes), *count};
}

std::string ScramClient::prove(const ScramKeys& keys) {
  assert(keys.client_key.size() == Sha256().size());
  std::string answer = "c=" + encode_binding(header_, end_point_) + ",r=" + full_nonce_;
  const std::string message =
      auth_message(std::string_view(first_).substr(header_.size()), server_first_, answer);
  const Sha256 stored_key = sha256(keys.client_key.bytes());
  Sha256 proof = hmac_sha256(stored_key, as_bytes(message));
  for (std::size_t i = 0; i < proof.size(); ++i) proof[i] ^= keys.client_key.bytes()[i];
  signature_ = hmac_sha256(keys.server_key.bytes(), as_bytes(message));
  return answer.append(",p=").append(encode_base64(proof));
}

bool ScramClient::verify(std::string_view server_final) const {
  const auto value = take(server_final, 'v');
  const auto shown = value && server_final.empty() ? decode_scram_key(*value) : std::nullopt;
  return signature_ && shown && equal_in_constant_time(*shown, *signature_);
}

ScramServer::ScramServer(const Setup& setup)
    : verifier_(setup.verifier),
      end_point_(setup.end_point.begin(), setup.end_point.end()),
      is_plus_(setup.is_plus),
      nonce_(setup.nonce) {}

Result<std::string, AuthError> ScramServer::begin(std::string_view client_first) {
  if (!server_first_.empty()) return malformed("a second beginning");
  header_ = header_in(client_first);
  if (auto error = check_header(header_)) return *std::move(error);
  first_bare_ = client_first.substr(header_.size());
  std::string_view left = first_bare_;
  if (left.starts_with("m=")) return AuthError{"the client requires an unknown SCRAM extension"};
  const auto user = take(left, 'n');
  const auto nonce = take(left, 'r');
  if (!user || !nonce || !is_nonce(*nonce)) return malformed("the client's first");
  nonce_ = std::string(*nonce) + nonce_;
  server_first_ = "r=" + nonce_ + ",s=" + encode_base64(verifier_.salt) +
                  ",i=" + std::to_string(verifier_.iterations);
  return server_first_;
}

std::optional<AuthError> ScramServer::check_header(std::string_view header) const {
  if (header.empty()) return malformed("its header");
  if (header.starts_with("p=")) {
    if (!is_plus_) return AuthError{"the client binds the channel, but did not choose to"};
    if (header == kEndPointHeader) return std::nullopt;
    return AuthError{"the client binds the channel by another method than tls-server-end-point"};
  }
  if (header != "n,," && header != "y,,") {
    return AuthError{"the client names another identity by SCRAM, or its header is malformed"};
  }
  if (is_plus_) return AuthError{"the client chose to bind the channel, but does not"};
  if (header == "y,," && !end_point_.empty()) {
    return AuthError{"the client could bind the channel, but was not told that we can, too"};
  }
  return std::nullopt;
}

Result<ScramServer::Outcome, AuthError> ScramServer::judge(std::string_view client_final) {
  const std::size_t at = client_final.rfind(",p=");
  const bool due = !server_first_.empty() && !std::exchange(judged_, true);
  if (!due || at == client_final.npos) return malformed("the client's final");
  const std::string_view without_proof = client_final.substr(0, at);
  const auto proof = decode_scram_key(client_final.substr(at + 3));
  std::string_view left = without_proof;
  const auto binding = take(left, 'c');
  const auto nonce = take(left, 'r');
  if (!binding || !nonce || !proof) return malformed("the client's final");
  if (*nonce != nonce_) return AuthError{"the client's SCRAM nonce is not the one agreed on"};
  if (*binding != encode_binding(header_, end_point_)) {
    return AuthError{"the client is bound to another TLS channel"};
  }
  return compare(without_proof, *proof);
}

ScramServer::Outcome ScramServer::compare(std::string_view without_proof,
                                          const Sha256& proof) const {
  const std::string message = auth_message(first_bare_, server_first_, without_proof);
  Sha256 client_key = hmac_sha256(verifier_.stored_key, as_bytes(message));
  const ScopeExit wiped([&client_key] { wipe(client_key); });
  xor_into(client_key, proof);
  const Sha256 signature = hmac_sha256(verifier_.server_key, as_bytes(message));
  Outcome outcome;
  outcome.is_right = equal_in_constant_time(sha256(client_key), verifier_.stored_key);
  if (!outcome.is_right) return outcome;
  outcome.server_final = "v=" + encode_base64(signature);
  outcome.client_key = Secret(Bytes(client_key));
  return outcome;
}

}  // namespace perilune::auth
