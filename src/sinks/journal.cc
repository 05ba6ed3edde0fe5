#include <sys/socket.h>

#include "sinks/sinks.hh"
#include "sinks/socket.hh"

namespace perilune::sinks {

std::unique_ptr<log::Sink> make_journal(const log::QueryLogOptions& options) {
  return std::make_unique<Socket>(address_of("log_journal", options.target, std::nullopt),
                                  SOCK_DGRAM, Socket::Framing::Journal);
}

}  // namespace perilune::sinks
