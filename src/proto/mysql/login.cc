#include "proto/mysql/login.hh"

#include "proto/mysql/errors.hh"
#include "proto/mysql/login_story.hh"

namespace perilune::proto::mysql {

event::Task<std::unique_ptr<Connection>> log_in(session::Session& session, net::Stream& stream) {
  LoginStory story{session, stream};
  try {
    co_return co_await story.tell();
  } catch (const LoginFailure& failure) {
    story.tally().conclude(failure.outcome());
    story.tell_client(failure.for_client());
    throw;
  } catch (const ClientGone& error) {
    story.tally().conclude(&stats::Cells::logins_client_gone);
    story.tell_client(handshake_err(error.what()));
    throw;
  } catch (const PeerError& error) {
    story.tally().conclude(story.tally().outcome_of_break());
    story.tell_client(handshake_err(error.what()));
    throw;
  }
}

}  // namespace perilune::proto::mysql
