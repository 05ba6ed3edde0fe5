#include <sys/socket.h>

#include "sinks/sinks.hh"
#include "sinks/socket.hh"

namespace perilune::sinks {

namespace {

constexpr std::uint16_t kSyslogPort = 514;

}  // namespace

// The local daemon takes datagrams, others what the options say.
std::unique_ptr<log::Sink> make_syslog(const log::QueryLogOptions& options) {
  const net::Address address = address_of("log_syslog", options.target, kSyslogPort);
  const int type = socket_type(options);
  const auto framing = type == SOCK_STREAM ? Socket::Framing::Counted : Socket::Framing::None;
  return std::make_unique<Socket>(address, type, framing);
}

}  // namespace perilune::sinks
