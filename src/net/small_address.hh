#pragma once

#include <netinet/in.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "net/address.hh"

namespace perilune::net {

// An Address at rest, for objects of which there are very many: 40 bytes instead of 120. Only named
// unix addresses need memory of their own.
class SmallAddress {
 public:
  SmallAddress() noexcept = default;
  explicit SmallAddress(const Address& address);

  Address expand() const noexcept;
  explicit operator bool() const noexcept { return size_ > 0; }
  bool is_unix() const noexcept { return is_unix_; }

 private:
  std::unique_ptr<std::string> unix_name_;
  std::array<std::byte, sizeof(sockaddr_in6)> ip_{};
  std::uint8_t size_ = 0;
  bool is_unix_ = false;
};

}  // namespace perilune::net
