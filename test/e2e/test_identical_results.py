"""Every answer is byte-identical with and without Perilune, packet headers included, for the same capabilities."""

import os
import struct

import pytest

from support import wire
from support.daemon import PASS_THROUGH
from support.every_type import parameters, table
from support.transcript import Scribe, first_difference, typed, without_numbers
from support.wire import Cap

pytestmark = pytest.mark.streams

FEW = wire.PLAIN_CLIENT & ~(Cap.MULTI_STATEMENTS | Cap.MULTI_RESULTS | Cap.PS_MULTI_RESULTS | Cap.LONG_FLAG | Cap.TRANSACTIONS)
CAPABILITIES = {
    "few": FEW,
    "eof": wire.PLAIN_CLIENT,
    "found_rows": wire.PLAIN_CLIENT | Cap.FOUND_ROWS | Cap.IGNORE_SPACE,
    "session_track": wire.PLAIN_CLIENT | Cap.SESSION_TRACK,
    "deprecate_eof": wire.PLAIN_CLIENT | Cap.DEPRECATE_EOF,
    "few_modern": FEW | Cap.DEPRECATE_EOF | Cap.SESSION_TRACK,
    "all": None,  # that Perilune announces
}
COM_REFRESH, COM_DEBUG = 7, 13
PROCEDURES = """
DELIMITER //
CREATE PROCEDURE nothing() BEGIN END //
CREATE PROCEDURE several(IN a INT, INOUT b VARCHAR(20), OUT c DECIMAL(5,2))
BEGIN SELECT a, b; SELECT * FROM every WHERE id = a; SELECT 1 FROM DUAL WHERE FALSE; SET b = CONCAT(b, 'ü'), c = 1.25; END //
CREATE PROCEDURE breaks() BEGIN SELECT 1; SELECT 2; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'broken'; END //
CREATE PROCEDURE loads() BEGIN INSERT INTO small VALUES (9); END //
"""


