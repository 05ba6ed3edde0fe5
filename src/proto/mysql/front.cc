#include "proto/mysql/front.hh"

#include <algorithm>
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
    : session_(session),
      channel_(stream, "Client"),
      scramble_(auth::make_mysql_scramble()),
      announced_(kAnnounced) {
  session_.set_ending(this);
  channel_.stream().set_sensitive(true);
  choose_announcement();
}

Front::Front(session::Session& session, net::Stream& stream, const ClientTerms& terms,
             ChangeCommand command)
    : session_(session),
      channel_(stream, "Client"),
      scramble_(terms.scramble),
      announced_(terms.capabilities),
      command_(std::move(command)),
      greeted_(true) {
  session_.set_ending(this);
  channel_.stream().set_sensitive(true);
  channel_.set_sequence(command_->sequence);
  response_.capabilities = terms.capabilities;
  response_.max_packet_size = terms.max_packet_size;
}

Front::~Front() {
  session_.set_ending(nullptr);
  if (command_) auth::wipe(command_->payload);
  channel_.stream().set_sensitive(false);
  auth::wipe(response_.auth_answer);
}

// Before the script is asked, which may say otherwise.
void Front::choose_announcement() {
  const auto& like = session_.listener().like;
  const auto likeness = like ? like->get() : nullptr;
  if (likeness) announced_ = kAnnounced & (likeness->capabilities | kOwn);
  if (!session_.server_version.empty()) return;
  const std::string& chosen = session_.options().server_version;
  if (!chosen.empty()) {
    session_.server_version = chosen;
  } else {
    session_.server_version = likeness ? likeness->server_version : std::string(kDefaultVersion);
  }
}

void Front::greet() {
  wire::Greeting greeting;
  greeting.server_version = session_.server_version;
  greeting.connection_id = session_.id();
  greeting.auth_data.assign(scramble_.begin(), scramble_.end());
  greeting.capabilities = announced_ | (offers_tls() ? wire::capability::kSsl : 0);
  greeting.character_set = kUtf8mb4;
  greeting.status = wire::status::kAutocommit;
  greeting.auth_plugin = kNativePassword;
  Buffer payload;
  wire::append_greeting(payload, greeting);
  channel_.send(payload);
  greeted_ = true;
}

// Over unix sockets too: MariaDB's clients since 11.4 insist on it there.
bool Front::offers_tls() const noexcept { return session_.listener().tls != nullptr; }

auth::Transport Front::transport() const noexcept {
  if (channel_.stream().tls() != nullptr) return auth::Transport::Tls;
  return session_.is_local() ? auth::Transport::Unix : auth::Transport::Plain;
}

// The login, behind the start of TLS if the client asks for it. What it said of itself before is
// forgotten: anybody could have said it.
event::Task<Buffer> Front::receive_first() {
  Buffer payload = co_await channel_.receive(kLoginLimit);
  if (!wire::is_ssl_request(payload)) co_return payload;
  if (!offers_tls()) {
    throw LoginFailure(handshake_err("TLS was not offered"), "the client asked for TLS unasked",
                       &stats::Cells::logins_malformed);
  }
  channel_.stream().start_tls(std::make_unique<net::Tls>(session_.listener().tls));
  co_return co_await channel_.receive(kLoginLimit);
}

void Front::decode(Bytes payload) {
  auto decoded = wire::decode_handshake_response(payload);
  if (!decoded) {
    throw LoginFailure(handshake_err(decoded.error().what),
                       std::string("malformed login packet: ") + decoded.error().what,
                       &stats::Cells::logins_malformed);
  }
  response_ = std::move(*decoded);
  response_.capabilities &= announced_;  // some clients set what was not offered
  has_password_ = response_.auth_answer.size() > 1;
}

event::Task<session::Login> Front::receive_login() {
  Buffer payload = co_await receive_first();
  const ScopeExit wiped([&payload] { auth::wipe(payload); });
  decode(payload);
  if (session_.options().tls.required && transport() == auth::Transport::Plain) {
    throw LoginFailure(make_err(wire::ErrorCode::SecureTransportRequired, "HY000",
                                "Connections using insecure transport are prohibited while "
                                "--require_secure_transport=ON."),
                       "the listener requires TLS", &stats::Cells::logins_tls_failed);
  }
  co_return introduce();
}

ClientTerms Front::terms() const noexcept {
  return {response_.capabilities, response_.max_packet_size, scramble_};
}

