#include "wire/postgres/exchange.hh"

#include <algorithm>
#include <array>
#include <limits>

#include "wire/postgres/authentication.hh"

namespace perilune::wire::postgres {

namespace {

constexpr auto kFrontend = [] {
  std::array<bool, 256> known{};
  for (const char tag : {'B', 'C', 'd', 'c', 'f', 'D', 'E', 'H', 'F', 'P', 'Q', 'S', 'X'}) {
    known[static_cast<std::uint8_t>(tag)] = true;
  }
  return known;
}();

bool takes_place(std::uint8_t tag) noexcept {
  switch (static_cast<FrontendTag>(tag)) {
    case FrontendTag::CopyData:
    case FrontendTag::Flush:
    case FrontendTag::Terminate:
      return false;
    default:
      return true;
  }
}

bool is_empty_body(FrontendTag tag) noexcept {
  return tag == FrontendTag::Flush || tag == FrontendTag::Sync;
}

// Said at any time, and nobody's answer.
bool is_asynchronous(BackendTag tag) noexcept {
  return tag == BackendTag::NoticeResponse || tag == BackendTag::ParameterStatus ||
         tag == BackendTag::NotificationResponse;
}

enum class Step : std::uint8_t { Wrong, Part, Done };

bool is_of_result(BackendTag tag) noexcept {
  return tag == BackendTag::DataRow || tag == BackendTag::RowDescription;
}

bool ends_statement(BackendTag tag) noexcept {
  return tag == BackendTag::CommandComplete || tag == BackendTag::EmptyQueryResponse;
}

Step step_if(bool done) noexcept { return done ? Step::Done : Step::Wrong; }

Step step_of_query(BackendTag tag) noexcept {
  if (tag == BackendTag::ReadyForQuery) return Step::Done;
  return is_of_result(tag) || ends_statement(tag) ? Step::Part : Step::Wrong;
}

Step step_of_describe(BackendTag tag) noexcept {
  if (tag == BackendTag::ParameterDescription) return Step::Part;
  return step_if(tag == BackendTag::RowDescription || tag == BackendTag::NoData);
}

Step step_of_execute(BackendTag tag) noexcept {
  if (is_of_result(tag)) return Step::Part;
  return step_if(ends_statement(tag) || tag == BackendTag::PortalSuspended);
}

Step step_of_function_call(BackendTag tag) noexcept {
  if (tag == BackendTag::FunctionCallResponse) return Step::Part;
  return step_if(tag == BackendTag::ReadyForQuery);
}

// What a message, no error and not of COPY, is in the answer to `due`.
Step step_of(Due due, BackendTag tag) noexcept {
  switch (due) {
    case Due::Query:
      return step_of_query(tag);
    case Due::FunctionCall:
      return step_of_function_call(tag);
    case Due::Sync:
      return step_if(tag == BackendTag::ReadyForQuery);
    case Due::Parse:
      return step_if(tag == BackendTag::ParseComplete);
    case Due::Bind:
      return step_if(tag == BackendTag::BindComplete);
    case Due::Describe:
      return step_of_describe(tag);
    case Due::Execute:
      return step_of_execute(tag);
    case Due::Close:
      return step_if(tag == BackendTag::CloseComplete);
    case Due::CopyEnd:
      break;
  }
  return Step::Wrong;
}

bool may_copy(Due due) noexcept { return due == Due::Query || due == Due::Execute; }

// Whether ReadyForQuery ends its answer, an error or not.
bool ends_in_ready(Due due) noexcept {
  return due == Due::Query || due == Due::FunctionCall || due == Due::Sync;
}

}  // namespace

Progress Exchange::client(Bytes in, const MessageSet& intercept, bool pass_first) {
  if (failed()) return {0, Stop::Malformed};
  std::size_t at = std::min<std::size_t>(client_left_, in.size());
  client_left_ -= static_cast<std::uint32_t>(at);
  if (observer_ != nullptr && at > 0) tell_bytes(in.first(at));
  while (in.size() - at >= kHeaderSize) {
    const MessageHeader header = decode_header(in.subspan(at));
    const Stop stop = look(header, intercept, pass_first && at == 0);
    if (stop != Stop::None) return {at, stop};
    enter(static_cast<FrontendTag>(header.tag));
    const std::size_t passed = pass_client(header, in.size() - at);
    if (observer_ != nullptr) tell_bytes(in.subspan(at + kHeaderSize, passed - kHeaderSize));
    at += passed;
  }
  return {at, Stop::None};
}

void Exchange::tell_bytes(Bytes piece) {
  observer_->message_bytes(piece);
  if (client_at_border()) observer_->message_ends();
}

Progress Exchange::discard(Bytes in) noexcept {
  if (failed()) return {0, Stop::Malformed};
  std::size_t at = std::min<std::size_t>(client_left_, in.size());
  client_left_ -= static_cast<std::uint32_t>(at);
  while (in.size() - at >= kHeaderSize) {
    const MessageHeader header = decode_header(in.subspan(at));
    if (check(header) != Stop::None) return {at, Stop::Malformed};
    const auto tag = static_cast<FrontendTag>(header.tag);
    if (tag == FrontendTag::Sync || tag == FrontendTag::Terminate) return {at, Stop::Intercept};
    at += pass_client(header, in.size() - at);
  }
  return {at, Stop::None};
}

Stop Exchange::look(MessageHeader header, const MessageSet& intercept, bool pass) noexcept {
  if (check(header) != Stop::None) return Stop::Malformed;
  if (due_.size() >= kMaxOutstanding && takes_place(header.tag)) return Stop::Full;
  return !pass && intercept[header.tag] ? Stop::Intercept : Stop::None;
}

// A server breaks off at what is refused here; with a body, Flush and Sync would answer with an
// error of their own.
Stop Exchange::check(MessageHeader header) noexcept {
  if (!header.is_plausible()) return client_fails("length of a message");
  if (!kFrontend[header.tag]) return client_fails("type of a message");
  const bool bare = is_empty_body(static_cast<FrontendTag>(header.tag));
  if (bare && header.body() > 0) return client_fails("body of Flush or Sync");
  return Stop::None;
}

std::size_t Exchange::pass_client(MessageHeader header, std::size_t available) noexcept {
  const std::size_t passed = std::min<std::size_t>(header.body(), available - kHeaderSize);
  client_left_ = header.body() - static_cast<std::uint32_t>(passed);
  return kHeaderSize + passed;
}

void Exchange::forwarded(FrontendTag tag, Bytes body) {
  assert(client_at_border());
  enter(tag);
  if (observer_ != nullptr) tell_bytes(body);
}

void Exchange::enter(FrontendTag tag) {
  const std::size_t before = due_.size();
  take_place(tag);
  if (observer_ != nullptr) observer_->message_begins(tag, due_.size() > before);
}

void Exchange::take_place(FrontendTag tag) {
  switch (tag) {
    case FrontendTag::Query:
    case FrontendTag::FunctionCall:
      ++commands_;
      if (skipping_) break;
      due_.push(tag == FrontendTag::Query ? Due::Query : Due::FunctionCall);
      unsynced_ = unflushed_ = false;
      break;
    case FrontendTag::Sync:
      return enter_sync();
    case FrontendTag::Flush:
      unflushed_ = false;
      break;
    case FrontendTag::Parse:
      return enter_extended(Due::Parse);
    case FrontendTag::Bind:
      return enter_extended(Due::Bind);
    case FrontendTag::Describe:
      return enter_extended(Due::Describe);
    case FrontendTag::Execute:
      ++commands_;
      return enter_extended(Due::Execute);
    case FrontendTag::Close:
      return enter_extended(Due::Close);
    case FrontendTag::CopyDone:
    case FrontendTag::CopyFail:
      if (due_.empty()) break;
      due_.push(Due::CopyEnd);
      unflushed_ = true;
      break;
    case FrontendTag::Terminate:
      quit_ = true;
      break;
    case FrontendTag::CopyData:
    case FrontendTag::Password:
      break;
  }
}

void Exchange::enter_sync() {
  due_.push(Due::Sync);
  unsynced_ = unflushed_ = skipping_ = false;
}

void Exchange::enter_extended(Due due) {
  if (skipping_) return;
  due_.push(due);
  unsynced_ = unflushed_ = true;
}

Progress Exchange::server(Bytes in) {
  std::size_t at = 0;
  while (at < in.size() && !failed()) {
    const Bytes ahead = in.subspan(at);
    std::size_t passed = 0;
    if (server_.between_messages()) {
      passed = pass_bulk(ahead);
      if (passed == 0) passed = pass_message(ahead);
    }
    if (passed == 0 && !failed()) passed = continue_server(ahead);
    at += passed;
  }
  return {at, failed() ? Stop::Malformed : Stop::None};
}

// The bulk of a big result: complete rows or data, of which only headers are read.
std::size_t Exchange::pass_bulk(Bytes in) {
  if (due_.empty() || !may_copy(due_.front()) || copy_ == Copy::In) return 0;
  const auto bulk =
      static_cast<std::uint8_t>(copying_out() ? BackendTag::CopyData : BackendTag::DataRow);
  std::size_t at = 0;
  std::size_t rows = 0;
  while (in.size() - at >= kHeaderSize) {
    const MessageHeader header = decode_header(in.subspan(at));
    if (header.tag != bulk || !header.is_plausible()) break;
    if (in.size() - at - kHeaderSize < header.body()) break;
    at += kHeaderSize + header.body();
    ++rows;
  }
  if (at > 0) last_word_is_error_ = false;
  if (observer_ != nullptr && rows > 0 && !copying_out()) observer_->rows(rows);
  return at;
}

// A message that is here as a whole is understood in place; 0: this one is not.
std::size_t Exchange::pass_message(Bytes in) {
  if (in.size() < kHeaderSize) return 0;
  const MessageHeader header = decode_header(in);
  if (!is_sound(header) || in.size() - kHeaderSize < header.body()) return 0;
  const std::uint8_t first =
      header.body() > 0 ? std::to_integer<std::uint8_t>(in[kHeaderSize]) : std::uint8_t{0};
  const auto tag = static_cast<BackendTag>(header.tag);
  if (observer_ != nullptr) tell_answer(tag, in.subspan(kHeaderSize, header.body()));
  if (!message(tag, first)) return 0;
  return kHeaderSize + header.body();
}

void Exchange::tell_answer(BackendTag tag, Bytes body) {
  const bool belongs = is_asynchronous(tag) ? tag == BackendTag::ParameterStatus : !due_.empty();
  if (belongs) observer_->answer(tag, body);
}

bool Exchange::is_sound(MessageHeader header) noexcept {
  const bool is_ready = header.tag == static_cast<std::uint8_t>(BackendTag::ReadyForQuery);
  if (!header.is_plausible()) server_fails("length of a message");
  if (is_ready && header.length != kMinLength + 1) server_fails("length of ReadyForQuery");
  return !failed();
}

std::size_t Exchange::continue_server(Bytes in) {
  std::size_t passed;
  if (server_.in_body()) {
    if (awaits_first_) server_first_ = std::to_integer<std::uint8_t>(in.front());
    awaits_first_ = false;
    passed = server_.pass_body(in.size());
    if (observer_ != nullptr) observer_->answer_piece(server_tag_, in.first(passed));
  } else {
    const MessagePosition::HeaderPart part = server_.gather_header(in);
    passed = part.taken;
    if (!part.complete) return passed;
    if (!is_sound(part.header)) return 0;
    server_.enter(part.header);
    server_tag_ = static_cast<BackendTag>(part.header.tag);
    server_first_ = 0;
    awaits_first_ = true;
  }
  if (!server_.between_messages()) return passed;
  if (observer_ != nullptr) tell_answer(server_tag_, {});
  return message(server_tag_, server_first_) ? passed : 0;
}

// False: malformed.
bool Exchange::message(BackendTag tag, std::uint8_t first) {
  if (is_asynchronous(tag)) return true;
  last_word_is_error_ = tag == BackendTag::ErrorResponse;
  if (last_word_is_error_) {
    error();
  } else if (!answer(tag, first)) {
    server_fails(due_.empty() ? "answer to nothing" : "answer to something else");
  }
  return !failed();
}

bool Exchange::answer(BackendTag tag, std::uint8_t first) {
  if (tag == BackendTag::ReadyForQuery) return ready(first);
  if (due_.empty()) return false;
  switch (tag) {
    case BackendTag::CopyInResponse:
    case BackendTag::CopyOutResponse:
    case BackendTag::CopyBothResponse:
      if (!may_copy(due_.front()) || copy_ != Copy::None) return false;
      begin_copy(tag);
      return true;
    case BackendTag::CopyData:
      return copying_out();
    case BackendTag::CopyDone:
      if (!copying_out()) return false;
      if (copy_ == Copy::Out) copy_ = Copy::None;
      return true;
    default:
      break;
  }
  const Step step = step_of(due_.front(), tag);
  if (step != Step::Wrong && copy_ != Copy::None) end_copy(/*failed=*/false);
  if (step == Step::Done) {
    count_answer();
    pop();
  }
  settle();
  return step != Step::Wrong;
}

// A Sync that nobody waits for was one that COPY did not read over.
bool Exchange::ready(std::uint8_t status) {
  if (!is_transaction_status(status)) return false;
  status_ = static_cast<TransactionStatus>(status);
  if (!due_.empty() && ends_in_ready(due_.front())) {
    if (copy_ != Copy::None) end_copy(/*failed=*/false);
    count_answer();
    pop();
    settle();
    return true;
  }
  if (doubtful_ == 0) return false;
  --doubtful_;
  if (skipping_) skipping_ = unsynced_ = false;
  return true;
}

void Exchange::error() {
  if (copy_ != Copy::None) end_copy(/*failed=*/true);
  said_goodbye_ = due_.empty() && !unsynced_;
  if (due_.empty()) {
    // A time limit that ran out between two messages of a series.
    skipping_ = unsynced_;
  } else if (!ends_in_ready(due_.front())) {
    skip_to_sync();
  }
}

void Exchange::begin_copy(BackendTag tag) noexcept {
  copy_ = tag == BackendTag::CopyInResponse    ? Copy::In
          : tag == BackendTag::CopyOutResponse ? Copy::Out
                                               : Copy::Both;
}

// Syncs before the end of the client's data have been read over, surely if all of the data was
// read; otherwise those that the server had read before it failed. It does not live to read past
// any other message: where one follows, it failed before the Syncs.
void Exchange::end_copy(bool failed) {
  const bool read = copying_in();
  copy_ = Copy::None;
  if (!read) return;
  std::size_t end = 1;
  while (end < due_.size() && due_.at(end) == Due::Sync) ++end;
  const bool data_ends = end < due_.size() && due_.at(end) == Due::CopyEnd;
  if (failed && end < due_.size() && !data_ends) return;
  if (failed) doubt(end - 1);
  const bool had_syncs = end > 1;
  if (data_ends) ++end;
  due_.erase_behind_front(end);
  if (observer_ != nullptr) observer_->read_over(end);
  // The series goes on, as its Sync was read over.
  if (!failed && had_syncs && due_.size() == 1) unsynced_ = due_.front() == Due::Execute;
}

void Exchange::doubt(std::size_t syncs) noexcept {
  const std::size_t most = std::numeric_limits<std::uint16_t>::max();
  doubtful_ = static_cast<std::uint16_t>(std::min(doubtful_ + syncs, most));
}

// The server ignores the message that failed and all behind it up to a Sync.
void Exchange::skip_to_sync() {
  std::size_t skipped = 1;
  while (skipped < due_.size() && due_.at(skipped) != Due::Sync) ++skipped;
  count_answer();
  skipping_ = skipped == due_.size();
  due_.pop(skipped);
  if (observer_ != nullptr) observer_->failed(skipped);
  unsynced_ = unsynced_ || skipping_;
}

// Before the front is popped, which the server has answered.
void Exchange::count_answer() noexcept {
  const Due due = due_.front();
  if (due == Due::Query || due == Due::Execute || due == Due::FunctionCall) ++answered_;
}

// The end of data that no COPY is there for is ignored.
void Exchange::settle() {
  while (!due_.empty() && due_.front() == Due::CopyEnd) pop();
}

void Exchange::pop() {
  due_.pop();
  if (observer_ != nullptr) observer_->answered();
}

}  // namespace perilune::wire::postgres
