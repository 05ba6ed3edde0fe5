#include "net/cgroup.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "net/peer_credentials.hh"
#include "socket_pair.hh"
#include "support/catch.hh"

using namespace perilune;
using namespace perilune::net;

namespace {

// A directory in place of /sys/fs/cgroup.
class Mount {
 public:
  Mount() {
    std::string name = std::filesystem::temp_directory_path() / "perilune-cgroup-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;
  ~Mount() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::string text_of(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Our side of a connection whose other side belonged to a process that has ended.
UniqueFd connection_of_ended_process() {
  const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  // Of just the family's size: the kernel chooses an abstract name (unix(7)).
  REQUIRE(bind(listener.value(), any, sizeof(sa_family_t)) == 0);
  REQUIRE(listen(listener.value(), 1) == 0);
  REQUIRE(getsockname(listener.value(), any, &size) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    _exit(connect(fd, any, size) == 0 ? 0 : 1);
  }
  UniqueFd accepted(accept4(listener.value(), nullptr, nullptr, SOCK_CLOEXEC));
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  return accepted;
}

}  // namespace

TEST_CASE("unified_cgroup_path: the line of the unified hierarchy", "[net]") {
  CHECK(unified_cgroup_path("0::/user.slice/a.scope\n") == "/user.slice/a.scope");
  CHECK(unified_cgroup_path("0::/\n") == "/");
  CHECK(unified_cgroup_path("12:cpu:/x\n1:name=systemd:/y\n0::/z") == "/z");
  CHECK(unified_cgroup_path("0::/a:b c\n") == "/a:b c");
  for (const char* none : {"", "\n", "12:cpu:/x\n", "10::/x\n", "0:cpu:/x\n", "0::\n", "0::x\n"}) {
    CAPTURE(none);
    CHECK_FALSE(unified_cgroup_path(none));
  }
}

TEST_CASE("cgroup_parent: up to, but not including, the root", "[net]") {
  CHECK(cgroup_parent("/a/b/c") == "/a/b");
  CHECK(cgroup_parent("/a/b") == "/a");
  CHECK_FALSE(cgroup_parent("/a"));
  CHECK_FALSE(cgroup_parent("/"));
  CHECK_FALSE(cgroup_parent(""));
}

TEST_CASE("peer_cgroup: of this very process", "[net]") {
  const test::SocketPair pair;
  const auto path = peer_cgroup(pair.ours.value());
  REQUIRE(path);
  const std::string own = text_of("/proc/self/cgroup");
  const auto expected = unified_cgroup_path(own);
  CHECK(*path == (expected ? std::optional<std::string>(*expected) : std::nullopt));
}

TEST_CASE("peer_cgroup: TCP has none", "[net]") {
  const UniqueFd tcp(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto path = peer_cgroup(tcp.value());
  REQUIRE(path);
  CHECK_FALSE(path->has_value());
}

TEST_CASE("peer_cgroup: of a process that is gone is an error", "[net]") {
  const UniqueFd connection = connection_of_ended_process();
  REQUIRE(connection);
  const auto path = peer_cgroup(connection.value());
  REQUIRE_FALSE(path);
  CAPTURE(path.error().message);
  CHECK_FALSE(path.error().message.empty());
  CHECK_FALSE(peer_cgroup(-1));
}

TEST_CASE("open_cgroup: directories beneath the mount, nothing else", "[net]") {
  const Mount mount;
  std::filesystem::create_directories(mount.path() / "a.slice" / "b.scope");
  std::filesystem::create_directory_symlink("/", mount.path() / "out");
  std::ofstream(mount.path() / "file") << "x";
  const std::string root = mount.path();
  const auto open_beneath = [&](std::string_view path) { return open_cgroup(path, root.c_str()); };
  const auto opened = open_beneath("/a.slice/b.scope");
  REQUIRE(opened);
  CHECK((fcntl(opened->value(), F_GETFD) & FD_CLOEXEC) != 0);
  struct stat found {};
  struct stat expected {};
  REQUIRE(fstat(opened->value(), &found) == 0);
  REQUIRE(stat((root + "/a.slice/b.scope").c_str(), &expected) == 0);
  CHECK(found.st_ino == expected.st_ino);
  for (const char* bad :
       {"/", "", "/..", "/a.slice/../..", "/out", "/out/etc", "/nowhere", "/file"}) {
    CAPTURE(bad);
    CHECK_FALSE(open_beneath(bad));
  }
  CHECK(open_beneath("/nowhere").error().message == root + "/nowhere: No such file or directory");
  CHECK_FALSE(open_cgroup("/a", "/no/such/mount"));
}

TEST_CASE("read_xattr: what has no value is none", "[net]") {
  const Mount mount;
  const UniqueFd directory(open(mount.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  REQUIRE(directory);
  CHECK_FALSE(read_xattr(directory.value(), "missing"));
  CHECK_FALSE(read_xattr(directory.value(), "nonamespace.x"));
  CHECK_FALSE(read_xattr(directory.value(), ""));
  CHECK_FALSE(read_xattr(directory.value(), std::string(10'000, 'x')));
  CHECK_FALSE(read_xattr(-1, "a"));
}

TEST_CASE("read_xattr: a name without a dot is one of the user's", "[net]") {
  const Mount mount;
  const UniqueFd directory(open(mount.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  REQUIRE(directory);
  const int fd = directory.value();
  if (fsetxattr(fd, "user.account", "a\0b", 3, 0) != 0) {
    WARN("the file system of the temporary directory has no user attributes");
    return;
  }
  CHECK(read_xattr(fd, "account") == std::string("a\0b", 3));
  CHECK(read_xattr(fd, "user.account") == std::string("a\0b", 3));
  REQUIRE(fsetxattr(fd, "user.a.b", "", 0, 0) == 0);
  CHECK(read_xattr(fd, "user.a.b") == "");
  CHECK_FALSE(read_xattr(fd, "a.b"));
}
