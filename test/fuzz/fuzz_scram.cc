// What clients, servers and scripts may send to PostgreSQL's login methods: none may crash, none
// may let anybody in who does not know the password, none may believe a server that does not.
//
// Input: a byte that chooses the method, a byte for the kind of verifier, then pieces, each with a
// byte for its length and so many bytes (or what is left). The first is a verifier's text and a
// server's salt, the others are a client's answers and a server's data. In a server's data the
// first '@' stands for the client's nonce.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "auth/postgres_methods.hh"
#include "fuzz/expect.hh"

using namespace perilune;
using namespace perilune::auth;

namespace {

constexpr PostgresMethod kMethods[] = {PostgresMethod::ScramSha256, PostgresMethod::ScramSha256Plus,
                                       PostgresMethod::Md5Password, PostgresMethod::ClearText};

// No input of this fuzzer contains it.
constexpr std::string_view kPassword = "hard to guess, and not in the corpus";

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

constexpr std::byte kEndPoint[] = {std::byte{1}, std::byte{2}, std::byte{3}};
// Time is for other things than rounds.
constexpr ScramLimits kLimits{1, 10};

ScramKeyCache& cache() {
  static ScramKeyCache kept;
  return kept;
}

// 0, 1, 2: those that nobody can satisfy.
PostgresVerifier verifier_of(unsigned kind, Bytes text) {
  static const ScramVerifier stored =
      make_scram_verifier(derive_scram_keys(Secret(kPassword), as_bytes("salt of 16 bytes"), 2));
  switch (kind) {
    case 0:
      return ClearPassword{Secret(kPassword)};
    case 1:
      return stored;
    case 2:
      return Nobody();
    case 3:
      return AnyPassword();
    default:
      break;
  }
  auto verifier = parse_postgres_verifier(as_text(text));
  const bool is_stored = verifier && !std::holds_alternative<ClearPassword>(*verifier);
  return is_stored ? *std::move(verifier) : PostgresVerifier(Nobody());
}

void answer_us(PostgresMethod method, unsigned kind, Input input) {
  const PostgresVerifier verifier = verifier_of(kind, input.piece());
  if (const auto* scram = std::get_if<ScramVerifier>(&verifier)) {
    const auto again = parse_scram_verifier(format_scram_verifier(*scram));
    expect(again && again->stored_key == scram->stored_key && again->salt == scram->salt);
  }
  // Takes thousands of rounds and can do nothing else.
  const bool is_nobody = std::holds_alternative<Nobody>(verifier);
  if (is_nobody && method == PostgresMethod::ClearText) return;
  const bool is_plus = method == PostgresMethod::ScramSha256Plus;
  const auto challenge = make_postgres_challenge(
      method, {verifier, "user", cache(), kLimits, is_plus ? Bytes(kEndPoint) : Bytes()});
  if (!challenge) return;
  (void)challenge->salt();
  for (int rounds = 0; rounds < 4; ++rounds) {
    const auto step = challenge->judge(input.piece());
    const bool goes_on = step && step->verdict == PostgresChallenge::Verdict::AsksMore;
    if (goes_on) {
      expect(step->data.has_value());
      continue;
    }
    if (step && step->verdict == PostgresChallenge::Verdict::Accepted) expect(kind > 2);
    expect(!challenge->judge({}));
    return;
  }
  expect(false);  // no method has so many rounds
}

void challenge_us(PostgresMethod method, Input input) {
  PostgresCredentials credentials;
  credentials.password = Secret(kPassword);
  const auto login = make_postgres_login(
      method, {credentials, "user", Transport::Tls, cache(), kLimits, kEndPoint});
  if (!login) return;
  const auto first = (*login)->begin(input.piece());
  const bool is_scram = !sasl_name(method).empty();
  if (!first || !is_scram) return;
  const std::string_view words = as_text(*first);
  expect(words.find(kPassword) == std::string_view::npos);
  const std::string nonce(words.substr(words.find("r=") + 2));
  while (!input.empty()) {
    std::string data(as_text(input.piece()));
    if (const auto at = data.find('@'); at != data.npos) data.replace(at, 1, nonce);
    const auto answer = (*login)->next(as_bytes(data));
    if (answer && *answer) {
      expect(as_text(**answer).find(kPassword) == std::string_view::npos);
    }
  }
  expect(!(*login)->is_complete());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input{{reinterpret_cast<const std::byte*>(data), size}};
  const PostgresMethod method = kMethods[input.number() % 4];
  const unsigned kind = input.number() % 6;
  answer_us(method, kind, input);
  challenge_us(method, input);
  return 0;
}
