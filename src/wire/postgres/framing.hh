#pragma once

// A message is a tag, a length that counts itself and the body, and the body.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "util/bytes.hh"
#include "util/result.hh"
#include "wire/postgres/protocol.hh"

namespace perilune::wire::postgres {

struct MessageHeader {
  std::uint8_t tag = 0;
  std::uint32_t length = kMinLength;  // as on the wire

  bool is_plausible() const noexcept { return length >= kMinLength && length <= kMaxLength; }
  // Only of a plausible one.
  std::uint32_t body() const noexcept { return length - kMinLength; }
};

// `bytes` must hold at least kHeaderSize.
inline MessageHeader decode_header(Bytes bytes) noexcept {
  const unsigned char* at = as_uchars(bytes);
  return {at[0], static_cast<std::uint32_t>(at[1]) << 24 | static_cast<std::uint32_t>(at[2]) << 16 |
                     static_cast<std::uint32_t>(at[3]) << 8 | at[4]};
}

// Where one direction stands in its stream of messages; moved on over any pieces of it.
class MessagePosition {
 public:
  // Nothing of the next message was seen.
  bool between_messages() const noexcept { return left_ == 0 && header_bytes_ == 0; }
  bool in_body() const noexcept { return left_ > 0; }

  // The header must be plausible.
  void enter(MessageHeader header) noexcept {
    left_ = header.body();
    header_bytes_ = 0;
  }

  // Takes what is missing of a header off `in`, as far as it goes. Complete: `header` is set, and
  // to be looked at before it is entered.
  struct HeaderPart {
    std::size_t taken = 0;
    bool complete = false;
    MessageHeader header;
  };
  HeaderPart gather_header(Bytes in) noexcept {
    HeaderPart part;
    part.taken = std::min(kHeaderSize - header_bytes_, in.size());
    std::copy_n(in.begin(), part.taken, header_.begin() + header_bytes_);
    header_bytes_ = static_cast<std::uint8_t>(header_bytes_ + part.taken);
    part.complete = header_bytes_ == kHeaderSize;
    if (part.complete) part.header = decode_header(header_);
    return part;
  }

  // How many of `available` bytes belong to the body; they are passed.
  std::size_t pass_body(std::size_t available) noexcept {
    const std::size_t passed = std::min<std::size_t>(left_, available);
    left_ -= static_cast<std::uint32_t>(passed);
    return passed;
  }

 private:
  std::uint32_t left_ = 0;
  std::array<std::byte, kHeaderSize> header_{};
  std::uint8_t header_bytes_ = 0;
};

// The message at the front of a buffer.
struct Message {
  std::uint8_t tag = 0;
  Bytes body;            // empty while it is incomplete
  std::size_t size = 0;  // with the header, as announced; 0: not even the header is there
  bool complete = false;
};

// Malformed: the length is a lie, or `max_body` is exceeded.
Result<Message> front_message(Bytes buffer, std::size_t max_body) noexcept;

// Appends a message whose body is written between construction and end(); only one at a time. The
// body must not exceed what kMaxLength allows.
class MessageWriter {
 public:
  MessageWriter(Buffer& out, std::uint8_t tag);
  MessageWriter(Buffer& out, BackendTag tag) : MessageWriter(out, static_cast<std::uint8_t>(tag)) {}
  MessageWriter(Buffer& out, FrontendTag tag)
      : MessageWriter(out, static_cast<std::uint8_t>(tag)) {}
  MessageWriter(const MessageWriter&) = delete;
  MessageWriter& operator=(const MessageWriter&) = delete;

  Buffer& body() noexcept { return out_; }
  void end() noexcept;

 private:
  Buffer& out_;
  std::size_t begin_;  // of the length
};

// Writes the length of what follows `begin`, itself included, there: 4 bytes that are left free.
void patch_length(Buffer& out, std::size_t begin) noexcept;

// A message that is a body as it is.
void append_message(Buffer& out, BackendTag tag, Bytes body = {});
void append_message(Buffer& out, FrontendTag tag, Bytes body = {});

}  // namespace perilune::wire::postgres
