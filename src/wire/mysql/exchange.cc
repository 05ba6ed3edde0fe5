#include "wire/mysql/exchange.hh"

#include <algorithm>
#include <cassert>

#include "wire/mysql/reply.hh"

namespace perilune::wire::mysql {

namespace {

// Whether the header and, unless it is empty, the first byte of a payload are there.
bool shows_command(Bytes in) noexcept {
  return in.size() > kHeaderSize || (in.size() == kHeaderSize && decode_header(in).length == 0);
}

}  // namespace

Progress Exchange::client(Bytes in, const CommandSet& intercept, bool pass_first) {
  std::size_t at = 0;
  Stop stop = Stop::None;
  while (at < in.size() && !failed()) {
    if (mode_ == Mode::Opaque) return {in.size(), Stop::None};
    const Bytes ahead = in.subspan(at);
    if (mode_ == Mode::LocalFile || !client_.between_payloads()) {
      at += continue_client(ahead);
      continue;
    }
    if (!shows_command(ahead)) break;
    const bool pass = pass_first && at == 0;
    stop = mode_ == Mode::Replication ? begin_acknowledgement(ahead)
                                      : begin_command(ahead, intercept, pass);
    if (stop != Stop::None) break;
    at += kHeaderSize;
  }
  held_back_ = at < in.size();
  return {at, failed() ? Stop::Malformed : stop};
}

// A server that refuses a binary log or another protocol goes on reading commands: until it has
// answered, nobody knows what the bytes behind such a command are.
bool Exchange::awaits_agreement() const noexcept {
  if (due_.empty() || mode_ != Mode::Commands) return false;
  const AnswerForm form = answer_form(due_.back().command);
  return form == AnswerForm::BinaryLog || form == AnswerForm::Opaque;
}

Stop Exchange::begin_command(Bytes in, const CommandSet& intercept, bool pass) {
  if (awaits_agreement()) return Stop::Full;
  const PacketHeader header = decode_header(in);
  if (header.length == 0) {
    client_fails("empty command");
  } else if (header.sequence != 0) {
    client_fails("sequence number of a command");
  }
  if (failed()) return Stop::Malformed;
  const auto command = static_cast<Command>(in[kHeaderSize]);
  if (due_.size() >= kMaxOutstanding) return Stop::Full;
  if (!pass && intercept[static_cast<std::uint8_t>(command)]) return Stop::Intercept;
  if (answer_form(command) == AnswerForm::Login) {
    client_fails("COM_CHANGE_USER");
    return Stop::Malformed;
  }
  enter(command, header.sequence);
  sending_due_ = answer_form(command) != AnswerForm::None;
  client_.enter(header);
  if (observer_ != nullptr) observer_->command_begins(command);
  return Stop::None;
}

// A server that streams a binary log without semi-synchronous replication reads nothing before the
// end, and then commands: only what can do no harm as one may pass. A replica that leaves sends
// COM_QUIT into the stream. Acknowledgements are numbered as the replica likes.
Stop Exchange::begin_acknowledgement(Bytes in) {
  const PacketHeader header = decode_header(in);
  if (header.length == 0) return Stop::Full;
  const auto first = std::to_integer<std::uint8_t>(in[kHeaderSize]);
  const bool quits = first == static_cast<std::uint8_t>(Command::Quit);
  if (!quits && first != kSemiSyncAck) return Stop::Full;
  if (quits) enter(Command::Quit, header.sequence);
  sending_due_ = false;
  client_.enter(header);
  return Stop::None;
}

void Exchange::forwarded(Command command, std::uint8_t last_sequence) {
  assert(answer_form(command) != AnswerForm::Login && !awaits_agreement());
  if (mode_ == Mode::LocalFile) return client_fails("command sent behind LOAD DATA LOCAL");
  held_back_ = false;
  enter(command, last_sequence);
}

void Exchange::enter(Command command, std::uint8_t sequence) {
  ++commands_;
  const AnswerForm form = answer_form(command);
  if (form == AnswerForm::None) {
    quit_ = quit_ || command == Command::Quit;
    silent_behind_ = !due_.empty();
    return;
  }
  due_.push({command, sequence});
  silent_behind_ = false;
}

// Everything but the start of a command or an acknowledgement: bodies, and packets that are none.
std::size_t Exchange::continue_client(Bytes in) {
  if (client_.in_body()) {
    const std::size_t passed = client_.pass_body(in.size());
    if (observer_ != nullptr) tell_client(in.first(passed));
    return passed;
  }
  const bool continues = client_.continues();
  const PacketPosition::HeaderPart part = client_.gather_header(in);
  if (!part.complete) return part.taken;
  if (!client_header(part.header)) return 0;
  client_.enter(part.header);
  const bool end_of_file = part.header.length == 0 && !continues;
  if (mode_ == Mode::LocalFile && end_of_file) mode_ = Mode::Commands;
  if (observer_ != nullptr) tell_client({});
  return part.taken;
}

void Exchange::tell_client(Bytes piece) {
  if (!piece.empty()) observer_->command_bytes(piece);
  if (client_.between_payloads()) observer_->command_ends();
}

bool Exchange::client_header(PacketHeader header) noexcept {
  const auto due = static_cast<std::uint8_t>(client_.sequence() + 1);
  if (header.sequence != due) {
    client_fails(mode_ == Mode::LocalFile ? "sequence number of a local file" : "sequence number");
    return false;
  }
  if (sending_due_) due_.back().sequence = header.sequence;
  // The answer goes on counting where the file ends.
  if (mode_ == Mode::LocalFile) server_.set_sequence(header.sequence);
  return true;
}

Progress Exchange::server(Bytes in) {
  std::size_t at = 0;
  while (at < in.size() && !failed()) {
    if (mode_ == Mode::Opaque) return {in.size(), Stop::None};
    const Bytes ahead = in.subspan(at);
    std::size_t passed = 0;
    if (server_.between_payloads()) {
      passed = answering_ ? pass_rows(ahead) : 0;
      if (passed == 0) passed = pass_packet(ahead);
    }
    if (passed == 0 && !failed()) passed = continue_server(ahead);
    at += passed;
  }
  return {at, failed() ? Stop::Malformed : Stop::None};
}

// The bulk of a big result: complete rows, of which only lengths and first bytes are read.
std::size_t Exchange::pass_rows(Bytes in) {
  std::size_t at = 0;
  std::size_t rows = 0;
  while (in.size() - at > kHeaderSize) {
    const PacketHeader header = decode_header(in.subspan(at));
    const auto first = std::to_integer<std::uint8_t>(in[at + kHeaderSize]);
    const bool whole = in.size() - at - kHeaderSize >= header.length;
    if (!whole || header.length - 1 >= kMaxPacket - 1 || !answer_.passes_row(first)) break;
    server_.set_sequence(header.sequence);
    at += kHeaderSize + header.length;
    ++rows;
  }
  if (observer_ != nullptr && rows > 0) observer_->rows(rows);
  return at;
}

// A payload that is here as a whole is understood in place; 0: this one is not.
std::size_t Exchange::pass_packet(Bytes in) {
  if (in.size() < kHeaderSize) return 0;
  const PacketHeader header = decode_header(in);
  if (header.length == kMaxPacket || in.size() - kHeaderSize < header.length) return 0;
  payload(in.subspan(kHeaderSize, header.length), header.length, header.sequence);
  if (failed()) return 0;
  server_.set_sequence(header.sequence);
  return kHeaderSize + header.length;
}

std::size_t Exchange::continue_server(Bytes in) {
  PacketPosition position = server_;
  std::size_t passed;
  if (position.in_body()) {
    passed = position.pass_body(in.size());
    gather_head(in.first(passed));
    if (observer_ != nullptr) observer_->answer_piece(in.first(passed));
  } else {
    const bool first = !position.continues();
    const PacketPosition::HeaderPart part = position.gather_header(in);
    passed = part.taken;
    if (part.complete) position.enter(part.header);
    if (part.complete && first) {
      head_length_ = part.header.length;
      head_bytes_ = 0;
    }
  }
  if (position.between_payloads()) {
    payload(Bytes{head_}.first(head_bytes_), head_length_, position.sequence());
  }
  if (failed()) return 0;
  server_ = position;
  return passed;
}

void Exchange::gather_head(Bytes body) noexcept {
  const std::size_t more = std::min(body.size(), head_.size() - head_bytes_);
  std::copy_n(body.begin(), more, head_.begin() + head_bytes_);
  head_bytes_ = static_cast<std::uint8_t>(head_bytes_ + more);
}

// A malformed payload leaves the position where it was: the caller has not moved on yet, and the
// number that the answer goes on with is still that before it.
void Exchange::payload(Bytes head, std::uint32_t length, std::uint8_t sequence) {
  if (due_.empty()) return unsolicited(head);
  if (mode_ == Mode::LocalFile && !is_err(head)) {
    return server_fails("answer before the local file");
  }
  if (!answering_) answer_.begin(due_.front().command);
  const bool was_in_rows = answer_.is_in_rows();
  ExchangeObserver::Part part;
  part.is_head = answer_.is_at_head();
  const Answer::Step step = answer_.payload(head, length);
  if (step == Answer::Step::Malformed) return server_fails(answer_.reason());
  if (step == Answer::Step::WantsFile) request_file(sequence);
  if (failed()) return;
  answering_ = true;
  const bool goes_on = step == Answer::Step::More && answer_.is_in_rows();
  part.begins_rows = goes_on && !was_in_rows;
  part.is_row = goes_on && was_in_rows && !is_progress_report(head);
  if (observer_ != nullptr) observer_->answer_payload(head, part);
  if (step == Answer::Step::Done) answered();
  if (step == Answer::Step::TakesOver) take_over();
}

void Exchange::unsolicited(Bytes head) noexcept {
  if (!is_err(head) || is_progress_report(head)) return server_fails("answer to no command");
  said_goodbye_ = true;
}

void Exchange::answered() {
  if (observer_ != nullptr) observer_->answered();
  if (mode_ == Mode::Replication && answer_form(due_.front().command) == AnswerForm::BinaryLog) {
    mode_ = Mode::Commands;
  }
  due_.pop();
  answering_ = false;
  if (due_.empty()) sending_due_ = silent_behind_ = false;
}

// "LOCAL INFILE Request": the server takes the client's next packets for the file, whatever they
// are.
void Exchange::request_file(std::uint8_t sequence) noexcept {
  if (due_.size() > 1 || silent_behind_ || held_back_) {
    return client_fails("command sent behind LOAD DATA LOCAL");
  }
  if (!client_at_border()) return server_fails("local file wanted before the command's end");
  mode_ = Mode::LocalFile;
  client_.set_sequence(sequence);
}

void Exchange::take_over() noexcept {
  const bool streams = answer_form(due_.front().command) == AnswerForm::BinaryLog;
  mode_ = streams ? Mode::Replication : Mode::Opaque;
}

std::optional<std::uint8_t> Exchange::owed_sequence() const noexcept {
  if (!server_at_border()) return std::nullopt;
  if (due_.empty()) return std::uint8_t{0};
  const std::uint8_t last = answering_ ? server_.sequence() : due_.front().sequence;
  return static_cast<std::uint8_t>(last + 1);
}

}  // namespace perilune::wire::mysql
