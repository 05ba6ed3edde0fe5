#include "log/mask.hh"

#include "support/catch.hh"

using perilune::log::mask_passwords;

namespace {

std::string masked(std::string_view sql, bool escapes = true) {
  const auto result = mask_passwords(sql, {escapes});
  return result.changed ? result.text : std::string(sql);
}

constexpr perilune::log::Lexis kPostgres{.backslash_escapes = false, .is_postgres = true};

std::string masked_postgres(std::string_view sql) {
  const auto result = mask_passwords(sql, kPostgres);
  return result.changed ? result.text : std::string(sql);
}

}  // namespace

TEST_CASE("mask: passwords of accounts", "[log]") {
  CHECK(masked("CREATE USER u IDENTIFIED BY 'x y'") == "CREATE USER u IDENTIFIED BY '***'");
  CHECK(masked("create user 'a'@'h' identified by 'x', 'b'@'h' identified by \"y\"") ==
        "create user 'a'@'h' identified by '***', 'b'@'h' identified by '***'");
  CHECK(masked("ALTER USER u IDENTIFIED WITH 'plugin' AS 'hash' REQUIRE SSL") ==
        "ALTER USER u IDENTIFIED WITH 'plugin' AS '***' REQUIRE SSL");
  CHECK(masked("ALTER USER u IDENTIFIED WITH p AS 0x2441") ==
        "ALTER USER u IDENTIFIED WITH p AS '***'");
  CHECK(masked("ALTER USER u IDENTIFIED BY 'n' REPLACE 'o'") ==
        "ALTER USER u IDENTIFIED BY '***' REPLACE '***'");
  CHECK(masked("CREATE USER u IDENTIFIED VIA ed25519 USING PASSWORD('s') OR unix_socket") ==
        "CREATE USER u IDENTIFIED VIA ed25519 USING PASSWORD('***') OR unix_socket");
  CHECK(masked("ALTER ROLE r ENCRYPTED PASSWORD 'md5'") == "ALTER ROLE r ENCRYPTED PASSWORD '***'");
}

TEST_CASE("mask: SET PASSWORD and its like", "[log]") {
  CHECK(masked("SET PASSWORD = 'x'") == "SET PASSWORD = '***'");
  CHECK(masked("SET PASSWORD FOR 'u'@'h' = PASSWORD('x')") ==
        "SET PASSWORD FOR 'u'@'h' = PASSWORD('***')");
  CHECK(masked("CHANGE MASTER TO MASTER_USER='u', MASTER_PASSWORD='x', MASTER_HOST='h'") ==
        "CHANGE MASTER TO MASTER_USER='u', MASTER_PASSWORD='***', MASTER_HOST='h'");
  CHECK(masked("PREPARE s FROM 'ALTER USER u IDENTIFIED BY ''x'''") == "PREPARE s FROM '***'");
}

TEST_CASE("mask: comments, quotes and cut texts hide nothing from it", "[log]") {
  CHECK(masked("SET /* a ' */ PASSWORD -- b '\n = # c '\n 'x'") ==
        "SET /* a ' */ PASSWORD -- b '\n = # c '\n '***'");
  CHECK(masked("ALTER USER u /*!50706 IDENTIFIED BY 'x' */") ==
        "ALTER USER u /*!50706 IDENTIFIED BY '***' */");
  CHECK(masked("ALTER USER u IDENTIFIED BY 'a\\'b''c' x") == "ALTER USER u IDENTIFIED BY '***' x");
  CHECK(masked("SELECT 'a\\'; SET PASSWORD = 'x'", false) == "SELECT 'a\\'; SET PASSWORD = '***'");
  CHECK(masked("ALTER USER u IDENTIFIED BY 'unfini") == "ALTER USER u IDENTIFIED BY '***'");
}

