#include "auth/mysql_challenge.hh"

#include <array>
#include <string>
#include <utility>

#include "auth/mysql_challenge_methods.hh"

namespace perilune::auth {

namespace {

struct Method {
  std::string_view plugin;
  std::unique_ptr<MysqlChallenge> (*make)(const MysqlChallengeSetup&);
};

constexpr Method kMethods[] = {
    {"caching_sha2_password", make_caching_sha2_challenge},
    {"client_ed25519", make_ed25519_challenge},
    {"mysql_clear_password", make_clear_challenge},
    {"mysql_native_password", make_native_challenge},
    {"parsec", make_parsec_challenge},
    {"sha256_password", make_sha256_challenge},
};

// The methods that let the password itself come judge by everything, mysql_clear_password last.
constexpr std::string_view kByPassword[] = {"caching_sha2_password", "mysql_native_password",
                                            "client_ed25519",        "parsec",
                                            "sha256_password",       "mysql_clear_password"};
constexpr std::string_view kByNativeHash[] = {"mysql_native_password", "caching_sha2_password",
                                              "sha256_password", "mysql_clear_password"};
constexpr std::string_view kByEd25519[] = {"client_ed25519", "caching_sha2_password",
                                           "sha256_password", "mysql_clear_password"};
constexpr std::string_view kByParsec[] = {"parsec", "caching_sha2_password", "sha256_password",
                                          "mysql_clear_password"};
constexpr std::string_view kByClearText[] = {"caching_sha2_password", "sha256_password",
                                             "mysql_clear_password"};

struct Plugins {
  using List = std::span<const std::string_view>;

  List operator()(const ClearPassword&) const noexcept { return kByPassword; }
  List operator()(const NativeHash&) const noexcept { return kByNativeHash; }
  List operator()(const CachingSha2Hash&) const noexcept { return kByClearText; }
  List operator()(const Ed25519Hash&) const noexcept { return kByEd25519; }
  List operator()(const ParsecHash&) const noexcept { return kByParsec; }
  List operator()(const AnyPassword&) const noexcept { return kByClearText; }
  List operator()(const Nobody&) const noexcept { return kByPassword; }
};

}  // namespace

std::unique_ptr<MysqlChallenge> make_mysql_challenge(std::string_view plugin,
                                                     const MysqlVerifier& verifier,
                                                     Transport transport,
                                                     const MysqlScramble& scramble,
                                                     const RsaKey* rsa_key, std::string_view user) {
  for (const Method& method : kMethods) {
    if (method.plugin == plugin) return method.make({verifier, transport, scramble, rsa_key, user});
  }
  return nullptr;
}

std::span<const std::string_view> mysql_plugins_for(const MysqlVerifier& verifier,
                                                    Transport transport) noexcept {
  const auto all = std::visit(Plugins(), verifier);
  return transport == Transport::Plain ? all.first(all.size() - 1) : all;
}

Buffer encode_mysql_challenge(const MysqlScramble& scramble) {
  Buffer challenge(scramble.begin(), scramble.end());
  challenge.push_back(std::byte{0});
  return challenge;
}

MysqlChallenge::Step accepted() { return {MysqlChallenge::Verdict::Accepted, std::nullopt, false}; }

MysqlChallenge::Step refused() { return {MysqlChallenge::Verdict::Refused, std::nullopt, false}; }

MysqlChallenge::Step asks_more(Buffer more_data) {
  return {MysqlChallenge::Verdict::AsksMore, std::move(more_data), false};
}

Secret make_unknown_password() {
  Buffer bytes(16);
  fill_random(bytes);
  return Secret(std::move(bytes));
}

std::optional<Secret> password_of(const MysqlVerifier& verifier) {
  if (const auto* clear = std::get_if<ClearPassword>(&verifier)) return clear->password.clone();
  if (std::holds_alternative<Nobody>(verifier)) return make_unknown_password();
  return std::nullopt;
}

AuthError unexpected_answer(std::string_view plugin) {
  return {std::string(plugin) + " does not have such an answer at this point"};
}

}  // namespace perilune::auth
