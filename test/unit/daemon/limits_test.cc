#include "daemon/limits.hh"

#include <sys/resource.h>

#include "in_child.hh"
#include "support/catch.hh"

using namespace perilune;

TEST_CASE("raise_descriptor_limit: the soft limit becomes the hard one", "[daemon]") {
  // 0: as it should be; otherwise which step went wrong.
  const int wrong = test::in_child([] {
    rlimit limit{64, 128};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
    const auto raised = daemon::raise_descriptor_limit();
    if (!raised || *raised != 128) return 2;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur != 128) return 3;
    const auto again = daemon::raise_descriptor_limit();
    return again && *again == 128 ? 0 : 4;
  });
  CHECK(wrong == 0);
}
