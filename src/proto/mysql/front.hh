#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "auth/mysql_login.hh"
#include "auth/random.hh"
#include "event/task.hh"
#include "net/stream.hh"
#include "proto/mysql/channel.hh"
#include "proto/mysql/connection.hh"
#include "session/session.hh"
#include "wire/mysql/handshake.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

// COM_CHANGE_USER as it came.
struct ChangeCommand {
  Buffer payload;                   // may hold a password
  std::uint8_t sequence = 0;        // of the answer
  std::uint16_t character_set = 0;  // once it was decoded
};

// The login as the client sees it: here we play the server.
class Front final : private session::Ending {
 public:
  Front(session::Session& session, net::Stream& stream);
  // For a login that begins with a command instead of our greeting.
  Front(session::Session& session, net::Stream& stream, const ClientTerms& terms,
        ChangeCommand command);
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;
  ~Front();

  void greet();
  // The client's answer to the greeting; what it claims to be is noted in the session.
  event::Task<session::Login> receive_login();
  // The same for a command, which is here already.
  session::Login take_change();
  bool is_change() const noexcept { return command_.has_value(); }
  const ChangeCommand& command() const noexcept { return *command_; }

  // What the client sent; valid after receive_login() or take_change().
  const wire::mysql::HandshakeResponse& response() const noexcept { return response_; }
  // What both agreed on: announced and wanted.
  std::uint64_t capabilities() const noexcept { return response_.capabilities; }

  ClientTerms terms() const noexcept;

  // The challenge of the greeting.
  const auth::MysqlScramble& scramble() const noexcept { return scramble_; }
  // The method that the client has chosen; and whether it has answered the greeting's challenge by
  // this one, or needed none to answer. A command answers no challenge that was made for it.
  std::string_view own_plugin() const noexcept;
  bool answered_by(std::string_view plugin) const noexcept;
  // Of the connect attributes; empty: none of that name.
  std::string attribute(std::string_view name) const;

  // Asks the client to answer by another method, once in a login and only if it can.
  bool can_switch() const noexcept;
  void switch_method(std::string_view plugin, Bytes challenge);
  // AuthMoreData; `bare`: without its header.
  void send_more(Bytes data, bool bare);
  // Passes on packets of the server's method; the client's answers may hold a clear password.
  void relay(Bytes payload) { channel_.send(payload); }
  event::Task<Buffer> receive_answer();
  // The client broke off, or the protocol.
  bool has_failed() const noexcept { return failed_; }

  // MySQL's own client library, by the name that it gives itself: its flag says nothing, since
  // MariaDB's clears that only for servers that do.
  bool is_mysql_library() const;
  // Whether any answer so far was that of a client that has a password.
  bool has_password() const noexcept { return has_password_; }

  // What lies between the client and us.
  auth::Transport transport() const noexcept;

  // Ends the login with the server's own OK. Without a challenge of the server's the client's
  // method may expect more first.
  void welcome(Bytes ok);
  event::Task<> satisfy_method();

  // From now on an error answers the client's next command.
  void begin_command_phase() noexcept { channel_.set_sequence(1); }

  // Ends the login with an error, at whatever point it is.
  void send_error(const wire::mysql::Err& err);

 private:
  void choose_announcement();
  bool offers_tls() const noexcept;
  event::Task<Buffer> receive_first();
  void decode(Bytes payload);
  void decode_change(Bytes payload);
  session::Login introduce();
  void say_farewell(session::StopReason reason) override;

  session::Session& session_;
  Channel channel_;
  auth::MysqlScramble scramble_;
  std::uint64_t announced_;
  std::optional<ChangeCommand> command_;
  wire::mysql::HandshakeResponse response_;
  bool greeted_ = false;
  bool has_password_ = false;
  bool failed_ = false;
};

}  // namespace perilune::proto::mysql
