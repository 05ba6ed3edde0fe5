"""lua/examples/fanout.lua and mssql-tee.lua, run as they are shipped."""

import contextlib
import struct
import threading
from types import SimpleNamespace

import pytest
from throwaway import ReservedPort

from support.daemon import ROOT
from support.peers import Peer
from support.tcp import Target, connect, receive_all, receive_exactly, reset


@pytest.fixture(scope="session")
def server():
    """No test here needs a database."""
    return SimpleNamespace(address="127.0.0.1:1", socket="/nowhere")


@pytest.fixture
def example(daemons):
    """Makes a daemon with an example as its configuration; not yet started."""

    def make(name, environment, **options):
        daemon = daemons("", environment=environment, **options)
        daemon.config = ROOT / "lua" / "examples" / name
        return daemon

    return make


@pytest.fixture
def port():
    reserved = ReservedPort()
    yield reserved.port
    reserved.close()


def assert_refused(daemon, variable):
    daemon.spawn()
    assert daemon.wait() == 78
    assert daemon.log.matching(rf"error configuration: .*\b{variable}\b"), daemon.log.text()


# fanout.lua


def test_fanout(example, port):
    reserved = [ReservedPort(), ReservedPort()]
    sinks = [Peer("sink", r.port, "--every", 20) for r in reserved]
    destinations = "127.0.0.1:%d,  localhost:%d" % tuple(r.port for r in reserved)
    example("fanout.lua", {"SOCKET_PROXY_LISTEN_PORT": str(port), "SOCKET_PROXY_DESTINATIONS": destinations}).start()
    source = Peer("source", f"127.0.0.1:{port}", "--rate", 400)
    try:
        for sink in sinks:
            sink.log.wait(r"^source-0 at \d+", count=3)
        sinks[0].restart()
        for sink in sinks:
            sink.log.wait(r"^source-0 at \d+", count=3, after=sink.log.mark())
        assert source.stop() == 0
        assert [sink.stop() for sink in sinks] == [0, 0]
    finally:
        for peer in (source, *sinks):
            peer.kill()
        for r in reserved:
            r.close()


@pytest.mark.parametrize(
    "listen, destinations, variable",
    [
        (None, "a:1", "SOCKET_PROXY_LISTEN_PORT"),
        ("", "a:1", "SOCKET_PROXY_LISTEN_PORT"),
        ("http", "a:1", "SOCKET_PROXY_LISTEN_PORT"),
        ("65536", "a:1", "SOCKET_PROXY_LISTEN_PORT"),
        ("5000", None, "SOCKET_PROXY_DESTINATIONS"),
        ("5000", "", "SOCKET_PROXY_DESTINATIONS"),
        ("5000", "a", "SOCKET_PROXY_DESTINATIONS"),
        ("5000", "a:1,,b:2", "SOCKET_PROXY_DESTINATIONS"),
        ("5000", "a:1 b:2", "SOCKET_PROXY_DESTINATIONS"),
        ("5000", "a:0", "SOCKET_PROXY_DESTINATIONS"),
    ],
)
def test_fanout_names_the_variable_that_is_wrong(example, listen, destinations, variable):
    values = {"SOCKET_PROXY_LISTEN_PORT": listen, "SOCKET_PROXY_DESTINATIONS": destinations}
    environment = {name: value for name, value in values.items() if value is not None}
    assert_refused(example("fanout.lua", environment, stop_code=78, reloading=False), variable)


# mssql-tee.lua: the server here is a script that speaks packets as SQL Server does, since that is all the proxy could see

PRELOGIN, LOGIN7, BATCH, ANSWER = 0x12, 0x10, 0x01, 0x04


def tds(kind, body):
    """One packet: type, status (last), length, channel, number, window."""
    return struct.pack(">BBHHBB", kind, 1, 8 + len(body), 0, 1, 0) + body


def read_tds(sock):
    head = receive_exactly(sock, 8)
    kind, _, length, _, _, _ = struct.unpack(">BBHHBB", head)
    return kind, receive_exactly(sock, length - 8)


