#include "proto/mysql/kill.hh"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "session/directory.hh"
#include "unit/proto/mysql/login_fixture.hh"

namespace perilune::proto::mysql {

namespace {

constexpr std::uint32_t kId = session::kIdBit | 5U;
constexpr std::uint32_t kThread = 77;

class FakeDirectory final : public session::Directory {
 public:
  event::Task<std::vector<session::SessionRow>> all() override {
    co_return std::vector<session::SessionRow>{};
  }
  event::Task<bool> disconnect(std::uint32_t id) override {
    disconnected.push_back(id);
    co_return true;
  }
  event::Task<std::optional<session::ServerThread>> thread_of(std::uint32_t id) override {
    ++asked;
    const auto found = threads.find(id);
    if (found == threads.end()) co_return std::nullopt;
    co_return found->second;
  }
  event::Task<std::optional<session::CancelTarget>> cancel_target(std::uint32_t,
                                                                  Buffer) override {
    co_return std::nullopt;
  }
  void empty_node(std::shared_ptr<const cluster::Node>, Millis) override {}
  session::SessionList& local() noexcept override { return sessions; }

  std::map<std::uint32_t, session::ServerThread> threads;
  std::vector<std::uint32_t> disconnected;
  int asked = 0;
  session::SessionList sessions{[] {}};
};

// Anna's session at one server, which kills another one of hers.
struct Killer {
  Killer() {
    listener->open = std::make_shared<std::atomic<std::uint64_t>>(0);
    session.emplace(services, listener, session::kIdBit | 1U, -1, net::SmallAddress{any_port()});
    session->user = std::string("anna");
    session->account = "tenant";
    session->server = net::SmallAddress{here};
    session::ServerThread thread;
    thread.id = kThread;
    thread.server = here;
    thread.user = "anna";
    thread.account = "tenant";
    directory.threads[kId] = thread;
  }

  session::ServerThread& victim() { return directory.threads[kId]; }
  void know_password(Millis connect_timeout = Millis{5000}) {
    auto known = std::make_unique<session::KnownLogin>();
    known->user = "login-of-anna";
    known->credentials.password.emplace(std::string_view("secret"));
    known->connect_timeout = connect_timeout;
    session->known_login = std::move(known);
  }
  void be_at(std::shared_ptr<const cluster::Settings> cluster) {
    auto node = std::make_shared<cluster::Node>(*net::parse_endpoint("192.0.2.1", 3306));
    node->enter(0);
    session->lease =
        std::make_unique<const cluster::Lease>(std::move(node), false, std::move(cluster));
  }
  KillDecision decide(KillRequest request) {
    return test::run_task(loop, decide_kill(*session, std::move(request)));
  }
  KillDecision kill(std::uint64_t id = kId) {
    KillRequest request;
    request.id = id;
    return decide(std::move(request));
  }
  KillDecision kill_query() {
    KillRequest request;
    request.id = kId;
    request.query_only = true;
    request.before_id = "KILL /*!50000 QUERY */ ";
    request.after_id = " ;";
    return decide(std::move(request));
  }

  event::Loop loop;
  log::Output output{-1, log::LineFormat::Timed, log::Level::Error};
  log::Logger logger{output};
  stats::Registry registry{1};
  event::TaskGroup background{loop};
  FakeDirectory directory;
  session::Services services{loop, background, logger, registry.worker(0), &directory};
  std::shared_ptr<session::Listener> listener = std::make_shared<session::Listener>();
  const net::Address here = *net::parse_address("192.0.2.1:3306", 1);
  std::optional<session::Session> session;
};

std::shared_ptr<const cluster::Settings> cluster_with_user(const std::string& user) {
  auto settings = std::make_shared<cluster::Settings>();
  settings->protocol = "mysql";
  settings->monitoring.emplace();
  settings->monitoring->user = user;
  settings->monitoring->password.emplace(std::string_view("secret"));
  return settings;
}

bool is_unchanged(const KillDecision& decision) {
  return std::holds_alternative<KillUnchanged>(decision);
}

bool is_ok(const KillDecision& decision) {
  const auto* answer = std::get_if<KillAnswer>(&decision);
  return answer != nullptr && !answer->err;
}

wire::Err error_of(const KillDecision& decision) {
  const auto* answer = std::get_if<KillAnswer>(&decision);
  REQUIRE(answer != nullptr);
  REQUIRE(answer->err.has_value());
  return *answer->err;
}

// Where the other session runs: lets in and answers one statement.
struct OtherServer {
  explicit OtherServer(Killer& killer) : server(killer.loop, kModern) {
    killer.victim().server = server.address();
    server.method = [this](Channel& channel) { return serve(channel); };
  }
  // After the login it does not matter how the connection ends.
  event::Task<> serve(Channel& channel) {
    channel.send(ok());
    try {
      co_await answer_one(channel);
    } catch (const PeerError&) {
    }
  }
  event::Task<> answer_one(Channel& channel) {
    channel.set_sequence(0);
    const Buffer payload = co_await channel.receive(kLimit);
    statement = as_text(payload);
    if (answer.empty()) {
      channel.stream().shut_down();
      co_return;
    }
    channel.send(answer);
    channel.set_sequence(0);
    const Buffer last = co_await channel.receive(kLimit);
    goodbye = as_text(last);
  }

