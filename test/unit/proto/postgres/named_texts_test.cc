#include "proto/postgres/named_texts.hh"

#include <memory>
#include <string>

#include "support/catch.hh"

using perilune::proto::postgres::NamedTexts;

namespace {

NamedTexts::SharedStatement statement(std::string text) {
  auto made = std::make_shared<NamedTexts::Statement>();
  made->size = text.size();
  made->text = std::move(text);
  return made;
}

NamedTexts::SharedPortal portal(NamedTexts::SharedStatement of, std::string values) {
  auto made = std::make_shared<NamedTexts::Portal>();
  made->statement = std::move(of);
  made->values = std::move(values);
  return made;
}

}  // namespace

TEST_CASE("named texts: what is closed costs nothing any more", "[proto][postgres]") {
  NamedTexts texts;
  for (int i = 0; i < 100'000; ++i) {
    texts.put("s", statement(std::string(100, 'x')));
    texts.put("p", portal(texts.statement("s"), "values"), 1);
    if (i % 2 == 0) texts.put("s", NamedTexts::SharedStatement{});
  }
  CHECK(texts.statement("s"));
  CHECK(texts.portal("p")->values == "values");
  texts.put("s", NamedTexts::SharedStatement{});
  texts.end_portals(2);
  CHECK(texts.used() == 0);
  CHECK_FALSE(texts.statement("s"));
  CHECK_FALSE(texts.portal("p"));
}

TEST_CASE("named texts: portals end with their transaction", "[proto][postgres]") {
  NamedTexts texts;
  texts.put("old", portal(nullptr, ""), 3);
  texts.put("new", portal(nullptr, ""), 5);
  texts.end_portals(4);
  CHECK_FALSE(texts.portal("old"));
  CHECK(texts.portal("new"));
}

TEST_CASE("named texts: a portal is used again only by itself, and knows nothing of before",
          "[proto][postgres]") {
  NamedTexts texts;
  const auto first = texts.make_portal();
  CHECK(texts.make_portal() != first);  // somebody has it
  const auto text = statement("SELECT 1");
  auto unnamed = texts.make_portal();
  const auto* const place = unnamed.get();
  unnamed->statement = text;
  unnamed->values = "values";
  unnamed->is_cut = true;
  texts.put("", std::move(unnamed), 1);
  CHECK(texts.portal("")->values == "values");
  CHECK(texts.make_portal().get() != place);
  CHECK(text.use_count() == 2);
  texts.end_portals(2);
  CHECK_FALSE(texts.portal(""));
  CHECK(text.use_count() == 1);
  CHECK(texts.used() == 0);
  const auto* const spare = texts.make_portal().get();
  texts.put("", texts.make_portal(), 3);
  CHECK(texts.portal("").get() == spare);
  CHECK_FALSE(spare->is_cut);
  CHECK(spare->values.empty());
  CHECK_FALSE(spare->statement);
}

TEST_CASE("named texts: the unnamed ones are counted as the others", "[proto][postgres]") {
  NamedTexts texts;
  for (int i = 0; i < 1000; ++i) {
    texts.put("", statement(std::string(100, 'x')));
    texts.put("", portal(texts.statement(""), "values"), 1);
  }
  CHECK(texts.statement("")->text.size() == 100);
  CHECK(texts.used() > 0);
  texts.put("", NamedTexts::SharedStatement{});
  texts.put("", NamedTexts::SharedPortal{}, 2);
  CHECK(texts.used() == 0);
  CHECK_FALSE(texts.statement(""));
  CHECK_FALSE(texts.portal(""));
}

TEST_CASE("named texts: a session that closes nothing has a bound", "[proto][postgres]") {
  NamedTexts texts;
  for (int i = 0; i < 100; ++i) texts.put(std::to_string(i), statement(std::string(65536, 'x')));
  CHECK(texts.used() <= NamedTexts::kMostBytes);
  CHECK(texts.statement("0")->text.size() == 65536);
  CHECK_FALSE(texts.statement("99"));
  // What had the name is gone all the same.
  texts.put("0", statement("again"));
  CHECK(texts.statement("0")->text == "again");
  const auto shared = texts.statement("1");
  for (int i = 0; i < 1000; ++i) texts.put(std::to_string(i), portal(shared, "x"), 1);
  CHECK(texts.used() <= NamedTexts::kMostBytes);
}
