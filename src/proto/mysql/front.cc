#include "proto/mysql/front.hh"

#include <array>
#include <utility>

#include "auth/mysql_caching_sha2.hh"
#include "auth/secret.hh"
#include "proto/mysql/capabilities.hh"
#include "proto/mysql/errors.hh"
#include "proto/mysql/methods.hh"
#include "util/scope_exit.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;

namespace {

constexpr std::string_view kDefaultVersion = "5.7.30";  // myproxy's
// Names, a password, and 64 KiB of connect attributes.
constexpr std::size_t kLoginLimit = 128 * 1024;
constexpr std::size_t kAnswerLimit = 64 * 1024;

}  // namespace

Front::Front(session::Session& session, net::Stream& stream)
    : session_(session), channel_(stream, "Client"), scramble_(auth::make_mysql_scramble()) {
  session_.set_ending(this);
  channel_.stream().set_sensitive(true);
  if (session_.server_version.empty()) {
    const std::string& chosen = session_.options().server_version;
    session_.server_version = chosen.empty() ? std::string(kDefaultVersion) : chosen;
  }
}

Front::~Front() {
  session_.set_ending(nullptr);
  channel_.stream().set_sensitive(false);
  auth::wipe(response_.auth_answer);
}

void Front::greet() {
  wire::Greeting greeting;
  greeting.server_version = session_.server_version;
  greeting.connection_id = session_.id();
  greeting.auth_data.assign(scramble_.begin(), scramble_.end());
  greeting.capabilities = kAnnounced;
  greeting.character_set = kUtf8mb4;
  greeting.status = wire::status::kAutocommit;
  greeting.auth_plugin = kNativePassword;
  Buffer payload;
  wire::append_greeting(payload, greeting);
  channel_.send(payload);
  greeted_ = true;
}

event::Task<session::Login> Front::receive_login() {
  Buffer payload = co_await channel_.receive(kLoginLimit);
  const ScopeExit wiped([&payload] { auth::wipe(payload); });
  auto decoded = wire::decode_handshake_response(payload);
  if (!decoded) {
    throw LoginFailure(handshake_err(decoded.error().what),
                       std::string("malformed login packet: ") + decoded.error().what);
  }
  response_ = std::move(*decoded);
  response_.capabilities &= kAnnounced;  // some clients set what was not offered
  const auto attributes = wire::decode_attributes(response_.attributes);
  session::Login login;
  login.user = response_.user;
  login.database = response_.database;
  if (attributes) {
    for (const auto& attribute : *attributes) {
      login.attributes.emplace_back(attribute.name, attribute.value);
    }
  }
  session_.user = login.user;
  session_.database = login.database;
  co_return login;
}

event::Task<Buffer> Front::receive_answer() { return channel_.receive(kAnswerLimit); }

void Front::welcome(Bytes ok) { channel_.send(ok); }

// Methods of one answer are content with an OK. For the rest there is no challenge we could judge,
// so the client is asked by one that is.
event::Task<> Front::satisfy_method() {
  const std::string& plugin = response_.auth_plugin;
  if (plugin.empty() || plugin == kNativePassword || plugin == "mysql_clear_password" ||
      plugin == "client_ed25519" || (capabilities() & wire::capability::kPluginAuth) == 0) {
    co_return;
  }
  if (plugin == kCachingSha2Password) {
    if (response_.auth_answer.empty()) co_return;
    Buffer payload;
    wire::append_auth_more_data(payload, std::array{auth::kFastAuthSuccess});
    channel_.send(payload);
    co_return;
  }
  co_await switch_to_native();
}

event::Task<> Front::switch_to_native() {
  wire::AuthSwitchRequest request;
  request.auth_plugin = kNativePassword;
  request.auth_data.assign(scramble_.begin(), scramble_.end());
  Buffer payload;
  wire::append_auth_switch_request(payload, request);
  channel_.send(payload);
  Buffer answer = co_await receive_answer();
  auth::wipe(answer);
}

void Front::say_farewell(session::StopReason reason) { send_error(farewell_err(reason)); }

// Before the greeting nobody knows what the client understands: an error without SQLSTATE.
void Front::send_error(const wire::Err& err) {
  Buffer payload;
  wire::append_err(payload, err, greeted_ ? wire::capability::kProtocol41 : 0);
  channel_.send(payload);
}

}  // namespace perilune::proto::mysql
