// What clients, servers and scripts may send to the login methods: none may crash, none may let
// anybody in who does not know the password.
//
// Input: a byte that chooses method and transport, a byte for the kind of verifier, then pieces,
// each with a byte for its length and so many bytes (or what is left). The first is a verifier's
// text and a server's challenge, the others are a client's answers and a server's data.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "auth/mysql_challenge.hh"
#include "auth/mysql_methods.hh"
#include "fuzz/expect.hh"

using namespace perilune;
using namespace perilune::auth;

namespace {

constexpr std::string_view kPlugins[] = {
    "caching_sha2_password", "client_ed25519", "mysql_clear_password",
    "mysql_native_password", "parsec",         "sha256_password"};
constexpr Transport kTransports[] = {Transport::Plain, Transport::Unix, Transport::Tls};

// No input of this fuzzer contains it.
constexpr std::string_view kPassword = "hard to guess, and not in the corpus";

struct Choice {
  std::string_view plugin;
  Transport transport;
};

class Input {
 public:
  explicit Input(Bytes bytes) : bytes_(bytes) {}

  bool empty() const { return bytes_.empty(); }
  unsigned number() { return empty() ? 0 : std::to_integer<unsigned>(take(1).front()); }
  Bytes piece() { return take(number()); }

 private:
  Bytes take(std::size_t size) {
    const Bytes piece = bytes_.first(std::min(size, bytes_.size()));
    bytes_ = bytes_.subspan(piece.size());
    return piece;
  }

  Bytes bytes_;
};

const RsaKey& rsa_key() {
  static const RsaKey key = RsaKey::generate();
  return key;
}

// A text with many rounds is right, but would take the fuzzer's time.
MysqlVerifier parsed(Bytes text) {
  auto verifier = parse_mysql_verifier(as_text(text));
  if (!verifier) return ClearPassword{Secret(kPassword)};
  if (auto* hash = std::get_if<CachingSha2Hash>(&*verifier)) hash->rounds = 10;
  if (auto* hash = std::get_if<ParsecHash>(&*verifier)) hash->salt.factor = 0;
  return *std::move(verifier);
}

// 0, 1: those that nobody can satisfy.
MysqlVerifier verifier_of(unsigned kind, Bytes text) {
  switch (kind) {
    case 0:
      return ClearPassword{Secret(kPassword)};
    case 1:
      return Nobody();
    case 2:
      return AnyPassword();
    default:
      return parsed(text);
  }
}

void answer_us(Choice choice, unsigned kind, Input input) {
  const MysqlVerifier verifier = verifier_of(kind, input.piece());
  const auto challenge = make_mysql_challenge(choice.plugin, verifier, choice.transport,
                                              MysqlScramble{}, &rsa_key(), "user");
  if (!challenge) return;
  (void)challenge->challenge();
  for (int rounds = 0; rounds < 8; ++rounds) {
    const auto step = challenge->judge(input.piece());
    const bool goes_on = step && step->verdict == MysqlChallenge::Verdict::AsksMore;
    if (goes_on) {
      expect(step->more_data.has_value());
      continue;
    }
    if (step && step->verdict == MysqlChallenge::Verdict::Accepted) expect(kind > 1);
    expect(!challenge->judge({}));
    return;
  }
  expect(false);  // no method has so many rounds
}

void challenge_us(Choice choice, Input input) {
  Credentials credentials;
  credentials.password = Secret(kPassword);
  const auto login = make_mysql_login(choice.plugin, credentials, choice.transport);
  const auto check = [&](Bytes answer) {
    const bool clear = as_text(answer).find(kPassword) != std::string_view::npos;
    expect(!clear || choice.transport != Transport::Plain);
  };
  if (const auto answer = login->begin(input.piece())) check(*answer);
  while (!input.empty()) {
    const Bytes data = input.piece();
    // parsec's server may ask for a fifth of a second of work.
    const bool slow = choice.plugin == "parsec" && data.size() > 1 && data[1] != std::byte{0};
    if (slow) return;
    const auto answer = login->next(data);
    if (answer && answer->has_value()) check(**answer);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input{{reinterpret_cast<const std::byte*>(data), size}};
  const unsigned chosen = input.number();
  const Choice choice{kPlugins[chosen % 6], kTransports[chosen / 6 % 3]};
  const unsigned kind = input.number() % 8;
  answer_us(choice, kind, input);
  challenge_us(choice, input);
  return 0;
}
