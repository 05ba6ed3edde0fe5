// Recorded sessions through the command phase, with every answer of a script in every place.

#include "proto/mysql/command_phase.hh"

#include <algorithm>
#include <string>

#include "support/catch.hh"
#include "support/sanitizer.hh"
#include "unit/proto/mysql/phase_run.hh"

using namespace perilune;
using namespace perilune::test;
using perilune::wire::mysql::Command;

namespace {

using Actor = PhaseRun::Actor;
using Way = PhaseRun::Way;

// Sanitizers are slow: they see a part of the cuts and orders.
constexpr std::size_t kStride = kAddressSanitizer ? 5 : 1;
constexpr std::size_t kOrders = kAddressSanitizer ? 2 : 4;

Choice forward(std::size_t, Command) { return {}; }

// What went wrong; empty: nothing.
std::string trouble(const Plan& plan, const Way& way) {
  try {
    PhaseRun{plan, way}.run();
    return {};
  } catch (const std::exception& error) {
    return error.what();
  }
}

void check(const Plan& plan, const Way& way) {
  CAPTURE(way.client.at, way.client.every, way.server.at, way.server.every, way.order);
  REQUIRE(trouble(plan, way) == "");
}

std::vector<RecordedSession> sessions_with_commands() {
  auto sessions = recorded_sessions();
  std::erase_if(sessions, [](const RecordedSession& session) { return session.commands.empty(); });
  return sessions;
}

std::size_t longest(const std::vector<Plan::Send>& sends) {
  std::size_t size = 0;
  for (const Plan::Send& send : sends) size = std::max(size, send.bytes.size());
  return size;
}

// At this distance from where each part begins, if it is that long.
Cut cut_parts_at(const std::vector<Plan::Send>& sends, std::size_t distance) {
  Cut cut;
  std::size_t offset = 0;
  for (const Plan::Send& send : sends) {
    if (distance < send.bytes.size()) cut.at.push_back(offset + distance);
    offset += send.bytes.size();
  }
  return cut;
}

void check_client_cut_everywhere(const Plan& plan, Way way) {
  for (std::size_t at = 0; at < longest(plan.from_client); at += kStride) {
    way.client = cut_parts_at(plan.from_client, at);
    check(plan, way);
  }
}

void check_server_cut_everywhere(const Plan& plan, Way way) {
  for (std::size_t at = 0; at < longest(plan.from_server); at += kStride) {
    way.server = cut_parts_at(plan.from_server, at);
    check(plan, way);
  }
}

const Way kServerFirst{{}, {}, {Actor::Server, Actor::Client, Actor::Script}};
// Decided as late as can be, and while earlier answers are still outstanding.
const Way kScriptLast{{}, {}, {Actor::Client, Actor::Server, Actor::Script}};
const Way kServerLast{{}, {}, {Actor::Client, Actor::Script, Actor::Server}};
const Way kScriptFirst{{}, {}, {Actor::Script, Actor::Client, Actor::Server}};
const Way kWays[] = {kServerFirst, kScriptLast, kServerLast, kScriptFirst};

void check_choice(const RecordedSession& session, const PlanMaker::Choose& choose) {
  for (const bool pipeline : {false, true}) {
    CAPTURE(session.name, pipeline);
    const Plan plan = PlanMaker{session, pipeline}.make(choose);
    for (std::size_t order = 0; order < kOrders; ++order) check(plan, kWays[order]);
  }
}

}  // namespace

TEST_CASE("mysql command phase: recorded sessions pass as they are", "[proto][mysql]") {
  const auto sessions = sessions_with_commands();
  CHECK(sessions.size() >= 23);
  for (const RecordedSession& session : sessions) check_choice(session, forward);
}

TEST_CASE("mysql command phase: recorded sessions pass in pieces", "[proto][mysql]") {
  for (const RecordedSession& session : sessions_with_commands()) {
    for (const bool pipeline : {false, true}) {
      CAPTURE(session.name, pipeline);
      const Plan plan = PlanMaker{session, pipeline}.make(forward);
      for (std::size_t size = 1; size < 8; ++size) {
        Way way = kWays[size % 4];
        way.client.every = size;
        way.server.every = size % 5 + 1;
        check(plan, way);
      }
      check_client_cut_everywhere(plan, kScriptLast);
      if (pipeline) check_server_cut_everywhere(plan, kScriptLast);
    }
  }
}

TEST_CASE("mysql command phase: every answer to every command", "[proto][mysql]") {
  const Say say = GENERATE(from_range(std::begin(kAllSays), std::end(kAllSays)));
  const bool waits = GENERATE(false, true);
  for (const RecordedSession& session : sessions_with_commands()) {
    for (std::size_t chosen = 0; chosen < session.commands.size(); ++chosen) {
      CAPTURE(say, waits, chosen);
      if (!may_say(command_of(session.commands[chosen]), say)) continue;
      check_choice(session, [&](std::size_t position, Command) {
        return position == chosen ? Choice{say, waits} : Choice{};
      });
    }
  }
}

TEST_CASE("mysql command phase: the same answer to all commands, in pieces", "[proto][mysql]") {
  const Say say = GENERATE(from_range(std::begin(kAllSays), std::end(kAllSays)));
  const bool waits = GENERATE(false, true);
  for (const RecordedSession& session : sessions_with_commands()) {
    for (const bool pipeline : {false, true}) {
      CAPTURE(say, waits, session.name, pipeline);
      const Plan plan = PlanMaker{session, pipeline}.make([&](std::size_t, Command command) {
        return may_say(command, say) ? Choice{say, waits} : Choice{Say::Forward, waits};
      });
      for (const std::size_t size : {1U, 2U, 5U, 9U}) {
        Way way = kWays[size % 4];
        way.client.every = size;
        way.server.every = size % 7 + 1;
        check(plan, way);
      }
    }
  }
}

TEST_CASE("mysql command phase: answers of all kinds in one session", "[proto][mysql]") {
  for (const RecordedSession& session : sessions_with_commands()) {
    for (std::size_t shift = 0; shift < 2 * std::size(kAllSays); ++shift) {
      check_choice(session, [&](std::size_t position, Command command) {
        const std::size_t number = position * 5 + shift;
        const Say say = kAllSays[number % std::size(kAllSays)];
        return Choice{may_say(command, say) ? say : Say::Forward, number % 3 != 0};
      });
    }
  }
}
