#include "proto/mysql/health_probe.hh"

#include <fmt/format.h>

#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "event/first_of.hh"
#include "proto/mysql/authenticate.hh"
#include "proto/mysql/back.hh"
#include "proto/mysql/errors.hh"
#include "proto/mysql/own_login.hh"
#include "wire/cursor.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;

namespace {

using cluster::Finding;
using cluster::NodeState;

constexpr std::size_t kAnswerLimit = 64 * 1024;
constexpr std::string_view kQuestion = "SELECT @@global.read_only";

class HealthProbe {
 public:
  explicit HealthProbe(cluster::ProbeOrder order)
      : order_(std::move(order)),
        server_(BackServices{order_.loop, order_.background, nullptr, nullptr}, address_) {}
  HealthProbe(const HealthProbe&) = delete;
  HealthProbe& operator=(const HealthProbe&) = delete;

  event::Task<NodeState> look();

  const Back& server() const noexcept { return server_; }
  bool is_logging_in() const noexcept { return logging_in_; }

 private:
  session::ConnectTo decision() const;
  event::Task<NodeState> ask(net::Stream& stream);

  cluster::ProbeOrder order_;
  net::SmallAddress address_;
  Back server_;
  bool logging_in_ = false;
};

session::ConnectTo HealthProbe::decision() const {
  session::ConnectTo decision = login_of(order_.settings);
  decision.target = order_.endpoint;
  decision.addresses = order_.addresses;
  decision.connect_timeout = order_.settings.timeout;
  decision.login.database = order_.settings.database;
  return decision;
}

event::Task<NodeState> HealthProbe::look() {
  const session::ConnectTo decision = this->decision();
  co_await server_.open(decision, decision.connect_timeout);
  if (order_.settings.user.empty()) co_return NodeState::Available;
  logging_in_ = true;
  const wire::HandshakeResponse client = modest_client();
  co_await log_in_with_credentials(client, server_, decision);
  logging_in_ = false;
  const std::unique_ptr<net::Stream> stream = server_.take();
  NodeState state = NodeState::Available;
  if (order_.settings.no_read_only) {
    state = co_await ask(*stream);
  }
  Channel channel{*stream, "Server"};
  send_command(channel, wire::Command::Quit, {});
  co_await stream->flushed();
  co_return state;
}

// One row of one column: its count, its description, an end, the row, an end.
event::Task<NodeState> HealthProbe::ask(net::Stream& stream) {
  Channel channel{stream, "Server"};
  send_command(channel, wire::Command::Query, kQuestion);
  Buffer payload = co_await channel.receive(kAnswerLimit);
  if (wire::is_err(payload)) {
    const auto err = wire::decode_err(payload);
    throw PeerError(fmt::format("{}: {}", kQuestion, err ? err->message : "malformed error"));
  }
  for (int i = 0; i < 3; ++i) {
    payload = co_await channel.receive(kAnswerLimit);
  }
  perilune::wire::Cursor row{payload};
  const std::string value{row.lenenc_text()};
  payload = co_await channel.receive(kAnswerLimit);
  if (value.empty()) throw PeerError(fmt::format("{}: malformed answer", kQuestion));
  // MySQL says 0 and 1, newer versions of MariaDB have several ways to be read-only.
  co_return value == "0" || value == "OFF" ? NodeState::Available : NodeState::ReadOnly;
}

// What the server says to the login as such is another matter than that it says nothing good.
Finding judge_failure(const LoginFailure& failure, const HealthProbe& probe) {
  Finding finding;
  if (probe.is_logging_in()) finding.state = NodeState::AuthFailed;
  finding.refused = probe.server().was_refused();
  finding.reason = probe.server().connect_problem();
  if (finding.reason.empty()) finding.reason = failure.what();
  return finding;
}

}  // namespace

event::Task<Finding> probe_health(cluster::ProbeOrder order) {
  event::Loop& loop = order.loop;
  const Millis limit = order.settings.timeout;
  HealthProbe probe{std::move(order)};
  Finding finding;
  auto looking = probe.look();
  try {
    const auto state = co_await event::within(loop, limit, std::move(looking));
    finding.state = state.value_or(NodeState::Down);
    if (!state) finding.reason = "timed out";
  } catch (const LoginFailure& failure) {
    finding = judge_failure(failure, probe);
  } catch (const std::exception& error) {
    finding.reason = error.what();
  }
  co_return finding;
}

}  // namespace perilune::proto::mysql
