#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "event/task.hh"
#include "net/stream.hh"
#include "util/bytes.hh"
#include "wire/mysql/framing.hh"

namespace perilune::proto::mysql {

// Payloads over a stream, as a login needs them: one after the other, numbered. Not used while a
// pump runs on the stream. Payloads may hold passwords: no copy of them stays behind here.
class Channel {
 public:
  // `peer` ("Client", "Server") begins error messages, which are fit for the client: a literal.
  Channel(net::Stream& stream, std::string_view peer) noexcept : stream_(stream), peer_(peer) {}

  // The next payload of at most `limit` bytes; its sequence numbers must go on from the last packet
  // in either direction. Throws PeerError when the peer ends, lies or sends too much.
  event::Task<Buffer> receive(std::size_t limit);

  // Takes a payload of any length off the stream and keeps nothing of it; how many bytes that were,
  // with the headers. Throws likewise.
  event::Task<std::uint64_t> skip();

  // Sends a payload under the next sequence numbers.
  void send(Bytes payload);

  std::uint8_t sequence() const noexcept { return sequence_; }  // of the next packet
  void set_sequence(std::uint8_t sequence) noexcept { sequence_ = sequence; }
  net::Stream& stream() const noexcept { return stream_; }

 private:
  event::Task<wire::mysql::PacketHeader> next_header();
  event::Task<> require_input(std::size_t size);
  [[noreturn]] void throw_end() const;

  net::Stream& stream_;
  std::string_view peer_;
  std::uint8_t sequence_ = 0;
};

}  // namespace perilune::proto::mysql
