#include "shared/dictionary.hh"

#include <thread>
#include <vector>

#include "support/catch.hh"

namespace perilune::shared {

namespace {

constexpr std::size_t kOne = Dictionary::kOverhead + 1;  // a key of one letter without a text

Dictionary::Time at(double seconds) {
  return Dictionary::Time{} +
         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

double number(const std::optional<Value>& value) { return value ? std::get<double>(*value) : -1; }

Options evicting(std::uint64_t capacity) { return {capacity, true}; }

// The capacity for so many keys of one letter.
Options room_for(std::size_t count) { return {count * kOne, false}; }

template <typename Body>
void in_threads(int count, const Body& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&body, i] { body(i); });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("dictionary: what is set is there until it is removed", "[shared]") {
  Dictionary dictionary{Options{}};
  CHECK_FALSE(dictionary.get("a", at(0)));
  CHECK(dictionary.set("a", Value{true}, Dictionary::kNever, at(0)) == Outcome::Done);
  CHECK(dictionary.set("b", Value{1.5}, Dictionary::kNever, at(0)) == Outcome::Done);
  CHECK(dictionary.set("c", Value{"x"}, Dictionary::kNever, at(0)) == Outcome::Done);
  CHECK(dictionary.get("a", at(0)) == Value{true});
  CHECK(dictionary.get("b", at(0)) == Value{1.5});
  CHECK(dictionary.get("c", at(1e6)) == Value{std::string("x")});
  CHECK(dictionary.remove("a", at(0)));
  CHECK_FALSE(dictionary.remove("a", at(0)));
  CHECK_FALSE(dictionary.get("a", at(0)));
}

TEST_CASE("dictionary: what expires is gone", "[shared]") {
  Dictionary dictionary{Options{}};
  dictionary.set("a", Value{1.0}, at(10), at(0));
  CHECK(dictionary.get("a", at(9.9)));
  CHECK_FALSE(dictionary.get("a", at(10)));
  CHECK(dictionary.used() == 0);
  dictionary.set("a", Value{1.0}, at(10), at(0));
  dictionary.set("a", Value{2.0}, Dictionary::kNever, at(0));
  CHECK(number(dictionary.get("a", at(11))) == 2);
  dictionary.set("b", Value{1.0}, at(10), at(0));
  CHECK_FALSE(dictionary.remove("b", at(10)));
}

TEST_CASE("dictionary: increments begin at nothing and keep the first time", "[shared]") {
  Dictionary dictionary{Options{}};
  double result = 0;
  CHECK(dictionary.increment("a", 2, at(10), at(0), result) == Outcome::Done);
  CHECK(result == 2);
  CHECK(dictionary.increment("a", -0.5, at(100), at(9), result) == Outcome::Done);
  CHECK(result == 1.5);
  CHECK(dictionary.increment("a", 1, at(100), at(10), result) == Outcome::Done);
  CHECK(result == 1);
  dictionary.set("t", Value{"text"}, Dictionary::kNever, at(0));
  CHECK(dictionary.increment("t", 1, at(10), at(0), result) == Outcome::Refused);
}

TEST_CASE("dictionary: its bytes are counted", "[shared]") {
  Dictionary dictionary{Options{}};
  dictionary.set("a", Value{"xyz"}, Dictionary::kNever, at(0));
  CHECK(dictionary.used() == kOne + 3);
  dictionary.set("a", Value{"x"}, Dictionary::kNever, at(0));
  CHECK(dictionary.used() == kOne + 1);
  dictionary.set("a", Value{1.0}, at(1), at(0));
  CHECK(dictionary.used() == kOne);
  dictionary.remove("a", at(0));
  CHECK(dictionary.used() == 0);
}

TEST_CASE("dictionary: when it is full, expired entries go first", "[shared]") {
  Dictionary dictionary{room_for(2)};
  dictionary.set("a", Value{1.0}, at(10), at(0));
  dictionary.set("b", Value{1.0}, Dictionary::kNever, at(0));
  CHECK(dictionary.set("c", Value{1.0}, Dictionary::kNever, at(9)) == Outcome::Full);
  CHECK(dictionary.set("b", Value{2.0}, Dictionary::kNever, at(9)) == Outcome::Done);
  double result = 0;
  CHECK(dictionary.increment("c", 1, at(99), at(9), result) == Outcome::Full);
  CHECK(dictionary.set("c", Value{1.0}, Dictionary::kNever, at(10)) == Outcome::Done);
  CHECK_FALSE(dictionary.get("a", at(10)));
  CHECK(dictionary.get("b", at(10)));
  CHECK(dictionary.set("b", Value{"x"}, Dictionary::kNever, at(10)) == Outcome::Full);
  CHECK(number(dictionary.get("b", at(10))) == 2);
}

TEST_CASE("dictionary: what is too large for it moves nothing", "[shared]") {
  Dictionary dictionary{evicting(2 * kOne)};
  dictionary.set("a", Value{1.0}, Dictionary::kNever, at(0));
  CHECK(dictionary.set("b", Value{std::string(1000, 'x')}, Dictionary::kNever, at(0)) ==
        Outcome::Full);
  CHECK(dictionary.get("a", at(0)));
}

TEST_CASE("dictionary: with evict there is always room", "[shared]") {
  Dictionary dictionary{evicting(100 * kOne)};
  for (int i = 0; i < 10000; ++i) {
    const auto outcome = dictionary.set(std::to_string(i), Value{1.0}, Dictionary::kNever, at(i));
    REQUIRE(outcome == Outcome::Done);
    REQUIRE(dictionary.used() <= 100 * kOne);
  }
  CHECK(dictionary.get("9999", at(10000)));
  CHECK_FALSE(dictionary.get("0", at(10000)));
  CHECK(dictionary.set("x", Value{std::string(50 * kOne, 'x')}, Dictionary::kNever, at(0)) ==
        Outcome::Done);
}

TEST_CASE("dictionary: a bucket gives tokens at its rate", "[shared]") {
  Dictionary dictionary{Options{}};
  const Dictionary::Bucket bucket{2, 3};
  double left = 0;
  const auto take = [&](double time, double tokens = 1) {
    return dictionary.take("a", tokens, bucket, at(time), left) == Outcome::Done;
  };
  CHECK(take(100));
  CHECK(left == Approx(2));
  CHECK(take(100, 2));
  CHECK(left == Approx(0));
  CHECK_FALSE(take(100.25));
  CHECK(left == Approx(-0.5));
  CHECK(take(100.5));
  CHECK_FALSE(take(100.5));
  CHECK(take(102, 3));
  CHECK_FALSE(take(102, 0));
  CHECK(left == Approx(0));
  CHECK_FALSE(dictionary.get("a", at(103.5)));
}

TEST_CASE("dictionary: tokens come back to a bucket, up to what it holds", "[shared]") {
  Dictionary dictionary{Options{}};
  const Dictionary::Bucket bucket{2, 3};
  double left = 0;
  const auto take = [&](double time, double tokens) {
    return dictionary.take("a", tokens, bucket, at(time), left);
  };
  take(100, -1);
  CHECK(left == Approx(3));
  CHECK_FALSE(dictionary.get("a", at(100)));
  take(100, 3);
  CHECK(take(100, -1) == Outcome::Done);
  CHECK(left == Approx(1));
  take(100.5, -0.5);
  CHECK(left == Approx(2.5));
  take(100.5, -2);
  CHECK(left == Approx(3));
  CHECK_FALSE(dictionary.get("a", at(100.5)));
}

TEST_CASE("dictionary: a bucket that finds no room is refused", "[shared]") {
  Dictionary dictionary{room_for(1)};
  double left = 0;
  const Dictionary::Bucket bucket{1, 5};
  CHECK(dictionary.take("a", 1, bucket, at(0), left) == Outcome::Done);
  CHECK(dictionary.take("b", 1, bucket, at(0), left) == Outcome::Full);
  CHECK(dictionary.take("b", 1, bucket, at(1), left) == Outcome::Done);
}

TEST_CASE("dictionary: whoever enters is counted until he leaves", "[shared]") {
  Dictionary dictionary{room_for(1)};
  CHECK(dictionary.enter("a", 2, at(0)) == Outcome::Done);
  CHECK(dictionary.enter("a", 2, at(0)) == Outcome::Done);
  CHECK(dictionary.enter("a", 2, at(0)) == Outcome::Refused);
  CHECK(dictionary.enter("b", 2, at(0)) == Outcome::Full);
  dictionary.leave("a", at(0));
  CHECK(number(dictionary.get("a", at(0))) == 1);
  dictionary.leave("a", at(0));
  dictionary.leave("a", at(0));
  CHECK(dictionary.used() == 0);
  CHECK(dictionary.enter("b", 2, at(0)) == Outcome::Done);
}

TEST_CASE("dictionary: no increment of any thread is lost", "[shared]") {
  Dictionary dictionary{Options{}};
  constexpr int kThreads = 4, kTimes = 20000;
  in_threads(kThreads, [&dictionary](int) {
    double result = 0;
    for (int i = 0; i < kTimes; ++i) {
      dictionary.increment(i % 2 == 0 ? "a" : "b", 1, Dictionary::kNever, at(0), result);
    }
  });
  CHECK(number(dictionary.get("a", at(0))) == kThreads * kTimes / 2);
  CHECK(number(dictionary.get("b", at(0))) == kThreads * kTimes / 2);
}

TEST_CASE("dictionary: threads that fill it keep its bounds and its count", "[shared]") {
  for (const bool evict : {false, true}) {
    Dictionary dictionary{Options{50 * kOne, evict}};
    in_threads(4, [&dictionary](int thread) {
      for (int i = 0; i < 5000; ++i) {
        const std::string key = std::to_string((i * 7 + thread) % 200);
        const auto expires = i % 3 == 0 ? at(i + 10) : Dictionary::kNever;
        dictionary.set(key, Value{std::string(static_cast<std::size_t>(i % 50), 'x')}, expires,
                       at(i));
        if (i % 5 == 0) dictionary.remove(key, at(i));
        if (i % 100 == 0) dictionary.get(key, at(i));
      }
    });
    CHECK(dictionary.used() <= 50 * kOne);
    for (int i = 0; i < 200; ++i) dictionary.remove(std::to_string(i), at(1e6));
    CHECK(dictionary.used() == 0);
  }
}

}  // namespace perilune::shared
