#include "support/catch.hh"
#include "told.hh"

namespace perilune::script {

using test::caught;
using test::contains;
using test::told;

namespace {

// `call` is a method call of the pattern; its results, with blanks between them.
std::string results(const std::string& pattern, const std::string& call) {
  return told("local t = {} local r = {re2.compile(" + pattern + "):" + call +
              "} for i = 1, table.maxn(r) do t[i] = tostring(r[i]) end "
              "return table.concat(t, ' ')");
}

}  // namespace

TEST_CASE("script re2: match", "[script]") {
  CHECK(results("'b+'", "match('abbc')") == "bb");
  CHECK(results("'(a)(x)?(b)'", "match('ab')") == "a nil b");
  CHECK(told("return re2.compile('x'):match('abc')") == "nil");
  CHECK(results("'^select'", "match('select 1')") == "select");
  CHECK(results("'a.c'", "match('a\\0c')") == std::string("a\0c", 3));
}

TEST_CASE("script re2: find", "[script]") {
  CHECK(results("'b(b)(x)?'", "find('abbc')") == "2 3 b");
  CHECK(results("'$'", "find('ab')") == "3 2");
  CHECK(told("return re2.compile('x'):find('abc')") == "nil");
  CHECK(told("local s, e = re2.compile('b+'):find('abbc') return ('abbc'):sub(s, e)") == "bb");
}

TEST_CASE("script re2: replace", "[script]") {
  CHECK(results("'b'", "replace('abcb', 'x')") == "axcx 2");
  CHECK(results("'(\\\\w+)=(\\\\w+)'", "replace('a=b, c=d', '\\\\2=\\\\1\\\\\\\\')") ==
        "b=a\\, d=c\\ 2");
  CHECK(results("'x*'", "replace('abxc', '-')") == "-a-b--c- 5");
  CHECK(results("''", "replace('\xc3\xa4', '.')") == ".\xc3\xa4. 2");
  CHECK(results("'(x)?y'", "replace('y', '[\\\\1]')") == "[] 1");
  CHECK(results("'x'", "replace('', 'y')") == " 0");
  CHECK(contains(caught("re2.compile('a'):replace('a', '\\\\1')"), "bad argument #2 to 'replace'"));
  CHECK(caught("re2.compile('a'):replace(('a'):rep(2000), ('b'):rep(200000))")
            .ends_with("the result is too long"));
}

TEST_CASE("script re2: options", "[script]") {
  CHECK(results("'ABC', {ignore_case = true}", "match('xabc')") == "abc");
  CHECK(results("'a.b', {dot_all = true}", "match('a\\nb')") == "a\nb");
  CHECK(results("'^b', {multi_line = true}", "match('a\\nb')") == "b");
  CHECK(results("'^.$', {bytes = true}", "match('\\255')") == "\xff");
  CHECK(told("return re2.compile('^.$'):match('\\255')") == "nil");
  CHECK(caught("re2.compile('a', {ignorecase = true})")
            .ends_with("unknown option 'ignorecase', did you mean 'ignore_case'?"));
}

TEST_CASE("script re2: patterns that are none", "[script]") {
  CHECK(caught("re2.compile('a(b')")
            .ends_with("bad argument #1 to 'compile' (pattern 'a(b': missing ): a(b)"));
  CHECK(contains(caught("re2.compile('(a)\\\\1')"), "pattern '(a)\\1': invalid escape sequence"));
  CHECK(contains(caught("re2.compile(('(a{1,1000}){1,1000}'):rep(20))"), "pattern '"));
  CHECK(told("return tostring(re2.compile('a+'))") == "a+");
}

TEST_CASE("script re2: what makes others backtrack takes no time", "[script]") {
  CHECK(told("return re2.compile('^(a+)+$'):match(('a'):rep(100000) .. 'b')") == "nil");
}

}  // namespace perilune::script
