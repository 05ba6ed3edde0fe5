#include "proto/mysql/authenticate.hh"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "auth/secret.hh"
#include "proto/mysql/capabilities.hh"
#include "proto/mysql/errors.hh"
#include "proto/mysql/methods.hh"
#include "proto/mysql/pass_through.hh"
#include "wire/mysql/handshake.hh"
#include "wire/mysql/reply.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;

namespace {

// MariaDB's servers send the salt of parsec, which begins with this letter, without a header.
constexpr std::uint8_t kBareParsecSalt = 'P';

// What the client wants and the server has, and what this side's login needs.
std::uint64_t flags_for(const wire::HandshakeResponse& client, const Back& server,
                        const session::Login& login) {
  using namespace wire::capability;
  const std::uint64_t theirs = server.greeting().capabilities;
  const std::uint64_t lacking = client.capabilities & kFraming & ~theirs;
  if (lacking != 0) {
    const std::string_view name = framing_flag_name(lacking);
    throw LoginFailure(
        handshake_err(fmt::format("The server lacks {}, which the client was promised", name)),
        fmt::format("server {} lacks {}, which the client negotiated",
                    server.greeting().server_version, name));
  }
  std::uint64_t flags = client.capabilities & theirs & ~kPerSide;
  flags |= kProtocol41 | kSecureConnection | (theirs & (kPluginAuth | kPluginAuthLenencData));
  if (!login.database.empty()) flags |= kConnectWithDb;
  return flags;
}

Buffer encode_attributes(const session::Login& login) {
  Buffer attributes;
  for (const auto& [name, value] : login.attributes) {
    wire::append_attribute(attributes, wire::Attribute{name, value});
  }
  return attributes;
}

wire::HandshakeResponse make_response(const wire::HandshakeResponse& client, const Back& server,
                                      const session::Login& login) {
  wire::HandshakeResponse response;
  response.capabilities = flags_for(client, server, login);
  response.max_packet_size = client.max_packet_size;
  response.character_set = client.character_set;
  response.user = login.user;
  response.database = login.database;
  response.attributes = encode_attributes(login);
  return response;
}

wire::ChangeUser make_change(const Front& client, const session::Login& login) {
  wire::ChangeUser change;
  change.user = login.user;
  change.database = login.database;
  change.character_set = client.command().character_set;
  change.auth_plugin = kNobodysPlugin;
  change.attributes = encode_attributes(login);
  return change;
}

LoginFailure server_refusal(Bytes payload) {
  auto err = wire::decode_err(payload);
  if (!err) return {handshake_err("Malformed packet from server"), "malformed error of the server"};
  return {*err, fmt::format("the server refuses the login: {} {}", err->code, err->message),
          &stats::Cells::logins_denied};
}

LoginFailure cannot_answer(const std::string& reason) {
  return {handshake_err("The proxy cannot log in to the server"), reason};
}

// Answers by whatever method the server asks for.
class Answering {
 public:
  Answering(Back& server, const auth::Credentials& credentials)
      : server_(server), credentials_(credentials) {}

  Buffer first(std::string_view plugin, Bytes challenge) {
    method_ = auth::make_mysql_login(plugin, credentials_, server_.transport());
    if (!method_) {
      throw cannot_answer(fmt::format("the server asks for the method \"{}\"", plugin));
    }
    auto answer = method_->begin(challenge);
    if (!answer) throw cannot_answer(answer.error().message);
    return std::move(*answer);
  }

  std::optional<Buffer> next(Bytes more) {
    if (!method_) throw cannot_answer("the server asks before it has named a method");
    auto answer = method_->next(more);
    if (!answer) throw cannot_answer(answer.error().message);
    return std::move(*answer);
  }

  // A method of the server's greeting that is not known here is left to a switch.
  void greet_back(wire::HandshakeResponse& response) {
    const wire::Greeting& greeting = server_.greeting();
    const bool known =
        auth::make_mysql_login(greeting.auth_plugin, credentials_, server_.transport()) != nullptr;
    response.auth_plugin = known ? greeting.auth_plugin : std::string(kNativePassword);
    if (known || greeting.auth_plugin.empty()) {
      response.auth_answer = first(response.auth_plugin, greeting.auth_data);
    }
  }

 private:
  Back& server_;
  const auth::Credentials& credentials_;
  std::unique_ptr<auth::MysqlLogin> method_;
};

// Sends what answers one packet of the server's, if anything does; true when the server is content.
bool answer_server(Back& server, Answering& answering, Bytes payload) {
  if (payload.empty()) throw cannot_answer("the server sent an empty packet");
  std::optional<Buffer> answer;
  switch (std::to_integer<std::uint8_t>(payload.front())) {
    case wire::kOkHeader:
      return true;
    case wire::kErrHeader:
      throw server_refusal(payload);
    case wire::kEofHeader: {
      const auto request = wire::decode_auth_switch_request(payload);
      if (!request) throw cannot_answer(request.error().what);
      answer = answering.first(request->auth_plugin, request->auth_data);
      break;
    }
    case wire::kAuthMoreDataHeader:
      answer = answering.next(payload.subspan(1));
      break;
    case kBareParsecSalt:
      answer = answering.next(payload);
      break;
    default:
      throw cannot_answer("the server sent an unknown packet");
  }
  if (answer) {
    server.send(*answer);
    auth::wipe(*answer);
  }
  return false;
}

event::Task<Buffer> relay_rounds(session::Session& session, Front& client, Back& server) {
  PassThrough rounds{session, client, server};
  for (;;) {
    Buffer payload = co_await server.receive();
    const PassThrough::Next next = rounds.inspect(payload);
    if (next == PassThrough::Next::Over) co_return payload;
    if (next == PassThrough::Next::Refused) throw server_refusal(payload);
    client.relay(payload);
    if (next == PassThrough::Next::ClientAnswers) co_await rounds.answer();
  }
}

}  // namespace

event::Task<Buffer> log_in_with_credentials(const wire::HandshakeResponse& client, Back& server,
                                            const session::ConnectTo& decision) {
  wire::HandshakeResponse response = make_response(client, server, decision.login);
  co_await server.secure(response, decision);
  Answering answering{server, decision.credentials};
  answering.greet_back(response);
  server.log_in(response);
  auth::wipe(response.auth_answer);
  for (;;) {
    Buffer payload = co_await server.receive();
    const bool content = answer_server(server, answering, payload);
    if (content) co_return payload;
  }
}

event::Task<Buffer> pass_login_through(session::Session& session, Front& client, Back& server,
                                       const session::ConnectTo& decision) {
  if ((client.capabilities() & wire::capability::kPluginAuth) == 0) {
    throw LoginFailure(handshake_err("The client is too old for this login"),
                       "a client without PLUGIN_AUTH cannot be passed through");
  }
  wire::HandshakeResponse response = make_response(client.response(), server, decision.login);
  co_await server.secure(response, decision);
  response.auth_plugin = kNobodysPlugin;
  server.log_in(response);
  co_return co_await relay_rounds(session, client, server);
}

event::Task<Buffer> pass_change_through(session::Session& session, Front& client, Back& server,
                                        const session::Login& login, Connection& present) {
  const wire::ChangeUser change = make_change(client, login);
  server.change_user(std::move(present.server), change, present.capabilities);
  co_return co_await relay_rounds(session, client, server);
}

}  // namespace perilune::proto::mysql
