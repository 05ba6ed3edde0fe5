#include "session/statement_course.hh"

#include <string>

#include "session/statement_times.hh"
#include "support/catch.hh"

using namespace perilune;
using namespace perilune::session;
using namespace std::chrono_literals;

TEST_CASE("gathering: the beginning is kept, and all of it counted", "[session]") {
  Gathering gathering;
  gathering.begin(5);
  for (const char* piece : {"ab", "", "cd", "ef", "gh"})
    gathering.take(as_bytes(std::string_view(piece)));
  CHECK(gathering.kept() == "abcde");
  CHECK(gathering.size() == 8);
  CHECK(gathering.is_cut());
  gathering.begin(5);
  CHECK(gathering.kept().empty());
  gathering.take(as_bytes(std::string_view("abcde")));
  CHECK_FALSE(gathering.is_cut());
  gathering.set_size(6);
  CHECK(gathering.is_cut());
}

TEST_CASE("gathering: no more memory than may be kept, and much is given back", "[session]") {
  constexpr std::size_t kMost = 100'000;
  Gathering gathering;
  gathering.begin(kMost);
  const std::string piece(999, 'x');
  for (int i = 0; i < 1000; ++i) gathering.take(as_bytes(std::string_view(piece)));
  CHECK(gathering.kept().size() == kMost);
  CHECK(gathering.kept().capacity() <= kMost);
  CHECK(gathering.size() == 999'000);
  gathering.forget();
  CHECK(gathering.kept().capacity() < 100);
  gathering.begin(0);
  gathering.take(as_bytes(std::string_view(piece)));
  CHECK(gathering.kept().empty());
}

TEST_CASE("statement course: times by two clocks, sums only of what was told", "[session]") {
  StatementCourse course;
  const Clock::time_point sent{10s};
  course.begin(WallTime{1000s}, sent);
  log::Record record;
  course.describe(record, sent + 3s);
  CHECK(record.time == WallTime{1000s});
  CHECK(record.duration == 3s);
  CHECK(record.first == 3s);
  CHECK_FALSE(record.rows);
  CHECK_FALSE(record.affected);
  course.answer_begins(sent + 1s);
  course.answer_begins(sent + 2s);
  course.add_rows(0);
  course.add_affected(2);
  course.add_affected(3);
  course.original = "SELECT 1";
  course.original_size = 8;
  course.describe(record, sent + 3s);
  CHECK(record.first == 1s);
  CHECK(record.rows == 0);
  CHECK(record.affected == 5);
  CHECK(record.original == "SELECT 1");
  course.begin(WallTime{2000s}, sent);
  course.describe(record, sent);
  CHECK_FALSE(record.rows);
  CHECK(record.original.empty());
  CHECK(record.original_size == 0);
}

TEST_CASE("statement times: the first of several has taken the time", "[session]") {
  stats::Histogram seconds;
  StatementTimes times{&seconds};
  times.begin();
  times.end(0);
  times.end(3);
  stats::HistogramSum sum;
  seconds.add_to(sum);
  CHECK(sum.count() == 3);
  StatementTimes nobody{nullptr};
  nobody.begin();
  nobody.end(3);
}
