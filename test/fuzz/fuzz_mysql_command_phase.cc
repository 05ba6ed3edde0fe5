// A command phase between two peers and under a script that decides as the input says: nothing may
// crash, and nothing goes to the server that the script has refused. As long as both peers keep to
// the protocol, each command is answered once, under the right number and in its place.
//
// Input: a byte of flags, then steps. A step is a byte for who acts, and for what the script says
// from here on: a client or a server sends as many bytes as the two behind it say, a callback waits
// no longer, a client sends a whole statement, cut as the byte behind it says, or the server
// answers all that it has.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/expect.hh"
#include "unit/proto/mysql/phase_stage.hh"
#include "wire/cursor.hh"
#include "wire/mysql/framing.hh"
#include "wire/mysql/protocol.hh"
#include "wire/mysql/reply.hh"

using namespace perilune;
using namespace perilune::test;
using namespace perilune::wire::mysql;

namespace {

// What the script refuses says so: no such bytes may reach the server.
constexpr std::string_view kRefused = "refused by the script";
constexpr std::uint16_t kRefusal = 31999;

StageOptions options_of(std::uint8_t flags) {
  StageOptions options;
  options.capabilities = capability::kProtocol41;
  if ((flags & 1) != 0) options.capabilities |= capability::kDeprecateEof;
  if ((flags & 2) != 0) options.capabilities |= capability::kOptionalResultsetMetadata;
  if ((flags & 4) != 0) options.capabilities |= capability::kMariadbCacheMetadata;
  options.max_query = (flags & 8) != 0 ? 64 : 1 << 20;
  return options;
}

session::StatementDecision decision_of(std::uint8_t number) {
  static const auto table = [] {
    auto made = std::make_shared<session::ResultTable>();
    made->columns = {"a"};
    made->rows = {{std::int64_t{1}}};
    return made;
  }();
  switch (number % 6) {
    case 0:
      return session::Refuse{std::string{kRefused}, kRefusal, "HY000"};
    case 1:
      return session::Succeed{1};
    case 2:
      return std::shared_ptr<const session::ResultTable>{table};
    case 3:
      return session::SendInstead{"instead"};
    case 4:
      return session::UseDatabase{"other"};
    default:
      return session::Proceed{};
  }
}

class Play {
 public:
  explicit Play(std::uint8_t flags)
      : stage_(options_of(flags)), prepared_size_((flags & 2) != 0 ? 13 : 12) {
    stage_.hooks->statement = [this](std::string_view text, session::StatementKind kind) {
      const bool refused = text.find(kRefused) != std::string_view::npos;
      return decide(refused, kind == session::StatementKind::Command);
    };
    stage_.hooks->log = [](const log::Record& record) {
      expect(!record.kind.empty() && record.sql.size() <= record.sql_size);
      expect(record.first <= record.duration);
      return session::LogList{};
    };
    if ((flags & 16) == 0) return;
    stage_.hooks->database = [this](std::string_view name) {
      return decide(name.find(kRefused) != std::string_view::npos, true);
    };
  }

  void step(wire::Cursor& in) {
    const std::uint8_t who = in.u8();
    next_ = who / 5;
    if (who % 5 == 0) send(stage_.client, in);
    if (who % 5 == 1) send(stage_.server, in);
    if (who % 5 == 2) open_gate();
    if (who % 5 == 3) send_statement(in.u8());
    if (who % 5 == 4) answer_all();
    // What nobody can foresee may be parameters, of which the script is not asked.
    const std::string_view at_server = as_text(stage_.server.received);
    expect(!clean_ || at_server.find(kRefused) == std::string_view::npos);
  }

  // All that waits is decided and all that is due is answered.
  void end() {
    next_ = 0;
    for (std::size_t i = 0; i <= 2 * statements_ && !stage_.has_ended(); ++i) {
      open_gate();
      answer_all();
    }
    if (clean_) {
      expect(!stage_.has_ended() && !stage_.is_waiting());
      expect(answers() == due_);
    }
    stage_.server.close();
    stage_.turn();
    stage_.client.end_sending();
    stage_.turn();
    expect(stage_.has_ended());
  }

