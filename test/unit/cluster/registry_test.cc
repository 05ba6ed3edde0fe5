#include "cluster/registry.hh"

#include "support/catch.hh"
#include "unit/cluster/stage.hh"

namespace perilune::cluster {

using namespace test;

namespace {

struct Registered {
  perilune::test::Capture capture;
  log::Output output{capture.fd(), log::LineFormat::Timed, log::Level::Debug};
  log::Logger logger{output};
  Registry registry{logger};
};

Settings with_password(const char* password) {
  Settings settings = monitored({"127.0.0.2"});
  settings.monitoring->user = "probe";
  settings.monitoring->password.emplace(std::string_view(password));
  return settings;
}

}  // namespace

TEST_CASE("registry: the same declaration is the same object", "[cluster]") {
  Registered r;
  const auto one = r.registry.find_or_make(plain({"127.0.0.2", "127.0.0.3"}));
  CHECK(r.registry.find_or_make(plain({"127.0.0.2", "127.0.0.3"})) == one);
  CHECK(r.registry.find_or_make(plain({"127.0.0.2"})) != one);
  CHECK(r.registry.find_or_make(with_policy(plain({"127.0.0.2", "127.0.0.3"}), "first")) != one);
  CHECK(r.registry.find_or_make(monitored({"127.0.0.2", "127.0.0.3"})) != one);
}

TEST_CASE("registry: passwords are compared too", "[cluster]") {
  Registered r;
  const auto one = r.registry.find_or_make(with_password("secret"));
  CHECK(r.registry.find_or_make(with_password("secret")) == one);
  CHECK(r.registry.find_or_make(with_password("Secret")) != one);
}

TEST_CASE("registry: the TLS of probes is compared too", "[cluster]") {
  Registered r;
  const auto with_tls = [&r](net::TlsMode mode, const char* ca) {
    Settings settings = with_password("secret");
    settings.monitoring->tls.mode = mode;
    settings.monitoring->tls.files.ca = ca;
    return r.registry.find_or_make(std::move(settings));
  };
  const auto one = with_tls(net::TlsMode::Require, "/a.pem");
  CHECK(with_tls(net::TlsMode::Require, "/a.pem") == one);
  CHECK(with_tls(net::TlsMode::Prefer, "/a.pem") != one);
  CHECK(with_tls(net::TlsMode::Require, "/b.pem") != one);
}

TEST_CASE("registry: clusters live while somebody refers to them", "[cluster]") {
  Registered r;
  auto one = r.registry.find_or_make(plain({"127.0.0.2"}));
  CHECK(r.registry.all().size() == 1);
  one.reset();
  CHECK(r.registry.all().empty());
}

TEST_CASE("registry: a changed list keeps the state and the count of nodes that stay",
          "[cluster]") {
  Registered r;
  const auto one = r.registry.find_or_make(monitored({"127.0.0.2", "127.0.0.3"}));
  one->set_health(*(*one->members())[1].node, NodeState::ReadOnly, {});
  const Choice open = one->choose({}, {});
  const auto two = r.registry.find_or_make(monitored({"127.0.0.3", "127.0.0.4"}));
  const auto members = two->members();
  CHECK((*members)[0].node->health() == NodeState::ReadOnly);
  CHECK((*members)[0].node->sessions() == 1);
  CHECK((*members)[0].node->is_same_server(open.lease->node()));
  CHECK_FALSE((*members)[1].node->is_same_server(open.lease->node()));
  CHECK((*members)[1].node->health() == NodeState::Unknown);
}

TEST_CASE("registry: what was found by other probes is not taken over", "[cluster]") {
  Registered r;
  const auto one = r.registry.find_or_make(monitored({"127.0.0.2"}));
  one->set_health(*(*one->members())[0].node, NodeState::Available, {});
  const auto two = r.registry.find_or_make(with_password("secret"));
  CHECK((*two->members())[0].node->health() == NodeState::Unknown);
}

}  // namespace perilune::cluster
