#include <algorithm>
#include <string>
#include <vector>

#include "support/catch.hh"
#include "support/sanitizer.hh"
#include "unit/wire/postgres/session_file.hh"
#include "wire/postgres/exchange.hh"

using namespace perilune;
using perilune::test::kAddressSanitizer;
using namespace perilune::test::postgres;
using namespace perilune::wire::postgres;
using Kind = RecordedStep::Kind;

namespace {

// Sanitizers are slow: they see a part of the cuts.
constexpr std::size_t kStride = kAddressSanitizer ? 13 : 1;

// What an exchange knows, as far as others ask.
struct Snapshot {
  std::size_t outstanding;
  bool idle, unsynced, skipping, copying_in, copying_out, last_word_is_error, goodbye;
  TransactionStatus status;
  std::uint32_t commands;

  bool operator==(const Snapshot&) const = default;
};

Snapshot snapshot(const Exchange& exchange) {
  return {exchange.outstanding(),
          exchange.idle(),
          exchange.unsynced(),
          exchange.skipping(),
          exchange.copying_in(),
          exchange.copying_out(),
          exchange.last_word_is_error(),
          exchange.server_said_goodbye(),
          exchange.status(),
          exchange.commands()};
}

struct Cut {
  std::size_t at = std::string::npos;     // an offset in what both sides send
  std::size_t every = std::string::npos;  // a size
};

// A session through an exchange, cut as wanted; notes what is known behind each step.
class Replay {
 public:
  Replay(const RecordedSession& session, Cut cut, bool intercept) : cut_(cut) {
    if (intercept) intercept_.set();
    for (const RecordedStep& step : session.commands) run(step);
  }

  const std::vector<Snapshot>& seen() const { return seen_; }
  const Exchange& exchange() const { return exchange_; }
  bool failed() const { return failed_; }

 private:
  void run(const RecordedStep& step) {
    switch (step.kind) {
      case Kind::Client:
      case Kind::Server:
        for (Bytes left = step.bytes; !left.empty();) left = left.subspan(feed(step.kind, left));
        break;
      case Kind::Idle:
        require(exchange_.idle() && exchange_.status() == step.status);
        break;
      case Kind::Goodbye:
        require(exchange_.last_word_is_error());
        break;
    }
    seen_.push_back(snapshot(exchange_));
  }

  std::size_t feed(Kind kind, Bytes left) {
    std::size_t size = std::min(left.size(), cut_.every);
    if (cut_.at > offset_ && cut_.at < offset_ + size) size = cut_.at - offset_;
    offset_ += size;
    kind == Kind::Client ? client(left.first(size)) : server(left.first(size));
    return size;
  }

  void client(Bytes piece) {
    append(pending_, piece);
    for (bool more = true; more;) {
      const Progress progress = exchange_.client(pending_, intercept_);
      drop(progress.consumed);
      require(progress.stop == Stop::None || progress.stop == Stop::Intercept);
      more = progress.stop == Stop::Intercept && take_message();
    }
  }

  bool take_message() {
    const auto message = front_message(pending_, kMaxLength);
    if (!message || !message->complete) return false;
    exchange_.forwarded(static_cast<FrontendTag>(message->tag));
    drop(message->size);
    return true;
  }

  void server(Bytes piece) {
    const bool asked = !exchange_.idle();
    const Progress progress = exchange_.server(piece);
    require(progress.stop == Stop::None && progress.consumed == piece.size());
    require(asked || exchange_.server_said_goodbye() || !exchange_.server_at_border() ||
            exchange_.idle());
  }

  void drop(std::size_t size) {
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(size));
  }

  void require(bool condition) { failed_ = failed_ || !condition; }

  Cut cut_;
  MessageSet intercept_;
  Exchange exchange_;
  Buffer pending_;
  std::size_t offset_ = 0;
  std::vector<Snapshot> seen_;
  bool failed_ = false;
};

std::size_t size_of(const RecordedSession& session) {
  std::size_t size = 0;
  for (const RecordedStep& step : session.commands) size += step.bytes.size();
  return size;
}

void check(const RecordedSession& session, const std::vector<Snapshot>& expected, Cut cut,
           bool intercept) {
  const Replay replay{session, cut, intercept};
  if (!replay.failed() && replay.seen() == expected) return;
  const auto differs = std::ranges::mismatch(replay.seen(), expected).in1;
  const auto step = differs - replay.seen().begin();
  CAPTURE(session.name, cut.at, cut.every, intercept, step, replay.exchange().reason());
  CHECK_FALSE(replay.failed());
  CHECK(replay.seen() == expected);
}

}  // namespace

TEST_CASE("postgres replay: recorded sessions in whole pieces", "[wire][postgres]") {
  const auto sessions = recorded_sessions();
  CHECK(sessions.size() >= 18);
  std::size_t idle = 0;
  for (const RecordedSession& session : sessions) {
    const Replay replay{session, {}, false};
    CAPTURE(session.name, replay.exchange().reason());
    CHECK_FALSE(replay.failed());
    idle += static_cast<std::size_t>(
        std::ranges::count(session.commands, Kind::Idle, &RecordedStep::kind));
  }
  CHECK(idle >= 80);
}

TEST_CASE("postgres replay: programs end without anything outstanding", "[wire][postgres]") {
  for (const char* name : {"psql", "pgbench_simple", "pgbench_extended", "pgbench_prepared",
                           "login_clear", "login_md5", "login_scram", "login_tried_tls"}) {
    const RecordedSession session = recorded_session(name);
    const Replay replay{session, {}, false};
    CAPTURE(name);
    CHECK(replay.exchange().idle());
    CHECK(replay.exchange().quit());
    CHECK_FALSE(replay.exchange().in_transaction());
    CHECK(replay.exchange().commands() > 0);
  }
}

TEST_CASE("postgres replay: a session that was ended is told so", "[wire][postgres]") {
  const Replay idle{recorded_session("terminated_idle"), {}, false};
  CHECK(idle.exchange().server_said_goodbye());
  CHECK(idle.exchange().in_transaction());
  const Replay busy{recorded_session("terminated_busy"), {}, false};
  CHECK_FALSE(busy.exchange().server_said_goodbye());
  CHECK(busy.exchange().last_word_is_error());
}

TEST_CASE("postgres replay: recorded sessions in small pieces", "[wire][postgres]") {
  for (const RecordedSession& session : recorded_sessions()) {
    const auto expected = Replay(session, {}, false).seen();
    for (const bool intercept : {false, true}) {
      Cut cut;
      for (cut.every = 1; cut.every < 40; ++cut.every) check(session, expected, cut, intercept);
    }
  }
}

TEST_CASE("postgres replay: recorded sessions cut at every byte", "[wire][postgres]") {
  for (const RecordedSession& session : recorded_sessions()) {
    const auto expected = Replay(session, {}, false).seen();
    for (const bool intercept : {false, true}) {
      Cut cut;
      for (cut.at = 1; cut.at < size_of(session); cut.at += kStride) {
        check(session, expected, cut, intercept);
      }
    }
  }
}
