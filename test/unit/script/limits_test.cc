#include "support/catch.hh"
#include "told.hh"

namespace perilune::script {

using test::caught;
using test::told;

namespace {

const std::string kRequire = "local limits = require('perilune.limits') ";

std::string limited(const std::string& body) { return told(kRequire + body); }
std::string failing(const std::string& body) { return caught(kRequire + body); }

}  // namespace

TEST_CASE("script limits: a bucket", "[script]") {
  CHECK(limited(R"(local b = limits.bucket('x', {rate = 0.001, burst = 3})
                   assert(b:take('a') and b:take('a', 2) and not b:take('a') and b:take('b'))
                   local ok, seconds = b:take('a')
                   assert(not ok and seconds > 900 and seconds <= 1000)
                   assert(b:available('b') > 1.9 and b:available('b') < 2.1)
                   b:reset('a')
                   return b:available('a') .. ' ' .. tostring(b:take('a', 3)))") == "3 true");
  CHECK(limited(R"(local b = limits.bucket('x', {rate = 1000, burst = 1})
                   assert(b:take('a'))
                   repeat local ok, seconds = b:take('a') if not ok then sleep(seconds) end until ok
                   return 'well')") == "well");
  CHECK(limited("return limits.bucket('x', {rate = 5}):available('a')") == "5");
  CHECK(limited(R"(local b = limits.bucket('x', {rate = 0.001, burst = 3})
                   b:take('a', 3)
                   b:give('a', 2)
                   assert(b:take('a', 2) and not b:take('a'))
                   b:give('a', 9)
                   b:give('b')
                   return b:available('a') .. ' ' .. b:available('b'))") == "3 3");
  CHECK(limited("return limits.bucket('x', {rate = 0.1}):available('a')") == "1");
}

TEST_CASE("script limits: buckets of one name are the same everywhere", "[script]") {
  CHECK(limited("limits.bucket('x', {rate = 0.001, burst = 1}):take('a') "
                "return limits.bucket('x', {rate = 0.001, burst = 1}):take('a')") == "false");
  CHECK(limited("limits.bucket('x', {rate = 0.001, burst = 1}):take('a') "
                "return limits.bucket('y', {rate = 0.001, burst = 1}):take('a')") == "true");
}

TEST_CASE("script limits: what cannot be counted is refused", "[script]") {
  CHECK(limited(R"(local b = limits.bucket('x', {rate = 0.001, burst = 9, capacity = 300})
                   return tostring(b:take('a')) .. tostring(b:take('b')) ..
                     tostring(b:take('a')))") == "truefalsetrue");
  CHECK(limited(R"(local s = limits.sessions('x', {max = 9, capacity = 300})
                   return tostring(s:enter(client, 'a')) .. tostring(s:enter(client, 'b')))") ==
        "truefalse");
}

TEST_CASE("script limits: sessions are counted until they end", "[script]") {
  const auto registry = std::make_shared<shared::Registry>();
  const std::string script = test::telling(
      "local s = require('perilune.limits').sessions('x', {max = 2}) "
      "local before = s:count('a') "
      "return tostring(s:enter(client, 'a') and s:enter(client, 'a')) .. before .. s:count('a')");
  HostOptions options;
  options.dictionaries = registry;
  const auto log_in = [](test::Play& play) { return test::Play::say(play.log_in()); };
  test::Play first{script, options};
  test::Play second{script, options};
  CHECK(log_in(first) == "true01");
  CHECK(log_in(second) == "true12");
  test::Play third{script, options};
  CHECK(log_in(third) == "false22");
  second.end_session();
  CHECK(log_in(third) == "true12");
  CHECK(log_in(third) == "true22");
}

TEST_CASE("script limits: a session may leave before it ends", "[script]") {
  CHECK(limited("local s = limits.sessions('x', {max = 1}) s:enter(client, 'a') "
                "s:leave(client, 'a') s:leave(client, 'a') return s:count('a')") == "0");
}

TEST_CASE("script limits: mistakes", "[script]") {
  CHECK(failing("limits.bucket()").ends_with("perilune.limits: a name expected"));
  CHECK(failing("limits.bucket('x')").ends_with("a table of options expected"));
  CHECK(failing("limits.bucket('x', {rate = 1, brust = 2})").ends_with("unknown option 'brust'"));
  CHECK(failing("limits.bucket('x', {rate = 0})").ends_with("'rate' must be more than 0"));
  CHECK(failing("limits.bucket('x', {rate = 1, burst = '2'})")
            .ends_with("'burst' must be more than 0"));
  CHECK(failing("limits.bucket('x', {rate = 1}):take('a', 0)")
            .ends_with("more than 0 tokens expected"));
  CHECK(failing("limits.sessions('x', {})").ends_with("'max' must be more than 0"));
  CHECK(failing("limits.sessions('x', {max = 1}):enter({}, 'a')")
            .find("client expected, got table") != std::string::npos);
}

}  // namespace perilune::script
