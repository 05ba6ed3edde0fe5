#include "session/log_outlet.hh"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "event/timer.hh"
#include "support/catch.hh"
#include "support/fake_hooks.hh"
#include "support/lone_session.hh"
#include "support/memory_log.hh"
#include "support/run_task.hh"

namespace perilune::session {

namespace {

using test::MemoryLog;
using Options = log::QueryLogOptions;
using Lines = std::vector<std::string>;

// A session with a script and a log.
struct Stage {
  explicit Stage(const LogList& logs) {
    auto script = std::make_unique<test::FakeHooks>([](const Login&) { return Serve{}; });
    hooks = script.get();
    session->set_hooks(std::move(script));
    session->logs = logs;
  }

  event::Loop loop;
  test::LoneSession session{loop};
  test::FakeHooks* hooks = nullptr;
};

Options small(Options::OnFull on_full, Millis block_timeout = Millis{20000}) {
  Options options;
  options.buffer = 512;
  options.on_full = on_full;
  options.block_timeout = block_timeout;
  return options;
}

void write(LogOutlet& outlet, std::string_view sql) {
  log::Record record;
  record.sql = sql;
  record.sql_size = sql.size();
  outlet.write(record);
}

// Only the texts, which are numbers here.
Lines texts(Lines lines) {
  for (std::string& line : lines) line = line.substr(line.rfind(' ') + 1);
  return lines;
}

// Numbers until the log is full; how many.
int fill(LogOutlet& outlet, MemoryLog& log) {
  int written = 0;
  while (!outlet.is_blocked() && log.counters().dropped == 0)
    write(outlet, std::to_string(written++));
  return written;
}

Lines numbers(int from, int to) {
  Lines lines;
  for (int i = from; i < to; ++i) lines.push_back(std::to_string(i) + '\n');
  return lines;
}

void append(Lines& lines, const Lines& more) {
  lines.insert(lines.end(), more.begin(), more.end());
}

}  // namespace

TEST_CASE("log outlet: a record says whose it is and goes to all logs of the session",
          "[session]") {
  MemoryLog text;
  Options options;
  options.format = Options::Format::Json;
  MemoryLog json{options};
  Stage stage{test::log_list(text, json)};
  stage.session->account = "acme";
  stage.session->user = "anna";
  stage.session->database = "shop";
  LogOutlet outlet{*stage.session};
  write(outlet, "SELECT 1");
  const Lines lines = text.take();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].ends_with(" 17 127.0.0.1:4711 anna shop 0.000000 SELECT 1\n"));
  const Lines objects = json.take();
  REQUIRE(objects.size() == 1);
  CHECK(objects[0].find(R"("account": "acme", "user": "anna", "database": "shop")") !=
        std::string::npos);
}

TEST_CASE("log outlet: on_log decides where a record goes", "[session]") {
  MemoryLog mine;
  MemoryLog other;
  Stage stage{test::log_list(mine)};
  stage.hooks->log = [&](const log::Record& record) -> std::optional<LogList> {
    if (record.sql == "0") return LogList{};
    if (record.sql == "1") return test::log_list(other);
    return std::nullopt;
  };
  LogOutlet outlet{*stage.session};
  for (const char* sql : {"0", "1", "2"}) write(outlet, sql);
  CHECK(texts(mine.take()) == Lines{"2\n"});
  CHECK(texts(other.take()) == Lines{"1\n"});
}

TEST_CASE("log outlet: what is wanted follows the logs of the moment", "[session]") {
  Options options;
  options.parameters = true;
  options.max_statement = 99;
  const MemoryLog log{options};
  Stage stage{nullptr};
  const LogOutlet outlet{*stage.session};
  CHECK(outlet.max_statement() == 0);
  CHECK_FALSE(outlet.wants_parameters());
  stage.session->logs = test::log_list(log);
  CHECK(outlet.max_statement() == 99);
  CHECK(outlet.wants_parameters());
  stage.session->logs = nullptr;
  stage.hooks->log = [](const log::Record&) { return std::nullopt; };
  CHECK(outlet.max_statement() == Options{}.max_statement);
  CHECK(outlet.wants_parameters());
}

TEST_CASE("log outlet: a full log that drops counts and never blocks", "[session]") {
  MemoryLog log{small(Options::OnFull::Drop)};
  Stage stage{test::log_list(log)};
  LogOutlet outlet{*stage.session};
  const int written = fill(outlet, log);
  CHECK_FALSE(outlet.is_blocked());
  write(outlet, "lost");
  CHECK(log.counters().dropped == 2);
  CHECK(texts(log.take()) == numbers(0, written - 1));
  write(outlet, "again");
  CHECK(texts(log.take()) == Lines{"again\n"});
}

namespace {

event::Task<> make_room(event::Loop& loop, Stage& stage, MemoryLog& log, Lines& taken) {
  co_await event::Sleep(loop, Millis{1});
  append(taken, log.take());
  stage.session->services().log_outlets.retry();
}

event::Task<> settle_while_room_is_made(Stage& stage, LogOutlet& outlet, MemoryLog& log,
                                        Lines& taken) {
  event::TaskGroup others{stage.loop};
  others.spawn(make_room(stage.loop, stage, log, taken));
  co_await outlet.settle();
}

}  // namespace

