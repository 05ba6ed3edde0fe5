#include "proto/postgres/health_probe.hh"

#include <memory>
#include <string>
#include <utility>

#include "auth/scram_keys.hh"
#include "proto/postgres/authenticate.hh"
#include "proto/postgres/back.hh"
#include "proto/postgres/errors.hh"
#include "session/probing.hh"
#include "session/server_tls.hh"
#include "wire/postgres/framing.hh"
#include "wire/postgres/notice.hh"
#include "wire/postgres/statements.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;
namespace sqlstate = wire::sqlstate;

namespace {

using cluster::NodeState;

constexpr std::string_view kQuestion = "SELECT pg_is_in_recovery()";
constexpr std::string_view kNobody = "perilune";

class HealthProbe {
 public:
  explicit HealthProbe(cluster::ProbeOrder order)
      : order_(std::move(order)), server_(order_.loop, nullptr, address_) {}
  HealthProbe(const HealthProbe&) = delete;
  HealthProbe& operator=(const HealthProbe&) = delete;

  event::Task<NodeState> look();

  const Back& server() const noexcept { return server_; }
  bool is_logging_in() const noexcept { return logging_in_; }

 private:
  session::ConnectTo decision() const;
  wire::StartupMessage startup() const;
  event::Task<> log_in();
  event::Task<> settle();
  event::Task<NodeState> ask();

  cluster::ProbeOrder order_;
  net::SmallAddress address_;
  Back server_;
  bool logging_in_ = false;
};

session::ConnectTo HealthProbe::decision() const {
  session::ConnectTo decision;
  session::aim(decision, order_);
  decision.tls = session::make_server_tls(order_.settings.tls);
  return decision;
}

wire::StartupMessage HealthProbe::startup() const {
  const auto& settings = order_.settings;
  wire::StartupMessage startup;
  startup.parameters.push_back(
      {"user", settings.user.empty() ? std::string(kNobody) : settings.user});
  if (!settings.database.empty()) startup.parameters.push_back({"database", settings.database});
  startup.parameters.push_back({"application_name", "perilune"});
  return startup;
}

// Whatever a server says to nobody but that it cannot now, it takes logins.
event::Task<NodeState> HealthProbe::look() {
  const session::ConnectTo way = decision();
  const wire::StartupMessage login = startup();
  co_await server_.open(way, login, way.connect_timeout);
  if (order_.settings.user.empty()) co_return NodeState::Available;
  co_await log_in();
  NodeState state = NodeState::Available;
  if (order_.settings.no_read_only) {
    state = co_await ask();
  }
  Buffer bye;
  wire::append_message(bye, wire::FrontendTag::Terminate);
  server_.send(std::move(bye));
  co_await server_.stream().flushed();
  co_return state;
}

event::Task<> HealthProbe::log_in() {
  logging_in_ = true;
  auth::PostgresCredentials credentials;
  const auto& password = order_.settings.password;
  if (password) credentials.password = password->clone();
  auth::ScramKeyCache cache{1};
  co_await log_in_with_credentials(server_, credentials, order_.settings.user, cache);
  co_await settle();
  logging_in_ = false;
}

event::Task<> HealthProbe::settle() {
  for (;;) {
    const Received message = co_await server_.receive();
    const auto tag = static_cast<wire::BackendTag>(message.tag);
    if (tag == wire::BackendTag::ErrorResponse) throw server_refusal(message.body);
    if (tag == wire::BackendTag::ReadyForQuery) co_return;
  }
}

// One row of one boolean.
event::Task<NodeState> HealthProbe::ask() {
  Buffer query;
  wire::append_query(query, kQuestion);
  server_.send(std::move(query));
  std::string value;
  for (;;) {
    const Received message = co_await server_.receive();
    const auto tag = static_cast<wire::BackendTag>(message.tag);
    if (tag == wire::BackendTag::ErrorResponse) throw server_refusal(message.body);
    if (tag == wire::BackendTag::ReadyForQuery) break;
    if (tag == wire::BackendTag::DataRow && !message.body.empty()) {
      value = as_text(Bytes{message.body}.last(1));
    }
  }
  if (value != "t" && value != "f") throw PeerError(std::string(kQuestion) + ": malformed answer");
  co_return value == "t" ? NodeState::ReadOnly : NodeState::Available;
}

}  // namespace

event::Task<cluster::Finding> probe_health(cluster::ProbeOrder order) {
  return session::look_in_time<HealthProbe, LoginFailure>(std::move(order));
}

}  // namespace perilune::proto::postgres
