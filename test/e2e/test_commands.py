"""The command phase: every command, every shape of reply, in any order a client may choose."""

import struct

import pymysql.cursors
import pytest

from support import programs, wire
from support.daemon import PASS_THROUGH
from support.raw_client import LONG_DATA, execute_body
from support.wire import Cap, Err, Ok, Rows

MODERN = wire.PLAIN_CLIENT | Cap.DEPRECATE_EOF | Cap.SESSION_TRACK
of_mariadb = pytest.mark.parametrize("server", ["mariadb", "mariadb118"], indirect=True)


def numbers(count):
    """A table that every server understands, with `seq` from 1 to count."""
    return f"JSON_TABLE(CONCAT('[', REPEAT('0,', {count - 1}), '0]'), '$[*]' COLUMNS (seq FOR ORDINALITY)) AS numbers{count}"


@pytest.fixture(scope="module", params=["mariadb", "mariadb118", "mysql9"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=[wire.PLAIN_CLIENT, MODERN], ids=["eof", "deprecate_eof"])
def client(request, perilune, database):
    """A logged-in raw client, in both forms of result sets."""
    with perilune(PASS_THROUGH).logged_in(database=database, flags=request.param) as client:
        yield client


def test_errors_are_unchanged_and_the_session_goes_on(client):
    with pytest.raises(Err) as caught:
        client.query("SELEKT 1")
    assert (caught.value.code, caught.value.sqlstate) == (1064, "42000")
    with pytest.raises(Err) as caught:
        client.query("SELECT * FROM missing")
    assert caught.value.code == 1146
    assert client.value("SELECT 1") == "1"


def test_empty_results_and_nulls(client):
    assert client.query("SELECT 1 FROM DUAL WHERE FALSE").rows == []
    assert client.query("SELECT NULL, '', 'x', NULL").rows == [(None, b"", b"x", None)]


def test_a_row_that_begins_like_an_end_of_rows(client):
    """0xFE starts the length of a value of 16 MiB or more, and an EOF packet."""
    rows = client.query("SELECT REPEAT('x', 16777300), 1 UNION ALL SELECT 'short', 2").rows
    assert [len(row[0]) for row in rows] == [16777300, 5]
    assert client.value("SELECT 1") == "1"


def test_many_rows(client):
    assert len(client.query(f"SELECT seq FROM {numbers(20000)}").rows) == 20000


def test_many_columns(client):
    columns = ", ".join(f"{n} AS c{n}" for n in range(1000))
    assert client.query(f"SELECT {columns}").values == [str(n).encode() for n in range(1000)]


def test_several_statements_give_several_results(client):
    first, second, third = client.results("SELECT 1; DO 0; SELECT 'b', 'c'")
    assert (first.rows, third.rows) == ([(b"1",)], [(b"b", b"c")])
    assert isinstance(second, Ok)


def test_an_error_ends_several_statements(client):
    client.send_query("SELECT 1; SELEKT 2; SELECT 3")
    assert client.result().rows == [(b"1",)]
    with pytest.raises(Err):
        client.result()
    assert client.value("SELECT 4") == "4"


def test_stored_procedures(client):
    client.query("CREATE PROCEDURE two(OUT n INT) BEGIN SELECT 1; SELECT 2, 3; SET n = 4; END")
    first, second, last = client.results("CALL two(@n)")
    assert (first.rows, second.rows) == ([(b"1",)], [(b"2", b"3")])
    assert isinstance(last, Ok)
    assert client.value("SELECT @n") == "4"


def test_prepared_statements(client):
    statement, columns, parameters = client.prepare("SELECT ?, ?, 7")
    assert (columns, parameters) == (3, 2)
    for number in (1, -5, 1 << 40):
        (row,) = client.execute(statement, [number, b"text"]).rows
        assert struct.pack("<q", number) in row[0] and b"\4text" in row[0]
    client.command(wire.COM_STMT_RESET, struct.pack("<I", statement))
    client.ok()
    client.command(wire.COM_STMT_CLOSE, struct.pack("<I", statement))  # has no reply
    assert client.value("SELECT 1") == "1"
    with pytest.raises(Err) as caught:
        client.execute(statement, [1, b""])
    assert caught.value.code == 1243


def test_a_statement_that_cannot_be_prepared(client):
    with pytest.raises(Err):
        client.prepare("SELEKT ?")
    assert client.prepare("DO 1")[1:] == (0, 0)


def test_prepared_statements_without_a_result(client):
    client.query("CREATE TABLE t (a INT, b LONGBLOB)")
    statement, *_ = client.prepare("INSERT INTO t VALUES (?, ?)")
    assert client.execute(statement, [1, None]).affected == 1
    assert client.value("SELECT COUNT(*) FROM t") == "1"


def test_long_data_has_no_reply(client):
    client.query("CREATE TABLE t (a INT, b LONGBLOB) ENGINE=MyISAM")
    statement, *_ = client.prepare("INSERT INTO t VALUES (?, ?)")
    for piece in (b"a" * 100000, b"", b"b" * 5):
        client.command(wire.COM_STMT_SEND_LONG_DATA, struct.pack("<IH", statement, 1) + piece)
    client.execute(statement, [1, LONG_DATA])
    assert client.value("SELECT LENGTH(b) FROM t") == "100005"


def test_a_procedure_by_the_binary_protocol(client):
    client.query("CREATE PROCEDURE two() BEGIN SELECT 1; SELECT 2, 3; END")
    statement, *_ = client.prepare("CALL two()")
    results = [client.execute(statement)]
    while results[-1].status & wire.STATUS_MORE_RESULTS:
        results.append(client.result(binary=True))
    assert [type(result) for result in results] == [Rows, Rows, Ok]
    assert client.value("SELECT 1") == "1"


def test_cursors(perilune):
    """With DEPRECATE_EOF the end of the columns has no mark of its own that a cursor follows; see the next test."""
    with perilune(PASS_THROUGH).logged_in(database="shared_db") as client:
        statement, *_ = client.prepare(f"SELECT seq FROM {numbers(10)}")
        opened = client.execute(statement, cursor=True)
        assert opened.status & wire.STATUS_CURSOR_EXISTS and opened.rows == []
        assert len(client.fetch(statement, 4).rows) == 4
        assert client.value("SELECT 'between'") == "between"
        assert len(client.fetch(statement, 4).rows) == 4
        last = client.fetch(statement, 4)
        assert len(last.rows) == 2 and last.status & wire.STATUS_LAST_ROW_SENT
        with pytest.raises(Err):
            client.fetch(statement, 4)
        assert client.value("SELECT 1") == "1"


def test_cursors_with_deprecate_eof(perilune):
    with perilune(PASS_THROUGH).logged_in(database="shared_db", flags=MODERN) as client:
        statement, *_ = client.prepare(f"SELECT seq FROM {numbers(10)}")
        opened = client.execute(statement, cursor=True)
        assert opened.rows == []
        if opened.status & wire.STATUS_CURSOR_EXISTS:
            assert len(client.fetch(statement, 4).rows) == 4
            assert client.value("SELECT 'between'") == "between"
            last = client.fetch(statement, 100)
            assert len(last.rows) == 6 and last.status & wire.STATUS_LAST_ROW_SENT
        assert client.value("SELECT 1") == "1"


@pytest.mark.parametrize("size", [0, 1, 5000, 40 << 20])
def test_load_data_local(client, size):
    line = b"x" * 999 + b"\n"
    data = (line * (size // len(line) + 1))[:size]
    client.query("CREATE TABLE t (a TEXT) ENGINE=MyISAM")
    client.send_query("LOAD DATA LOCAL INFILE 'any' INTO TABLE t")
    assert client.reply() == b"\xfbany"
    for at in range(0, size, 1 << 20):
        client.packets.write(data[at : at + (1 << 20)])
    client.packets.write(b"")
    loaded = client.ok()
    assert loaded.affected == (size + len(line) - 1) // len(line)
    assert client.value("SELECT COUNT(*) FROM t") == str(loaded.affected)


def test_load_data_local_into_a_missing_table(client):
    client.send_query("LOAD DATA LOCAL INFILE 'any' INTO TABLE missing")
    with pytest.raises(Err):
        if client.reply()[:1] == b"\xfb":
            client.packets.write(b"")
            client.reply()
    assert client.value("SELECT 1") == "1"


def test_load_data_local_within_several_statements(client):
    client.query("CREATE TABLE t (a INT)")
    client.send_query("SELECT 1; LOAD DATA LOCAL INFILE 'any' INTO TABLE t; SELECT COUNT(*) FROM t")
    assert client.result().rows == [(b"1",)]
    assert client.reply() == b"\xfbany"
    client.packets.write(b"1\n2\n")
    client.packets.write(b"")
    assert client.ok().status & wire.STATUS_MORE_RESULTS
    assert client.result().rows == [(b"2",)]


def test_load_data_local_with_the_ordinary_client(perilune, database, folder):
    daemon = perilune(PASS_THROUGH)
    data = folder / "rows"
    data.write_text("1\tone\n2\ttwo\n")
    sql = f"""CREATE TABLE t (a INT, b TEXT);
        LOAD DATA LOCAL INFILE '{data}' INTO TABLE t; SELECT COUNT(*), MAX(b) FROM t"""
    assert programs.mariadb(daemon.sock, sql, "--local-infile=1", database).stdout == "2\ttwo\n"


def test_statistics_is_bare_text(client):
    client.command(wire.COM_STATISTICS)
    assert client.reply().startswith(b"Uptime: ")
    assert client.value("SELECT 1") == "1"


def test_mariadb_admin_status_and_ping(perilune):
    daemon = perilune(PASS_THROUGH)
    assert programs.run("mariadb-admin", daemon.sock, "status").stdout.startswith("Uptime: ")
    assert "alive" in programs.run("mariadb-admin", daemon.tcp, "ping").stdout


@of_mariadb
def test_process_info(client):
    client.command(wire.COM_PROCESS_INFO)
    assert any(b"plain" in (value or b"") for value in client.result().values)
    assert client.value("SELECT 1") == "1"


def test_field_list(client):
    client.query("CREATE TABLE t (a INT, b INT)")
    client.command(wire.COM_FIELD_LIST, b"t\0%")
    fields = 0
    while client.reply()[0] != 0xFE:
        fields += 1
    assert fields == 2
    assert client.value("SELECT 1") == "1"


def test_init_db(client, database):
    client.command(wire.COM_INIT_DB, b"shared_db")
    client.ok()
    assert client.value("SELECT DATABASE()") == "shared_db"
    client.command(wire.COM_INIT_DB, b"no_such_db")
    with pytest.raises(Err) as caught:
        client.ok()
    assert caught.value.code == 1049
    client.command(wire.COM_INIT_DB, database.encode())
    client.ok()
    assert client.value("SELECT DATABASE()") == database


def test_set_option_switches_multi_statements_off_and_on(client):
    for option, works in ((1, False), (0, True)):
        client.command(wire.COM_SET_OPTION, struct.pack("<H", option))
        if client.has_deprecate_eof():
            assert client.reply()[0] in (0x00, 0xFE)
        else:
            client.expect_eof()
        client.send_query("SELECT 1; SELECT 2")
        if works:
            assert client.result().rows == [(b"1",)]
            assert client.result().rows == [(b"2",)]
        else:
            with pytest.raises(Err):
                client.result()
    assert client.value("SELECT 1") == "1"


def test_an_unknown_command_is_the_servers_business(client):
    client.command(0x77, b"what")
    with pytest.raises(Err) as caught:
        client.ok()
    assert caught.value.code == 1047
    assert client.value("SELECT 1") == "1"


def test_a_pipeline_in_one_write(client):
    batch = b""
    for number in range(200):
        client.packets.sequence = 0
        batch += client.packets.encode(b"\x03SELECT %d" % number)
    client.socket.sendall(batch)
    for number in range(200):
        client.packets.sequence = 1
        assert client.result().values == [str(number).encode()]


def test_a_pipeline_of_all_kinds(client):
    """Answers with and without rows, errors, and commands that have none, behind one another."""
    statement, *_ = client.prepare("SELECT ?")
    closing, *_ = client.prepare("SELECT 1")
    payloads = [
        b"\x03SELECT 1; SELECT 2",
        bytes([wire.COM_STMT_CLOSE]) + struct.pack("<I", closing),
        b"\x03SELEKT",
        bytes([wire.COM_STMT_EXECUTE]) + execute_body(statement, [5]),
        bytes([wire.COM_STATISTICS]),
        b"\x03DO 1",
        bytes([wire.COM_PING]),
    ]
    batch = b""
    for payload in payloads:
        client.packets.sequence = 0
        batch += client.packets.encode(payload)
    client.socket.sendall(batch)

    def next_reply():
        client.packets.sequence = 1
        return client

    assert next_reply().result().rows == [(b"1",)]
    assert client.result().rows == [(b"2",)]
    with pytest.raises(Err):
        next_reply().result()
    assert len(next_reply().result(binary=True).rows) == 1
    assert next_reply().reply().startswith(b"Uptime")
    next_reply().ok()
    next_reply().ok()
    assert client.value("SELECT 1") == "1"


@of_mariadb
def test_prepare_and_execute_in_one_write(client):
    """MariaDB's connectors execute statement -1: the one just prepared."""
    client.packets.sequence = 0
    batch = client.packets.encode(bytes([wire.COM_STMT_PREPARE]) + b"SELECT ?")
    client.packets.sequence = 0
    batch += client.packets.encode(bytes([wire.COM_STMT_EXECUTE]) + execute_body(0xFFFFFFFF, [42]))
    client.socket.sendall(batch)
    client.packets.sequence = 1
    client.prepared()
    client.packets.sequence = 1
    (row,) = client.result(binary=True).rows
    assert struct.pack("<q", 42) in row[0]


def test_commands_that_arrive_byte_by_byte(client):
    client.packets.sequence = 0
    for byte in client.packets.encode(b"\x03SELECT 'slowly'"):
        client.socket.sendall(bytes([byte]))
    assert client.result().values == [b"slowly"]


def test_a_login_and_the_first_commands_in_one_write(perilune):
    """Nothing a client sends early is lost, though the password's check takes a round trip more."""
    with perilune(PASS_THROUGH).raw() as client:
        client.receive_greeting()
        client.capabilities = wire.PLAIN_CLIENT
        client.packets.write(wire.HandshakeResponse("nopass", capabilities=wire.PLAIN_CLIENT).encode())
        client.finish_login()
        client.packets.sequence = 0
        first = client.packets.encode(b"\x03SELECT 1")
        client.packets.sequence = 0
        client.socket.sendall(first + client.packets.encode(b"\x03SELECT 2"))
        for expected in (b"1", b"2"):
            client.packets.sequence = 1
            assert client.result().values == [expected]


@pytest.mark.parametrize("quit", [True, False])
def test_the_server_session_ends_with_the_clients(perilune, fake, quit):
    server = fake()
    daemon = perilune(
        "mysql_listen(SOCK, { on_login = function(client, login) return client:connect(FAKE, login) end })",
        {"FAKE": server.address},
    )
    with daemon.logged_in() as client:
        client.command(wire.COM_PING)
        client.ok()
        if quit:
            client.command(wire.COM_QUIT)
            assert client.at_end()
    server.wait_for(lambda s: s.open_connections == 0 and s.connections == 1)
    assert [command[:1] for command in server.commands] == [b"\x0e"] + [b"\x01"] * quit


@pytest.mark.parametrize("packet", [b"\x05\x00\x00\x00\x03SE", b"\x01\x00\x00", b"\xff\xff\xff\x00\x03SELECT 1"])
def test_a_client_that_vanishes_within_a_command(perilune, fake, packet):
    server = fake()
    daemon = perilune(
        "mysql_listen(SOCK, { on_login = function(client, login) return client:connect(FAKE, login) end,"
        " on_disconnect = function() event('gone') end })",
        {"FAKE": server.address},
    )
    with daemon.logged_in() as client:
        client.socket.sendall(packet)
    daemon.events.wait("gone")
    server.wait_for(lambda s: s.open_connections == 0)


def test_a_client_that_vanishes_while_the_server_works(perilune):
    daemon = perilune(PASS_THROUGH)
    client = daemon.logged_in(database="shared_db")
    client.send_query(f"SELECT numbers3000.seq FROM {numbers(3000)}, {numbers(3001)}")
    assert client.packets.read() == b"\x01"
    client.close()
    with daemon.logged_in() as other:
        assert other.value("SELECT 1") == "1"


def test_pymysql_reads_unbuffered(perilune):
    with perilune(PASS_THROUGH).pymysql(database="shared_db", cursorclass=pymysql.cursors.SSCursor) as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT seq, REPEAT('x', 100) FROM {numbers(30000)}")
            assert sum(len(row[1]) for row in cursor) == 3000000


def test_pymysql_prepares_by_statements(perilune):
    with perilune(PASS_THROUGH).pymysql(autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("PREPARE p FROM 'SELECT ? + 1'")
        cursor.execute("SET @a = 41")
        cursor.execute("EXECUTE p USING @a")
        assert cursor.fetchone()[0] == 42
        cursor.execute("DEALLOCATE PREPARE p")


def test_transactions(perilune, database):
    daemon = perilune(PASS_THROUGH)
    with daemon.pymysql(database=database) as writer, daemon.pymysql(database=database) as reader:
        with writer.cursor() as cursor:
            cursor.execute("CREATE TABLE t (a INT PRIMARY KEY) ENGINE=InnoDB")
            cursor.execute("INSERT INTO t VALUES (1)")
        with reader.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM t")
            assert cursor.fetchone()[0] == 0
        writer.commit()
        reader.rollback()
        with reader.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM t")
            assert cursor.fetchone()[0] == 1