  Buffer answer = ok();  // empty: closes instead
  std::string statement;
  std::string goodbye;
  ScriptedServer server;
};

}  // namespace

TEST_CASE("kill: ids that cannot be ours go on unchanged, and nobody is asked", "[proto][mysql]") {
  Killer killer;
  constexpr std::uint64_t kOurs = kId;
  const std::vector<std::uint64_t> others{0, 5, kOurs << 1, kOurs + (1ULL << 32), ~0ULL};
  for (const std::uint64_t id : others) {
    CAPTURE(id);
    CHECK(is_unchanged(killer.kill(id)));
  }
  CHECK(killer.directory.asked == 0);
}

TEST_CASE("kill: without a directory every id goes on unchanged", "[proto][mysql]") {
  Killer killer;
  killer.services.directory = nullptr;
  CHECK(is_unchanged(killer.kill()));
}

TEST_CASE("kill: ids of nobody and of others go on unchanged", "[proto][mysql]") {
  Killer killer;
  CHECK(is_unchanged(killer.kill(kId + 1)));
  killer.victim().user = "berta";
  CHECK(is_unchanged(killer.kill()));
  killer.victim().user = "anna";
  killer.victim().account = "other";
  CHECK(is_unchanged(killer.kill()));
  killer.victim().id = 0;
  CHECK(is_unchanged(killer.kill()));
  CHECK(killer.directory.disconnected.empty());
}

TEST_CASE("kill: at the killer's own server by that server's number", "[proto][mysql]") {
  Killer killer;
  for (const KillDecision& decision : {killer.kill(), killer.kill_query()}) {
    const auto* thread = std::get_if<KillThread>(&decision);
    REQUIRE(thread != nullptr);
    CHECK(thread->id == kThread);
  }
}

TEST_CASE("kill: a session that is not logged in anywhere is ended here", "[proto][mysql]") {
  Killer killer;
  killer.victim().id = 0;
  CHECK(is_ok(killer.kill_query()));
  CHECK(killer.directory.disconnected.empty());
  CHECK(is_ok(killer.kill()));
  CHECK(killer.directory.disconnected == std::vector<std::uint32_t>{kId});
}

TEST_CASE("kill: at another server only with known credentials", "[proto][mysql]") {
  Killer killer;
  OtherServer other{killer};
  const wire::Err err = error_of(killer.kill());
  CHECK(err.code == 1095);
  CHECK(err.sql_state == "HY000");
  CHECK_THAT(err.message, Catch::Contains("You are not owner of thread 2147483653"));
  CHECK_THAT(err.message, Catch::Contains(other.server.address().text()));
  CHECK(other.server.connections == 0);
}

TEST_CASE("kill: at another server by a login of its own", "[proto][mysql]") {
  Killer killer;
  killer.know_password();
  OtherServer other{killer};
  CHECK(is_ok(killer.kill_query()));
  CHECK(other.server.user == "login-of-anna");
  CHECK(other.statement == "\x03KILL /*!50000 QUERY */ 77 ;");
  run_until(killer.loop, [&] { return other.server.open == 0; });
  CHECK(other.goodbye == "\x01");
  CHECK(other.server.unanswered == 0);
  CHECK(killer.session->server.expand() == killer.here);
  CHECK(is_ok(killer.kill()));
  CHECK(other.statement == "\x03KILL 77");
}

TEST_CASE("kill: at another node of the same cluster by the cluster's user", "[proto][mysql]") {
  Killer killer;
  OtherServer other{killer};
  const auto cluster = cluster_with_user("caretaker");
  killer.be_at(cluster);
  SECTION("both are there, by the same declaration") {
    killer.victim().cluster = cluster_with_user("caretaker");
    CHECK(is_ok(killer.kill_query()));
    CHECK(other.server.user == "caretaker");
    CHECK(other.statement == "\x03KILL QUERY 77");
    CHECK(is_ok(killer.kill()));
    CHECK(other.statement == "\x03KILL 77");
  }
  SECTION("credentials of the killer's own come first") {
    killer.victim().cluster = cluster;
    killer.know_password();
    CHECK(is_ok(killer.kill()));
    CHECK(other.server.user == "login-of-anna");
  }
  SECTION("a refused login is not described to him") {
    killer.victim().cluster = cluster;
    other.server.method = nullptr;
    const wire::Err err = error_of(killer.kill());
    CHECK(err.code == 1095);
    CHECK_THAT(err.message, Catch::Contains("its login has failed"));
  }
}

TEST_CASE("kill: a cluster's user is not for others", "[proto][mysql]") {
  Killer killer;
  OtherServer other{killer};
  SECTION("the victim is at another cluster") {
    killer.be_at(cluster_with_user("caretaker"));
    killer.victim().cluster = cluster_with_user("another");
  }
  SECTION("the victim is at none") { killer.be_at(cluster_with_user("caretaker")); }
  SECTION("the killer is at none") { killer.victim().cluster = cluster_with_user("caretaker"); }
  SECTION("the cluster has no user") {
    const auto cluster = cluster_with_user({});
    killer.be_at(cluster);
    killer.victim().cluster = cluster;
  }
  SECTION("the cluster is not probed") {
    const auto cluster = std::make_shared<const cluster::Settings>();
    killer.be_at(cluster);
    killer.victim().cluster = cluster;
  }
  const wire::Err err = error_of(killer.kill());
  CHECK(err.code == 1095);
  CHECK_THAT(err.message, Catch::Contains("knows no credentials"));
  CHECK(other.server.connections == 0);
}

TEST_CASE("kill: the other server's error is the answer", "[proto][mysql]") {
  Killer killer;
  killer.know_password();
  OtherServer other{killer};
  other.answer = refusal();
  const wire::Err err = error_of(killer.kill());
  CHECK(err.code == 1045);
  CHECK(err.message == "Access denied by the script");
}

TEST_CASE("kill: whatever keeps it from the other server is told", "[proto][mysql]") {
  Killer killer;
  killer.know_password(Millis{100});
  OtherServer other{killer};
  std::string reason;
  SECTION("the login is refused") {
    other.server.method = nullptr;
    reason = "Access denied by the script";
  }
  SECTION("the server is silent") {
    other.server.is_silent = true;
    reason = "the server is silent";
  }
  SECTION("the server goes away") {
    other.answer.clear();
    reason = "Server closed the connection";
  }
  SECTION("nobody listens there") {
    killer.victim().server = *net::parse_address("@perilune-nobody", 1);
    reason = "connection refused";
  }
  const wire::Err err = error_of(killer.kill());
  CHECK(err.code == 1095);
  CHECK_THAT(err.message, Catch::Contains(killer.victim().server.text()));
  CHECK_THAT(err.message, Catch::Contains(reason));
  CHECK(other.server.unanswered == 0);
  CHECK(killer.session->server.expand() == killer.here);
}

TEST_CASE("kill: a killer who is gone leaves the other server a handshake in good order",
          "[proto][mysql]") {
  Killer killer;
  killer.know_password();
  OtherServer other{killer};
  for (int turns = 0; turns < 12; ++turns) {
    KillRequest request;
    request.id = kId;
    event::TaskGroup tasks{killer.loop};
    tasks.spawn([](session::Session& session, KillRequest wish) -> event::Task<> {
      co_await decide_kill(session, std::move(wish));
    }(*killer.session, std::move(request)));
    for (int turn = 0; turn < turns; ++turn) uv_run(killer.loop.uv(), UV_RUN_NOWAIT);
  }
  run_until(killer.loop, [&] { return killer.background.size() == 0 && other.server.open == 0; });
  CHECK(killer.background.size() == 0);
  CHECK(other.server.unanswered == 0);
}

}  // namespace perilune::proto::mysql
