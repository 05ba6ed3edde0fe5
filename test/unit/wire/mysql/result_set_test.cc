#include "wire/mysql/result_set.hh"

#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "support/catch.hh"
#include "support/hex.hh"
#include "wire/cursor.hh"
#include "wire/mysql/framing.hh"
#include "wire/mysql/reply.hh"

using namespace perilune;
using namespace perilune::wire::mysql;
using perilune::test::from_hex;
using perilune::wire::Cursor;

namespace {

constexpr std::uint64_t kClassic = capability::kProtocol41;
constexpr std::uint64_t kModern =
    capability::kProtocol41 | capability::kSessionTrack | capability::kDeprecateEof;
constexpr Value kNone{};
constexpr double kInfinity = std::numeric_limits<double>::infinity();

using Row = std::vector<Value>;
using Cell = std::optional<std::string>;

struct Table {
  std::vector<std::string> columns;
  std::vector<Row> rows;

  ResultRows view() const { return {columns, rows}; }
};

// What a client finds in an answer; numbers of binary rows as texts.
struct Column {
  std::string name;
  std::uint16_t character_set = 0;
  std::uint32_t length = 0;
  ColumnType type = ColumnType::Null;
  std::uint16_t flags = 0;
};

struct Found {
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;
  std::uint16_t status = 0;
  std::uint16_t warnings = 0;
};

// Takes packets apart; their numbers must follow each other.
class Reader {
 public:
  Reader(const Buffer& in, std::uint64_t capabilities, std::uint8_t sequence)
      : left_(in), capabilities_(capabilities), sequence_(sequence) {}

  Buffer payload() {
    Buffer whole;
    PacketHeader header;
    do {
      REQUIRE(left_.size() >= kHeaderSize);
      header = decode_header(left_);
      REQUIRE(header.sequence == sequence_++);
      REQUIRE(left_.size() >= kHeaderSize + header.length);
      append(whole, left_.subspan(kHeaderSize, header.length));
      left_ = left_.subspan(kHeaderSize + header.length);
    } while (header.length == kMaxPacket);
    return whole;
  }

  Column definition() {
    const Buffer bytes = payload();
    Cursor in{bytes};
    Column column;
    CHECK(in.lenenc_text() == "def");
    for (int i = 0; i < 3; ++i) CHECK(in.lenenc_text().empty());
    column.name = in.lenenc_text();
    CHECK(in.lenenc_text().empty());
    if (has(capability::kMariadbExtendedTypeInfo)) CHECK(in.lenenc_text().empty());
    CHECK(in.lenenc() == 12);
    column.character_set = in.u16();
    column.length = in.u32();
    column.type = static_cast<ColumnType>(in.u8());
    column.flags = in.u16();
    in.take(3);
    REQUIRE(in.finish(0));
    return column;
  }

  void end_of_definitions() {
    if (!has(capability::kDeprecateEof)) REQUIRE(decode_eof(payload()));
  }

  bool has(std::uint64_t capability) const { return (capabilities_ & capability) != 0; }
  bool empty() const { return left_.empty(); }

 private:
  Bytes left_;
  std::uint64_t capabilities_;
  std::uint8_t sequence_;
};

bool ends_rows(const Buffer& payload) {
  return payload.front() == std::byte{kEofHeader} && payload.size() < 9;
}

void note_end(const Buffer& payload, const Reader& in, Found& found) {
  if (in.has(capability::kDeprecateEof)) {
    const auto ok = decode_ok(payload, kModern);
    REQUIRE(ok);
    found.status = ok->status;
    found.warnings = ok->warnings;
  } else {
    const auto eof = decode_eof(payload);
    REQUIRE(eof);
    found.status = eof->status;
    found.warnings = eof->warnings;
  }
}

std::vector<Cell> text_row(const Buffer& payload, const std::vector<Column>& columns) {
  Cursor in{payload};
  std::vector<Cell> row;
  Bytes rest = payload;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const bool null = rest.front() == std::byte{0xFB};
    if (null) {
      in.u8();
      row.emplace_back();
    } else {
      row.emplace_back(in.lenenc_text());
    }
    rest = Bytes{payload}.last(in.left());
  }
  REQUIRE(in.finish(0));
  return row;
}

