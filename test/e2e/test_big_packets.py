"""Payloads at and beyond the 16 MiB that one packet holds, both ways."""

import pytest

from support import wire
from support.daemon import PASS_THROUGH
from support.raw_client import execute_body

M = wire.MAX_PACKET
# The payload sizes themselves, not those of the values within.
SIZES = [M - 1, M, M + 1, 2 * M - 1, 2 * M, 2 * M + 1, 32 << 20]


@pytest.fixture
def client(perilune, database):
    with perilune(PASS_THROUGH).logged_in(database=database) as client:
        yield client


@pytest.mark.parametrize("size", SIZES)
def test_down(client, size):
    """A row of exactly `size` bytes: the length of its only value takes four or nine bytes ahead of it."""
    value = size - (4 if size - 4 < 1 << 24 else 9)
    (row,) = client.query(f"SELECT REPEAT('x', {value})").rows
    assert row == (b"x" * value,)
    assert client.value("SELECT 1") == "1"


@pytest.mark.parametrize("size", SIZES)
def test_up(client, size):
    head, tail = b"SELECT LENGTH('", b"')"
    filler = size - 1 - len(head) - len(tail)
    client.send_query(head + b"x" * filler + tail)
    assert client.result().values == [str(filler).encode()]
    assert client.value("SELECT 1") == "1"


@pytest.mark.parametrize("byte", [b"\x01", b"\x02", b"\x11", b"\x19", b"\x00", b"\xff"])
def test_a_continuation_is_no_command(client, byte):
    """The second packet begins with what would be QUIT, INIT_DB, CHANGE_USER, STMT_CLOSE and so on."""
    head = b"SELECT LENGTH(_binary'"
    filler = M - 1 - len(head)
    text = byte.replace(b"\x00", b"\\0") if byte == b"\x00" else byte
    client.send_query(head + b"x" * filler + text * 10 + b"')")
    assert int(client.result().values[0]) > filler
    assert client.value("SELECT 1") == "1"


def test_a_pipeline_across_a_multiple_of_16_mib(client):
    head, tail = b"\x03SELECT LENGTH('", b"')"
    payload = head + b"y" * (M - len(head) - len(tail)) + tail
    client.packets.sequence = 0
    batch = client.packets.encode(payload)
    client.packets.sequence = 0
    batch += client.packets.encode(b"\x03SELECT 'next'")
    client.socket.sendall(batch)
    client.packets.sequence = 2
    assert client.result().values == [str(M - len(head) - len(tail)).encode()]
    client.packets.sequence = 1
    assert client.result().values == [b"next"]


def test_an_insert_of_32_mib_by_the_binary_protocol(client):
    client.query("CREATE TABLE t (a LONGBLOB) ENGINE=MyISAM")
    statement, *_ = client.prepare("INSERT INTO t VALUES (?)")
    client.command(wire.COM_STMT_EXECUTE, execute_body(statement, [b"z" * (32 << 20)]))
    assert client.result(binary=True).affected == 1
    assert client.value("SELECT LENGTH(a) FROM t") == str(32 << 20)
    assert client.value("SELECT MD5(a) = MD5(REPEAT('z', 33554432)) FROM t") == "1"


def test_a_change_user_of_more_than_one_packet_is_refused(client):
    """Nobody's name is that long; the session may end for it."""
    with pytest.raises((wire.Err, wire.Closed, ConnectionError)):
        client.command(wire.COM_CHANGE_USER, b"u\0" + b"x" * (M + 5))
        client.ok()


@pytest.mark.budget
def test_a_slow_reader_bounds_the_memory_it_costs(perilune):
    """Back-pressure: a result nobody reads waits in the server, not in the proxy."""
    daemon = perilune(PASS_THROUGH)
    with daemon.logged_in(database="shared_db") as client:
        before = resident_kib(daemon.pid)
        client.send_query("SELECT REPEAT('x', 1000000) FROM seq_1_to_300")
        client.packets._exactly(1)
        with daemon.logged_in() as other:
            for _ in range(200):
                assert other.value("SELECT 1") == "1"
        assert resident_kib(daemon.pid) - before < 30000
    assert daemon.process.poll() is None


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
