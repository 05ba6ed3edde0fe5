#include "unit/wire/mysql/proxy_simulation.hh"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "wire/mysql/framing.hh"

namespace perilune::test {

using namespace wire::mysql;

namespace {

void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

// How many bytes of its stream a sender may have sent, given what it has received.
template <typename Sends>
std::size_t allowed(const Sends& sends, std::size_t received) {
  std::size_t total = 0;
  for (const auto& send : sends) {
    if (send.wait_for > received) break;
    total += send.bytes.size();
  }
  return total;
}

// `bytes` must be what comes in `stream` at `offset`.
void check_arrival(Bytes bytes, Bytes stream, std::size_t& offset) {
  require(bytes.size() <= stream.size() - offset, "more arrived than was sent");
  require(std::ranges::equal(bytes, stream.subspan(offset, bytes.size())), "other bytes arrived");
  offset += bytes.size();
}

}  // namespace

std::size_t Cut::next(std::size_t offset, std::size_t available) const {
  const std::size_t size = std::min(available, every);
  const auto cut = std::ranges::upper_bound(at, offset);
  return cut != at.end() && *cut < offset + size ? *cut - offset : size;
}

ProxySimulation::ProxySimulation(const RecordedSession& session, const Replay& replay)
    : session_(session), replay_(replay), exchange_(session.capabilities) {
  if (replay_.intercept) intercept_.set();
  plan();
}

void ProxySimulation::plan() {
  std::size_t barrier = 0;  // what the client has seen when it sends a command
  for (const RecordedCommand& command : session_.commands) {
    const bool dialogue = std::ranges::count(command.parts, true, &Part::from_client) > 1;
    if (!command.pipelined && !replay_.pipeline) barrier = expected_.size();
    bool first = true;
    for (const Part& part : command.parts) {
      if (part.from_client) {
        from_client_.push_back({first ? barrier : expected_.size(), part.bytes});
        append(client_stream_, part.bytes);
      } else {
        from_server_.push_back({client_stream_.size(), part.bytes});
        append(server_stream_, part.bytes);
        append(expected_, part.bytes);
      }
      first = false;
    }
    if (replay_.intercept) append(expected_, replay_.marker);
    if (dialogue) barrier = expected_.size();
  }
}

void ProxySimulation::run() {
  for (bool moved = true; moved;) {
    moved = step_client();
    moved = step_server() || moved;
  }
  check_end();
}

bool ProxySimulation::step_client() {
  const std::size_t ready = allowed(from_client_, at_client_);
  if (ready <= client_sent_) return false;
  const std::size_t size = replay_.client.next(client_sent_, ready - client_sent_);
  append(pending_, Bytes{client_stream_}.subspan(client_sent_, size));
  client_sent_ += size;
  handle_client_bytes();
  return true;
}

void ProxySimulation::handle_client_bytes() {
  while (!pending_.empty()) {
    const Progress progress = exchange_.client(pending_, intercept_);
    require(progress.consumed <= pending_.size(), "consumed more than there was");
    to_server(Bytes{pending_}.first(progress.consumed));
    if (progress.stop == Stop::None || progress.stop == Stop::Full) return;
    require(progress.stop == Stop::Intercept, std::string{"client: "} + exchange_.reason());
    if (marker_due_ || !intercept_command()) return;
    put_marker();
  }
}

// Takes a complete payload off the stream, as a proxy does that shows it to a script.
bool ProxySimulation::intercept_command() {
  std::size_t at = 0;
  PacketHeader header;
  do {
    if (pending_.size() < at + kHeaderSize) return false;
    header = decode_header(Bytes{pending_}.subspan(at));
    at += kHeaderSize + header.length;
    if (pending_.size() < at) return false;
  } while (header.length == kMaxPacket);
  exchange_.forwarded(static_cast<Command>(pending_[kHeaderSize]), header.sequence);
  to_server(Bytes{pending_}.first(at));
  marker_due_ = true;
  return true;
}

void ProxySimulation::put_marker() {
  if (!marker_due_ || exchange_.outstanding() > 0 || !exchange_.server_at_border()) return;
  to_client(replay_.marker);
  marker_due_ = false;
}

void ProxySimulation::to_server(Bytes bytes) {
  check_arrival(bytes, client_stream_, at_server_);
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(bytes.size()));
}

void ProxySimulation::to_client(Bytes bytes) { check_arrival(bytes, expected_, at_client_); }

bool ProxySimulation::step_server() {
  const std::size_t ready = allowed(from_server_, at_server_);
  if (ready <= server_sent_) return false;
  const std::size_t size = replay_.server.next(server_sent_, ready - server_sent_);
  const Bytes chunk = Bytes{server_stream_}.subspan(server_sent_, size);
  server_sent_ += size;
  check_sequence(chunk);
  const Progress progress = exchange_.server(chunk);
  require(progress.stop == Stop::None, std::string{"server: "} + exchange_.reason());
  require(progress.consumed == size, "did not consume all from the server");
  to_client(chunk);
  put_marker();
  handle_client_bytes();
  return true;
}

void ProxySimulation::check_sequence(Bytes chunk) const {
  if (!exchange_.server_at_border() || chunk.size() < kHeaderSize) return;
  require(exchange_.outstanding() > 0, "answer before its command");
  require(exchange_.owed_sequence() == decode_header(chunk).sequence, "owed sequence number");
}

void ProxySimulation::check_end() const {
  require(at_server_ == client_stream_.size(), "the server did not get everything");
  require(at_client_ == expected_.size(), "the client did not get everything");
  require(!marker_due_, "no place for the proxy's answer");
  require(exchange_.outstanding() == 0, "answers outstanding at the end");
  require(exchange_.idle(), "not idle at the end");
}

}  // namespace perilune::test
