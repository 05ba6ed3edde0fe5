#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "auth/transport.hh"
#include "event/task.hh"
#include "net/stream.hh"
#include "proto/postgres/channel.hh"
#include "proto/postgres/errors.hh"
#include "session/session.hh"
#include "wire/postgres/authentication.hh"
#include "wire/postgres/startup.hh"

namespace perilune::proto::postgres {

// The login as the client sees it: here we play the server.
class Front final : private session::Ending {
 public:
  Front(session::Session& session, net::Stream& stream);
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;
  ~Front();

  // From the first byte to StartupMessage, which startup() has then, or to CancelRequest, which is
  // returned: TLS is begun as the client wishes. Throws LoginFailure for what no server would take.
  event::Task<std::optional<wire::postgres::CancelRequest>> receive_startup();

  const wire::postgres::StartupMessage& startup() const noexcept { return startup_; }
  // What both speak.
  std::uint32_t version() const noexcept;
  // What the client claims to be, which is noted in the session.
  session::Login introduce();

  // What lies between the client and us.
  auth::Transport transport() const noexcept;
  // Our certificate, for SCRAM to be bound to; empty: it cannot be.
  Buffer end_point() const;
  // A password may come readable.
  bool may_come_in_clear() const noexcept;

  void ask(wire::postgres::AuthRequest request, Bytes data = {});
  void ask_sasl(const std::vector<std::string_view>& mechanisms);
  // The body of the client's answer, which may be a password: whoever reads it wipes it.
  event::Task<Buffer> receive_answer();

  void send(Buffer messages) { channel_.send(std::move(messages)); }
  // Ends the login.
  void send_error(const Fault& fault);

 private:
  event::Task<> begin_tls_at_once();
  event::Task<> begin_tls();
  event::Task<bool> answer_request(const wire::postgres::Opening& opening);
  void take(wire::postgres::StartupMessage startup);
  void negotiate();
  void refuse_encryption();
  bool offers_tls() const noexcept { return session_.listener().tls != nullptr; }
  void say_farewell(session::StopReason reason) override;

  session::Session& session_;
  Channel channel_;
  wire::postgres::StartupMessage startup_;
  bool asked_for_tls_ = false;
  bool asked_for_gss_ = false;
};

}  // namespace perilune::proto::postgres
