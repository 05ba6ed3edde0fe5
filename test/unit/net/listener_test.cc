#include "net/listener.hh"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "event/deadline.hh"
#include "net/connect.hh"
#include "support/catch.hh"
#include "support/run_task.hh"
#include "util/error.hh"

namespace perilune::net {

namespace {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    char name[] = "/tmp/perilune-unit-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~TemporaryFolder() { std::system(("rm -rf " + path_).c_str()); }
  std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

Address unix_path(const std::string& path) { return Address::unix_name(path); }

bool exists(const std::string& path) {
  struct stat file {};
  return ::stat(path.c_str(), &file) == 0;
}

ino_t inode(const std::string& path) {
  struct stat file {};
  REQUIRE(::stat(path.c_str(), &file) == 0);
  return file.st_ino;
}

event::Task<int> connect_to(event::Loop& loop, Address address) {
  Connecting connecting{loop, address};
  const int status = co_await connecting;
  co_return status;
}

}  // namespace

TEST_CASE("listen socket: a unix path has its mode and goes when it closes", "[net]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("s");
  FileRights rights;
  rights.mode = 0640;
  {
    const auto socket = ListenSocket::bind(unix_path(path), 16, rights);
    struct stat file {};
    REQUIRE(::stat(path.c_str(), &file) == 0);
    CHECK((file.st_mode & 0777U) == 0640U);
  }
  CHECK_FALSE(exists(path));
}

TEST_CASE("listen socket: one that answers is not replaced, a dead one is", "[net]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("s");
  {
    const auto alive = ListenSocket::bind(unix_path(path), 16, {});
    const ino_t before = inode(path);
    CHECK_THROWS_AS(ListenSocket::bind(unix_path(path), 16, {}), ConfigError);
    CHECK(inode(path) == before);
    // What a crashed process leaves behind: the file without the listener.
    REQUIRE(::rename(path.c_str(), folder.file("dead").c_str()) == 0);
  }
  const auto dead = unix_path(folder.file("dead"));
  CHECK(exists(folder.file("dead")));
  const auto replaced = ListenSocket::bind(dead, 16, {});
  event::Loop loop;
  CHECK(test::run_task(loop, connect_to(loop, dead)) == 0);
}

TEST_CASE("listen socket: a file that is now another's is left alone", "[net]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("s");
  {
    const auto socket = ListenSocket::bind(unix_path(path), 16, {});
    REQUIRE(::rename(path.c_str(), folder.file("moved").c_str()) == 0);
    std::ofstream{path} << "somebody else's";
  }
  CHECK(exists(path));
}

TEST_CASE("listen socket: never takes the place of a file that is no socket", "[net]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("s");
  std::ofstream{path} << "data";
  CHECK_THROWS_AS(ListenSocket::bind(unix_path(path), 16, {}), ConfigError);
  CHECK(exists(path));
}

TEST_CASE("listen socket: names the address it cannot have", "[net]") {
  CHECK_THROWS_WITH(ListenSocket::bind(unix_path("/nowhere/at/all/s"), 16, {}),
                    Catch::Contains("/nowhere/at/all/s"));
  const auto first = ListenSocket::bind(*parse_address("127.0.0.1:0", 1), 16, {});
  CHECK(first->address().port() != 0);
  CHECK_THROWS_WITH(ListenSocket::bind(first->address(), 16, {}),
                    Catch::Contains(first->address().text()));
}

TEST_CASE("acceptor: out of descriptors it pauses, tells, and goes on later", "[net]") {
  event::Loop loop;
  const auto socket = ListenSocket::bind(*parse_address("127.0.0.1:0", 1), 16, {});
  std::vector<UniqueFd> accepted;
  int pauses = 0;
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  Acceptor acceptor{loop, socket,
                    [&](UniqueFd fd, Address) {
                      accepted.push_back(std::move(fd));
                      loop.stop();
                    },
                    [&](int) {
                      ++pauses;
                      setrlimit(RLIMIT_NOFILE, &before);
                    }};
  Connecting connecting{loop, socket->address()};
  // The next free descriptor is the limit: none is left.
  const int next = ::dup(0);
  ::close(next);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(next);
  setrlimit(RLIMIT_NOFILE, &none);
  loop.run();
  setrlimit(RLIMIT_NOFILE, &before);
  CHECK(pauses == 1);
  CHECK(accepted.size() == 1);
}

TEST_CASE("acceptor: a socket that its owner shut down is reported, not spun on", "[net]") {
  event::Loop loop;
  const auto socket = ListenSocket::bind(*parse_address("127.0.0.1:0", 1), 16, {});
  int pauses = 0;
  Acceptor acceptor{loop, socket, [](UniqueFd, Address) { FAIL(); },
                    [&](int error) {
                      ++pauses;
                      CHECK(error == EINVAL);
                      loop.stop();
                    }};
  event::Deadline deadline;
  deadline.arm(loop, Millis{1000}, [&loop] { loop.stop(); });
  REQUIRE(::shutdown(socket->fd(), SHUT_RDWR) == 0);
  loop.run();
  CHECK(pauses == 1);
}

TEST_CASE("acceptor: one that waits for its start accepts nothing before", "[net]") {
  event::Loop loop;
  const auto socket = ListenSocket::bind(*parse_address("127.0.0.1:0", 1), 16, {});
  int accepted = 0;
  Acceptor acceptor{loop, socket,
                    [&](UniqueFd, Address) {
                      ++accepted;
                      loop.stop();
                    },
                    [](int) {}, Acceptor::Begin::AtStart};
  CHECK(test::run_task(loop, connect_to(loop, socket->address())) == 0);
  CHECK(accepted == 0);
  acceptor.start();
  loop.run();
  CHECK(accepted == 1);
}

TEST_CASE("connecting: a refused connection says so, and may be moved while it is pending",
          "[net]") {
  event::Loop loop;
  Address closed;
  {
    const auto socket = ListenSocket::bind(*parse_address("127.0.0.1:0", 1), 16, {});
    closed = socket->address();
  }
  CHECK(test::run_task(loop, connect_to(loop, closed)) == UV_ECONNREFUSED);
  const auto socket = ListenSocket::bind(*parse_address("127.0.0.1:0", 1), 16, {});
  Connecting first{loop, socket->address()};
  Connecting second{std::move(first)};
  CHECK(second.is_pending());
  while (second.is_pending()) loop.run_once();
  CHECK(second.take() != nullptr);
}

}  // namespace perilune::net
