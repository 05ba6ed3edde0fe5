#include "proto/raw/forwarding.hh"

#include "util/error.hh"

namespace perilune::proto::raw {

using session::PumpEnd;
using session::Verdict;

Forwarding::Forwarding(session::Session& session, net::Stream& client, net::Stream& server)
    : session_(session),
      client_(client),
      server_(server),
      pump_(client, server, *this, session.traffic, session::EndOfSide::IsPassedOn) {
  session_.set_ending(this);
  if (session_.options().idle_timeout.count() > 0) idle_ = std::make_unique<event::Deadline>();
  arm_idle_timer();
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
  return {data.size(), Verdict::Then::Continue};
}

Verdict Forwarding::from_server(Bytes data) {
  session_.metrics().server_bytes.add(data.size());
  return {data.size(), Verdict::Then::Continue};
}

// An ordinary end in the middle of what is being said would make half of it look like the whole.
void Forwarding::say_farewell(session::StopReason reason) {
  if (reason == session::StopReason::IdleTimeout) return;
  client_.reset();
  server_.reset();
}

void Forwarding::arm_idle_timer() {
  if (!idle_) return;
  idle_->arm(session_.loop(), session_.options().idle_timeout, [this] { check_idle(); });
}

// What a slow reader takes out of a queue is a sign of life as well.
void Forwarding::check_idle() {
  const session::Traffic& traffic = session_.traffic;
  const std::uint64_t delivered =
      traffic.from_client + traffic.from_server - client_.queued() - server_.queued();
  if (delivered == idle_seen_) {
    session_.stop(session::StopReason::IdleTimeout);
    return;
  }
  idle_seen_ = delivered;
  arm_idle_timer();
}

}  // namespace perilune::proto::raw
