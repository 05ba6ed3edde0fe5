#include "proto/mysql/change_user.hh"

#include <array>
#include <exception>
#include <string>
#include <utility>

#include "proto/mysql/errors.hh"
#include "proto/mysql/login_story.hh"
#include "wire/mysql/framing.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;

namespace {

// Names, a proof, and 64 KiB of connect attributes.
constexpr std::size_t kCommandLimit = 128 * 1024;

// Who a session is said to be. A change that fails, be it in the script's callback, leaves no trace
// of another.
class Identity {
 public:
  explicit Identity(session::Session& session)
      : session_(session),
        user_(session.user),
        database_(session.database),
        account_(session.account),
        server_version_(session.server_version) {}
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;
  ~Identity() {
    if (replaced_) return;
    session_.user = std::move(user_);
    session_.database = std::move(database_);
    session_.account = std::move(account_);
    session_.server_version = std::move(server_version_);
  }

  void replace() noexcept { replaced_ = true; }

 private:
  session::Session& session_;
  std::string user_;
  std::string database_;
  std::string account_;
  std::string server_version_;
  bool replaced_ = false;
};

// A change has failed unless it says otherwise before its end.
class ChangeCount {
 public:
  explicit ChangeCount(stats::Cells& metrics) noexcept : metrics_(metrics) {}
  ChangeCount(const ChangeCount&) = delete;
  ChangeCount& operator=(const ChangeCount&) = delete;
  ~ChangeCount() { (succeeded_ ? metrics_.user_changes : metrics_.user_changes_failed).add(); }

  void succeed() noexcept { succeeded_ = true; }

 private:
  stats::Cells& metrics_;
  bool succeeded_ = false;
};

void say_quit(net::Stream& server) {
  Buffer packet;
  std::uint8_t sequence = 0;
  wire::append_packets(
      packet, std::array{std::byte{static_cast<std::uint8_t>(wire::Command::Quit)}}, sequence);
  server.write(packet);
}

void log_failure(const session::Session& session, const char* reason) {
  const std::string name = session.name();
  session.services().logger.with(name).warning("change of user failed",
                                               log::field("reason", reason));
}

// Whether the session goes on as it was: the server is still there, and the client has not broken
// off.
bool can_go_on(const LoginStory& story, const Connection& present, bool was_served) noexcept {
  return (was_served || present.server != nullptr) && !story.has_client_failed();
}

// One that came to nothing is told and counted here; what ends the session is thrown.
event::Task<std::unique_ptr<Connection>> try_to_change(session::Session& session, LoginStory& story,
                                                       Connection& present, bool was_served) {
  try {
    co_return co_await story.tell_change(present);
  } catch (const LoginFailure& failure) {
    story.tell_client(failure.for_client());
    if (!can_go_on(story, present, was_served)) throw;
    log_failure(session, failure.what());
  } catch (const PeerError& error) {
    story.tell_client(handshake_err(error.what()));
    if (!can_go_on(story, present, was_served)) throw;
    log_failure(session, error.what());
  }
  co_return nullptr;
}

// A client whose command is malformed is told so.
event::Task<ChangeCommand> receive_command(net::Stream& client) {
  client.set_sensitive(true);
  Channel channel{client, "Client"};
  ChangeCommand command;
  std::string problem;
  try {
    command.payload = co_await channel.receive(kCommandLimit);
  } catch (const PeerError& error) {
    problem = error.what();
  }
  command.sequence = channel.sequence();
  if (problem.empty()) co_return command;
  Buffer answer;
  wire::append_err(answer, command_err(problem), wire::capability::kProtocol41);
  channel.send(answer);
  throw PeerError("a command of the client is incomplete or too long");
}

}  // namespace

event::Task<std::unique_ptr<Connection>> change_user(session::Session& session, net::Stream& client,
                                                     Connection& present) {
  ChangeCommand command = co_await receive_command(client);
  Identity identity{session};
  LoginStory story{session, client, present.client, std::move(command)};
  const bool was_served = present.server == nullptr;
  ChangeCount count{session.metrics()};
  auto next = co_await try_to_change(session, story, present, was_served);
  if (!next) co_return nullptr;
  count.succeed();
  identity.replace();
  if (present.server) say_quit(*present.server);
  co_return next;
}

}  // namespace perilune::proto::mysql
