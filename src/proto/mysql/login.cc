#include "proto/mysql/login.hh"

#include "proto/mysql/errors.hh"
#include "proto/mysql/login_story.hh"

namespace perilune::proto::mysql {

event::Task<std::unique_ptr<Connection>> log_in(session::Session& session, net::Stream& stream) {
  LoginStory story{session, stream};
  try {
    co_return co_await story.tell();
  } catch (const LoginFailure& failure) {
    session.metrics().logins_failed.add();
    story.tell_client(failure.for_client());
    throw;
  } catch (const PeerError& error) {
    story.count_failure();
    story.tell_client(handshake_err(error.what()));
    throw;
  }
}

}  // namespace perilune::proto::mysql
