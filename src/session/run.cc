#include "session/run.hh"

#include <exception>
#include <string>

#include "event/first_of.hh"
#include "session/proxy_header.hh"
#include "util/error.hh"

namespace perilune::session {

namespace {

// A client that takes nothing is not waited for longer.
constexpr Millis kFlushLimit{5000};

std::string reason_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return e.what();
  }
}

bool is_client_gone(const std::exception_ptr& error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (const ClientGone&) {
    return true;
  } catch (const std::exception&) {
    return false;
  }
  return false;
}

event::Task<> flush(net::Stream& stream) { co_await stream.flushed(); }

// What ended it is its own and the client's affair, unless it is an error.
void log_end(const Session& session, const std::exception_ptr& error) {
  const log::Logger& logger = session.services().logger;
  const bool client_gone = is_client_gone(error);
  const bool too_slow = session.stop_reason() == StopReason::HandshakeTimeout;
  if ((!error || client_gone) && !too_slow && !logger.shows(log::Level::Debug)) return;
  const std::string name = session.name();
  if (client_gone) {
    logger.with(name).debug("client went away", log::field("reason", reason_of(error)));
  } else if (error) {
    const std::string server = session.server.expand().text();
    logger.with(name).warning("session failed", log::field("reason", reason_of(error)),
                              log::field("server", server));
  } else if (too_slow) {
    logger.with(name).warning("login took too long");
  } else {
    logger.with(name).debug("session ended");
  }
}

// Seldom needed: kept out of the frame that lives as long as the session.
event::Task<> flush_for_a_while(event::Loop& loop, net::Stream& stream) {
  auto flushing = flush(stream);
  co_await event::within(loop, kFlushLimit, std::move(flushing));
}

// False: the session was stopped meanwhile. Over before the long part of the session begins.
event::Task<bool> introduce(Session& session, net::Stream& client) {
  event::Task<> receiving = receive_proxy_header(session, client);
  const bool finished = co_await event::FirstOf<void>(receiving, session.stopped());
  if (finished) receiving.take();
  co_return finished;
}

}  // namespace

event::Task<> run(std::unique_ptr<Session> session, std::unique_ptr<net::Stream> client,
                  const Driver& driver) {
  session->watch(*client);
  std::exception_ptr error;
  bool is_known = !session->expects_proxy_header();  // to the script
  try {
    if (!is_known) {
      session->enter(Phase::ProxyHeader);
      is_known = co_await introduce(*session, *client);
    }
    if (is_known) {
      session->enter(Phase::Login);
      event::Task<> story = driver.serve(*session, *client);
      const bool finished = co_await event::FirstOf<void>(story, session->stopped());
      if (finished) {
        story.take();
      } else {
        session->say_farewell();
      }
    }
  } catch (const std::exception&) {
    error = std::current_exception();
  }
  log_end(*session, error);
  session->enter(Phase::Farewell);
  client->set_receiver(nullptr);
  client->set_hangup_listener(nullptr);
  if (client->queued() > 0) co_await flush_for_a_while(session->loop(), *client);
  if (is_known && session->hooks().has_on_disconnect()) {
    client->shut_down();  // the client need not wait for the script, which may still ask who it was
    co_await session->hooks().on_disconnect();
  }
  session->forget_client();
  client.reset();
  session.reset();
}

}  // namespace perilune::session
