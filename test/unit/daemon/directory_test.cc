#include "daemon/directory.hh"

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "event/first_of.hh"
#include "log/output.hh"
#include "session/session.hh"
#include "support/catch.hh"
#include "support/fake_hooks.hh"
#include "support/run_task.hh"

namespace perilune::daemon {

namespace {

constexpr Millis kLong{60000};
constexpr Millis kShort{50};

net::Address address(const char* text) { return *net::parse_address(text, 1); }

// A worker with a loop, with or without a thread that runs it.
class FakeWorker {
 public:
  FakeWorker(unsigned index, const log::Logger& logger)
      : index_(index), services_{loop, background_, logger, registry_.worker(0)} {
    listener_->open = std::make_shared<std::atomic<std::uint64_t>>(0);
  }
  ~FakeWorker() {
    if (!thread_.joinable()) return;
    mailbox.post([this] { loop.stop(); });
    thread_.join();
  }

  void run() {
    thread_ = std::thread([this] { loop.run(); });
  }
  // Keeps the thread from its mail until the function's result is destroyed.
  std::unique_ptr<std::promise<void>> block() {
    auto gate = std::make_unique<std::promise<void>>();
    mailbox.post(
        [gone = std::make_shared<std::future<void>>(gate->get_future())] { gone->wait(); });
    return gate;
  }
  Branch branch() { return {index_, &mailbox, &sessions}; }

  session::Session& add(std::uint32_t id, std::string user) {
    auto session = std::make_unique<session::Session>(services_, listener_, id, -1,
                                                      net::SmallAddress{address("192.0.2.7:1")});
    session->user = std::move(user);
    sessions.enter(*session);
    open_.push_back(std::move(session));
    return *open_.back();
  }
  void demand_proxy_header() {
    listener_->declaration.options.proxy_peers.networks.push_back(
        *net::parse_network("192.0.2.0/24"));
  }

  event::Loop loop;
  event::Mailbox mailbox{loop};
  session::SessionList sessions{[] {}};

 private:
  unsigned index_;
  stats::Registry registry_{1};
  event::TaskGroup background_{loop};
  session::Services services_;
  std::shared_ptr<session::Listener> listener_ = std::make_shared<session::Listener>();
  std::vector<std::unique_ptr<session::Session>> open_;
  std::thread thread_;
};

// Worker 0, which asks, and two others.
struct Office {
  explicit Office(Millis patience)
      : directory(home.loop, home.branch(), branches, logger, patience) {
    branches.set(std::make_shared<const std::vector<Branch>>(
        std::vector<Branch>{home.branch(), first.branch(), second.branch()}));
  }

  std::vector<std::string> users() {
    std::vector<std::string> users;
    for (const auto& row : test::run_task(home.loop, directory.all())) users.push_back(row.user);
    return users;
  }
  std::optional<session::ServerThread> thread_of(std::uint32_t id) {
    return test::run_task(home.loop, directory.thread_of(id));
  }
  bool disconnect(std::uint32_t id) { return test::run_task(home.loop, directory.disconnect(id)); }