std::string binary_cell(Cursor& in, ColumnType type) {
  switch (type) {
    case ColumnType::Tiny:
      return std::to_string(in.u8());
    case ColumnType::LongLong:
      return std::to_string(static_cast<std::int64_t>(in.u64()));
    case ColumnType::Double:
      return std::to_string(std::bit_cast<double>(in.u64()));
    default:
      return std::string{in.lenenc_text()};
  }
}

std::vector<Cell> binary_row(const Buffer& payload, const std::vector<Column>& columns) {
  Cursor in{payload};
  CHECK(in.u8() == 0);
  const Bytes nulls = in.take((columns.size() + 9) / 8);
  std::vector<Cell> row;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::size_t bit = i + 2;
    const bool null = (nulls[bit / 8] & (std::byte{1} << (bit % 8))) != std::byte{0};
    if (null) {
      row.emplace_back();
    } else {
      row.emplace_back(binary_cell(in, columns[i].type));
    }
  }
  REQUIRE(in.finish(0));
  return row;
}

using RowReader = std::vector<Cell> (*)(const Buffer&, const std::vector<Column>&);

Found read(Reader in, RowReader read_row) {
  Found found;
  const Buffer head = in.payload();
  Cursor count{head};
  found.columns.resize(count.lenenc());
  if (in.has(capability::kMariadbCacheMetadata | capability::kOptionalResultsetMetadata)) {
    CHECK(count.u8() == 1);
  }
  REQUIRE(count.finish(0));
  for (Column& column : found.columns) column = in.definition();
  in.end_of_definitions();
  Buffer payload = in.payload();
  for (; !ends_rows(payload); payload = in.payload()) {
    found.rows.push_back(read_row(payload, found.columns));
  }
  note_end(payload, in, found);
  CHECK(in.empty());
  return found;
}

Found text_answer(const Table& table, ResultContext context) {
  Buffer out;
  std::uint8_t sequence = 1;
  append_text_result(out, table.view(), context, sequence);
  return read(Reader{out, context.capabilities, 1}, text_row);
}

Found binary_answer(const Table& table, ResultContext context) {
  Buffer out;
  std::uint8_t sequence = 1;
  append_binary_result(out, table.view(), context, sequence);
  return read(Reader{out, context.capabilities, 1}, binary_row);
}

Table mixture() {
  Table table;
  table.columns = {"i", "d", "b", "n", "t", "x", "m", "e"};
  table.rows.push_back(Row{std::int64_t{-5}, 2.5, true, kNone, std::string{"h\xC3\xA9"},
                           std::string{"\xFF"}, std::int64_t{7}, kNone});
  table.rows.push_back(
      Row{kNone, std::int64_t{3}, false, kNone, kNone, std::string{"y"}, std::string{"z"}, true});
  table.rows.push_back(Row{std::numeric_limits<std::int64_t>::min(), kInfinity, kNone, kNone,
                           std::string{}, kNone, 0.1, 1e300});
  return table;
}

void check_mixture_types(const Found& found) {
  constexpr ColumnType kTypes[] = {
      ColumnType::LongLong,  ColumnType::Double,    ColumnType::Tiny,      ColumnType::Null,
      ColumnType::VarString, ColumnType::VarString, ColumnType::VarString, ColumnType::VarString};
  constexpr std::uint16_t kSets[] = {63, 63, 63, 63, 45, 63, 45, 45};
  constexpr std::uint32_t kLengths[] = {20, 22, 1, 0, 12, 1, 96, 96};
  REQUIRE(found.columns.size() == 8);
  for (std::size_t i = 0; i < 8; ++i) {
    CAPTURE(i);
    CHECK(found.columns[i].type == kTypes[i]);
    CHECK(found.columns[i].character_set == kSets[i]);
    CHECK(found.columns[i].length == kLengths[i]);
    CHECK(found.columns[i].flags == (kSets[i] == 63 ? 0x80 : 0));
  }
}

constexpr std::uint64_t kClients[] = {
    kClassic,
    kModern,
    kClassic | capability::kOptionalResultsetMetadata,
    kModern | capability::kMariadbCacheMetadata | capability::kMariadbExtendedTypeInfo,
};

}  // namespace

