#include "proto/postgres/authenticate.hh"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "auth/postgres_methods.hh"
#include "auth/secret.hh"
#include "proto/postgres/errors.hh"
#include "wire/postgres/authentication.hh"
#include "wire/postgres/framing.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;
namespace sqlstate = wire::sqlstate;

namespace {

LoginFailure cannot_answer(const std::string& reason) {
  return {fatal(sqlstate::kConnectionFailure, "the proxy cannot log in to the server"), reason};
}

Buffer as_password_message(Buffer answer) {
  Buffer message;
  wire::append_password(message, answer);
  auth::wipe(answer);
  return message;
}

// SASLResponse has no form but its bytes.
Buffer as_sasl_response(Bytes answer) {
  Buffer message;
  wire::append_message(message, wire::FrontendTag::Password, answer);
  return message;
}

// Answers by whatever method the server asks for.
class Answering {
 public:
  Answering(Back& server, const auth::PostgresCredentials& credentials, std::string_view user,
            auth::ScramKeyCache& cache)
      : server_(server),
        end_point_(server.end_point()),
        setup_{credentials, user, server.transport(), cache, {}, end_point_} {}
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;

  void answer(const wire::Authentication& asked);
  void check_complete() const {
    if (method_ && !method_->is_complete()) {
      throw cannot_answer("the server lets us in without having shown that it knows the password");
    }
  }

 private:
  using Method = auth::PostgresMethod;

  Buffer first(Method method, Bytes salt);
  void answer_by_password(Method method, Bytes salt);
  void begin_sasl(Bytes data);
  void go_on_with_sasl(Bytes data);

  Back& server_;
  Buffer end_point_;
  auth::PostgresLoginSetup setup_;
  std::unique_ptr<auth::PostgresLogin> method_;
};

void Answering::answer(const wire::Authentication& asked) {
  switch (asked.request) {
    case wire::AuthRequest::CleartextPassword:
      return answer_by_password(Method::ClearText, {});
    case wire::AuthRequest::Md5Password:
      return answer_by_password(Method::Md5Password, asked.data);
    case wire::AuthRequest::Sasl:
      return begin_sasl(asked.data);
    case wire::AuthRequest::SaslContinue:
    case wire::AuthRequest::SaslFinal:
      return go_on_with_sasl(asked.data);
    default:
      throw cannot_answer(fmt::format("the server asks for authentication of the kind {}",
                                      static_cast<std::uint32_t>(asked.request)));
  }
}

Buffer Answering::first(Method method, Bytes salt) {
  if (method_) throw cannot_answer("the server asks for a second method");
  auto made = auth::make_postgres_login(method, setup_);
  if (!made) throw cannot_answer(made.error().message);
  method_ = *std::move(made);
  auto answer = method_->begin(salt);
  if (!answer) throw cannot_answer(answer.error().message);
  return *std::move(answer);
}

void Answering::answer_by_password(Method method, Bytes salt) {
  server_.send(as_password_message(first(method, salt)));
}

void Answering::begin_sasl(Bytes data) {
  const auto offered = wire::decode_mechanisms(data);
  if (!offered) throw cannot_answer(offered.error().what);
  const auto method = auth::choose_sasl(*offered, !end_point_.empty());
  if (!method) throw cannot_answer("the server offers no mechanism of SASL that is known here");
  const Buffer answer = first(*method, {});
  Buffer message;
  wire::append_sasl_initial_response(message, {auth::sasl_name(*method), true, answer});
  server_.send(std::move(message));
}

void Answering::go_on_with_sasl(Bytes data) {
  if (!method_) throw cannot_answer("the server goes on with what it has not begun");
  const auto answer = method_->next(data);
  if (!answer) throw cannot_answer(answer.error().message);
  if (*answer) server_.send(as_sasl_response(**answer));
}

wire::Authentication decode(const Received& message) {
  const auto asked = wire::decode_authentication(message.body);
  if (!asked) throw cannot_answer(asked.error().what);
  return *asked;
}

// What is not a request. Notices are for the client, which listens.
bool is_request(const Received& message) {
  switch (static_cast<wire::BackendTag>(message.tag)) {
    case wire::BackendTag::Authentication:
      return true;
    case wire::BackendTag::ErrorResponse:
      throw server_refusal(message.body);
    case wire::BackendTag::NoticeResponse:
      return false;
    default:
      throw PeerError("Server sent something else than a request for authentication");
  }
}

}  // namespace

event::Task<> log_in_with_credentials(Back& server, const auth::PostgresCredentials& credentials,
                                      std::string_view user, auth::ScramKeyCache& cache) {
  Answering answering{server, credentials, user, cache};
  for (;;) {
    const Received message = co_await server.receive();
    if (!is_request(message)) continue;
    const wire::Authentication asked = decode(message);
    if (asked.request == wire::AuthRequest::Ok) break;
    answering.answer(asked);
  }
  answering.check_complete();
}

// --- pass-through

