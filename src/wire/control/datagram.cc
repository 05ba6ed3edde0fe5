#include "wire/control/datagram.hh"

#include <algorithm>
#include <array>
#include <cassert>

namespace perilune::wire::control {

namespace {

constexpr std::array<std::byte, 4> kMagic{std::byte{0x63}, std::byte{0x04}, std::byte{0x61},
                                          std::byte{0x01}};
constexpr std::size_t kHeaderSize = 4;
constexpr std::size_t kUnit = 4;

std::size_t padded(std::size_t size) noexcept { return (size + kUnit - 1) / kUnit * kUnit; }

std::uint16_t big_endian(Bytes two) noexcept {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(two[0]) << 8 |
                                    std::to_integer<unsigned>(two[1]));
}

void append_big_endian(Buffer& to, std::size_t value) {
  to.push_back(static_cast<std::byte>(value >> 8));
  to.push_back(static_cast<std::byte>(value));
}

}  // namespace

Reader::Reader(Bytes datagram) noexcept : left_(datagram) {
  const bool has_magic =
      datagram.size() >= kMagic.size() && std::ranges::equal(datagram.first(kMagic.size()), kMagic);
  if (!has_magic) {
    fail("wrong magic");
  } else if (datagram.size() % kUnit != 0) {
    fail("odd control packet");
  } else {
    left_ = datagram.subspan(kMagic.size());
  }
}

std::optional<Command> Reader::next() noexcept {
  if (left_.empty()) return std::nullopt;
  if (left_.size() < kHeaderSize) return fail("partial header");
  const std::size_t size = big_endian(left_);
  const auto number = static_cast<Number>(big_endian(left_.subspan(2)));
  left_ = left_.subspan(kHeaderSize);
  if (padded(size) > left_.size()) return fail("partial payload");
  const Command command{number, left_.first(size)};
  left_ = left_.subspan(padded(size));
  return command;
}

std::optional<Command> Reader::fail(const char* mistake) noexcept {
  mistake_ = mistake;
  left_ = {};
  return std::nullopt;
}

Buffer make_datagram() { return {kMagic.begin(), kMagic.end()}; }

void append_command(Buffer& datagram, Number number, Bytes payload) {
  assert(!datagram.empty() && payload.size() <= kMaxPayload);
  append_big_endian(datagram, payload.size());
  append_big_endian(datagram, static_cast<std::uint16_t>(number));
  append(datagram, payload);
  datagram.resize(padded(datagram.size()));
}

}  // namespace perilune::wire::control
