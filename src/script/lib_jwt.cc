#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "lua/options.hh"
#include "script/jwt.hh"
#include "script/libs.hh"
#include "script/tree.hh"

namespace perilune::script {

namespace {

constexpr std::array<std::string_view, 4> kOptions{"alg", "audience", "issuer", "leeway"};

double seconds_since_1970() {
  const std::chrono::duration<double> time = std::chrono::system_clock::now().time_since_epoch();
  return time.count();
}

// The empty table would be a map of its own accord; a list is none.
data::Tree check_object(lua_State* L, int index) {
  lua::check_table(L, index);
  data::Tree tree = read_tree(L, index);
  if (!std::holds_alternative<data::Tree::Map>(tree.what)) {
    throw lua::ArgumentError(index, "a table with names expected, got a list");
  }
  return tree;
}

int sign(lua_State* L) {
  check_count(L, 3, 3);
  const std::string_view key = lua::check_text(L, 1);
  data::Tree header = check_object(L, 2);
  const data::Tree payload = check_object(L, 3);
  const auto token = sign_token(key, std::get<data::Tree::Map>(std::move(header.what)), payload);
  if (!token) throw lua::Error("jwt.sign: " + token.error().message);
  lua::push_text(L, *token);
  return 1;
}

TokenRules read_rules(lua_State* L, int index) {
  TokenRules rules;
  if (lua_isnoneornil(L, index)) return rules;
  lua::check_table(L, index);
  const lua::Options options{L, index, "option", kOptions};
  if (const auto name = options.text("alg")) {
    rules.algorithm = auth::jws_algorithm_of(*name);
    if (!rules.algorithm) options.fail("alg", "'EdDSA', 'HS256' or 'RS256' expected");
  }
  rules.audience = options.text("audience").value_or("");
  rules.issuer = options.text("issuer").value_or("");
  const auto leeway = options.duration("leeway").value_or(Millis{0});
  rules.leeway = std::chrono::duration<double>(leeway).count();
  return rules;
}

int verify(lua_State* L) {
  check_count(L, 2, 3);
  const std::string_view token = lua::check_text(L, 1);
  const std::string_view key = lua::check_text(L, 2);
  const auto verified = verify_token(token, key, read_rules(L, 3), seconds_since_1970());
  if (!verified) return push_failure(L, verified.error().message);
  push_tree(L, verified->payload);
  push_tree(L, verified->header);
  return 2;
}

constexpr lua::Function kFunctions[] = {
    {"sign", lua::guarded<sign>},
    {"verify", lua::guarded<verify>},
};

}  // namespace

void push_jwt(lua_State* L) { push_library(L, kFunctions); }

}  // namespace perilune::script
