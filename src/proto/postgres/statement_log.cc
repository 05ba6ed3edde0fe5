#include "proto/postgres/statement_log.hh"

#include <algorithm>
#include <charconv>
#include <utility>

#include "wire/cursor.hh"
#include "wire/postgres/framing.hh"
#include "wire/postgres/notice.hh"
#include "wire/postgres/statements.hh"

namespace perilune::proto::postgres {

namespace wire = perilune::wire::postgres;
using wire::BackendTag;
using wire::FrontendTag;

namespace {

// Of names, and of what has no text.
constexpr std::size_t kAround = 2048;
// Of an error, a description of parameters, or the like.
constexpr std::size_t kLongestAnswer = 16 * 1024;
// Of memory that is kept for the next message.
constexpr std::size_t kKeptBytes = 4096;
// Bind and Execute of one statement, and a Parse before them.
constexpr std::size_t kKeptStatements = 3;
constexpr std::string_view kUnknown = "(prepared before statements were logged)";

bool is_understood(BackendTag tag) noexcept {
  return tag == BackendTag::CommandComplete || tag == BackendTag::ErrorResponse ||
         tag == BackendTag::ParameterDescription || tag == BackendTag::ParameterStatus ||
         tag == BackendTag::ReadyForQuery;
}

// The tag "INSERT 0 1", "UPDATE 3", "COPY 5": the last word, if it is a number. SELECT, FETCH and
// the like count the rows that were sent, unless they sent none (CREATE TABLE AS).
void take_tag(session::StatementCourse& course, std::string_view tag) {
  tag = tag.substr(0, tag.find('\0'));
  const std::size_t space = tag.rfind(' ');
  if (space == std::string_view::npos) return;
  std::uint64_t count = 0;
  const std::string_view digits = tag.substr(space + 1);
  const auto [end, problem] = std::from_chars(digits.begin(), digits.end(), count);
  if (problem != std::errc{} || end != digits.end()) return;
  const std::string_view verb = tag.substr(0, tag.find(' '));
  const bool has_rows = verb == "SELECT" || verb == "FETCH";
  if (has_rows && (count == 0 || course.rows)) {
    course.add_rows(0);
  } else {
    course.add_affected(count);
  }
}

// An error of which the end is missing still says what it is.
std::optional<Fault> fault_of(Buffer body) {
  auto view = wire::decode_notice(body);
  for (int i = 0; i < 2 && !view; ++i) {
    body.push_back(std::byte{0});
    view = wire::decode_notice(body);
  }
  if (!view) return std::nullopt;
  Fault fault;
  fault.sql_state = view->sql_state;
  fault.message = view->message;
  return fault;
}

std::vector<std::uint32_t> types_of(perilune::wire::Cursor in, std::size_t count) {
  std::vector<std::uint32_t> types;
  for (std::size_t i = 0; i < count && in.ok(); ++i) types.push_back(in.be32());
  return in.ok() ? types : std::vector<std::uint32_t>{};
}

std::string_view up_to_nul(std::string_view text) noexcept {
  return text.substr(0, text.find('\0'));
}

}  // namespace

void LoggedStatement::clear() noexcept {
  kind = kind_if_failed = nullptr;
  text.clear();
  if (text.capacity() > kKeptBytes) std::string{}.swap(text);
  size = 0;
  prepared.reset();
  portal.reset();
  renames = false;
  name.clear();
  previous.reset();
  course.begin({}, {});
  error.reset();
}

std::size_t LoggedStatement::cost() const noexcept {
  std::size_t sum = sizeof *this + text.size() + course.original.size();
  if (kind != nullptr && !portal && prepared) sum += prepared->text.size();
  if (kind_if_failed != nullptr && portal) sum += portal->values.size();
  return sum;
}

StatementLog::StatementLog(session::Session& session, std::size_t outstanding) : outlet_(session) {
  for (std::size_t i = 0; i < outstanding; ++i) due_.push();
}

StatementLog::~StatementLog() {
  bytes_arrived();
  for (; !due_.empty(); due_.pop()) leave(due_.front(), false);
}

// --- messages of the client

std::size_t StatementLog::worth_gathering(FrontendTag tag) const noexcept {
  const std::size_t most = outlet_.max_statement();
  switch (tag) {
    case FrontendTag::Query:
    case FrontendTag::Parse:
      return kAround + most;
    case FrontendTag::Bind:
      return outlet_.wants_parameters() ? kAround + most : kAround;
    case FrontendTag::Execute:
    case FrontendTag::Describe:
    case FrontendTag::Close:
    case FrontendTag::FunctionCall:
      return kAround;
    default:
      return 0;
  }
}

void StatementLog::message_begins(FrontendTag tag, bool has_place) {
  const bool is_hidden = std::exchange(hides_next_, false);
  is_arriving_ = has_place && !is_hidden;
  if (has_place) due_.push().number = ++messages_;
  if (!is_arriving_) return original_.reset();
  tag_ = tag;
  body_.begin(worth_gathering(tag));
  text_size_ = 0;
  nuls_before_text_ = tag == FrontendTag::Parse ? 1 : 0;
  text_ended_ = tag != FrontendTag::Parse && tag != FrontendTag::Query;
}

void StatementLog::message_bytes(Bytes piece) {
  if (!is_arriving_) return;
  body_.take(piece);
  if (!text_ended_) measure_text(piece);
}

// A text that is too long to be kept still has a length, which only its NUL tells.
void StatementLog::measure_text(Bytes piece) noexcept {
  std::string_view rest = as_text(piece);
  for (; nuls_before_text_ > 0; --nuls_before_text_) {
    const std::size_t nul = rest.find('\0');
    if (nul == std::string_view::npos) return;
    rest.remove_prefix(nul + 1);
  }
  const std::size_t nul = rest.find('\0');
  text_ended_ = nul != std::string_view::npos;
  text_size_ += text_ended_ ? nul : rest.size();
}

void StatementLog::message_ends() {
  if (!std::exchange(is_arriving_, false)) return;
  auto statement = make(tag_);
  body_.forget();
  if (!statement) return original_.reset();
  note_original(*statement);
  Place& place = due_.back();
  place.cost = statement->cost();
  held_ += place.cost;
  place.statement = std::move(statement);
}

// Of a whole message: one that is longer than any log keeps is still one that a callback has seen.
void StatementLog::note_original(LoggedStatement& statement) {
  const auto original = std::exchange(original_, nullptr);
  if (!original) return;
  std::string_view text = as_text(original->body);
  if (original->tag == FrontendTag::Parse) {
    text.remove_prefix(std::min(text.find('\0') + 1, text.size()));
  }
  text = up_to_nul(text);
  statement.course.original = text.substr(0, outlet_.max_statement());
  const std::size_t around = original->body.size() - text.size();
  statement.course.original_size = original->size - std::min<std::uint64_t>(around, original->size);
}

// Null: it matters to no log.
std::unique_ptr<LoggedStatement> StatementLog::make(FrontendTag tag) {
  if (!matters(tag)) return nullptr;
  auto statement = begin();
  switch (tag) {
    case FrontendTag::Query:
      make_query(*statement);
      break;
    case FrontendTag::Parse:
      make_parse(*statement);
      break;
    case FrontendTag::Bind:
      make_bind(*statement);
      break;
    case FrontendTag::Execute:
      make_execute(*statement);
      break;
    case FrontendTag::FunctionCall:
      make_call(*statement);
      break;
    case FrontendTag::Describe:
    case FrontendTag::Close:
      make_named(tag, *statement);
      break;
    default:
      break;
  }
  return statement;
}

bool StatementLog::matters(FrontendTag tag) const noexcept {
  switch (tag) {
    case FrontendTag::Query:
    case FrontendTag::Parse:
    case FrontendTag::Bind:
    case FrontendTag::Execute:
    case FrontendTag::FunctionCall:
    case FrontendTag::Close:
      return true;
    case FrontendTag::Describe:  // of a statement tells the types of its parameters
      return outlet_.wants_parameters() && body_.kept().starts_with('S');
    default:
      return false;
  }
}

std::unique_ptr<LoggedStatement> StatementLog::begin() {
  std::unique_ptr<LoggedStatement> statement;
  if (spare_.empty()) {
    statement = std::make_unique<LoggedStatement>();
  } else {
    statement = std::move(spare_.back());
    spare_.pop_back();
  }
  if (!wall_time_) wall_time_ = std::chrono::system_clock::now();
  statement->course.begin(*wall_time_, now_);
  statement->backslash_escapes = backslash_escapes_;
  return statement;
}

// A simple query ends the unnamed ones ("Extended Query").
void StatementLog::make_query(LoggedStatement& statement) {
  statement.kind = "query";
  statement.text.swap(body_.kept());
  statement.text.resize(
      std::min<std::size_t>(up_to_nul(statement.text).size(), outlet_.max_statement()));
  statement.size = text_size_;
  rename(statement, {}, nullptr);
  texts_.put({}, NamedTexts::SharedPortal{}, messages_);
}

void StatementLog::make_parse(LoggedStatement& statement) {
  statement.kind = "prepare";
  auto prepared = std::make_shared<NamedTexts::Statement>();
  perilune::wire::Cursor in{as_bytes(body_.kept())};
  const std::string_view name = in.text_until_nul();
  const std::string_view text = in.text_until_nul_or_end();
  prepared->text = text.substr(0, outlet_.max_statement());
  prepared->size = text_size_;
  const std::uint16_t types = in.be16();
  prepared->types = types_of(in, types);
  statement.prepared = prepared;
  rename(statement, name, std::move(prepared));
}

void StatementLog::rename(LoggedStatement& statement, std::string_view name,
                          NamedTexts::SharedStatement to) {
  statement.renames = true;
  statement.name = name;
  statement.previous = texts_.statement(name);
  texts_.put(name, std::move(to));
}

void StatementLog::make_bind(LoggedStatement& statement) {
  statement.kind_if_failed = "execute";
  const auto names = wire::decode_bind_names(as_bytes(body_.kept()));
  if (!names) return;
  statement.prepared = texts_.statement(names->statement);
  auto portal = texts_.make_portal();
  portal->statement = statement.prepared;
  portal->is_cut = body_.is_cut();
  if (outlet_.wants_parameters()) portal->values = as_text(names->rest);
  statement.portal = portal;
  texts_.put(names->portal, std::move(portal), messages_);
}

void StatementLog::make_execute(LoggedStatement& statement) {
  statement.kind = "execute";
  statement.portal = texts_.portal(up_to_nul(body_.kept()));
  if (statement.portal) statement.prepared = statement.portal->statement;
}

void StatementLog::make_named(FrontendTag tag, LoggedStatement& statement) {
  const auto named = wire::decode_named(as_bytes(body_.kept()));
  if (!named) return;
  const bool is_statement = named->target == wire::Target::Statement;
  if (tag == FrontendTag::Describe) {
    if (is_statement) statement.prepared = texts_.statement(named->name);
  } else if (is_statement) {
    rename(statement, named->name, nullptr);
  } else {
    texts_.put(named->name, NamedTexts::SharedPortal{}, messages_);
  }
}

void StatementLog::make_call(LoggedStatement& statement) {
  statement.kind = "command";
  wire::FunctionCall call;
  call.function = perilune::wire::Cursor{as_bytes(body_.kept())}.be32();
  statement.text = wire::describe_function_call(call);
  statement.size = statement.text.size();
}

void StatementLog::undo(LoggedStatement& statement) {
  if (statement.renames) texts_.put(statement.name, std::move(statement.previous));
}

// --- what the proxy does

MessageStart StatementLog::start_of(Bytes input) const {
  const wire::MessageHeader header = wire::decode_header(input);
  const Bytes body = input.subspan(wire::kHeaderSize);
  MessageStart start;
  start.tag = static_cast<FrontendTag>(header.tag);
  start.size = header.body();
  const std::size_t here = std::min<std::size_t>(header.body(), body.size());
  append(start.body, body.first(std::min(here, worth_gathering(start.tag))));
  return start;
}

void StatementLog::will_replace(const MessageStart& original) {
  bytes_arrived();
  original_ = std::make_unique<MessageStart>(original);
}

void StatementLog::answered_here(const MessageStart& message, const OwnAnswers::Outcome& outcome) {
  bytes_arrived();
  message_begins(message.tag, /*has_place=*/true);
  message_bytes(message.body);
  body_.set_size(message.size);
  // Of a text that nobody has seen to its end.
  const bool is_unknown = !text_ended_ && message.size > message.body.size();
  if (is_unknown) text_size_ += message.size - message.body.size() - 1;
  message_ends();
  // Nothing else is outstanding now.
  Place& place = due_.back();
  if (place.statement) {
    session::StatementCourse& course = place.statement->course;
    course.answer_begins(now_);
    course.rows = outcome.rows;
    course.affected = outcome.affected;
    place.statement->error = outcome.error;
  }
  outcome.error&& message.tag != FrontendTag::Query ? failed(1) : answered();
}

// --- answers

void StatementLog::answer_piece(BackendTag tag, Bytes piece) {
  if (!due_.empty() && due_.front().statement) due_.front().statement->course.answer_begins(now_);
  if (!is_understood(tag)) return;
  const std::size_t room = kLongestAnswer - std::min(kLongestAnswer, piece_.size());
  perilune::append(piece_, piece.first(std::min(room, piece.size())));
}

void StatementLog::answer(BackendTag tag, Bytes body) {
  Buffer pieces;
  if (!piece_.empty()) {
    pieces = std::exchange(piece_, {});
    body = pieces;
  }
  if (tag == BackendTag::ParameterStatus) return take_parameter(body);
  if (due_.empty()) return;
  mind_early_answer(1);
  if (tag == BackendTag::ReadyForQuery) {
    const auto idle = static_cast<std::byte>(wire::TransactionStatus::Idle);
    ends_transaction_ = !body.empty() && body.front() == idle;
  }
  if (!due_.front().statement) return;
  LoggedStatement& statement = *due_.front().statement;
  statement.course.answer_begins(now_);
  switch (tag) {
    case BackendTag::RowDescription:
      statement.course.add_rows(0);
      break;
    case BackendTag::DataRow:
      statement.course.add_rows(1);
      break;
    case BackendTag::CommandComplete:
      take_tag(statement.course, as_text(body));
      break;
    case BackendTag::ErrorResponse:
      statement.error = fault_of({body.begin(), body.end()});
      break;
    case BackendTag::ParameterDescription:
      take_types(statement, body);
      break;
    default:
      break;
  }
}

// A server that does not say takes backslashes as they are, as it does by default.
void StatementLog::take_parameter(Bytes body) {
  perilune::wire::Cursor in{body};
  const std::string_view name = in.text_until_nul();
  if (name == "standard_conforming_strings") backslash_escapes_ = in.text_until_nul() == "off";
}

void StatementLog::take_types(LoggedStatement& statement, Bytes body) const {
  if (!statement.prepared || !outlet_.wants_parameters()) return;
  perilune::wire::Cursor in{body};
  const std::uint16_t count = in.be16();
  auto types = types_of(in, count);
  if (types.size() > statement.prepared->types.size()) statement.prepared->types = std::move(types);
}

void StatementLog::rows(std::size_t count) {
  if (due_.empty() || !due_.front().statement) return;
  session::StatementCourse& course = due_.front().statement->course;
  course.answer_begins(now_);
  course.add_rows(count);
}

// A server may answer before all of a message is here.
void StatementLog::mind_early_answer(std::size_t count) {
  if (count == due_.size()) message_ends();
}

void StatementLog::answered() {
  mind_early_answer(1);
  Place& place = due_.front();
  if (std::exchange(ends_transaction_, false)) texts_.end_portals(place.number);
  leave(place, true);
  due_.pop();
}

// What is ignored has not happened: names are what they were.
void StatementLog::failed(std::size_t count) {
  mind_early_answer(count);
  for (std::size_t i = count; i-- > 0;) {
    if (auto& statement = due_.at(i).statement) undo(*statement);
  }
  if (auto& statement = due_.front().statement) {
    if (statement->kind == nullptr) statement->kind = statement->kind_if_failed;
  }
  leave(due_.front(), true);
  due_.pop();
  for (std::size_t i = 1; i < count; ++i) {
    drop(due_.front());
    due_.pop();
  }
}

// Syncs and ends of data.
void StatementLog::read_over(std::size_t end) { due_.erase_behind_front(end); }

// --- records

void StatementLog::leave(Place& place, bool was_answered) {
  const auto& statement = place.statement;
  if (statement && statement->kind != nullptr) write(*statement, was_answered);
  drop(place);
}

void StatementLog::drop(Place& place) {
  if (!place.statement) return;
  held_ -= place.cost;
  auto statement = std::move(place.statement);
  if (spare_.size() == kKeptStatements) return;
  statement->clear();
  spare_.push_back(std::move(statement));
}

// Not before the statement has ended: what its parameters are may be known only then, and the
// values take their memory for a moment only.
wire::BoundParameters StatementLog::parameters_of(const LoggedStatement& statement) const {
  if (!statement.portal || !statement.prepared || !outlet_.wants_parameters()) return {};
  const NamedTexts::Portal& portal = *statement.portal;
  auto bound = wire::decode_bound(as_bytes(portal.values), statement.prepared->types);
  bound.cut = bound.cut || portal.is_cut;
  return bound;
}

void StatementLog::write(LoggedStatement& statement, bool was_answered) {
  wire::BoundParameters bound = parameters_of(statement);
  std::vector<std::vector<BoundValue>> rows;
  if (!bound.values.empty()) rows.push_back(std::move(bound.values));
  log::Record record;
  statement.course.describe(record, now_);
  record.kind = statement.kind;
  record.sql = statement.text;
  record.sql_size = statement.size;
  if (statement.prepared) {
    record.sql = statement.prepared->text;
    record.sql_size = statement.prepared->size;
  } else if (statement.text.empty() && record.kind == "execute") {
    record.sql = kUnknown;
    record.sql_size = kUnknown.size();
  }
  record.parameters = rows;
  record.parameters_cut = bound.cut;
  if (statement.error) {
    record.error = log::RecordError{0, statement.error->sql_state, statement.error->message};
  }
  record.answered = was_answered;
  record.lexis = {statement.backslash_escapes, /*is_postgres=*/true};
  outlet_.write(record);
}

}  // namespace perilune::proto::postgres
