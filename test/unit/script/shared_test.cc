#include "support/catch.hh"
#include "told.hh"

namespace perilune::script {

using test::caught;
using test::contains;
using test::global_number;
using test::Stage;
using test::told;

TEST_CASE("script shared: values of each kind", "[script]") {
  CHECK(told(R"(local s = shared('a')
                assert(s:set('n', 1.5) and s:set('b', false) and s:set('t', 'x\0y'))
                assert(s:get('n') == 1.5 and s:get('b') == false and s:get('t') == 'x\0y')
                assert(s:get('none') == nil and s:delete('n') == true and s:delete('n') == false)
                assert(s:set('b', nil) == true and s:get('b') == nil)
                assert(shared('a'):get('t') == 'x\0y' and shared('b'):get('t') == nil)
                return 'well')") == "well");
  CHECK(contains(caught("shared('a'):set('k', {})"),
                 "bad argument #2 to 'set' (string, number or boolean expected, got table)"));
  CHECK(contains(caught("shared('a'):set('k')"), "got no value"));
  CHECK(contains(caught("shared('a').get({}, 'k')"), "bad argument #1 to 'get' (shared expected"));
}

TEST_CASE("script shared: incr", "[script]") {
  CHECK(told(R"(local s = shared('a')
                assert(s:incr('n') == 1 and s:incr('n', 2) == 3 and s:incr('n', -0.5) == 2.5)
                s:set('t', 'x')
                return select(2, s:incr('t')))") == "not a number");
}

TEST_CASE("script shared: what expires is gone", "[script]") {
  CHECK(told(R"(local s = shared('a')
                s:set('k', 1, 0.001) s:incr('n', 5, 0.001) s:set('forever', 1, 0)
                while s:get('k') or s:get('n') do sleep(0.001) end
                return s:incr('n') + s:get('forever'))") == "2");
  CHECK(contains(caught("shared('a'):set('k', 1, -1)"), "bad argument #3 to 'set'"));
}

TEST_CASE("script shared: a full one", "[script]") {
  CHECK(told(R"(local s = shared('a', {capacity = 1000})
                local i, ok, why = 0
                repeat i = i + 1 ok, why = s:set('k' .. i, i) until not ok
                return why .. ' ' .. i .. ' ' .. select(2, s:incr('other')))") == "full 6 full");
  CHECK(told(R"(local s = shared('a', {capacity = '1K', evict = true})
                for i = 1, 1000 do assert(s:set('k' .. i, i)) end
                return s:get('k1000'))") == "1000");
}

TEST_CASE("script shared: options", "[script]") {
  CHECK(caught("shared('a', {capacity = '1K'}) shared('a', {capacity = '2K'})")
            .ends_with("shared: 'a' exists with capacity = 1024 and evict = false; only a restart "
                       "changes that"));
  CHECK(caught("shared('a', {size = 1})").ends_with("unknown option 'size'"));
  CHECK(contains(caught("shared()"), "string expected, got no value"));
}

TEST_CASE("script shared: all hosts with one registry have the same", "[script]") {
  const auto registry = std::make_shared<shared::Registry>();
  const auto script = "n = shared('a'):incr('loads')";
  HostOptions options;
  options.dictionaries = registry;
  Stage first{script, options};
  first.load();
  Stage second{script, options};
  second.load();
  CHECK(global_number(first, "n") == 1);
  CHECK(global_number(second, "n") == 2);
}

}  // namespace perilune::script
