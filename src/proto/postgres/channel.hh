#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "event/task.hh"
#include "net/stream.hh"
#include "util/bytes.hh"
#include "util/error.hh"
#include "wire/postgres/startup.hh"

namespace perilune::proto::postgres {

// A message as it came. Its body may be a password: whoever reads it wipes it.
struct Received {
  std::uint8_t tag = 0;
  Buffer body;
};

// What the peer sends is nothing that its side may say there.
class BrokenProtocol : public PeerError {
 public:
  enum class By : std::uint8_t { Client, Server };

  BrokenProtocol(By who, const std::string& what) : PeerError(what), who_(who) {}
  By who() const noexcept { return who_; }

 private:
  By who_;
};

// Messages over a stream, as a login needs them: one after the other. Not used while a pump runs on
// the stream. Messages may hold passwords: no copy of them stays behind here.
class Channel {
 public:
  // `peer` ("Client", "Server") begins error messages, which are fit for the client: a literal.
  Channel(net::Stream& stream, std::string_view peer) noexcept : stream_(stream), peer_(peer) {}

  // The next message, with a body of at most `limit` bytes. Throws PeerError when the peer
  // ends, BrokenProtocol when it lies or sends too much.
  event::Task<Received> receive(std::size_t limit);

  // The first byte of what comes next, which stays where it is. Throws likewise.
  event::Task<std::byte> peek();

  // A client's packet before its first message. Throws likewise.
  event::Task<wire::postgres::Opening> receive_opening();

  // The server's byte that answers SSLRequest or GSSENCRequest. Throws likewise.
  event::Task<std::byte> receive_answer();

  // Nothing may have come behind a request for encryption before it was answered: somebody in
  // between would have put it there for us to take it for the peer's own (CVE-2021-23214). Drops
  // what is there.
  void drop_input() noexcept { stream_.consume(stream_.input().size()); }

  // Sends and wipes what was appended by wire/postgres.
  void send(Buffer messages);

  net::Stream& stream() const noexcept { return stream_; }

 private:
  event::Task<> require_input(std::size_t size);
  [[noreturn]] void throw_malformed(const char* what) const;
  [[noreturn]] void throw_end() const;

  net::Stream& stream_;
  std::string_view peer_;
};

}  // namespace perilune::proto::postgres
