#include "script/jwt.hh"

#include <algorithm>
#include <utility>

#include "data/json.hh"
#include "util/bytes.hh"

namespace perilune::script {

namespace {

using data::Tree;

// The three parts between dots; `signed_part` is the first two.
struct Parts {
  std::string_view header, payload, signature, signed_part;
};

std::optional<Parts> split(std::string_view token) {
  if (std::ranges::count(token, '.') != 2) return std::nullopt;
  const std::size_t first = token.find('.');
  const std::size_t second = token.rfind('.');
  return Parts{token.substr(0, first), token.substr(first + 1, second - first - 1),
               token.substr(second + 1), token.substr(0, second)};
}

// A part that must be an object.
std::optional<Tree> read_object(std::string_view part) {
  const auto bytes = auth::from_base64url(part);
  if (!bytes) return std::nullopt;
  auto parsed = data::parse_json(as_text(*bytes));
  if (!parsed || !std::holds_alternative<Tree::Map>(parsed->what)) return std::nullopt;
  return *std::move(parsed);
}

const std::string* text_in(const Tree& object, std::string_view key) {
  const Tree* const value = find(std::get<Tree::Map>(object.what), key);
  return value == nullptr ? nullptr : std::get_if<std::string>(&value->what);
}

// Null if the header is one that we follow.
const char* complaint_about(const Tree& header, auth::JwsAlgorithm algorithm) {
  const std::string* const name = text_in(header, "alg");
  if (name == nullptr) return "the header has no alg";
  if (*name != auth::name_of(algorithm)) return "the token's alg is not that of the key";
  // Extensions that must be understood (RFC 7515, 4.1.11): none is.
  if (find(std::get<Tree::Map>(header.what), "crit") != nullptr) return "the header has a crit";
  return nullptr;
}

// --- claims

enum class Bound { Latest, Earliest };

const char* complaint_about_time(const Tree::Map& claims, std::string_view key, double now,
                                 Bound bound) {
  const Tree* const value = find(claims, key);
  if (value == nullptr) return nullptr;
  const auto* const time = std::get_if<double>(&value->what);
  if (time == nullptr) return "a time of the token is no number";
  if (bound == Bound::Latest) return now >= *time ? "the token has expired" : nullptr;
  return now < *time ? "the token is not valid yet" : nullptr;
}

// A text, or a list in which it is.
bool names(const Tree* claim, std::string_view wanted) {
  if (claim == nullptr) return false;
  if (const auto* text = std::get_if<std::string>(&claim->what)) return *text == wanted;
  const auto* const list = std::get_if<Tree::List>(&claim->what);
  return list != nullptr && std::ranges::any_of(*list, [wanted](const Tree& element) {
           const auto* const text = std::get_if<std::string>(&element.what);
           return text != nullptr && *text == wanted;
         });
}

const char* complaint_about_claims(const Tree& payload, const TokenRules& rules, double now) {
  const auto& claims = std::get<Tree::Map>(payload.what);
  if (const char* why = complaint_about_time(claims, "exp", now - rules.leeway, Bound::Latest)) {
    return why;
  }
  if (const char* why = complaint_about_time(claims, "nbf", now + rules.leeway, Bound::Earliest)) {
    return why;
  }
  if (!rules.issuer.empty()) {
    const std::string* const issuer = text_in(payload, "iss");
    if (issuer == nullptr || *issuer != rules.issuer) return "the token has another issuer";
  }
  if (!rules.audience.empty() && !names(find(claims, "aud"), rules.audience)) {
    return "the token is for another audience";
  }
  return nullptr;
}

Result<auth::JwsAlgorithm, auth::AuthError> algorithm_for(std::string_view key,
                                                          const TokenRules& rules) {
  if (rules.algorithm) return *rules.algorithm;
  return auth::jws_algorithm_for(key);
}

void assign(Tree::Map& map, std::string_view key, std::string_view value) {
  std::erase_if(map, [key](const data::Member& member) { return member.key == key; });
  map.push_back({std::string(key), Tree{std::string(value)}});
}

// The signature is right.
Result<Token, Failure> read_claims(Tree header, std::string_view part, const TokenRules& rules,
                                   double now) {
  auto payload = read_object(part);
  if (!payload) return Failure{"the payload is no JSON object"};
  if (const char* why = complaint_about_claims(*payload, rules, now)) return Failure{why};
  return Token{std::move(header), *std::move(payload)};
}

}  // namespace

Result<std::string, Failure> sign_token(std::string_view key, Tree::Map header,
                                        const Tree& payload) {
  auto algorithm = std::optional{auth::JwsAlgorithm::EdDsa};
  if (const Tree* const wanted = find(header, "alg")) {
    const auto* const name = std::get_if<std::string>(&wanted->what);
    algorithm = name == nullptr ? std::nullopt : auth::jws_algorithm_of(*name);
  }
  if (!algorithm) return Failure{"alg must be 'EdDSA', 'HS256' or 'RS256'"};
  assign(header, "alg", auth::name_of(*algorithm));
  assign(header, "typ", "JWT");
  const auto first = data::dump_json(Tree{std::move(header)});
  if (!first) return first.error();
  const auto second = data::dump_json(payload);
  if (!second) return second.error();
  const std::string text =
      auth::base64url(as_bytes(*first)) + "." + auth::base64url(as_bytes(*second));
  const auto signature = auth::jws_sign(*algorithm, key, as_bytes(text));
  if (!signature) return Failure{signature.error().message};
  return text + "." + auth::base64url(*signature);
}

Result<Token, Failure> verify_token(std::string_view token, std::string_view key,
                                    const TokenRules& rules, double now) {
  const auto algorithm = algorithm_for(key, rules);
  if (!algorithm) return Failure{algorithm.error().message};
  const auto parts = split(token);
  if (!parts) return Failure{"this is no token"};
  auto header = read_object(parts->header);
  if (!header) return Failure{"the header is no JSON object"};
  if (const char* why = complaint_about(*header, *algorithm)) return Failure{why};
  const auto signature = auth::from_base64url(parts->signature);
  if (!signature) return Failure{"the signature is no Base64"};
  const auto right = auth::jws_verify(*algorithm, key, as_bytes(parts->signed_part), *signature);
  if (!right) return Failure{right.error().message};
  if (!*right) return Failure{"the signature is wrong"};
  return read_claims(*std::move(header), parts->payload, rules, now);
}

}  // namespace perilune::script
