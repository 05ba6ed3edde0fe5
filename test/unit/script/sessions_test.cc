#include "script/sessions.hh"

#include <vector>

#include "session/directory.hh"
#include "stage.hh"
#include "support/catch.hh"

namespace perilune::script {

using test::Play;
using test::Stage;

namespace {

// What all workers have is told by the test; this worker's are real sessions.
class FakeDirectory final : public session::Directory {
 public:
  event::Task<std::vector<session::SessionRow>> all() override { co_return rows; }
  event::Task<bool> disconnect(std::uint32_t id) override {
    disconnected.push_back(id);
    co_return std::ranges::find(rows, id, &session::SessionRow::id) != rows.end();
  }
  event::Task<std::optional<session::ServerThread>> thread_of(std::uint32_t) override {
    co_return std::nullopt;
  }
  event::Task<std::optional<session::CancelTarget>> cancel_target(std::uint32_t,
                                                                  Buffer) override {
    co_return std::nullopt;
  }
  void empty_node(std::shared_ptr<const cluster::Node>, Millis) override {}
  session::SessionList& local() noexcept override { return sessions; }

  HostOptions options() {
    HostOptions options;
    options.directory = this;
    return options;
  }

  std::vector<session::SessionRow> rows;
  std::vector<std::uint32_t> disconnected;
  session::SessionList sessions{[] {}};
};

session::SessionRow full_row() {
  session::SessionRow row;
  row.id = session::kIdBit | 5U;
  row.address = *net::parse_address("192.0.2.7:4711", 1);
  row.user = "anna";
  row.account = "tenant";
  row.database = "shop";
  row.server = *net::parse_address("192.0.2.1:3306", 1);
  row.server_version = "10.11.6";
  row.connected_at = WallTime{std::chrono::milliseconds{1500}};
  row.bytes_in = 1ULL << 40;
  row.bytes_out = 7;
  row.queries = 3;
  row.worker = 2;
  row.draining = true;
  return row;
}

constexpr const char* kDescribe = R"(
  local function describe(row)
    local parts = {}
    for key, value in pairs(row) do
      parts[#parts + 1] = key .. '=' .. (type(value) == 'number' and ('%.15g'):format(value) or tostring(value))
    end
    table.sort(parts)
    return table.concat(parts, ' ')
  end
)";

// What a script with this directory returns in on_login.
std::string answer(FakeDirectory& directory, const std::string& body) {
  Play play{std::string(kDescribe) + test::telling(body), directory.options()};
  directory.sessions.enter(play.session());
  return Play::say(play.log_in());
}

}  // namespace

TEST_CASE("script sessions: a row has every field", "[script]") {
  FakeDirectory directory;
  directory.rows.push_back(full_row());
  CHECK(answer(directory, "local all = sessions() return #all .. ' ' .. describe(all[1])") ==
        "1 account=tenant address=192.0.2.7:4711 bytes_in=1099511627776 bytes_out=7 "
        "connected_at=1.5 database=shop draining=true id=2147483653 protocol=mysql queries=3 "
        "server=192.0.2.1:3306 server_version=10.11.6 user=anna worker=2");
}

TEST_CASE("script sessions: what a session does not have is nil", "[script]") {
  FakeDirectory directory;
  directory.rows.emplace_back();
  CHECK(answer(directory, "return describe(sessions()[1])") ==
        "address= bytes_in=0 bytes_out=0 connected_at=0 draining=false id=0 protocol=mysql "
        "queries=0 worker=0");
}

TEST_CASE("script sessions: rows are the script's own tables", "[script]") {
  FakeDirectory directory;
  directory.rows.push_back(full_row());
  CHECK(answer(directory, "sessions()[1].user = 'x' return sessions()[1].user") == "anna");
}

TEST_CASE("script sessions: disconnect tells whether there is such a session", "[script]") {
  FakeDirectory directory;
  directory.rows.push_back(full_row());
  CHECK(answer(directory,
               "return tostring(disconnect(2147483653)) .. ' ' .. tostring(disconnect(9))") ==
        "true false");
  CHECK(directory.disconnected == std::vector<std::uint32_t>{session::kIdBit | 5U, 9U});
}

TEST_CASE("script sessions: what is no id raises", "[script]") {
  FakeDirectory directory;
  for (const char* arguments :
       {"", ", nil", ", {}", ", 'anna'", ", client", ", 1.5", ", -1", ", 0/0", ", 2^32"}) {
    CAPTURE(arguments);
    const std::string said =
        answer(directory, std::string("return select(2, pcall(disconnect") + arguments + "))");
    CHECK_THAT(said, Catch::Contains("bad argument #1 to 'disconnect'"));
  }
  CHECK(directory.disconnected.empty());
}

TEST_CASE("script sessions: nothing waits inside table.sort", "[script]") {
  FakeDirectory directory;
  for (const char* call : {"sessions()", "disconnect(7)"}) {
    const std::string said =
        answer(directory, std::string("return select(2, pcall(table.sort, {1, 2}, function() ") +
                              call + " end))");
    CHECK_THAT(said, Catch::Contains("cannot wait inside table.sort"));
  }
  CHECK(directory.disconnected.empty());
}

TEST_CASE("script sessions: local_sessions gives the objects of the callbacks", "[script]") {
  FakeDirectory directory;
  CHECK(answer(directory, R"(
    client.notes.mark = 'here'
    local all = local_sessions()
    return #all .. tostring(all[1] == client) .. all[1].notes.mark .. all[1].id)") ==
        "1truehere17");
}

TEST_CASE("script sessions: local_sessions leaves out those of other scripts", "[script]") {
  FakeDirectory directory;
  Play other{test::telling("return 1"), directory.options()};
  directory.sessions.enter(other.session());
  CHECK(answer(directory, "return #local_sessions()") == "1");
}

TEST_CASE("script sessions: a client that is listed becomes stale like any other", "[script]") {
  FakeDirectory directory;
  Play play{"kept = nil function reload() print(pcall(function() return kept.user end)) end\n" +
                test::telling("kept = local_sessions()[1] return kept.id"),
            directory.options()};
  directory.sessions.enter(play.session());
  CHECK(Play::say(play.log_in()) == "17");
  play.end_session();
  perilune::test::run_task(play.stage().loop(), play.stage().host().call_reload());
  CHECK(play.log().contains("Stale object"));
}

TEST_CASE("script sessions: without a directory there are none", "[script]") {
  Stage stage{R"(
    assert(#sessions() == 0 and #local_sessions() == 0 and disconnect(7) == false)
    mysql_listen('*:1', {on_login = print})
  )"};
  CHECK(stage.load().listeners.size() == 1);
}

}  // namespace perilune::script
