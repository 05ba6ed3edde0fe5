#include "auth/mysql_parsec.hh"

#include <openssl/evp.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "auth/ed25519.hh"

namespace perilune::auth {

namespace {

constexpr std::byte kPbkdf2{'P'};
constexpr std::size_t kSecretSize = 32;

class ParsecLogin final : public MysqlLogin {
 public:
  explicit ParsecLogin(const Credentials& credentials)
      : password_(clone(credentials.password)),
        missing_(missing_clear_password("parsec", credentials)) {}

  Result<Buffer, AuthError> begin(Bytes challenge) override {
    const auto scramble = read_mariadb_challenge(challenge);
    if (!scramble) return scramble.error();
    if (!password_) return missing_;
    scramble_ = *scramble;
    awaits_salt_ = true;
    return Buffer();
  }

  Result<std::optional<Buffer>, AuthError> next(Bytes more_data) override {
    if (!std::exchange(awaits_salt_, false)) {
      return AuthError{"the server sent what parsec does not have at this point"};
    }
    const auto salt = decode_parsec_salt(more_data);
    if (!salt) return salt.error();
    return std::optional<Buffer>(sign(derive_parsec_secret(*password_, *salt)));
  }

 private:
  Buffer sign(const Secret& secret) const {
    MariadbScramble own;
    fill_random(own);
    Buffer both(scramble_.begin(), scramble_.end());
    append(both, own);
    Buffer answer(own.begin(), own.end());
    append(answer, ed25519_sign(secret.bytes(), both));
    return answer;
  }

  std::optional<Secret> password_;
  AuthError missing_;
  MariadbScramble scramble_{};
  bool awaits_salt_ = false;
};

}  // namespace

Buffer encode_parsec_salt(const ParsecSalt& salt) {
  Buffer body{kPbkdf2, std::byte{salt.factor}};
  append(body, salt.bytes);
  return body;
}

Result<ParsecSalt, AuthError> decode_parsec_salt(Bytes body) {
  ParsecSalt salt;
  if (body.size() != 2 + salt.bytes.size() || body[0] != kPbkdf2) {
    return AuthError{"the server sent a salt that parsec does not have"};
  }
  salt.factor = std::to_integer<std::uint8_t>(body[1]);
  if (salt.factor > kMaxParsecFactor) {
    return AuthError{"the server's parsec salt asks for too many iterations"};
  }
  std::ranges::copy(body.subspan(2), salt.bytes.begin());
  return salt;
}

Secret derive_parsec_secret(const Secret& password, const ParsecSalt& salt) {
  Buffer secret(kSecretSize);
  const auto* const text = reinterpret_cast<const char*>(password.bytes().data());
  // A null pointer would mean to OpenSSL that the password is missing.
  const int done = PKCS5_PBKDF2_HMAC(
      password.empty() ? "" : text, static_cast<int>(password.size()), as_uchars(salt.bytes),
      static_cast<int>(salt.bytes.size()), 1024 << salt.factor, EVP_sha512(),
      static_cast<int>(secret.size()), reinterpret_cast<unsigned char*>(secret.data()));
  if (done != 1) throw std::runtime_error("OpenSSL cannot derive a key");
  return Secret(std::move(secret));
}

std::unique_ptr<MysqlLogin> make_parsec_login(const Credentials& credentials, Transport) {
  return std::make_unique<ParsecLogin>(credentials);
}

}  // namespace perilune::auth