TEST_CASE("mysql text result: every value for every client", "[wire][mysql]") {
  for (const std::uint64_t capabilities : kClients) {
    const Found found = text_answer(mixture(), {capabilities, status::kAutocommit, 3});
    check_mixture_types(found);
    const std::vector<Cell> first{"-5", "2.5", "1", {}, "h\xC3\xA9", "\xFF", "7", {}};
    const std::vector<Cell> second{{}, "3", "0", {}, {}, "y", "z", "1"};
    const std::vector<Cell> third{"-9223372036854775808", {}, {}, {}, "", {}, "0.1", "1e+300"};
    REQUIRE(found.rows.size() == 3);
    CHECK(found.rows[0] == first);
    CHECK(found.rows[1] == second);
    CHECK(found.rows[2] == third);
    CHECK(found.status == status::kAutocommit);
    CHECK(found.warnings == 3);
  }
}

TEST_CASE("mysql binary result: every value for every client", "[wire][mysql]") {
  for (const std::uint64_t capabilities : kClients) {
    const Found found = binary_answer(mixture(), {capabilities, status::kInTransaction, 0});
    check_mixture_types(found);
    const std::vector<Cell> first{"-5", "2.500000", "1", {}, "h\xC3\xA9", "\xFF", "7", {}};
    const std::vector<Cell> second{{}, "3.000000", "0", {}, {}, "y", "z", "1"};
    const std::vector<Cell> third{"-9223372036854775808", {}, {}, {}, "", {}, "0.1", "1e+300"};
    REQUIRE(found.rows.size() == 3);
    CHECK(found.rows[0] == first);
    CHECK(found.rows[1] == second);
    CHECK(found.rows[2] == third);
    CHECK(found.status == status::kInTransaction);
  }
}

TEST_CASE("mysql result: no change of the session's state is announced", "[wire][mysql]") {
  const Table table{{"a"}, {}};
  const std::uint16_t status = status::kAutocommit | status::kSessionStateChanged;
  CHECK(text_answer(table, {kModern, status, 0}).status == status::kAutocommit);
  CHECK(binary_answer(table, {kClassic, status, 0}).status == status::kAutocommit);
}

TEST_CASE("mysql result: a column without rows or with NULL alone has no type", "[wire][mysql]") {
  CHECK(text_answer({{"a"}, {}}, {kModern, 0, 0}).columns[0].type == ColumnType::Null);
  CHECK(text_answer({{"a"}, {{kNone}}}, {kModern, 0, 0}).columns[0].type == ColumnType::Null);
}

TEST_CASE("mysql result: only doubles without a form are doubles", "[wire][mysql]") {
  const Found found =
      binary_answer({{"a"}, {{kInfinity}, {-kInfinity}, {std::nan("")}}}, {kModern, 0, 0});
  CHECK(found.columns[0].type == ColumnType::Double);
  for (const auto& row : found.rows) CHECK_FALSE(row[0]);
}

TEST_CASE("mysql result: as MariaDB sends it", "[wire][mysql]") {
  // select null as n, over a connection without DEPRECATE_EOF
  Buffer out;
  std::uint8_t sequence = 1;
  append_text_result(out, Table{{"n"}, {{kNone}}}.view(), {kClassic, 0, 0}, sequence);
  CHECK(out == from_hex("01 00 00 01 01"
                        "17 00 00 02 03 646566 00 00 00 01 6e 00 0c 3f00 00000000 06 8000 00 0000"
                        "05 00 00 03 fe 0000 0000"
                        "01 00 00 04 fb"
                        "05 00 00 05 fe 0000 0000"));
  CHECK(sequence == 6);
}

TEST_CASE("mysql result: as MariaDB sends it to a client of DEPRECATE_EOF", "[wire][mysql]") {
  // select cast(1 as double) d
  Buffer out;
  std::uint8_t sequence = 1;
  append_text_result(out, Table{{"d"}, {{1.0}}}.view(), {kModern, status::kAutocommit, 0},
                     sequence);
  CHECK(out == from_hex("01 00 00 01 01"
                        "17 00 00 02 03 646566 00 00 00 01 64 00 0c 3f00 16000000 05 8000 1f 0000"
                        "02 00 00 03 01 31"
                        "07 00 00 04 fe 00 00 0200 0000"));
}

