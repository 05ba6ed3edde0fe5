#include "pg/conninfo.hh"

#include <cstdlib>

#include "support/catch.hh"

namespace perilune::pg {

namespace {

Conninfo parsed(const std::string& text) {
  auto conninfo = Conninfo::parse(text);
  REQUIRE(conninfo);
  return *std::move(conninfo);
}

std::string error_of(const std::string& text) {
  const auto conninfo = Conninfo::parse(text);
  return conninfo ? "no error" : conninfo.error().message;
}

// The environment of whoever runs the test is not ours.
struct NoEnvironment {
  NoEnvironment() {
    for (const char* name : {"PGHOST", "PGHOSTADDR", "PGPORT", "PGGSSENCMODE"}) unsetenv(name);
  }
};

}  // namespace

TEST_CASE("pg conninfo: both forms are understood", "[pg]") {
  const NoEnvironment none;
  const Conninfo words = parsed("host=db.example port=5433 dbname=hosting password='a b'");
  CHECK(words.hosts() == std::vector<Host>{{"db.example", "", "5433"}});
  CHECK(words.label() == "db.example:5433/hosting");
  const Conninfo uri = parsed("postgresql://web:secret@[::1]:5433,b/hosting?connect_timeout=7");
  CHECK(uri.hosts() == std::vector<Host>{{"::1", "", "5433"}, {"b", "", ""}});
  CHECK(uri.label() == "::1:5433,b/hosting");
  CHECK(uri.connect_timeout() == Millis{7000});
}

TEST_CASE("pg conninfo: an attempt always has a limit", "[pg]") {
  CHECK(parsed("").connect_timeout() == Millis{5000});
  CHECK(parsed("connect_timeout=0").connect_timeout() == Millis{5000});
  CHECK(parsed("connect_timeout=-1").connect_timeout() == Millis{5000});
  CHECK(parsed("connect_timeout=99999999").connect_timeout() == Millis{5000});
}

TEST_CASE("pg conninfo: without a host it is the local server", "[pg]") {
  const NoEnvironment none;
  const Conninfo local = parsed("dbname=x");
  REQUIRE(local.hosts() == std::vector<Host>{Host{}});
  CHECK_FALSE(local.hosts()[0].needs_lookup());
  CHECK(local.label() == "local/x");
}

TEST_CASE("pg conninfo: the environment is libpq's default", "[pg]") {
  setenv("PGHOST", "from.environment", 1);
  setenv("PGPORT", "1234", 1);
  CHECK(parsed("").hosts() == std::vector<Host>{{"from.environment", "", "1234"}});
  CHECK(parsed("host=own port=1").hosts() == std::vector<Host>{{"own", "", "1"}});
  const NoEnvironment none;
}

TEST_CASE("pg conninfo: only names are looked up", "[pg]") {
  CHECK(Host{"db.example", "", ""}.needs_lookup());
  CHECK(Host{"localhost", "", ""}.needs_lookup());
  CHECK_FALSE(Host{"127.0.0.1", "", ""}.needs_lookup());
  CHECK_FALSE(Host{"::1", "", ""}.needs_lookup());
  CHECK_FALSE(Host{"/run/postgresql", "", ""}.needs_lookup());
  CHECK_FALSE(Host{"@abstract", "", ""}.needs_lookup());
  CHECK_FALSE(Host{"db.example", "192.0.2.1", ""}.needs_lookup());
  CHECK_FALSE(Host{}.needs_lookup());
}

TEST_CASE("pg conninfo: hosts that were looked up take the place of the names", "[pg]") {
  const Conninfo conninfo = parsed("host=a,b port=1,2 password=secret");
  const Options options = conninfo.options_with(
      {{"a", "192.0.2.1", "1"}, {"a", "192.0.2.2", "1"}, {"b", "192.0.2.3", "2"}});
  CHECK(options.find("host") == "a,a,b");
  CHECK(options.find("hostaddr") == "192.0.2.1,192.0.2.2,192.0.2.3");
  CHECK(options.find("port") == "1,1,2");
  CHECK(options.find("password") == "secret");
}

TEST_CASE("pg conninfo: one port is that of all hosts", "[pg]") {
  CHECK(parsed("host=a,b port=7").hosts() == std::vector<Host>{{"a", "", "7"}, {"b", "", "7"}});
  CHECK(error_of("host=a,b,c port=1,2").find("do not match") != std::string::npos);
  CHECK(error_of("host=a,b hostaddr=192.0.2.1").find("do not match") != std::string::npos);
}

TEST_CASE("pg conninfo: what is not said has defaults that notice dead peers", "[pg]") {
  const Options options = parsed("keepalives_idle=5").options_with({Host{}});
  CHECK(options.find("keepalives_idle") == "5");
  CHECK(options.find("keepalives_count") == "3");
  CHECK(options.find("tcp_user_timeout") == "30000");
  CHECK(options.find("fallback_application_name") == "perilune");
}

TEST_CASE("pg conninfo: messages hint at the mistake and hide the text", "[pg]") {
  CHECK(error_of("hots=x password=secret").find("did you mean 'host'?") != std::string::npos);
  CHECK(error_of("service=x").find("'service' is not supported") != std::string::npos);
  for (const char* text : {"password=se secret", "secret", "secret=x", "password='secret",
                           "postgresql://u:secret@[x", "postgresql://u:secret@h/d?secret=1"}) {
    CHECK(error_of(text) != "no error");
    CHECK(error_of(text).find("secret") == std::string::npos);
  }
}

}  // namespace perilune::pg