TEST_CASE("mask: other statements stay as they are", "[log]") {
  for (const char* sql : {"SELECT 'x'", "SELECT password FROM t WHERE name = 'x'",
                          "INSERT INTO t (password, name) VALUES (1, 'x')",
                          "SELECT `identified by` FROM t WHERE a = 'x'", ""}) {
    CHECK_FALSE(mask_passwords(sql, {}).changed);
  }
  CHECK(mask_passwords("SELECT PASSWORD(?)", {}).hides_parameters);
  CHECK_FALSE(mask_passwords("SELECT password, ? FROM t", {}).hides_parameters);
}

TEST_CASE("mask: the words are found wherever they stand", "[log]") {
  for (const char* sql : {"identified by 'x'", "fIDENTIFIED IDENTIFIED by 'x'", "w PaSsWoRd 'x'",
                          "  PASSWORD='x'", "IDENTIFIEd'x'"}) {
    CAPTURE(sql);
    const auto masked = mask_passwords(sql, {});
    CHECK(masked.changed);
    CHECK(masked.text.find('x') == std::string::npos);
  }
  for (const char* sql :
       {"f", "w", "IDENTIFIE 'x'", "PASS 'x'", "ASSWORD 'x'", "if 'x' follow", ""}) {
    CAPTURE(sql);
    CHECK_FALSE(mask_passwords(sql, {}).changed);
  }
  for (std::size_t before = 0; before < 20; ++before) {
    for (const char* word : {"identified by", "PASSWORD ="}) {
      const std::string sql = std::string(before, '.') + ' ' + word + " 'x'";
      if (!mask_passwords(sql, {}).changed) FAIL_CHECK(sql);
    }
  }
}

TEST_CASE("mask: strings between dollars", "[log]") {
  CHECK(masked("ALTER ROLE r PASSWORD $$a b$$ LOGIN") == "ALTER ROLE r PASSWORD '***' LOGIN");
  CHECK(masked("ALTER ROLE r PASSWORD $x$a $$ b$x$") == "ALTER ROLE r PASSWORD '***'");
  CHECK(masked("ALTER ROLE r PASSWORD $$cut") == "ALTER ROLE r PASSWORD '***'");
  CHECK(masked("DO $$ ALTER ROLE r PASSWORD 'x' $$") == "DO '***'");
  CHECK(masked("SELECT $1, a$b, $$text$$") == "SELECT $1, a$b, $$text$$");
}

TEST_CASE("mask: PostgreSQL's comments, names and strings", "[log]") {
  CHECK(masked_postgres("--it's\nALTER ROLE r PASSWORD 'x'") ==
        "--it's\nALTER ROLE r PASSWORD '***'");
  CHECK(masked_postgres("SELECT 1 # 2; ALTER ROLE r PASSWORD 'x'") ==
        "SELECT 1 # 2; ALTER ROLE r PASSWORD '***'");
  CHECK(masked_postgres("/* /* ' */ ' */ ALTER ROLE r PASSWORD 'x'") ==
        "/* /* ' */ ' */ ALTER ROLE r PASSWORD '***'");
  CHECK(masked_postgres("ALTER ROLE \"it's\" PASSWORD 'x'") ==
        "ALTER ROLE \"it's\" PASSWORD '***'");
  CHECK(masked_postgres("SELECT E'\\''; ALTER ROLE r PASSWORD 'x'") ==
        "SELECT E'\\''; ALTER ROLE r PASSWORD '***'");
  CHECK(masked_postgres("ALTER ROLE r PASSWORD E'a\\'b' LOGIN") ==
        "ALTER ROLE r PASSWORD '***' LOGIN");
  CHECK(masked_postgres("SELECT 'a\\'; ALTER ROLE r PASSWORD 'x'") ==
        "SELECT 'a\\'; ALTER ROLE r PASSWORD '***'");
  CHECK(masked_postgres("SELECT \"password\" FROM t WHERE name = 'x'") ==
        "SELECT \"password\" FROM t WHERE name = 'x'");
  CHECK(mask_passwords("UPDATE t SET password = $1 WHERE id = $2", kPostgres).hides_parameters);
  CHECK_FALSE(mask_passwords("SELECT password, $1 FROM t", kPostgres).hides_parameters);
  CHECK(masked_postgres("/* unfinished PASSWORD 'x").ends_with("'x"));
}
