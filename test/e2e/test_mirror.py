"""The option `mirror` of client:connect: somebody else gets what clients send, and no session feels it."""

import hashlib
import os
import signal
import socket
import threading
from contextlib import closing

import pytest
from throwaway import ReservedPort

from support import wire
from support.tcp import Digest, Target, connect, pattern, receive_all, receive_exactly, reset, session

MUCH = 50 << 20


@pytest.fixture
def logger():
    """Who gets the copies."""
    target = Target()
    yield target
    target.close()


def forward(mirror="LOGGER"):
    return f"""
tcp_listen(TCP, {{ on_connect = function(client) return client:connect(TARGET, {{ mirror = {{ {mirror} }} }}) end }})
"""


@pytest.fixture
def start(perilune, target, logger):
    def start(config=None, **define):
        return perilune(config or forward(), {"TARGET": target.address, "LOGGER": logger.address, **define})

    return start


def assert_works(client, server, size=300_000):
    data = os.urandom(size)
    client.sendall(data)
    assert receive_exactly(server, size) == data
    server.sendall(data[::-1])
    assert receive_exactly(client, size) == data[::-1]
    return data


# tcp_listen


def test_copies_of_what_the_client_sends(start, target, logger):
    daemon = start()
    with session(daemon, target) as (client, server), logger.accept() as copies:
        assert receive_exactly(copies, 1) == b"!"
        for size in (1, 1000, 300_000):
            data = assert_works(client, server, size)
            copies.sendall(b"who reads this?")
            assert receive_exactly(copies, size) == data
        client.shutdown(socket.SHUT_WR)
        assert receive_all(server) == b""
        server.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b""
        assert receive_all(copies) == b""


def test_many_mirrors_and_a_connection_for_each_client(start, target, logger):
    other = Target()
    daemon = start(forward("LOGGER, tcp_resolve(OTHER)"), OTHER=other.address)
    with closing(other):
        for number in (b"1", b"2"):
            with session(daemon, target) as (client, _):
                client.sendall(number)
            for mirror in (logger, other):
                assert receive_all(mirror.accept()) == b"!" + number


def test_a_short_session_is_copied_too(start, target, logger):
    daemon = start()
    with connect(daemon.tcp) as client:
        client.sendall(b"short")
    with target.accept() as server:
        assert receive_all(server) == b"short"
    assert receive_all(logger.accept()) == b"short"


def test_a_mirror_that_refuses(start, target):
    reserved = ReservedPort()
    daemon = start(LOGGER=f"127.0.0.1:{reserved.port}")
    with closing(reserved), session(daemon, target) as (client, server):
        line = daemon.log.wait("mirror failed")
        assert f"127.0.0.1:{reserved.port}" in line and "connection refused" in line
        assert_works(client, server)


def test_a_mirror_that_is_silent(start, target, backlogged):
    daemon = start(LOGGER=backlogged.address)
    with session(daemon, target) as (client, server):
        for _ in range(10):
            assert_works(client, server)
        daemon.log.wait("mirror failed .*(too slow|timed out)")
        assert_works(client, server)


def test_a_mirror_without_address(start, target):
    daemon = start(LOGGER="no.such.host.invalid:7")
    with session(daemon, target) as (client, server):
        daemon.log.wait("mirror failed .*cannot resolve no.such.host.invalid")
        assert_works(client, server)


def test_a_mirror_that_does_not_read(start, target, logger):
    daemon = start()
    data = pattern(MUCH)
    with session(daemon, target) as (client, server), logger.accept() as copies:
        received = Digest(server)
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        assert received.result() == (len(data), hashlib.sha256(data).hexdigest())
        daemon.log.wait('mirror failed .*reason="?too slow')
        # What it has is whole, up to where it was given up.
        seen = receive_all(copies)
        assert (b"!" + data).startswith(seen) and len(seen) < len(data)
    assert len(daemon.log.matching("mirror failed")) == 1


