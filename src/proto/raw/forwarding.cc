#include "proto/raw/forwarding.hh"

#include "util/error.hh"

namespace perilune::proto::raw {

using session::PumpEnd;
using session::Verdict;

Forwarding::Forwarding(session::Session& session, net::Stream& client, net::Stream& server,
                       session::Mirror* mirror)
    : session_(session),
      client_(client),
      server_(server),
      pump_(client, server, *this, session.traffic, session::EndOfSide::IsPassedOn),
      mirror_(mirror),
      node_(session.node_metrics()),
      idle_(session::watch_idleness(session, [this] { return delivered(); })) {
  session_.set_ending(this);
  session_.enter(session::Phase::Commands);
}

Forwarding::~Forwarding() { session_.set_ending(nullptr); }

void Forwarding::pass_on(PumpEnd end) {
  if (end == PumpEnd::ClientClosed && client_.has_broken_off()) {
    server_.reset();
    throw ClientGone("reset the connection");
  }
  if (end == PumpEnd::ServerClosed && server_.has_broken_off()) {
    client_.reset();
    throw PeerError("the server reset the connection");
  }
}

Verdict Forwarding::from_client(Bytes data) {
  session_.metrics().client_bytes.add(data.size());
  if (node_ != nullptr) node_->to_server.add(data.size());
  if (mirror_ != nullptr) mirror_->copy(data);
  return {data.size(), Verdict::Then::Continue};
}

Verdict Forwarding::from_server(Bytes data) {
  session_.metrics().server_bytes.add(data.size());
  if (node_ != nullptr) node_->from_server.add(data.size());
  return {data.size(), Verdict::Then::Continue};
}

// An ordinary end in the middle of what is being said would make half of it look like the whole.
void Forwarding::say_farewell(session::StopReason reason) {
  if (reason == session::StopReason::IdleTimeout) return;
  client_.reset();
  server_.reset();
}

// What a slow reader takes out of a queue is a sign of life as well.
std::uint64_t Forwarding::delivered() const noexcept {
  const session::Traffic& traffic = session_.traffic;
  return traffic.from_client + traffic.from_server - client_.queued() - server_.queued();
}

}  // namespace perilune::proto::raw
