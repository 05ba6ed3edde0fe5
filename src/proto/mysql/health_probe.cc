#include "proto/mysql/health_probe.hh"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

#include "proto/mysql/authenticate.hh"
#include "proto/mysql/back.hh"
#include "proto/mysql/errors.hh"
#include "proto/mysql/own_login.hh"
#include "session/probing.hh"
#include "wire/cursor.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;

namespace {

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
  session::aim(decision, order_);
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

}  // namespace

event::Task<cluster::Finding> probe_health(cluster::ProbeOrder order) {
  return session::look_in_time<HealthProbe, LoginFailure>(std::move(order));
}

}  // namespace perilune::proto::mysql
