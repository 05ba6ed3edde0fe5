"""LOAD DATA LOCAL INFILE: the client's files, of any size, by the ordinary clients and by one that counts packets."""

import functools
import hashlib
import operator
import os
import subprocess
import zlib

import drivers
import pymysql
import pytest

from support import programs, wire
from support.daemon import PASS_THROUGH
from support.inotify import watched
from support.wire import Closed, Err

pytestmark = pytest.mark.streams

M = wire.MAX_PACKET
SIZES = [0, 1, 4096, M, M + 2, 40 << 20]
# Any bytes may stand between the marks.
FORMAT = "INTO TABLE t CHARACTER SET binary FIELDS TERMINATED BY '<field>' ESCAPED BY '' LINES TERMINATED BY '<line>' (a)"
SUM = "SELECT COUNT(*), COALESCE(SUM(LENGTH(a)), 0), BIT_XOR(CRC32(a)) FROM t"


@pytest.fixture(scope="module", params=["mariadb", "mysql9"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def server(request, kind):
    return request.getfixturevalue(kind)


@pytest.fixture
def table(server, database):
    """The database where it is."""
    server.sql("CREATE TABLE t (a LONGBLOB)", database)
    return database


@pytest.fixture
def client(perilune, table):
    with perilune(PASS_THROUGH).logged_in(database=table) as client:
        yield client


def content(size):
    """No two lines are alike, so that none can be lost or doubled."""
    lines = (hashlib.sha256(number.to_bytes(4, "big")).digest() * 1000 + b"<line>" for number in range(size // 32000 + 1))
    return b"".join(lines)[:size]


def summary(data):
    lines = data.removesuffix(b"<line>").split(b"<line>") if data else []
    checksum = functools.reduce(operator.xor, map(zlib.crc32, lines), 0)
    return [str(number) for number in (len(lines), sum(map(len, lines)), checksum)]


def loaded(server, database):
    """What of all that came; the table is empty then."""
    return server.sql(SUM + "; TRUNCATE TABLE t", database).rstrip("\n").split("\t")


def load(path):
    return f"LOAD DATA LOCAL INFILE '{path}' {FORMAT}"


def ask_for(client, sql, path):
    client.send_query(sql)
    assert client.reply() == b"\xfb" + str(path).encode()


# --- the ordinary clients


@pytest.fixture
def run_all(kind):
    """Runs SQL with each maker's client; MySQL's cannot log in at a MariaDB any more."""
    names = ["mariadb", "mysql-9"] if kind == "mysql9" else ["mariadb"]

    def run(daemon, database, sql, *options):
        for name in names:
            yield programs.mariadb(daemon.sock, sql, "--local-infile=1", *options, database, name=name, check=False)

    return run


def test_programs_load_files_of_all_sizes(perilune, server, table, folder, run_all):
    daemon = perilune(PASS_THROUGH)
    for size in SIZES:
        data = content(size)
        (folder / "file").write_bytes(data)
        for done in run_all(daemon, table, load(folder / "file")):
            assert (done.returncode, loaded(server, table)) == (0, summary(data)), done.stderr


def test_pymysql_loads_files_of_all_sizes(perilune, server, table, folder):
    with perilune(PASS_THROUGH).pymysql(database=table, local_infile=True, autocommit=True) as connection:
        for size in SIZES:
            data = content(size)
            (folder / "file").write_bytes(data)
            with connection.cursor() as cursor:
                cursor.execute(load(folder / "file"))
            assert loaded(server, table) == summary(data)


def test_mysql2_loads_files_of_all_sizes(perilune, fetched, server, table, folder):
    fetched("driver-node")
    daemon = perilune(PASS_THROUGH)
    script = os.path.join(os.path.dirname(__file__), "support", "local_file.js")
    environment = {**os.environ, "NODE_PATH": str(drivers.root_of("driver-node") / "node_modules")}
    for size in SIZES:
        data = content(size)
        (folder / "file").write_bytes(data)
        command = ["node", script, daemon.sock, "plain", "secret", table, folder / "file", load(folder / "file")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.stdout.splitlines() == [summary(data)[0], "goes on"], done.stdout + done.stderr
        assert loaded(server, table) == summary(data)


def test_programs_without_the_file(perilune, server, table, folder, run_all):
    """They say so, send an empty file, and the session goes on."""
    sql = f"{load(folder / 'absent')}; SELECT COUNT(*), 'goes on' FROM t"
    for done in run_all(perilune(PASS_THROUGH), table, sql, "--force"):
        assert "absent" in done.stderr
        assert done.stdout == "0\tgoes on\n"


def test_pymysql_without_the_file(perilune, table, folder):
    with perilune(PASS_THROUGH).pymysql(database=table, local_infile=True) as connection, connection.cursor() as cursor:
        with pytest.raises(pymysql.err.OperationalError) as caught:
            cursor.execute(load(folder / "absent"))
        assert caught.value.args[0] == 1017


def test_programs_with_a_file_that_the_server_refuses(perilune, server, table, folder, run_all):
    """The first line is wrong; the error comes behind the last."""
    server.sql("CREATE TABLE n (a INT NOT NULL)", table)
    (folder / "file").write_bytes(b"no number\n" + b"1\n" * (3 << 20))
    sql = f"SET sql_mode = 'STRICT_ALL_TABLES'; LOAD DATA LOCAL INFILE '{folder}/file' REPLACE INTO TABLE n; SELECT 'goes on'"
    for done in run_all(perilune(PASS_THROUGH), table, sql, "--force"):
        assert "ERROR" in done.stderr
        assert done.stdout == "goes on\n"


def test_programs_with_two_files_in_one_query(perilune, server, table, folder, run_all):
    first, second = b"x" * 5000, content(20 << 20)
    (folder / "first").write_bytes(first)
    (folder / "second").write_bytes(second)
    sql = f"{load(folder / 'first')}; SELECT LENGTH(a) FROM t; {load(folder / 'second')}; SELECT COUNT(*) FROM t//"
    both = summary(first + b"<line>" + second)
    for done in run_all(perilune(PASS_THROUGH), table, sql, "--delimiter=//"):
        assert (done.returncode, done.stdout) == (0, f"5000\n{both[0]}\n"), done.stderr
        assert loaded(server, table) == both


# --- packet by packet


@pytest.mark.parametrize("pieces", [[], [1], [M - 1], [M], [M + 1], [M, M], [2 * M, 1], [1, M, 1], [1 << 16] * 300, [1] * 3000])
def test_pieces(client, server, table, pieces):
    """One of M bytes is continued by an empty packet, which is not the file's end."""
    data, at = content(sum(pieces)), 0
    ask_for(client, load("any"), "any")
    for size in pieces:
        client.packets.write(data[at : at + size])
        at += size
    client.packets.write(b"")
    assert str(client.ok().affected) == summary(data)[0]
    assert loaded(server, table) == summary(data)
    assert client.value("SELECT 1") == "1"


def test_commands_behind_the_files_end(client):
    """The file, its end and three commands in one write."""
    ask_for(client, load("any"), "any")
    batch = client.packets.encode(b"x" * 70000) + client.packets.encode(b"")
    last = client.packets.sequence
    for command in b"\x03SELECT LENGTH(a) FROM t", b"\x0e", b"\x03SELECT 'last'":
        client.packets.sequence = 0
        batch += client.packets.encode(command)
    client.socket.sendall(batch)
    client.packets.sequence = last
    assert client.ok().affected == 1
    client.packets.sequence = 1
    assert client.result().values == [b"70000"]
    client.packets.sequence = 1
    client.ok()
    client.packets.sequence = 1
    assert client.result().values == [b"last"]


def test_a_command_is_never_taken_for_a_file(client, server, table):
    """What was sent behind the statement, without waiting, would become the file's first packet."""
    client.packets.sequence = 0
    batch = client.packets.encode(b"\x03" + load("any").encode())
    client.packets.sequence = 0
    client.socket.sendall(batch + client.packets.encode(b"\x03SELECT 'secret'"))
    client.packets.sequence = 1
    with pytest.raises((Err, Closed)):
        while client.reply():
            pass
    assert loaded(server, table) == summary(b"")


def test_two_files_in_one_query(client, server, table):
    first, second = b"x" * M, b"yyy"
    client.send_query(f"{load('one')}; {load('two')}; SELECT COUNT(*) FROM t")
    for path, data in (b"one", first), (b"two", second):
        assert client.reply() == b"\xfb" + path
        client.packets.write(data)
        client.packets.write(b"")
        assert client.ok().status & wire.STATUS_MORE_RESULTS
    assert client.result().values == [b"2"]


def test_no_procedure_loads_files(client):
    with pytest.raises(Err) as caught:
        client.query(f"CREATE PROCEDURE p() {load('any')}")
    assert caught.value.code == 1314
    assert client.value("SELECT 1") == "1"


def test_a_prepared_statement_that_loads_a_file(client, server, table):
    """Only MariaDB knows it."""
    is_mariadb = "MariaDB" in client.value("SELECT VERSION()")
    client.send_query(f"PREPARE p FROM \"{load('any')}\"")
    if is_mariadb:
        client.ok()
        ask_for(client, "EXECUTE p", "any")
        client.packets.write(b"prepared")
        client.packets.write(b"")
        assert client.ok().affected == 1
        assert loaded(server, table) == summary(b"prepared")
    else:
        with pytest.raises(Err) as caught:
            client.ok()
        assert caught.value.code == 1295
    assert client.value("SELECT 1") == "1"


def test_a_server_that_ends_the_session_within_the_file(client, server, table):
    own = client.value("SELECT CONNECTION_ID()")
    ask_for(client, load("any"), "any")
    client.packets.write(content(1 << 20))
    server.sql(f"KILL {own}")
    with pytest.raises((Err, Closed, ConnectionError)):
        for _ in range(200):
            client.packets.write(content(1 << 20))
        client.packets.write(b"")
        client.ok()
    assert loaded(server, table) == summary(b"")


def test_nobody_but_the_client_opens_the_file(client, server, table, folder):
    """Not even one that Perilune could read: what arrives is what the client sends."""
    path = folder / "file"
    path.write_bytes(b"what the disk has")
    path.chmod(0o644)
    with watched(path) as watch:
        ask_for(client, load(path), path)
        client.packets.write(b"what the client ")
        client.packets.write(b"sends")
        client.packets.write(b"")
        assert client.ok().affected == 1
        assert watch.opened() == 0
        path.read_bytes()
        assert watch.opened() == 1
    assert loaded(server, table) == summary(b"what the client sends")
