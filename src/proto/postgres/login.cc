#include "proto/postgres/login.hh"

#include "proto/postgres/errors.hh"
#include "proto/postgres/login_story.hh"
#include "wire/postgres/protocol.hh"

namespace perilune::proto::postgres {

event::Task<std::unique_ptr<Connection>> log_in(session::Session& session, net::Stream& stream) {
  LoginStory story{session, stream};
  try {
    co_return co_await story.tell();
  } catch (const LoginFailure& failure) {
    story.tally().conclude(failure.outcome());
    story.tell_client(failure.for_client());
    throw;
  } catch (const PeerError& error) {
    story.tally().conclude(story.outcome_of(error));
    Buffer message;
    append_fault(message, fatal(wire::postgres::sqlstate::kProtocolViolation, error.what()));
    story.tell_client(std::move(message));
    throw;
  }
}

}  // namespace perilune::proto::postgres