namespace {

LoginFailure cannot_pass(const std::string& reason, const std::string& hint) {
  return {fatal(sqlstate::kInvalidAuthorization,
                "this login cannot be passed through the proxy: " + reason, hint),
          reason};
}

constexpr const char* kGiveCredentials =
    "The proxy's script can give credentials, or check the password itself (login:verify).";

class PassThrough {
 public:
  PassThrough(const session::Session& session, Front& client, Back& server, std::string_view user)
      : session_(session), client_(client), server_(server), user_(user) {}
  PassThrough(const PassThrough&) = delete;
  PassThrough& operator=(const PassThrough&) = delete;

  // False: the server has let the client in.
  event::Task<bool> pass(const Received& message);

 private:
  void check(const wire::Authentication& asked);
  void check_ok() const;
  void check_md5() const;
  void check_clear_text() const;
  void ask_for_sasl(Bytes data);
  void check_binding(Bytes answer) const;

  const session::Session& session_;
  Front& client_;
  Back& server_;
  std::string_view user_;
  bool has_asked_ = false;
  bool awaits_choice_ = false;  // of a mechanism
};

event::Task<bool> PassThrough::pass(const Received& message) {
  const wire::Authentication asked = decode(message);
  check(asked);
  if (asked.request == wire::AuthRequest::Ok) co_return false;
  has_asked_ = true;
  awaits_choice_ = asked.request == wire::AuthRequest::Sasl;
  if (awaits_choice_) {
    ask_for_sasl(asked.data);
  } else {
    client_.ask(asked.request, asked.data);
  }
  if (asked.request == wire::AuthRequest::SaslFinal) co_return true;
  Buffer received = co_await client_.receive_answer();
  const auth::Secret answer{std::move(received)};
  if (awaits_choice_) check_binding(answer.bytes());
  Buffer passed;
  wire::append_message(passed, wire::FrontendTag::Password, answer.bytes());
  server_.send(std::move(passed));
  co_return true;
}

void PassThrough::check(const wire::Authentication& asked) {
  switch (asked.request) {
    case wire::AuthRequest::Ok:
      return check_ok();
    case wire::AuthRequest::CleartextPassword:
      return check_clear_text();
    case wire::AuthRequest::Md5Password:
      return check_md5();
    case wire::AuthRequest::Sasl:
    case wire::AuthRequest::SaslContinue:
    case wire::AuthRequest::SaslFinal:
      return;
    default:
      throw cannot_pass("GSSAPI and SSPI prove who is at the other end, and that is the proxy",
                        kGiveCredentials);
  }
}

// Without a question to the client the server may have asked the kernel who is at the other end of
// its socket ("peer"), or looked at a certificate ("cert"): that is the proxy, not the client.
void PassThrough::check_ok() const {
  if (has_asked_ || !server_.may_know_us()) return;
  throw cannot_pass("the server has asked nothing, and may have looked at the proxy instead",
                    kGiveCredentials);
}

void PassThrough::check_md5() const {
  if (user_ == session_.user.text()) return;
  throw cannot_pass("md5 covers the user's name, which the script has changed", kGiveCredentials);
}

void PassThrough::check_clear_text() const {
  const bool unsafe_there = server_.transport() == auth::Transport::Plain;
  if (!unsafe_there && client_.may_come_in_clear()) return;
  throw cannot_pass(
      fmt::format("the server asks for the password in clear, which needs TLS or a unix socket {}",
                  unsafe_there ? "to the server" : "from the client"),
      kGiveCredentials);
}

void PassThrough::ask_for_sasl(Bytes data) {
  auto mechanisms = wire::decode_mechanisms(data);
  if (!mechanisms) throw cannot_answer(mechanisms.error().what);
  std::erase(*mechanisms, wire::kScramSha256Plus);
  if (mechanisms->empty()) {
    throw cannot_pass("the server insists on channel binding", kGiveCredentials);
  }
  client_.ask_sasl(*mechanisms);
}

// RFC 5802, 6: "y" says that the client could have bound, had it been offered. A server that has
// offered it takes that for somebody in between, which is what we are.
void PassThrough::check_binding(Bytes answer) const {
  if (server_.transport() != auth::Transport::Tls) return;
  const auto response = wire::decode_sasl_initial_response(answer);
  const bool could_bind =
      response && !response->data.empty() && response->data.front() == std::byte{'y'};
  if (!could_bind) return;
  throw cannot_pass("the client could bind its password to the TLS channel, and there are two",
                    "Connect with channel_binding=disable, or let the proxy's script check the "
                    "password (login:verify) or give credentials.");
}

}  // namespace

event::Task<> pass_login_through(const session::Session& session, Front& client, Back& server,
                                 std::string_view user) {
  PassThrough through{session, client, server, user};
  bool more = true;
  while (more) {
    const Received message = co_await server.receive();
    if (is_request(message)) {
      more = co_await through.pass(message);
    }
  }
}

}  // namespace perilune::proto::postgres
