#include "proto/postgres/greeting.hh"

#include <string>
#include <string_view>

#include "wire/postgres/authentication.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;

namespace {

constexpr std::string_view kVersion = "server_version";
constexpr std::string_view kDefaultVersion = "15.0";

void append_parameter(Buffer& out, std::string_view name, std::string_view value) {
  wire::append_parameter_status(out, {name, value});
}

// A parameter that the client may set by its login.
void append_wish(Buffer& out, const wire::StartupMessage& startup, std::string_view name,
                 std::string_view usual) {
  std::string_view value = startup.parameter(name);
  append_parameter(out, name, value.empty() ? usual : value);
}

}  // namespace

void note_parameter(session::Session& session, Bytes body) {
  const auto status = wire::decode_parameter_status(body);
  if (status && status->name == kVersion) session.server_version = std::string(status->value);
}

Buffer parameters_of_our_own(session::Session& session, const wire::StartupMessage& startup) {
  if (session.server_version.empty()) {
    const std::string& chosen = session.options().server_version;
    session.server_version = chosen.empty() ? std::string(kDefaultVersion) : chosen;
  }
  Buffer out;
  append_wish(out, startup, "application_name", {});
  append_wish(out, startup, "client_encoding", "UTF8");
  append_wish(out, startup, "DateStyle", "ISO, MDY");
  append_parameter(out, "default_transaction_read_only", "off");
  append_parameter(out, "in_hot_standby", "off");
  append_parameter(out, "integer_datetimes", "on");
  append_wish(out, startup, "IntervalStyle", "postgres");
  append_parameter(out, "is_superuser", "off");
  append_parameter(out, "server_encoding", "UTF8");
  append_parameter(out, kVersion, session.server_version.text());
  append_parameter(out, "session_authorization", startup.user());
  append_parameter(out, "standard_conforming_strings", "on");
  append_wish(out, startup, "TimeZone", "UTC");
  return out;
}

}  // namespace perilune::proto::postgres