session::Login Front::take_change() {
  decode_change(command_->payload);
  if (!can_switch()) {
    throw LoginFailure(handshake_err("The client is too old to change its user"),
                       "a client without PLUGIN_AUTH wants to change its user");
  }
  session::Login login = introduce();
  login.change = true;
  return login;
}

void Front::decode_change(Bytes payload) {
  auto decoded = wire::decode_change_user(payload, response_.capabilities);
  if (!decoded) {
    failed_ = true;
    session_.metrics().client_malformed.add();
    throw LoginFailure(command_err("Malformed packet from client"),
                       std::string("malformed COM_CHANGE_USER: ") + decoded.error().what);
  }
  // A login names its character set by one byte; those of higher numbers are kinds of utf8mb4.
  const bool is_named = decoded->character_set > 0 && decoded->character_set <= 0xFF;
  response_.character_set = is_named ? static_cast<std::uint8_t>(decoded->character_set) : kUtf8mb4;
  command_->character_set = decoded->character_set;
  response_.user = std::move(decoded->user);
  response_.auth_answer = std::move(decoded->auth_answer);
  response_.database = std::move(decoded->database);
  response_.auth_plugin = std::move(decoded->auth_plugin);
  response_.attributes = std::move(decoded->attributes);
  has_password_ = response_.auth_answer.size() > 1;
}

// Notes in the session what the client claims to be.
session::Login Front::introduce() {
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
  return login;
}

event::Task<Buffer> Front::receive_answer() {
  failed_ = true;
  Buffer answer = co_await channel_.receive(kAnswerLimit);
  failed_ = false;
  has_password_ = has_password_ || answer.size() > 1;
  co_return answer;
}

void Front::welcome(Bytes ok) { channel_.send(ok); }

// Who has another method than the greeting's has answered nothing and waits for a challenge: of
// its own method where it is one whose end needs no secret, else of the one that all clients know.
event::Task<> Front::satisfy_method() {
  const std::string_view own = own_plugin();
  const bool by_sha2 = own == kCachingSha2Password;
  if (own == kNativePassword || own == kClearPassword) co_return;
  Bytes answer = response_.auth_answer;
  Buffer received;
  if (!by_sha2 || answer.empty() || is_change()) {
    Buffer challenge(scramble_.begin(), scramble_.end());
    challenge.push_back(std::byte{});
    switch_method(by_sha2 ? kCachingSha2Password : kNativePassword, challenge);
    received = co_await receive_answer();
    answer = received;
  }
  if (by_sha2 && answer.size() > 1) send_more(std::array{auth::kFastAuthSuccess}, false);
  auth::wipe(received);
}

// Clients that cannot name a method have this one.
std::string_view Front::own_plugin() const noexcept {
  return can_switch() && !response_.auth_plugin.empty() ? std::string_view(response_.auth_plugin)
                                                        : kNativePassword;
}

// Who has another method than the greeting's has answered nothing yet, except with the password
// itself.
bool Front::answered_by(std::string_view plugin) const noexcept {
  if (plugin != own_plugin()) return false;
  if (plugin == kClearPassword) return !response_.auth_answer.empty();
  return plugin == kNativePassword && !is_change();
}

std::string Front::attribute(std::string_view name) const {
  const auto attributes = wire::decode_attributes(response_.attributes);
  if (!attributes) return {};
  const auto found = std::ranges::find(*attributes, name, &wire::Attribute::name);
  return found != attributes->end() ? found->value : std::string();
}

bool Front::is_mysql_library() const { return attribute("_client_name") == "libmysql"; }

bool Front::can_switch() const noexcept {
  return (capabilities() & wire::capability::kPluginAuth) != 0;
}

void Front::switch_method(std::string_view plugin, Bytes challenge) {
  wire::AuthSwitchRequest request;
  request.auth_plugin = plugin;
  request.auth_data.assign(challenge.begin(), challenge.end());
  Buffer payload;
  wire::append_auth_switch_request(payload, request);
  channel_.send(payload);
}

void Front::send_more(Bytes data, bool bare) {
  if (bare) return channel_.send(data);
  Buffer payload;
  wire::append_auth_more_data(payload, data);
  channel_.send(payload);
}

void Front::say_farewell(session::StopReason reason) {
  if (reason != session::StopReason::Dropped) send_error(farewell_err(reason));
}

// Before the greeting nobody knows what the client understands: an error without SQLSTATE.
void Front::send_error(const wire::Err& err) {
  Buffer payload;
  wire::append_err(payload, err, greeted_ ? wire::capability::kProtocol41 : 0);
  channel_.send(payload);
}

}  // namespace perilune::proto::mysql
