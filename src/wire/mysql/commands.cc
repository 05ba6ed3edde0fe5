#include "wire/mysql/commands.hh"

#include <algorithm>
#include <optional>

#include "wire/cursor.hh"
#include "wire/mysql/lexer.hh"
#include "wire/mysql/protocol.hh"

namespace perilune::wire::mysql {

namespace {

struct Text {
  Command command;
  std::string_view text;
};

constexpr Text kTexts[] = {
    {Command::Shutdown, "SHUTDOWN"},
    {Command::ProcessInfo, "SHOW PROCESSLIST"},
    {Command::Debug, "DEBUG"},
    {Command::BinlogDump, "BINLOG DUMP"},
    {Command::TableDump, "TABLE DUMP"},
    {Command::RegisterSlave, "REGISTER REPLICA"},
    {Command::BinlogDumpGtid, "BINLOG DUMP"},
    {Command::ResetConnection, "RESET CONNECTION"},
    {Command::Clone, "CLONE"},
};

bool is_of_plain_name(char c) noexcept {
  const char letter = upper(c);
  return (letter >= 'A' && letter <= 'Z') || is_digit(c) || c == '_' || c == '$';
}

// Without quotes a name of digits alone would be a number.
bool is_plain_name(std::string_view name) noexcept {
  return !name.empty() && std::ranges::all_of(name, is_of_plain_name) &&
         !std::ranges::all_of(name, is_digit);
}

void append_doubling(std::string& out, std::string_view text, std::string_view special) {
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) out.push_back(c);
    out.push_back(c);
  }
}

std::string with_name(std::string text, std::string_view name) {
  if (is_plain_name(name)) return text.append(name);
  text.push_back('`');
  append_doubling(text, name, "`");
  text.push_back('`');
  return text;
}

std::string with_number(std::string text, std::uint64_t number) {
  return text.append(std::to_string(number));
}

std::string describe_field_list(const FieldList& list) {
  std::string text = with_name("SHOW COLUMNS FROM ", list.table);
  if (list.wildcard.empty()) return text;
  text.append(" LIKE '");
  append_doubling(text, list.wildcard, "'\\");
  text.push_back('\'');
  return text;
}

std::optional<std::string> describe_fields(Command command, Cursor& in) {
  switch (command) {
    case Command::InitDb:
      return with_name("USE ", as_text(in.rest()));
    case Command::CreateDb:
      return with_name("CREATE DATABASE ", as_text(in.rest()));
    case Command::DropDb:
      return with_name("DROP DATABASE ", as_text(in.rest()));
    case Command::Refresh:
      return with_number("REFRESH ", in.u8());
    case Command::ProcessKill:
      return with_number("KILL ", in.u32());
    case Command::SetOption:
      return with_number("SET OPTION ", in.u16());
    default:
      return std::nullopt;
  }
}

}  // namespace

Result<std::uint32_t> decode_process_kill(Bytes payload) noexcept {
  Cursor in{payload};
  in.require(in.u8() == static_cast<std::uint8_t>(Command::ProcessKill), "COM_PROCESS_KILL");
  const std::uint32_t id = in.u32();
  in.rest();
  return in.finish(id);
}

Result<FieldList> decode_field_list(Bytes payload) noexcept {
  Cursor in{payload};
  in.require(in.u8() == static_cast<std::uint8_t>(Command::FieldList), "COM_FIELD_LIST");
  FieldList list;
  list.table = in.text_until_nul();
  list.wildcard = as_text(in.rest());
  return in.finish(list);
}

Result<std::uint32_t> decode_statement_id(Bytes payload) noexcept {
  Cursor in{payload};
  in.u8();
  const std::uint32_t id = in.u32();
  in.rest();
  return in.finish(id);
}

std::string describe_command(Bytes payload) {
  Cursor in{payload};
  const std::uint8_t number = in.u8();
  const auto command = static_cast<Command>(number);
  const auto* row = std::ranges::find(kTexts, command, &Text::command);
  if (row != std::end(kTexts)) return std::string{row->text};
  if (const auto list = decode_field_list(payload)) return describe_field_list(*list);
  std::optional<std::string> text = describe_fields(command, in);
  return text && in.ok() ? *std::move(text) : with_number("COMMAND ", number);
}

}  // namespace perilune::wire::mysql