@pytest.mark.parametrize("leave", [reset, socket.socket.close], ids=["reset", "close"])
def test_a_mirror_that_goes_away(start, target, logger, leave):
    daemon = start()
    with session(daemon, target) as (client, server):
        copies = logger.accept()
        assert receive_exactly(copies, 1) == b"!"
        leave(copies)
        for _ in range(20):
            assert_works(client, server)
        daemon.log.wait("mirror failed")
        with session(daemon, target) as (other, _):
            other.sendall(b"new")
            with logger.accept() as copies:
                assert receive_exactly(copies, 4) == b"!new"


def test_no_copies_without_a_server(start, logger):
    reserved = ReservedPort()
    daemon = start(TARGET=f"127.0.0.1:{reserved.port}")
    with closing(reserved), connect(daemon.tcp) as client:
        assert receive_all(client) == b""
    daemon.log.wait("cannot connect")
    logger._listener.settimeout(0.5)
    with pytest.raises(TimeoutError):
        logger.accept()


@pytest.mark.no_reload
def test_a_drain_waits_for_the_last_copies(start, target, logger):
    daemon = start()
    with session(daemon, target) as (client, server), logger.accept() as copies:
        data = assert_works(client, server, 2 << 20)
        daemon.signal(signal.SIGTERM)
        client.close()
        server.close()
        assert receive_all(copies) == b"!" + data
    assert daemon.wait() == 0


# mysql_listen

MYSQL = """
local handler = {
  on_login = function(client, login) return client:connect(SERVER, login, { mirror = { LOGGER } }) end,
}
mysql_listen(SOCK, handler)
"""
WITH_QUERY = MYSQL.replace(
    "local handler = {",
    """local handler = {
  on_query = function(client, sql)
    if sql == 'SELECT 1' then return client:query('SELECT 2') end
    if sql == 'SELECT 3' then return client:err('no') end
  end,""",
)


def packet(payload):
    return len(payload).to_bytes(3, "little") + b"\0" + payload


def query(text):
    return packet(b"\x03" + text.encode())


QUIT = packet(b"\x01")


def run_session(daemon, texts):
    with daemon.logged_in() as client:
        values = []
        for text in texts:
            try:
                values.append(client.value(text))
            except wire.Err:
                values.append("refused")
        client.command(wire.COM_QUIT)
        return values


def test_the_command_phase_is_copied_and_no_login(start, logger):
    daemon = start(MYSQL)
    long = "SELECT LENGTH('%s')" % ("x" * (1 << 20))
    assert run_session(daemon, ["SELECT 6 * 7", long]) == ["42", str(1 << 20)]
    assert receive_all(logger.accept()) == query("SELECT 6 * 7") + query(long) + QUIT


def test_copies_are_of_what_is_forwarded(start, logger):
    daemon = start(WITH_QUERY)
    long = "SELECT LENGTH('%s')" % ("x" * (4 << 20))
    assert run_session(daemon, ["SELECT 1", "SELECT 3", long]) == ["2", "refused", str(4 << 20)]
    assert receive_all(logger.accept()) == query("SELECT 2") + query(long) + QUIT


def test_a_change_of_user_begins_new_copies(start, logger):
    daemon = start(MYSQL)
    with daemon.logged_in() as client:
        assert client.value("SELECT 1") == "1"
        client.change_user("plain", "secret")
        assert client.value("SELECT 2") == "2"
        client.command(wire.COM_QUIT)
    assert receive_all(logger.accept()) == query("SELECT 1")
    assert receive_all(logger.accept()) == query("SELECT 2") + QUIT


def test_database_sessions_do_not_feel_their_mirrors(start, logger, backlogged):
    reserved = ReservedPort()
    config = MYSQL.replace("LOGGER", "LOGGER, REFUSING, SILENT")
    daemon = start(config, REFUSING=f"127.0.0.1:{reserved.port}", SILENT=backlogged.address)
    held = []
    accepting = threading.Thread(target=lambda: held.append(logger.accept()), daemon=True)  # and reads nothing
    accepting.start()
    with closing(reserved), daemon.logged_in() as client:
        text = "SELECT LENGTH('%s')" % ("x" * (1 << 20))
        for _ in range(20):
            assert client.value(text) == str(1 << 20)
        for mirror in (logger.address, f"127.0.0.1:{reserved.port}", backlogged.address):
            daemon.log.wait(f'mirror failed target="?{mirror}"? ')
        assert client.value("SELECT 1") == "1"
    accepting.join()
