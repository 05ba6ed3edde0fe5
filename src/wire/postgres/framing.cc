#include "wire/postgres/framing.hh"

#include <cassert>

namespace perilune::wire::postgres {

Result<Message> front_message(Bytes buffer, std::size_t max_body) noexcept {
  Message message;
  if (buffer.size() < kHeaderSize) return message;
  const MessageHeader header = decode_header(buffer);
  if (!header.is_plausible()) return Malformed{"length of a message"};
  if (header.body() > max_body) return Malformed{"message too long"};
  message.tag = header.tag;
  message.size = kHeaderSize + header.body();
  message.complete = buffer.size() >= message.size;
  if (message.complete) message.body = buffer.subspan(kHeaderSize, header.body());
  return message;
}

void patch_length(Buffer& out, std::size_t begin) noexcept {
  const std::size_t length = out.size() - begin;
  assert(length >= kMinLength && length <= kMaxLength);
  for (std::size_t i = 0; i < 4; ++i) {
    out[begin + i] = static_cast<std::byte>(length >> (8 * (3 - i)));
  }
}

MessageWriter::MessageWriter(Buffer& out, std::uint8_t tag) : out_(out) {
  out_.push_back(std::byte{tag});
  begin_ = out_.size();
  out_.resize(begin_ + 4);
}

void MessageWriter::end() noexcept { patch_length(out_, begin_); }

void append_message(Buffer& out, BackendTag tag, Bytes body) {
  MessageWriter message{out, tag};
  append(out, body);
  message.end();
}

void append_message(Buffer& out, FrontendTag tag, Bytes body) {
  MessageWriter message{out, tag};
  append(out, body);
  message.end();
}

}  // namespace perilune::wire::postgres
