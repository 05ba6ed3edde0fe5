#include <utility>

#include "auth/mysql_password_exchange.hh"
#include "auth/mysql_sha256.hh"

namespace perilune::auth {

namespace {

constexpr std::string_view kPlugin = "sha256_password";

class Sha256Challenge final : public MysqlChallenge {
 public:
  explicit Sha256Challenge(const MysqlChallengeSetup& setup)
      : scramble_(setup.scramble),
        exchange_(setup, {kPlugin, kSha256RequestPublicKey, setup.transport == Transport::Tls}) {}

  std::string_view plugin() const noexcept override { return kPlugin; }
  Buffer challenge() const override { return encode_mysql_challenge(scramble_); }

  Result<Step, AuthError> judge(Bytes answer) override {
    const bool empty = answer.empty() || (answer.size() == 1 && answer.front() == std::byte{0});
    if (std::exchange(first_, false) && empty) return exchange_.judge_empty();
    return exchange_.judge(answer);
  }

  Credentials take_learnt() override {
    Credentials learnt;
    learnt.password = exchange_.take_password();
    return learnt;
  }

  std::optional<Secret> take_offered() override { return exchange_.take_offered(); }

  bool came_in_clear() const noexcept override { return exchange_.came_in_clear(); }

 private:
  MysqlScramble scramble_;
  MysqlPasswordExchange exchange_;
  bool first_ = true;
};

}  // namespace

// Clients take a unix socket for unsafe here, so that they need the key there too.
std::unique_ptr<MysqlChallenge> make_sha256_challenge(const MysqlChallengeSetup& setup) {
  if (setup.transport != Transport::Tls && setup.rsa_key == nullptr) return nullptr;
  return std::make_unique<Sha256Challenge>(setup);
}

}  // namespace perilune::auth