TEST_CASE("mysql binary result: a row as MariaDB sends it", "[wire][mysql]") {
  // The answer to: select 'hé' t, null n, 2.5e0 d
  Buffer out;
  std::uint8_t sequence = 7;
  const Table table{{"t", "n", "d"}, {{std::string{"h\xC3\xA9"}, kNone, 2.5}}};
  append_binary_result(out, table.view(), {kModern, 0, 0}, sequence);
  Reader in{out, kModern, 7};
  in.payload();
  for (int i = 0; i < 3; ++i) in.definition();
  CHECK(in.payload() == from_hex("00 08 03 68c3a9 0000000000000440"));
}

TEST_CASE("mysql prepared: as MariaDB sends it", "[wire][mysql]") {
  // Two parameters and a column NULL, without and with DEPRECATE_EOF.
  ResultColumn column;
  column.name = "n";
  column.type = ColumnType::Null;
  const Prepared prepared{12, 2, {&column, 1}};
  Buffer out;
  std::uint8_t sequence = 1;
  append_prepared(out, prepared, {kClassic, status::kAutocommit, 0}, sequence);
  const std::string parameter = "03 646566 00 00 00 01 3f 00 0c 3f00 00000000 06 8000 00 0000";
  const std::string null = "03 646566 00 00 00 01 6e 00 0c 3f00 00000000 06 8000 00 0000";
  CHECK(out ==
        from_hex("0c 00 00 01 00 0c000000 0100 0200 00 0000"
                 "17 00 00 02" +
                 parameter + "17 00 00 03" + parameter + "05 00 00 04 fe 0000 0200 17 00 00 05" +
                 null + "05 00 00 06 fe 0000 0200"));
  out.clear();
  sequence = 1;
  append_prepared(out, prepared, {kModern, status::kAutocommit, 0}, sequence);
  CHECK(out == from_hex("0c 00 00 01 00 0c000000 0100 0200 00 0000"
                        "17 00 00 02" +
                        parameter + "17 00 00 03" + parameter + "17 00 00 04" + null));
}

TEST_CASE("mysql prepared: without parameters and columns it is one packet", "[wire][mysql]") {
  Buffer out;
  std::uint8_t sequence = 1;
  append_prepared(out, {3, 0, {}}, {kClassic, 0, 0}, sequence);  // do 1
  CHECK(out == from_hex("0c 00 00 01 00 03000000 0000 0000 00 0000"));
  out.clear();
  append_prepared(out, {3, 0, {}}, {kClassic | capability::kOptionalResultsetMetadata, 0, 0},
                  sequence);
  CHECK(out == from_hex("0d 00 00 02 00 03000000 0000 0000 00 0000 01"));
  CHECK(sequence == 3);
}

TEST_CASE("mysql result: values of several packets", "[wire][mysql]") {
  // In a text row of one value, four bytes of length come first.
  for (const std::size_t size : {kMaxPacket - 5U, kMaxPacket - 4U, kMaxPacket - 3U}) {
    CAPTURE(size);
    const Table table{{"t"}, {{std::string(size, 'x')}, {std::string{"y"}}}};
    const Found found = text_answer(table, {kModern, 0, 0});
    REQUIRE(found.rows.size() == 2);
    CHECK((found.rows[0][0] == std::get<std::string>(table.rows[0][0])));
    CHECK(found.rows[1][0] == "y");
  }
  const Table table{{"t"}, {{std::string(kMaxPacket + 1U, '\xFF')}}};
  const Found found = binary_answer(table, {kClassic, 0, 0});
  CHECK(found.columns[0].length == kMaxPacket + 1U);
  CHECK((found.rows[0][0] == std::get<std::string>(table.rows[0][0])));
}

TEST_CASE("mysql result: many columns and rows", "[wire][mysql]") {
  Table table;
  table.columns.assign(300, "c");
  for (std::int64_t i = 0; i < 300; ++i) table.rows.emplace_back(300, Value{i});
  table.rows[7][299] = Value{};
  for (const Found& found :
       {text_answer(table, {kModern, 0, 0}), binary_answer(table, {kClassic, 0, 0})}) {
    REQUIRE(found.rows.size() == 300);
    CHECK(found.rows[299][299] == "299");
    CHECK_FALSE(found.rows[7][299]);
    CHECK(found.rows[7][298] == "7");
  }
}