 private:
  FakeHooks::Answer decide(bool refused, bool only_yes_or_no) {
    const std::uint8_t number = next_ / 2;
    const bool waits = next_ % 2 != 0;
    session::StatementDecision decision = decision_of(refused ? 0 : number);
    const bool is_no = std::holds_alternative<session::Refuse>(decision);
    if (only_yes_or_no && !is_no) decision = session::Proceed{};
    due_.push_back(is_no);
    if (!waits) return decision;
    pending_ = std::move(decision);
    return std::nullopt;
  }

  void open_gate() {
    if (!stage_.is_waiting()) return;
    stage_.decide(std::move(pending_));
    stage_.turn();
  }

  // Whoever sends what nobody can foresee may break a session.
  void send(Peer& peer, wire::Cursor& in) {
    clean_ = false;
    const std::size_t wanted = in.u16();
    send_bytes(peer, in.take(std::min(wanted, in.left())));
  }

  void send_statement(std::uint8_t flags) {
    const Command command = (flags & 1) != 0 ? Command::StmtPrepare : Command::Query;
    Buffer payload{static_cast<std::byte>(command)};
    append(payload, as_bytes((flags & 2) != 0 ? kRefused : "free"));
    Buffer bytes;
    std::uint8_t sequence = 0;
    append_packets(bytes, payload, sequence);
    const std::size_t cut = std::min<std::size_t>(flags / 4U, bytes.size());
    ++statements_;
    send_bytes(stage_.client, Bytes{bytes}.first(cut));
    send_bytes(stage_.client, Bytes{bytes}.subspan(cut));
  }

  void answer_all() {
    for (;;) {
      const Bytes rest = Bytes{stage_.server.received}.subspan(served_);
      const Extent extent = extent_of(rest);
      if (!extent.complete || extent.payload == 0) return;
      const bool prepares = rest[kHeaderSize] == static_cast<std::byte>(Command::StmtPrepare);
      Buffer answer;
      std::uint8_t sequence = 1;
      append_packets(answer, Buffer(prepares ? prepared_size_ : 7), sequence);
      served_ += extent.bytes;
      send_bytes(stage_.server, answer);
    }
  }

  void send_bytes(Peer& peer, Bytes bytes) {
    if (!bytes.empty() && !stage_.has_ended()) peer.send(bytes);
    stage_.turn();
  }

  // To each command: whether it was refused. Their first packets have the number 1, and only they.
  std::vector<bool> answers() const {
    std::vector<bool> refused;
    std::uint8_t due = 1;
    Bytes rest = stage_.client.received;
    while (!rest.empty()) {
      expect(rest.size() >= kHeaderSize);
      const PacketHeader header = decode_header(rest);
      expect(rest.size() >= kHeaderSize + header.length);
      expect(header.sequence == 1 || header.sequence == due);
      due = static_cast<std::uint8_t>(header.sequence + 1);
      const auto err = decode_err(rest.subspan(kHeaderSize, header.length));
      if (header.sequence == 1) refused.push_back(err && err->code == kRefusal);
      rest = rest.subspan(kHeaderSize + header.length);
    }
    return refused;
  }

  PhaseStage stage_;
  std::size_t prepared_size_;  // of an answer to COM_STMT_PREPARE: whether metadata follow
  session::StatementDecision pending_;
  std::uint8_t next_ = 0;  // what the script says
  std::vector<bool> due_;  // whether it has refused, by command
  std::size_t statements_ = 0;
  std::size_t served_ = 0;  // of what the server has received
  bool clean_ = true;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  wire::Cursor in{{reinterpret_cast<const std::byte*>(data), size}};
  Play play{in.u8()};
  while (in.left() > 0) play.step(in);
  play.end();
  return 0;
}
