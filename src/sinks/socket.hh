#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "log/query_log_options.hh"
#include "log/sink.hh"
#include "sinks/connection.hh"

namespace perilune::sinks {

// Writes items to one socket, which is connected again and again. Of a stream that broke off, the
// item that was under way is sent again from its beginning.
class Socket final : public log::Sink {
 public:
  enum class Framing : std::uint8_t {
    None,     // streams: items end by themselves; datagrams: an item each
    Counted,  // "123 " before each, RFC 6587
    Journal,  // datagrams; what is too large for one goes as a file in memory
  };

  Socket(net::Address address, int type, Framing framing) noexcept
      : connection_(address, type), framing_(framing) {}

  Outcome write(std::span<const log::Ring::Item> items) override;
  void wait_for(std::vector<pollfd>& polled) const override;

 private:
  void write_stream(std::span<const log::Ring::Item> items, Outcome& outcome);
  void write_datagrams(std::span<const log::Ring::Item> items, Outcome& outcome);
  void pack(std::span<const log::Ring::Item> items);
  void count(std::span<const log::Ring::Item> items, std::size_t sent, Outcome& outcome);
  std::size_t framed_size(const log::Ring::Item& item) const;
  void failed(int error, Outcome& outcome) noexcept;

  Connection connection_;
  Framing framing_;
  std::size_t begun_ = 0;  // bytes of the first item that were sent
  std::string packed_;
};

// The socket that a log names: an address or a path, no host name. Throws ConfigError.
net::Address address_of(const std::string& function, const std::string& target,
                        std::optional<std::uint16_t> default_port);
int socket_type(const log::QueryLogOptions& options) noexcept;

}  // namespace perilune::sinks
