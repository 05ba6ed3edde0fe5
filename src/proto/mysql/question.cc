#include "proto/mysql/question.hh"

#include <array>
#include <algorithm>
#include <string_view>

#include "proto/mysql/own_answers.hh"
#include "wire/mysql/commands.hh"
#include "wire/mysql/framing.hh"
#include "wire/mysql/sql.hh"

namespace perilune::proto::mysql {

namespace wire = perilune::wire::mysql;
using session::StatementDecision;
using session::StatementKind;
using wire::Command;
using wire::CommandSet;

namespace {

// Longer texts are neither KILL nor USE of anybody who means it.
constexpr std::size_t kShortText = 4096;

// Commands whose texts the script saw when they were prepared, and those without effect.
constexpr std::array kUnasked{
    Command::Quit,        Command::Statistics,       Command::Ping,      Command::Time,
    Command::StmtExecute, Command::StmtSendLongData, Command::StmtClose, Command::StmtReset,
    Command::StmtFetch,   Command::StmtBulkExecute};

CommandSet make_set(bool asks_about_all) {
  CommandSet set;
  const auto index = [](Command command) { return static_cast<std::uint8_t>(command); };
  for (const Command command :
       {Command::ChangeUser, Command::InitDb, Command::ProcessKill, Command::Query}) {
    set.set(index(command));
  }
  if (!asks_about_all) return set;
  set.set();
  for (const Command command : kUnasked) set.reset(index(command));
  return set;
}

char first_letter(std::string_view text) noexcept {
  for (const char c : text) {
    if (!wire::is_blank(c)) return c;
  }
  return '\0';
}

bool may_be_use(char first) noexcept {
  return (first | 0x20) == 'u' || first == '/' || first == '-' || first == '#';
}

Need need_of_text(const session::Hooks& hooks, wire::PacketHeader header, std::string_view text) {
  if (hooks.has_on_query()) return Need::Whole;
  if (header.length > kShortText) return Need::Nothing;
  const char first = first_letter(text);
  if (first == '\0') return text.size() + 1 < header.length ? Need::Beginning : Need::Nothing;
  const bool matters =
      wire::may_be_kill({&first, 1}) || (hooks.has_on_init_db() && may_be_use(first));
  return matters ? Need::Whole : Need::Nothing;
}

// Most texts begin otherwise, and are not read for it.
std::optional<std::string> use_target_of(std::string_view text) {
  if (!may_be_use(first_letter(text))) return std::nullopt;
  return wire::use_target(text);
}

Command command_of(Bytes payload) noexcept { return static_cast<Command>(payload.front()); }
std::string_view text_of(Bytes payload) noexcept { return as_text(payload.subspan(1)); }

std::optional<StatementDecision> ask_about_database(session::Hooks& hooks, Bytes payload,
                                                    std::string_view name) {
  if (hooks.has_on_init_db()) return hooks.on_init_db(name);
  if (!hooks.has_on_query()) return session::Proceed{};
  return hooks.on_query(wire::describe_command(payload), StatementKind::Command);
}

std::optional<StatementDecision> ask_about_text(session::Hooks& hooks, std::string_view text) {
  if (hooks.has_on_init_db()) {
    if (const auto name = use_target_of(text)) return hooks.on_init_db(*name);
  }
  if (!hooks.has_on_query()) return session::Proceed{};
  return hooks.on_query(text, StatementKind::Query);
}

}  // namespace

const CommandSet& commands_to_look_at(const session::Hooks& hooks) {
  static const CommandSet some = make_set(false);
  static const CommandSet all = make_set(true);
  return hooks.has_on_query() ? all : some;
}

const CommandSet& commands_with_statements() {
  static const CommandSet set = [] {
    CommandSet commands = make_set(true);
    for (std::size_t i = 0; i < commands.size(); ++i) {
      if (names_statement(static_cast<Command>(i))) commands.set(i);
    }
    return commands;
  }();
  return set;
}

Need need_of(const session::Hooks& hooks, Bytes packet) {
  const wire::PacketHeader header = wire::decode_header(packet);
  const Bytes body = packet.subspan(wire::kHeaderSize);
  if (command_of(body) != Command::Query) return Need::Whole;
  return need_of_text(hooks, header, text_of(body.first(std::min<std::size_t>(
                                         body.size(), header.length))));
}

std::optional<StatementDecision> ask_script(session::Hooks& hooks, Bytes payload) {
  switch (command_of(payload)) {
    case Command::Query:
      return ask_about_text(hooks, text_of(payload));
    case Command::InitDb:
      return ask_about_database(hooks, payload, text_of(payload));
    case Command::StmtPrepare:
      return hooks.on_query(text_of(payload), StatementKind::Prepare);
    default:
      if (!hooks.has_on_query()) return session::Proceed{};
      return hooks.on_query(wire::describe_command(payload), StatementKind::Command);
  }
}

std::optional<std::string> database_of(Bytes payload) {
  if (command_of(payload) == Command::InitDb) return std::string(text_of(payload));
  if (command_of(payload) == Command::Query) return use_target_of(text_of(payload));
  return std::nullopt;
}

std::optional<KillRequest> kill_of(Bytes payload) {
  KillRequest request;
  if (command_of(payload) == Command::ProcessKill) {
    const auto id = wire::decode_process_kill(payload);
    if (!id) return std::nullopt;
    request.id = *id;
  } else if (command_of(payload) == Command::Query && wire::may_be_kill(text_of(payload))) {
    const std::string_view text = text_of(payload);
    const auto statement = wire::parse_kill(text);
    if (!statement) return std::nullopt;
    request.id = statement->id;
    request.query_only = statement->query_only;
    request.before_id = text.substr(0, statement->id_offset);
    request.after_id = text.substr(statement->id_offset + statement->id_length);
  }
  if (!is_session_id(request.id)) return std::nullopt;
  return request;
}

std::optional<KillRequest> kill_of(Bytes payload, const StatementDecision& decision) {
  if (std::holds_alternative<session::Proceed>(decision)) return kill_of(payload);
  const auto* const instead = std::get_if<session::SendInstead>(&decision);
  if (instead == nullptr || !wire::may_be_kill(instead->text)) return std::nullopt;
  Buffer sent{payload.front()};
  append(sent, as_bytes(instead->text));
  return kill_of(sent);
}

Buffer with_thread(Bytes payload, const KillRequest& request, std::uint32_t thread) {
  Buffer out{payload.front()};
  if (command_of(payload) == Command::ProcessKill) {
    for (const unsigned shift : {0U, 8U, 16U, 24U}) {
      out.push_back(static_cast<std::byte>(thread >> shift));
    }
  } else {
    append(out, as_bytes(statement_for(request, thread)));
  }
  return out;
}

wire::Err usual_refusal(Bytes payload) {
  if (database_of(payload)) {
    return make_err(wire::ErrorCode::DatabaseAccessDenied, "42000",
                    "Access denied to the database");
  }
  return make_err(wire::ErrorCode::NotAllowedCommand, "42000", "The statement is not allowed");
}

}  // namespace perilune::proto::mysql
