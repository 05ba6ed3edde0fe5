#include "proto/mysql/pass_through.hh"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "auth/mysql_caching_sha2.hh"
#include "auth/mysql_clear.hh"
#include "auth/mysql_rsa.hh"
#include "proto/mysql/errors.hh"
#include "proto/mysql/methods.hh"
#include "session/rsa_key_source.hh"
#include "wire/mysql/handshake.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;

namespace {

// Their clients never send the password itself, whatever the server asks for.
constexpr std::array<std::string_view, 4> kProofs{kNativePassword, "client_ed25519", "parsec",
                                                  "auth_gssapi_client"};

// RSA-1024; servers take no shorter keys.
constexpr std::size_t kShortestCiphertext = 128;

LoginFailure cannot_pass(const std::string& reason) {
  return {handshake_err("This login cannot be passed through the proxy: " + reason), reason};
}

bool is_encryptable(std::string_view plugin) noexcept {
  return plugin == kCachingSha2Password || plugin == kSha256Password;
}

// How a client asks for the server's public key.
std::byte key_request_of(std::string_view plugin) noexcept {
  return plugin == kSha256Password ? std::byte{0x01} : auth::kRequestPublicKey;
}

// The body of the server's AuthMoreData; its error otherwise.
Bytes more_data(Bytes payload) {
  if (wire::is_err(payload)) {
    if (auto err = wire::decode_err(payload)) {
      throw LoginFailure(*err, err->message, &stats::Cells::logins_denied);
    }
  }
  if (payload.empty() || payload.front() != std::byte{wire::kAuthMoreDataHeader}) {
    throw cannot_pass("the server sent no key to encrypt the password with");
  }
  return payload.subspan(1);
}

auth::Secret without_nul(Bytes clear) {
  if (clear.back() == std::byte{}) clear = clear.first(clear.size() - 1);
  return auth::Secret{clear};
}

}  // namespace

PassThrough::Next PassThrough::inspect(Bytes payload) {
  if (payload.empty()) throw cannot_pass("the server sent an empty packet");
  switch (std::to_integer<std::uint8_t>(payload.front())) {
    case wire::kOkHeader:
      return inspect_ok();
    case wire::kErrHeader:
      return Next::Refused;
    case wire::kEofHeader:
      return inspect_switch(payload);
    default:
      return inspect_more(payload);
  }
}

// Without a challenge to the client the server has asked the kernel who is at the other end of its
// socket (auth_socket, unix_socket): that is the proxy, not the client.
PassThrough::Next PassThrough::inspect_ok() const {
  if (plugin_.empty() && server_.transport() == auth::Transport::Unix) {
    throw cannot_pass(
        "the server let the proxy's own user in and asked the client nothing; "
        "such an account needs credentials given by the script");
  }
  return Next::Over;
}

PassThrough::Next PassThrough::inspect_switch(Bytes payload) {
  auto request = wire::decode_auth_switch_request(payload);
  if (!request) throw cannot_pass(request.error().what);
  if (request->is_old()) throw cannot_pass("the server asks for mysql_old_password");
  require_safe(request->auth_plugin);
  plugin_ = std::move(request->auth_plugin);
  challenge_ = std::move(request->auth_data);
  wants_password_ = plugin_ == kSha256Password;
  key_requested_ = false;
  return Next::ClientAnswers;
}

PassThrough::Next PassThrough::inspect_more(Bytes payload) {
  if (plugin_.empty()) throw cannot_pass("the server asks before it has named a method");
  if (plugin_ != kCachingSha2Password || payload.size() != 2) return Next::ClientAnswers;
  if (payload[1] == auth::kFastAuthSuccess) return Next::ServerGoesOn;
  wants_password_ = payload[1] == auth::kPerformFullAuthentication;
  return Next::ClientAnswers;
}

// The method is refused before the client is asked by it: its password must not even come here.
void PassThrough::require_safe(std::string_view plugin) const {
  if (plugin.empty()) throw cannot_pass("the server names no method");
  if (is_encryptable(plugin)) return;
  if (std::find(kProofs.begin(), kProofs.end(), plugin) != kProofs.end()) return;
  const char* unsafe = nullptr;
  if (server_.transport() == auth::Transport::Plain) unsafe = "to the server";
  const bool allowed = session_.options().allow_cleartext;
  if (client_.transport() == auth::Transport::Plain && !allowed) unsafe = "from the client";
  if (unsafe == nullptr) return;
  throw cannot_pass(
      fmt::format("the method \"{}\" may send the password in clear, "
                  "which needs TLS or a unix socket {}",
                  plugin, unsafe));
}

// Servers deem unix sockets safe in caching_sha2_password, but only TLS in sha256_password.
bool PassThrough::needs_encryption() const noexcept {
  if (server_.transport() == auth::Transport::Tls) return false;
  return plugin_ == kSha256Password || server_.transport() == auth::Transport::Plain;
}

// A client that has the server's key already sends a ciphertext unasked; it cannot be told from a
// password with certainty, so what may be one is taken for one. One byte is a request for the key,
// or says that there is no password.
bool PassThrough::is_clear_password(Bytes answer) const noexcept {
  if (!wants_password_ || key_requested_ || answer.size() <= 1) return false;
  return answer.back() == std::byte{} || answer.size() < kShortestCiphertext;
}

event::Task<> PassThrough::answer() {
  Buffer received = co_await client_.receive_answer();
  const auth::Secret answer{std::move(received)};
  const bool wants_key =
      wants_password_ && answer.size() == 1 && answer.bytes().front() == key_request_of(plugin_);
  if (wants_key && !needs_encryption()) {
    co_await send_decrypted();
    co_return;
  }
  if (is_clear_password(answer.bytes()) && needs_encryption()) {
    auth::Secret password = without_nul(answer.bytes());
    co_await send_encrypted(std::move(password));
    co_return;
  }
  key_requested_ = key_requested_ || wants_key;
  server_.send(answer.bytes());
}

// The client's connection is plain, the server's is not: the client encrypts with our key, and the
// server, which gives none over a safe transport, gets the password itself.
event::Task<> PassThrough::send_decrypted() {
  const auto scramble = auth::read_mysql_challenge(challenge_);
  if (!scramble) throw cannot_pass(scramble.error().message);
  const auto key =
      co_await session::RsaKeySource::key(session_.listener().rsa_key, session_.loop());
  client_.send_more(as_bytes(key->public_pem()), false);
  Buffer cipher = co_await client_.receive_answer();
  auto password = auth::decrypt_password(cipher, *scramble, *key);
  // What cannot be read is wrong, and the server says so like to everybody.
  if (!password) password.emplace(Bytes(auth::make_mysql_scramble()));
  Buffer clear = auth::clear_answer(*password);
  server_.send(clear);
  auth::wipe(clear);
}

event::Task<> PassThrough::send_encrypted(auth::Secret password) {
  const auto scramble = auth::read_mysql_challenge(challenge_);
  if (!scramble) throw cannot_pass(scramble.error().message);
  const std::byte request = key_request_of(plugin_);
  server_.send({&request, 1});
  const Buffer payload = co_await server_.receive();
  const auto encrypted = auth::encrypt_password(password, *scramble, as_text(more_data(payload)));
  if (!encrypted) throw cannot_pass(encrypted.error().message);
  server_.send(*encrypted);
}

}  // namespace perilune::proto::mysql
