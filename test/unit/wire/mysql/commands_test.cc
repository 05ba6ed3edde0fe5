#include "wire/mysql/commands.hh"

#include <string>

#include "support/catch.hh"
#include "support/hex.hh"
#include "wire/mysql/protocol.hh"

using namespace perilune;
using namespace perilune::wire::mysql;
using perilune::test::from_hex;

namespace {

std::string describe(Command command, std::string_view fields = {}) {
  std::string payload{static_cast<char>(command)};
  payload.append(fields);
  return describe_command(as_bytes(payload));
}

template <typename Decode>
void short_ones_are_malformed(const Buffer& whole, std::size_t least, Decode decode) {
  for (std::size_t n = 0; n <= whole.size(); ++n) {
    CAPTURE(n);
    CHECK(static_cast<bool>(decode(Bytes{whole}.first(n))) == (n >= least));
  }
}

}  // namespace

TEST_CASE("mysql COM_PROCESS_KILL: the connection's number", "[wire][mysql]") {
  const Buffer payload = from_hex("0c 78 56 34 12 00");
  const auto id = decode_process_kill(payload);
  REQUIRE(id);
  CHECK(*id == 0x12345678);
  short_ones_are_malformed(payload, 5, decode_process_kill);
  CHECK_FALSE(decode_process_kill(from_hex("0d 78 56 34 12")));
}

TEST_CASE("mysql COM_FIELD_LIST: table and wildcard", "[wire][mysql]") {
  const Buffer payload = from_hex("04 7431 00 6125");
  const auto list = decode_field_list(payload);
  REQUIRE(list);
  CHECK(list->table == "t1");
  CHECK(list->wildcard == "a%");
  short_ones_are_malformed(payload, 4, decode_field_list);
  CHECK_FALSE(decode_field_list(from_hex("05 7431 00")));
}

TEST_CASE("mysql statement number: in front of whatever follows", "[wire][mysql]") {
  const Buffer payload = from_hex("17 ff ff ff ff 00 01 00 00 00");
  const auto id = decode_statement_id(payload);
  REQUIRE(id);
  CHECK(*id == 0xFFFFFFFF);
  short_ones_are_malformed(payload, 5, decode_statement_id);
}

TEST_CASE("mysql commands: as texts", "[wire][mysql]") {
  CHECK(describe(Command::InitDb, "shop") == "USE shop");
  CHECK(describe(Command::CreateDb, "shop_2$") == "CREATE DATABASE shop_2$");
  CHECK(describe(Command::DropDb, "my shop") == "DROP DATABASE `my shop`");
  CHECK(describe(Command::ProcessKill, std::string_view{"\x7b\0\0\0", 4}) == "KILL 123");
  CHECK(describe(Command::Refresh, "\x04") == "REFRESH 4");
  CHECK(describe(Command::Shutdown) == "SHUTDOWN");
  CHECK(describe(Command::Shutdown, "\x10") == "SHUTDOWN");
  CHECK(describe(Command::Debug) == "DEBUG");
  CHECK(describe(Command::ProcessInfo) == "SHOW PROCESSLIST");
  CHECK(describe(Command::FieldList, std::string_view{"t\0", 2}) == "SHOW COLUMNS FROM t");
  CHECK(describe(Command::FieldList, std::string_view{"t 1\0a%", 6}) ==
        "SHOW COLUMNS FROM `t 1` LIKE 'a%'");
  CHECK(describe(Command::SetOption, std::string_view{"\1\0", 2}) == "SET OPTION 1");
  CHECK(describe(Command::ResetConnection) == "RESET CONNECTION");
  CHECK(describe(Command::RegisterSlave, "anything") == "REGISTER REPLICA");
  CHECK(describe(Command::BinlogDump, "anything") == "BINLOG DUMP");
  CHECK(describe(Command::BinlogDumpGtid, "anything") == "BINLOG DUMP");
  CHECK(describe(Command::TableDump, "anything") == "TABLE DUMP");
  CHECK(describe(Command::Clone) == "CLONE");
  CHECK(describe(Command::SubscribeGroupReplicationStream) == "COMMAND 33");
  CHECK(describe(Command::End) == "COMMAND 255");
}

TEST_CASE("mysql commands: names cannot leave their quotes", "[wire][mysql]") {
  CHECK(describe(Command::DropDb, "a`; drop") == "DROP DATABASE `a``; drop`");
  CHECK(describe(Command::DropDb, "") == "DROP DATABASE ``");
  CHECK(describe(Command::DropDb, "123") == "DROP DATABASE `123`");
  CHECK(describe(Command::DropDb, "a.b") == "DROP DATABASE `a.b`");
  CHECK(describe(Command::InitDb, "\xFF\n") == "USE `\xFF\n`");
  CHECK(describe(Command::FieldList, std::string_view{"t\0'\\", 4}) ==
        "SHOW COLUMNS FROM t LIKE '''\\\\'");
}

TEST_CASE("mysql commands: malformed ones are only a number", "[wire][mysql]") {
  CHECK(describe(Command::ProcessKill, "abc") == "COMMAND 12");
  CHECK(describe(Command::Refresh) == "COMMAND 7");
  CHECK(describe(Command::SetOption, "\1") == "COMMAND 27");
  CHECK(describe(Command::FieldList, "t") == "COMMAND 4");
  CHECK(describe_command({}) == "COMMAND 0");
}
