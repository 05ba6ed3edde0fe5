#include "log/formats.hh"

#include "support/catch.hh"
#include "util/text.hh"

using namespace perilune;
using namespace perilune::log;

namespace {

Record example() {
  Record record;
  record.time = WallTime{std::chrono::microseconds{1790000000123456}};
  record.session = 7;
  record.protocol = "mysql";
  record.client = "127.0.0.1:1234";
  record.user = "anna";
  record.kind = "query";
  record.sql = "SELECT\n1";
  record.sql_size = 8;
  record.duration = std::chrono::duration<double>{0.0015};
  record.first = std::chrono::duration<double>{0.001};
  record.rows = 1;
  return record;
}

std::string text(const Record& record, const QueryLogOptions& options = {}) {
  std::string out;
  append_text(out, record, options);
  return out;
}

std::string json(const Record& record, const QueryLogOptions& options = {}) {
  std::string out;
  append_json(out, record, options);
  return out;
}

}  // namespace

TEST_CASE("text log: one line, absent fields are dashes", "[log]") {
  CHECK(text(example()) ==
        "2026-09-21T14:13:20.123456Z 7 127.0.0.1:1234 anna - 0.001500 SELECT\\n1\n");
}

TEST_CASE("text log: notes stand behind tabs, which the text cannot hold", "[log]") {
  Record record = example();
  record.sql = "a\tb\xFF";
  record.sql_size = 100;
  record.user = "an na";
  record.error = RecordError{1064, "42000", "near\n'x'"};
  record.answered = false;
  CHECK(text(record) ==
        "2026-09-21T14:13:20.123456Z 7 127.0.0.1:1234 an\\x20na - 0.001500 a\\tb\\xff"
        "\tbytes=100\terror=1064 (42000) near\\n'x'\tunanswered\n");
}

TEST_CASE("JSON log: an object a line, always UTF-8", "[log]") {
  Record record = example();
  record.sql = "\xC3\xBC\xFF\x01\"";
  record.sql_size = record.sql.size();
  record.error = RecordError{1, "HY000", "no"};
  const std::string line = json(record);
  CHECK(is_utf8(line));
  CHECK(line ==
        "{\"time\": \"2026-09-21T14:13:20.123456Z\", \"session\": 7, \"protocol\": \"mysql\", "
        "\"client\": \"127.0.0.1:1234\", \"user\": \"anna\", \"kind\": \"query\", "
        "\"sql\": \"\xC3\xBC\xEF\xBF\xBD\\u0001\\\"\", \"duration\": 0.001500, "
        "\"first\": 0.001000, \"rows\": 1, "
        "\"error\": {\"code\": 1, \"sqlstate\": \"HY000\", \"message\": \"no\"}, "
        "\"answered\": true}\n");
}

TEST_CASE("logs: a text is cut between characters, and the log says so", "[log]") {
  QueryLogOptions options;
  options.max_statement = 4;
  Record record = example();
  record.sql = "abc\xC3\xBC";
  record.sql_size = 5;
  CHECK(text(record, options).find(" abc\tbytes=5\n") != std::string::npos);
  CHECK(json(record, options).find("\"sql\": \"abc\", \"sql_bytes\": 5") != std::string::npos);
}

TEST_CASE("logs: parameters only where they are wanted, and hidden with passwords", "[log]") {
  const std::vector<std::vector<BoundValue>> rows{
      {std::int64_t{-1}, 0.5, std::string("x"), std::monostate{}}};
  Record record = example();
  record.kind = "execute";
  record.parameters = rows;
  CHECK(json(record).find("parameters") == std::string::npos);
  QueryLogOptions options;
  options.parameters = true;
  CHECK(json(record, options).find("\"parameters\": [-1, 0.5, \"x\", null]") != std::string::npos);
  record.sql = "SELECT PASSWORD(?)";
  CHECK(json(record, options).find("\"parameters\": \"***\"") != std::string::npos);
  options.mask = false;
  CHECK(json(record, options).find("\"parameters\": [-1") != std::string::npos);
}

TEST_CASE("logs: a message may quote the password that was masked", "[log]") {
  Record record = example();
  record.sql = "SET PASSWORD = 'geheim'";
  record.sql_size = record.sql.size();
  record.error = RecordError{1064, "42000", "near 'geheim'"};
  CHECK(text(record).find("geheim") == std::string::npos);
  CHECK(json(record).find("geheim") == std::string::npos);
  QueryLogOptions options;
  options.mask = false;
  CHECK(text(record, options).find("near 'geheim'") != std::string::npos);
}

TEST_CASE("syslog and journal: their own frames", "[log]") {
  std::string out;
  append_syslog(out, example(), {});
  CHECK(out.substr(0, 35) == "<134>1 2026-09-21T14:13:20.123456Z ");
  CHECK(out.find(" statement - 2026") != std::string::npos);
  CHECK(out.find('\n') == std::string::npos);
  out.clear();
  append_journal(out, example(), {});
  CHECK(out.starts_with("MESSAGE=2026-"));
  CHECK(out.find("PERILUNE_USER=anna\n") != std::string::npos);
  const std::string sized = std::string("PERILUNE_SQL\n\x08", 14) + std::string(7, '\0');
  CHECK(out.find(sized + "SELECT\n1\n") != std::string::npos);
}
