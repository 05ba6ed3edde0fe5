#include "net/small_address.hh"

#include <cstring>

namespace perilune::net {

SmallAddress::SmallAddress(const Address& address)
    : size_(static_cast<std::uint8_t>(address.size())), is_unix_(address.is_unix()) {
  if (!is_unix_) {
    std::memcpy(ip_.data(), address.data(), address.size());
  } else if (!address.unix_bytes().empty()) {
    unix_name_ = std::make_unique<std::string>(address.unix_bytes());
  }
}

Address SmallAddress::expand() const noexcept {
  if (is_unix_) return unix_name_ ? Address::unix_name(*unix_name_) : Address::unix_name({});
  return Address{reinterpret_cast<const sockaddr*>(ip_.data()), size_};
}

}  // namespace perilune::net