SESSION = [tds(PRELOGIN, bytes(range(40))), tds(LOGIN7, b"sa" * 60), tds(BATCH, "SELECT 1".encode("utf-16-le") * 400)]


class SqlServer(Target):
    """Answers each packet with its type and length."""

    def __init__(self):
        super().__init__()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self.accept(),), daemon=True).start()

    def _serve(self, sock):
        with sock, contextlib.suppress(OSError, AssertionError):
            while True:
                kind, body = read_tds(sock)
                sock.sendall(tds(ANSWER, b"%d:%d" % (kind, len(body))))


@pytest.fixture
def sql_server():
    server = SqlServer()
    yield server
    server.close()


def tee(example, port, sql_server, logger_port, **more):
    environment = {"MROXY_PORT": port, "DS_PORT": sql_server.port, "LOGGER_PORT": logger_port, **more}
    return example("mssql-tee.lua", {name: str(value) for name, value in environment.items()}).start()


def converse(port, rounds=1):
    with connect(("127.0.0.1", port)) as client:
        for packet in SESSION[:2] + SESSION[2:] * rounds:
            client.sendall(packet)
            kind, body = read_tds(client)
            assert (kind, body) == (ANSWER, b"%d:%d" % (packet[0], len(packet) - 8))


def test_tee_copies_each_client(example, port, sql_server, target):
    tee(example, port, sql_server, target.port, DS_HOST="localhost", LOGGER_HOST="localhost")
    for rounds in (1, 50):
        converse(port, rounds)
        assert receive_all(target.accept()) == b"".join(SESSION[:2] + SESSION[2:] * rounds)


def test_tee_without_a_logger(example, port, sql_server):
    reserved = ReservedPort()
    daemon = tee(example, port, sql_server, reserved.port)
    with contextlib.closing(reserved):
        for _ in range(20):
            converse(port, 10)
        daemon.log.wait("mirror failed", count=20)


def test_tee_with_a_stuck_logger(example, port, sql_server, target):
    """It accepts and never reads; so much is sent that the kernel cannot hold it."""
    daemon = tee(example, port, sql_server, target.port)
    converse(port, 2000)
    daemon.log.wait('mirror failed .*reason="?too slow')


def test_tee_with_a_logger_that_does_not_answer(example, port, sql_server, backlogged):
    tee(example, port, sql_server, backlogged.address.rpartition(":")[2])
    for _ in range(5):
        converse(port, 10)


def test_tee_finds_a_logger_that_was_restarted(example, port, sql_server, target):
    tee(example, port, sql_server, target.port)
    with connect(("127.0.0.1", port)) as client:
        client.sendall(SESSION[0])
        read_tds(client)
        reset(target.accept())
        for packet in SESSION[1:]:
            client.sendall(packet)
            assert read_tds(client)[0] == ANSWER
    converse(port)
    assert receive_all(target.accept()) == b"".join(SESSION)


@pytest.mark.parametrize(
    "variable, value",
    [
        ("MROXY_PORT", "x"),
        ("MROXY_PORT", "0"),
        ("DS_PORT", "70000"),
        ("DS_PORT", "-1"),
        ("LOGGER_PORT", "80 00"),
        ("DS_HOST", "a b"),
        ("DS_HOST", "sql:1433"),
        ("LOGGER_HOST", "http://logger"),
    ],
)
def test_tee_names_the_variable_that_is_wrong(example, variable, value):
    assert_refused(example("mssql-tee.lua", {variable: value}, stop_code=78, reloading=False), variable)


def test_tee_has_defaults(example):
    daemon = example("mssql-tee.lua", {"LOGGER_HOST": "", "DS_HOST": "::1"}, workers=None)
    daemon.arguments = ("--check",)
    daemon.spawn()
    assert daemon.wait() == 0
    assert "tcp_listen *:1334: on_connect" in daemon.log.text()
