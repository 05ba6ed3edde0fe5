#include <algorithm>
#include <utility>

#include "auth/digests.hh"
#include "auth/ed25519.hh"
#include "auth/mysql_challenge_methods.hh"

namespace perilune::auth {

namespace {

constexpr std::string_view kPlugin = "parsec";
constexpr std::size_t kAnswerSize = kMariadbScrambleSize + Ed25519Signature().size();

// Looks stored: who asks twice for a user gets the same salt, from this process.
ParsecSalt made_up_salt(std::string_view user) {
  static const MariadbScramble secret = [] {
    MariadbScramble bytes;
    fill_random(bytes);
    return bytes;
  }();
  ParsecSalt salt;
  const Sha256 digest = sha256(secret, as_bytes(user));
  std::copy_n(digest.begin(), salt.bytes.size(), salt.bytes.begin());
  return salt;
}

class ParsecChallenge final : public MysqlChallenge {
 public:
  explicit ParsecChallenge(const ParsecHash& hash) : salt_(hash.salt), key_(hash.key) {
    fill_scramble(scramble_);
  }
  ParsecChallenge(Secret password, std::string_view user)
      : salt_(made_up_salt(user)), password_(std::move(password)) {
    fill_scramble(scramble_);
  }

  std::string_view plugin() const noexcept override { return kPlugin; }
  Buffer challenge() const override { return Buffer(scramble_.begin(), scramble_.end()); }

  Result<Step, AuthError> judge(Bytes answer) override {
    const State state = std::exchange(state_, State::Done);
    if (state == State::AwaitRequest && answer.empty()) return send_salt();
    if (state == State::Done || answer.size() != kAnswerSize) return unexpected_answer(kPlugin);
    if (is_right(answer)) {
      accepted_ = true;
      return accepted();
    }
    return state == State::AwaitRequest ? send_salt() : refused();
  }

  Credentials take_learnt() override {
    Credentials learnt;
    learnt.password = std::move(password_);
    return learnt;
  }

  // As the server keeps it in memory: the salt as it travels, and the key.
  std::optional<Secret> mariadb_password_hash() const override {
    if (!accepted_ || (password_ && password_->empty())) return std::nullopt;
    Buffer hash = encode_parsec_salt(salt_);
    append(hash, *key_);
    return Secret(std::move(hash));
  }

 private:
  enum class State { AwaitRequest, AwaitSignature, Done };

  Step send_salt() {
    state_ = State::AwaitSignature;
    Step step = asks_more(encode_parsec_salt(salt_));
    step.bare = true;
    return step;
  }

  bool is_right(Bytes answer) {
    if (!key_) key_ = ed25519_public_key(derive_parsec_secret(*password_, salt_).bytes());
    Buffer both(scramble_.begin(), scramble_.end());
    append(both, answer.first(kMariadbScrambleSize));
    if (ed25519_verify(*key_, both, answer.subspan(kMariadbScrambleSize))) return true;
    // As slow as where the key is derived from the password.
    if (!password_) (void)derive_parsec_secret(Secret(), salt_);
    return false;
  }

  ParsecSalt salt_;
  std::optional<Ed25519Key> key_;
  std::optional<Secret> password_;
  MariadbScramble scramble_;
  State state_ = State::AwaitRequest;
  bool accepted_ = false;
};

}  // namespace

std::unique_ptr<MysqlChallenge> make_parsec_challenge(const MysqlChallengeSetup& setup) {
  if (const auto* hash = std::get_if<ParsecHash>(&setup.verifier)) {
    return std::make_unique<ParsecChallenge>(*hash);
  }
  auto password = password_of(setup.verifier);
  if (!password) return nullptr;
  return std::make_unique<ParsecChallenge>(*std::move(password), setup.user);
}

}  // namespace perilune::auth
