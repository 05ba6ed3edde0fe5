#pragma once

#include <cstdint>
#include <string>

#include "auth/random.hh"
#include "event/task.hh"
#include "net/stream.hh"
#include "proto/mysql/channel.hh"
#include "session/session.hh"
#include "wire/mysql/handshake.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

// The login as the client sees it: here we play the server.
class Front final : private session::Ending {
 public:
  Front(session::Session& session, net::Stream& stream);
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;
  ~Front();

  void greet();
  // The client's answer to the greeting; what it claims to be is noted in the session.
  event::Task<session::Login> receive_login();

  // What the client sent; valid after receive_login().
  const wire::mysql::HandshakeResponse& response() const noexcept { return response_; }
  // What both agreed on: announced and wanted.
  std::uint64_t capabilities() const noexcept { return response_.capabilities; }

  // Passes on packets of the server's method; the client's answers may hold a clear password.
  void relay(Bytes payload) { channel_.send(payload); }
  event::Task<Buffer> receive_answer();

  // Ends the login with the server's own OK. Without a challenge of the server's the client's
  // method may expect more first.
  void welcome(Bytes ok);
  event::Task<> satisfy_method();

  // From now on an error answers the client's next command.
  void begin_command_phase() noexcept { channel_.set_sequence(1); }

  // Ends the login with an error, at whatever point it is.
  void send_error(const wire::mysql::Err& err);

 private:
  void say_farewell(session::StopReason reason) override;
  event::Task<> switch_to_native();

  session::Session& session_;
  Channel channel_;
  auth::MysqlScramble scramble_;
  wire::mysql::HandshakeResponse response_;
  bool greeted_ = false;
};

}  // namespace perilune::proto::mysql