TEST_CASE("log outlet: a full log that blocks keeps its place until there is room", "[session]") {
  MemoryLog log{small(Options::OnFull::Block)};
  Stage stage{test::log_list(log)};
  LogOutlet outlet{*stage.session};
  const int written = fill(outlet, log);
  CHECK(outlet.is_blocked());
  write(outlet, std::to_string(written));  // behind what is kept
  Lines taken;
  test::run_task(stage.loop, settle_while_room_is_made(stage, outlet, log, taken));
  CHECK_FALSE(outlet.is_blocked());
  append(taken, log.take());
  CHECK(texts(taken) == numbers(0, written + 1));
  CHECK(log.counters().dropped == 0);
}

TEST_CASE("log outlet: block_timeout ends the waiting, and what was kept is dropped", "[session]") {
  MemoryLog log{small(Options::OnFull::Block, Millis{20})};
  Stage stage{test::log_list(log)};
  LogOutlet outlet{*stage.session};
  const int written = fill(outlet, log);
  test::run_task(stage.loop, outlet.settle());
  CHECK_FALSE(outlet.is_blocked());
  CHECK(log.counters().dropped == 1);
  CHECK(texts(log.take()) == numbers(0, written - 1));
}

TEST_CASE("log outlet: one log that is full does not hold up the others", "[session]") {
  MemoryLog full{small(Options::OnFull::Block)};
  MemoryLog log;
  Stage stage{test::log_list(full, log)};
  LogOutlet outlet{*stage.session};
  const int written = fill(outlet, full);
  CHECK(texts(log.take()) == numbers(0, written));
}

TEST_CASE("log outlet: at a session's end what is kept gets the room that there is", "[session]") {
  MemoryLog log{small(Options::OnFull::Block)};
  Stage stage{test::log_list(log)};
  int written = 0;
  {
    LogOutlet outlet{*stage.session};
    written = fill(outlet, log);
    CHECK(log.take(2).size() == 2);
  }
  CHECK(texts(log.take()) == numbers(2, written));
}

TEST_CASE("log outlet: what a session leaves waits for room without it", "[session]") {
  MemoryLog log{small(Options::OnFull::Block)};
  Stage stage{test::log_list(log)};
  int written = 0;
  {
    LogOutlet outlet{*stage.session};
    written = fill(outlet, log);
  }
  session::LogOutlets& outlets = stage.session->services().log_outlets;
  outlets.retry();
  Lines taken = log.take();
  CHECK(texts(taken) == numbers(0, written - 1));
  outlets.retry();
  CHECK(texts(log.take()) == numbers(written - 1, written));
  CHECK(log.counters().dropped == 0);
}

TEST_CASE("log outlet: what sessions leave is dropped when its time is over, or is too much",
          "[session]") {
  MemoryLog log{small(Options::OnFull::Block, Millis{1})};
  Stage stage{test::log_list(log)};
  session::LogOutlets& outlets = stage.session->services().log_outlets;
  {
    LogOutlet outlet{*stage.session};
    fill(outlet, log);
  }
  std::this_thread::sleep_for(Millis{2});
  outlets.retry();
  CHECK(log.counters().dropped == 1);

  const auto& declared = stage.session->logs->front();
  const std::string bytes(declared->options.buffer, 'x');
  outlets.take_over({declared, bytes, 1, Clock::now() + Millis{10000}});
  CHECK(log.counters().dropped == 1);
  outlets.take_over({declared, "more", 1, Clock::now() + Millis{10000}});
  CHECK(log.counters().dropped == 2);
}

TEST_CASE("log outlet: what can never fit is dropped, not waited for", "[session]") {
  MemoryLog log{small(Options::OnFull::Block)};
  Stage stage{test::log_list(log)};
  LogOutlet outlet{*stage.session};
  write(outlet, std::string(600, 'x'));
  CHECK_FALSE(outlet.is_blocked());
  CHECK(log.counters().dropped == 1);
}

TEST_CASE("log outlet: raw bytes come in pieces, then the session's end", "[session]") {
  Options options;
  options.format = Options::Format::Raw;
  MemoryLog log{options};
  Stage stage{test::log_list(log)};
  const std::string bytes(100000, 'x');
  {
    LogOutlet outlet{*stage.session};
    CHECK(outlet.wants_raw());
    outlet.write_raw(as_bytes(bytes));
    write(outlet, "no record");
  }
  std::string got;
  for (const std::string& piece : log.take()) got += piece;
  CHECK(got == bytes);
  const auto end = log.producer().next_end();
  REQUIRE(end);
  CHECK(end->session == 17);
}

TEST_CASE("log outlet: raw bytes with a hole in them end there", "[session]") {
  Options options = small(Options::OnFull::Drop);
  options.format = Options::Format::Raw;
  MemoryLog log{options};
  Stage stage{test::log_list(log)};
  LogOutlet outlet{*stage.session};
  outlet.write_raw(as_bytes(std::string(1000, 'x')));
  CHECK(log.counters().dropped == 1);
  CHECK_FALSE(log.take().empty());
  outlet.write_raw(as_bytes(std::string_view("more")));
  CHECK(log.take().empty());
}

}  // namespace perilune::session