  log::Output output{-1, log::LineFormat::Timed, log::Level::Error};
  log::Logger logger{output};
  Branches branches;
  FakeWorker home{0, logger};
  FakeWorker first{1, logger};
  FakeWorker second{2, logger};
  Directory directory;
};

using Users = std::vector<std::string>;

}  // namespace

TEST_CASE("directory: all sessions of all workers, by their ids", "[daemon]") {
  Office office{kLong};
  office.home.add(3, "home");
  office.first.add(4, "first");
  office.first.add(1, "oldest");
  office.second.add(2, "second");
  office.first.run();
  office.second.run();
  CHECK(office.users() == Users{"oldest", "second", "home", "first"});
}

TEST_CASE("directory: a row tells what the session knows", "[daemon]") {
  Office office{kLong};
  session::Session& session = office.second.add(9, "anna");
  session.account = "tenant";
  session.database = "shop";
  session.server_version = "10.11";
  session.server = net::SmallAddress{address("192.0.2.1:3306")};
  session.traffic = {1, 2, 3};
  session.drain();
  office.first.run();
  office.second.run();
  const auto rows = test::run_task(office.home.loop, office.directory.all());
  REQUIRE(rows.size() == 1);
  const session::SessionRow& row = rows.front();
  CHECK(row.id == 9);
  CHECK(row.address.text() == "192.0.2.7:1");
  CHECK(row.account == "tenant");
  CHECK(row.database == "shop");
  CHECK(row.server.text() == "192.0.2.1:3306");
  CHECK(row.server_version == "10.11");
  CHECK(row.connected_at == session.connected_at());
  CHECK(row.bytes_in == 1);
  CHECK(row.bytes_out == 2);
  CHECK(row.queries == 3);
  CHECK(row.worker == 2);
  CHECK(row.draining);
}

TEST_CASE("directory: a worker alone needs nobody", "[daemon]") {
  Office office{kLong};
  office.branches.set(nullptr);
  office.home.add(3, "home");
  CHECK(office.users() == Users{"home"});
  CHECK(office.disconnect(3));
  CHECK_FALSE(office.disconnect(4));
}

TEST_CASE("directory: disconnect finds the session wherever it is", "[daemon]") {
  Office office{kLong};
  session::Session& own = office.home.add(3, "home");
  session::Session& other = office.second.add(4, "second");
  session::Session& untouched = office.first.add(5, "first");
  office.first.run();
  office.second.run();
  CHECK(office.disconnect(3));
  CHECK(office.disconnect(4));
  CHECK(office.disconnect(4));
  CHECK_FALSE(office.disconnect(6));
  CHECK(own.stop_reason() == session::StopReason::Disconnect);
  CHECK(other.stop_reason() == session::StopReason::Disconnect);
  CHECK(untouched.stop_reason() == session::StopReason::None);
}

TEST_CASE("directory: where a session runs", "[daemon]") {
  Office office{kLong};
  session::Session& session = office.second.add(9, "anna");
  session.account = "tenant";
  session.server = net::SmallAddress{address("192.0.2.1:3306")};
  session.server_thread = 77;
  auto known = std::make_unique<session::KnownLogin>();
  known->tls.server_name = "db.example";
  session.known_login = std::move(known);
  session::Session& other = office.second.add(8, "anna");
  auto node = std::make_shared<cluster::Node>(*net::parse_endpoint("db2.example", 3306));
  node->enter(0);
  const auto settings = std::make_shared<const cluster::Settings>();
  other.lease = std::make_unique<const cluster::Lease>(std::move(node), false, settings);
  office.home.add(3, "home");
  office.first.run();
  office.second.run();
  const auto at_node = office.thread_of(8);
  REQUIRE(at_node.has_value());
  CHECK(at_node->server_name == "db2.example");
  CHECK(at_node->cluster == settings);
  const auto thread = office.thread_of(9);
  REQUIRE(thread.has_value());
  CHECK(thread->id == 77);
  CHECK(thread->server.text() == "192.0.2.1:3306");
  CHECK(thread->server_name == "db.example");
  CHECK(thread->user == "anna");
  CHECK(thread->account == "tenant");
  CHECK(thread->cluster == nullptr);
  const auto own = office.thread_of(3);
  REQUIRE(own.has_value());
  CHECK(own->id == 0);
  CHECK_FALSE(own->server);
  CHECK_FALSE(office.thread_of(4).has_value());
}

TEST_CASE("directory: a worker that does not answer is left out", "[daemon]") {
  Office office{kShort};
  office.first.add(4, "first");
  office.second.add(5, "second");
  const auto gate = office.first.block();
  office.first.run();
  office.second.run();
  CHECK(office.users() == Users{"second"});
  CHECK_FALSE(office.disconnect(4));
  gate->set_value();
}

TEST_CASE("directory: who has been found is not waited for", "[daemon]") {
  Office office{kLong};
  office.second.add(5, "second");
  const auto gate = office.first.block();
  office.first.run();
  office.second.run();
  CHECK(office.disconnect(5));
  gate->set_value();
}

TEST_CASE("directory: an answer for an asker who is gone disturbs nobody", "[daemon]") {
  Office office{kLong};
  office.first.add(4, "first");
  const auto gate = office.first.block();
  office.first.run();
  office.second.run();
  auto asking = office.directory.all();
  const auto answer =
      test::run_task(office.home.loop, event::within(office.home.loop, kShort, std::move(asking)));
  CHECK_FALSE(answer.has_value());
  gate->set_value();
  CHECK(office.users() == Users{"first"});
}

TEST_CASE("directory: a worker that has ended keeps no question for ever", "[daemon]") {
  Office office{kShort};
  office.home.add(3, "home");
  office.second.run();
  CHECK(office.users() == Users{"home"});
  office.first.mailbox.close();
  CHECK(office.users() == Users{"home"});
}

TEST_CASE("directory: nobody has heard of a client whose PROXY header is missing", "[daemon]") {
  Office office{kLong};
  office.home.demand_proxy_header();
  session::Session& session = office.home.add(3, "home");
  office.branches.set(nullptr);
  CHECK(office.users().empty());
  CHECK_FALSE(office.disconnect(3));
  session.note_proxy_header(Millis{1});
  CHECK(office.users() == Users{"home"});
}

TEST_CASE("session directory: the sessions of an account are dropped", "[daemon]") {
  log::Output output{-1, log::LineFormat::Timed, log::Level::Error};
  log::Logger logger{output};
  FakeWorker worker{0, logger};
  std::vector<session::Session*> sessions;
  for (const char* account : {"anna", "ann", "", "anna", "Anna"}) {
    sessions.push_back(&worker.add(static_cast<std::uint32_t>(sessions.size() + 1), "user"));
    sessions.back()->account = account;
  }
  sessions[3]->stop(session::StopReason::IdleTimeout);
  CHECK(session::stop_account(worker.sessions, "anna", session::StopReason::Dropped) == 1);
  CHECK(sessions[0]->stop_reason() == session::StopReason::Dropped);
  for (const std::size_t other : {1, 2, 4}) {
    CHECK(sessions[other]->stop_reason() == session::StopReason::None);
  }
  CHECK(session::stop_account(worker.sessions, "anna", session::StopReason::Dropped) == 0);
}

}  // namespace perilune::daemon
