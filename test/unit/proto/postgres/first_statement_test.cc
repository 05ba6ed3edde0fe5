#include "proto/postgres/first_statement.hh"

#include <string>

#include "support/catch.hh"
#include "wire/postgres/framing.hh"
#include "wire/postgres/statements.hh"

namespace perilune::proto::postgres {

using namespace perilune::wire::postgres;

namespace {

std::string seen(Bytes messages) {
  const auto found = first_statement(messages);
  return found ? std::string(found->kind) + ": " + std::string(found->text) : "nothing";
}

Buffer message(FrontendTag tag) {
  Buffer out;
  append_message(out, tag);
  return out;
}

Buffer parse(std::string_view name, std::string_view text) {
  Buffer out;
  append_parse(out, {name, text, 0, {}});
  return out;
}

}  // namespace

TEST_CASE("postgres first statement: by kind", "[proto][postgres]") {
  Buffer query;
  append_query(query, "SELECT 1");
  CHECK(seen(query) == "query: SELECT 1");
  CHECK(seen(parse({}, "SELECT 2")) == "prepare: SELECT 2");
  CHECK(seen(parse("name", "SELECT 3")) == "prepare: SELECT 3");
  CHECK(seen(message(FrontendTag::Bind)) == "execute: ");
  CHECK(seen(message(FrontendTag::Execute)) == "execute: ");
  CHECK(seen(message(FrontendTag::FunctionCall)) == "command: ");
}

TEST_CASE("postgres first statement: others are passed over", "[proto][postgres]") {
  CHECK(seen({}) == "nothing");
  CHECK(seen(message(FrontendTag::Sync)) == "nothing");
  Buffer messages;
  append_named(messages, FrontendTag::Close, {Target::Statement, "old"});
  append_message(messages, FrontendTag::Sync);
  append(messages, parse("new", "SELECT 4"));
  append(messages, message(FrontendTag::Execute));
  CHECK(seen(messages) == "prepare: SELECT 4");
}

TEST_CASE("postgres first statement: as much as is here", "[proto][postgres]") {
  const Buffer whole = parse("name", "SELECT 5");
  const std::size_t begin = kHeaderSize + std::string_view("name").size() + 1;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    const std::string text = std::string("SELECT 5").substr(0, size > begin ? size - begin : 0);
    const std::string expected = "prepare: " + text;
    CHECK(seen(Bytes{whole}.first(size)) == (size < kHeaderSize ? "nothing" : expected));
  }
}

TEST_CASE("postgres first statement: lengths that lie", "[proto][postgres]") {
  Buffer messages = message(FrontendTag::Sync);
  messages.back() = std::byte{3};
  append(messages, message(FrontendTag::Execute));
  CHECK(seen(messages) == "nothing");
}

}  // namespace perilune::proto::postgres