@pytest.fixture(scope="module", params=["mariadb", "mariadb118", "mysql9"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def server(request, kind):
    return request.getfixturevalue(kind)


@pytest.fixture(scope="module")
def data(kind, server):
    """The name of a database that the tests leave as it is."""
    name = f"identical_{os.getpid()}"
    server.sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    server.sql(table(kind, "every") + "CREATE TABLE small (a INT) ENGINE=InnoDB; " + PROCEDURES, name)
    yield name
    server.sql(f"DROP DATABASE {name}")


@pytest.fixture(params=CAPABILITIES)
def flags(request):
    return CAPABILITIES[request.param]


@pytest.fixture
def both(server, data, perilune, flags):
    """Runs a script with a client that is connected to the server, and with one that Perilune connects to it."""

    def transcript(address, asked, script):
        with Scribe(address) as client:
            client.login("plain", "secret", data, flags=asked)
            script(client)
            return client.capabilities & ~Cap.SSL, client.transcript

    def run(script):
        address = perilune(PASS_THROUGH).tcp
        with Scribe(address) as asking:
            asked = flags or Cap(asking.receive_greeting().capabilities & ~Cap.SSL)
        through = transcript(address, asked, script)
        direct = transcript(server.tcp, asked, script)
        assert (through[0] ^ direct[0]) & ~Cap.LONG_PASSWORD == 0  # which the proxy announces for itself
        problem = first_difference(direct[1], through[1])
        assert problem is None, problem
        return through[1]

    return run


def rows_of_every_type(client):
    client.says("SET NAMES utf8mb4")
    client.says("SELECT * FROM every")
    for part in "WHERE FALSE", "WHERE id = 2", "ORDER BY id DESC LIMIT 2":
        client.says(f"SELECT * FROM every AS e {part}")
    client.says("SELECT c0, COUNT(*), SUM(c1), AVG(c2), MAX(c3), GROUP_CONCAT(id) FROM every GROUP BY c0 ORDER BY c0")
    client.says("SET NAMES latin1")
    client.says("SELECT * FROM every")
    client.says("SET character_set_results = NULL")
    client.says("SELECT * FROM every")
    for sql in "SHOW CREATE TABLE every", "SHOW FULL COLUMNS FROM every":  # NO_SCHEMA, one of the flags, breaks them
        client.attempts(sql, lambda sql=sql: client.results(sql))
    client.says("SELECT NULL, '', 1, -1, 1.5, 1e5, x'00ff', CAST('[]' AS CHAR), DATE '2024-02-29' AS d, TIMESTAMP '2024-02-29 01:02:03.4'")
    client.says("SELECT REPEAT('ab', 8388607), 'second' UNION ALL SELECT 'short', NULL")


def test_the_text_protocol(both):
    both(rows_of_every_type)


def rows_by_the_binary_protocol(client):
    client.says("SET NAMES utf8mb4")
    every = client.prepares("SELECT * FROM every WHERE id >= ?")
    for least in 0, 2, 99:
        client.executes(every, [typed(8, struct.pack("<q", least))])
    client.executes(client.prepares("SELECT REPEAT('ab', 8388607)"))
    client.executes(client.prepares("DO 1"))
    client.executes(client.prepares("SELECT 1 FROM DUAL WHERE FALSE"))
    client.attempts("prepare an error", lambda: client.prepare("SELEKT ?"))
    client.attempts("prepare a missing table", lambda: client.prepare("SELECT * FROM missing"))
    client.resets(every)
    client.resets(999999)
    client.executes(999999, refused=True)
    client.command(wire.COM_STMT_CLOSE, struct.pack("<I", every))  # has no answer
    client.executes(every, refused=True, mask=without_numbers)  # the error names the statement's number


def parameters_of_every_type(client):
    echo = client.prepares("SELECT ?")
    for parameter in parameters():
        client.executes(echo, [parameter], refused=True)
    many = list(parameters())
    client.executes(client.prepares("SELECT " + ", ".join("?" * len(many))), many, refused=True)


def cursors(client):
    every = client.prepares("SELECT * FROM every")
    client.executes(every, cursor=True)
    if client.has_deprecate_eof() and not opened_cursor(client):
        return
    for count in 1, 2, 100:
        client.attempts(f"fetch {count}", lambda count=count: client.fetch(every, count))
    client.attempts("fetch behind the end", lambda: client.fetch(every, 1), without_numbers)
    client.executes(every, cursor=True)
    client.resets(every)
    client.attempts("fetch from a closed cursor", lambda: client.fetch(every, 1), without_numbers)


def opened_cursor(client):
    """Whether the answer noted last ended in a status that says so."""
    end = client.transcript[-1][1][-7:]
    return bool(int.from_bytes(end[3:5], "little") & wire.STATUS_CURSOR_EXISTS)


def long_data(client):
    insert = client.prepares("SELECT LENGTH(?), LEFT(?, 5)")
    for piece in b"a" * 70000, b"", b"bcd":
        client.command(wire.COM_STMT_SEND_LONG_DATA, struct.pack("<IH", insert, 0) + piece)
    client.executes(insert, [typed(252, b""), typed(253, b"\x05hello")])
    client.command(wire.COM_STMT_SEND_LONG_DATA, struct.pack("<IH", insert, 0) + b"dropped")
    client.resets(insert)
    client.executes(insert, [typed(253, b"\x01x"), typed(6, None)])
    client.command(wire.COM_STMT_SEND_LONG_DATA, struct.pack("<IH", insert, 7) + b"no such parameter")
    client.executes(insert, [typed(253, b"\x01x"), typed(6, None)], refused=True)


@pytest.mark.parametrize("script", [rows_by_the_binary_protocol, parameters_of_every_type, cursors, long_data])
def test_the_binary_protocol(both, script):
    both(script)


def statements(client):
    client.says("CREATE TEMPORARY TABLE t (a INT AUTO_INCREMENT PRIMARY KEY, b VARCHAR(5) UNIQUE)")
    for sql in (
        "INSERT INTO t (b) VALUES ('x'), ('y'), ('z')",
        "INSERT IGNORE INTO t (b) VALUES ('x'), ('w')",
        "UPDATE t SET b = 'x' WHERE b = 'x'",
        "REPLACE INTO t (b) VALUES ('x')",
        "DELETE FROM t WHERE a = 99",
        "ALTER TABLE t ADD c INT",
        "SET sql_mode = ''",
        "INSERT INTO t (b) VALUES ('much too long')",
        "SHOW WARNINGS",
        "SELECT 1/0, CAST('12x' AS SIGNED)",
        "SHOW WARNINGS",
        "BEGIN",
        "INSERT INTO small VALUES (1)",
        "SAVEPOINT s",
        "SELECT * FROM small",
        "ROLLBACK",
        "START TRANSACTION READ ONLY",
        "COMMIT",
        "SET autocommit = 0",
        "SELECT 'ü'",
        "SET autocommit = 1, @a = 5, NAMES utf8mb4",
        "SELECT @a, @b",
        "DROP TEMPORARY TABLE IF EXISTS t, u",
    ):
        client.says(sql)


def errors(client):
    for sql in "SELEKT 1", "SELECT * FROM missing", "", "INSERT INTO small VALUES (1, 2)", "SELECT 'ü", "KILL 4294967295":
        client.refuses(sql)
    client.says("SHOW ERRORS")
    client.refuses("SELECT ST_GeomFromText('POINT(')  FROM DUAL WHERE (SELECT 1 UNION SELECT 2)")
    client.says("SELECT 1")


def tracked(client):
    if client.capabilities & Cap.SESSION_TRACK:
        client.says("SET session_track_system_variables = 'autocommit,character_set_client,sql_mode,time_zone', session_track_schema = ON, session_track_state_change = ON")
        client.says("SET session_track_transaction_info = 'CHARACTERISTICS'")
    for sql in "SET NAMES latin1", "SET @a = 1", "START TRANSACTION READ WRITE", "SELECT * FROM small", "ROLLBACK", "SET autocommit = 0, sql_mode = 'ANSI'":
        client.says(sql)
    client.sends(wire.COM_INIT_DB, b"shared_db")
    client.says("SELECT 1")


@pytest.mark.parametrize("script", [statements, errors, tracked])
def test_statements(both, script):
    both(script)


def several_results(client):
    client.attempts("several statements", lambda: client.results("SELECT 1; SELECT * FROM every; DO 1; SELECT 'last'"))
    client.attempts("an error among them", lambda: client.results("SELECT 1; SELEKT 2; SELECT 3"))
    client.attempts("a procedure", lambda: client.results("CALL nothing()"))
    client.says("SET @b = 'b', @c = NULL")
    client.attempts("with results", lambda: client.results("CALL several(1, @b, @c)"))
    client.attempts("twice", lambda: client.results("CALL several(2, @b, @c); CALL several(3, @b, @c)"))
    client.attempts("what breaks", lambda: client.results("CALL breaks()"))
    client.says("SELECT @b, @c")
    call = client.prepares("CALL several(?, ?, ?)")
    client.executes(call, [typed(8, struct.pack("<q", 1)), typed(253, b"\x01x"), typed(6, None)], refused=True)
    client.executes(client.prepares("CALL breaks()"), refused=True)
    client.executes(client.prepares("CALL nothing()"))
    client.says("SELECT 1")


def test_several_results(both, flags):
    transcript = dict(both(several_results))
    errors = [name for name, answer in transcript.items() if answer[4:5] == b"\xff"]
    assert bool(errors) == (flags in (CAPABILITIES["few"], CAPABILITIES["few_modern"]))


def commands(client):
    client.sends(wire.COM_PING)
    client.sends(wire.COM_STATISTICS, mask=without_numbers)
    client.attempts("fields", lambda: fields(client, b"every\0%"))
    client.attempts("some fields", lambda: fields(client, b"every\0c1%"))
    client.attempts("fields of nothing", lambda: fields(client, b"missing\0"))
    for option in 1, 0, 7:
        client.sends(wire.COM_SET_OPTION, struct.pack("<H", option))
        client.attempts("two statements", lambda: client.results("SELECT 1; SELECT 2"))
    client.says("SET @a = 1")
    client.sends(wire.COM_RESET_CONNECTION)
    client.says("SELECT @a")
    client.sends(wire.COM_INIT_DB, b"no_such_db")
    client.sends(COM_DEBUG)
    client.sends(COM_REFRESH, b"\0")
    for unknown in 0, 5, 6, 11, 15, 16, 20, 0x77:  # commands that nobody has, or nobody may send
        client.sends(unknown, b"what")
    client.says("SELECT 1")


def fields(client, pattern):
    client.command(wire.COM_FIELD_LIST, pattern)
    while client.reply()[0] != 0xFE:
        pass


def test_commands(both):
    both(commands)
