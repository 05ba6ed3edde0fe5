"""client:fanout: everything to everybody, in order, whoever comes and goes; and tools/peer, which shows it."""

import contextlib
import hashlib
import random
import socket
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from throwaway import ReservedPort

from support.peers import PEER, Peer
from support.tcp import Digest, Target, connect, pattern, receive_all, receive_exactly, reset

MUCH = 20 << 20


@pytest.fixture(scope="session")
def server():
    """No test here needs a database."""
    return SimpleNamespace(address="127.0.0.1:1", socket="/nowhere")


@pytest.fixture
def targets():
    made = [Target(), Target()]
    yield made
    for target in made:
        target.close()


def fan_out(addresses, options="", listen=""):
    list_of = ", ".join(f"'{address}'" for address in addresses)
    return f"""
tcp_listen(TCP, {{ on_connect = function(client) return client:fanout({{ {list_of} }}, {{ {options} }}) end }}, {{ {listen} }})
"""


@contextlib.contextmanager
def session(daemon, targets):
    """The source, and the far ends."""
    with connect(daemon.tcp) as source:
        source.sendall(b"!")
        far = [target.accept() for target in targets]
        for end in far:
            assert receive_exactly(end, 1) == b"!"
        yield source, far


def test_everybody_gets_everything(perilune, targets):
    daemon = perilune(fan_out([target.address for target in targets]))
    data = pattern(MUCH)
    with session(daemon, targets) as (source, far):
        received = [Digest(end) for end in far]
        source.sendall(data)
        source.shutdown(socket.SHUT_WR)
        wanted = (len(data), hashlib.sha256(data).hexdigest())
        assert [digest.result() for digest in received] == [wanted, wanted]
        for end in far:
            end.sendall(b"nobody reads this")
            end.shutdown(socket.SHUT_WR)
        assert receive_all(source) == b""


def test_each_client_has_connections_of_its_own(perilune, targets):
    daemon = perilune(fan_out([target.address for target in targets]))
    with session(daemon, targets) as (one, ones), session(daemon, targets) as (two, twos):
        one.sendall(b"one")
        two.sendall(b"two")
        assert [receive_exactly(end, 3) for end in ones + twos] == [b"one", b"one", b"two", b"two"]
        reset(one)
        for end in ones:
            with pytest.raises(ConnectionResetError):
                receive_all(end)
        two.sendall(b"too")
        assert [receive_exactly(end, 3) for end in twos] == [b"too", b"too"]


def test_a_slow_target_slows_the_source(perilune, targets):
    daemon = perilune(fan_out([target.address for target in targets]))
    data = pattern(MUCH)
    wanted = (len(data), hashlib.sha256(data).hexdigest())
    with session(daemon, targets) as (source, (quick, slow)):
        received = Digest(quick)
        source.settimeout(2)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < len(data):
                sent += source.send(data[sent : sent + (1 << 16)])
        assert sent < len(data), "nothing holds the source back"
        source.settimeout(60)
        rest = Digest(slow)
        source.sendall(data[sent:])
        source.shutdown(socket.SHUT_WR)
        assert (received.result(), rest.result()) == (wanted, wanted)


def test_all_close_together_and_what_is_lost_is_logged(perilune, targets):
    daemon = perilune(fan_out([target.address for target in targets]))
    with session(daemon, targets) as (source, (quick, slow)):
        source.settimeout(2)
        with contextlib.suppress(TimeoutError):
            while True:
                source.sendall(bytes(1 << 16))
                receive_exactly(quick, 1)
        quick.close()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            source.settimeout(30)
            receive_all(source)
            source.sendall(b"x")
        receive_all(slow)
    daemon.log.wait(rf'session failed reason="target {targets[0].address}: ')
    daemon.log.wait(rf'bytes lost target="?{targets[1].address}"? bytes=\d+')


def test_others_go_on(perilune, targets):
    daemon = perilune(fan_out([target.address for target in targets], "on_failure = 'continue', reply_from = 2"))
    with session(daemon, targets) as (source, (one, two)):
        reset(one)
        daemon.log.wait(f'target failed target="?{targets[0].address}"? reason="connection reset')
        source.sendall(b"still there?")
        assert receive_exactly(two, 12) == b"still there?"
        two.sendall(b"yes")
        assert receive_exactly(source, 3) == b"yes"
        two.close()
        with pytest.raises(ConnectionResetError):
            receive_all(source)


@pytest.mark.parametrize("on_failure", ["close", "continue"])
def test_a_target_that_refuses(perilune, targets, on_failure):
    reserved = ReservedPort()
    refusing = f"127.0.0.1:{reserved.port}"
    daemon = perilune(fan_out([refusing, targets[0].address], f"on_failure = '{on_failure}', connect_timeout = 5"))
    with contextlib.closing(reserved):
        if on_failure == "close":
            # The reset may come before the client knows that it is connected.
            with pytest.raises(ConnectionResetError), connect(daemon.tcp) as source:
                receive_all(source)
        else:
            with connect(daemon.tcp) as source:
                source.sendall(b"hello")
                assert receive_exactly(targets[0].accept(), 5) == b"hello"
        daemon.log.wait(f"cannot connect to {refusing}: connection refused")


def test_a_silent_target_is_given_up_in_time(perilune, targets, backlogged):
    daemon = perilune(fan_out([targets[0].address, backlogged.address], "connect_timeout = 0.3"))
    with connect(daemon.tcp) as source, pytest.raises(ConnectionResetError):
        receive_all(source)
    daemon.log.wait(f"cannot connect to {backlogged.address}: timed out")


def test_an_idle_fan_out_is_closed(perilune, targets):
    daemon = perilune(fan_out([target.address for target in targets], listen="idle_timeout = 0.5"))
    with session(daemon, targets) as (source, far):
        assert receive_all(source) == b""
        assert [receive_all(end) for end in far] == [b"", b""]


# tools/peer


@pytest.fixture
def peers():
    made = []

    def make(*arguments):
        made.append(Peer(*arguments))
        return made[-1]

    yield make
    for peer in made:
        peer.kill()


@pytest.mark.parametrize("seed", range(3))
def test_sources_and_destinations_come_and_go(perilune, peers, seed):
    """Any of two sources and two sinks is killed and started again, in any order, while checksummed data flows."""
    reserved = [ReservedPort(), ReservedPort()]
    sinks = [peers("sink", r.port, "--every", 20) for r in reserved]
    daemon = perilune(fan_out(["127.0.0.1:%d" % r.port for r in reserved]))
    sources = [peers("source", "%s:%d" % daemon.tcp, "--rate", 400, "--bytes", 300, "--name", name) for name in ("a", "b")]

    def flows():
        """From each source to each sink, from now on."""
        for sink in sinks:
            mark = sink.log.mark()
            for name in ("a", "b"):
                sink.log.wait(rf"^{name} at \d+$", seconds=60, after=mark, count=2)

    order = [*sources, *sinks] * 2
    random.Random(seed).shuffle(order)
    flows()
    for peer in order:
        peer.restart()
        flows()
    for peer in order[:2]:  # two at once
        peer.kill()
    for peer in set(order[:2]):
        peer.start()
    flows()
    for source in sources:
        source.stop()
    assert [sink.stop() for sink in sinks] == [0, 0], [sink.text()[-3000:] for sink in sinks]
    for sink in sinks:
        assert "WRONG" not in sink.text()
    for r in reserved:
        r.close()


def talk_to_sink(sink, data):
    with socket.create_connection(("127.0.0.1", sink.port()), timeout=30) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""


def lines_of(count):
    """What a source says, taken from one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "127.0.0.1:%d" % listener.getsockname()[1]
        source = subprocess.Popen([sys.executable, PEER, "source", address, "--count", str(count), "--rate", "0"], stdout=subprocess.DEVNULL)
        sock, _ = listener.accept()
        with sock:
            data = receive_all(sock)
        assert source.wait(30) == 0
    return data.splitlines(keepends=True)


@pytest.mark.parametrize(
    "spoil, wrong",
    [
        (lambda lines: lines, 0),
        (lambda lines: lines[2:], 0),
        (lambda lines: [*lines[:-1], lines[-1][:20]], 0),
        (lambda lines: [lines[0], *lines[2:]], 1),
        (lambda lines: [*lines[:2], *lines[1:]], 1),
        (lambda lines: [lines[0], lines[1].replace(b" 1 ", b" 7 "), *lines[2:]], 2),
        (lambda lines: [lines[0][5:], *lines[1:]], 1),
    ],
    ids=["whole", "later", "cut at the end", "one missing", "one doubled", "one changed", "cut at the beginning"],
)
def test_a_sink_sees_what_is_wrong(peers, spoil, wrong):
    sink = peers("sink", 0)
    talk_to_sink(sink, b"".join(spoil(lines_of(8))))
    assert sink.stop() == (1 if wrong else 0)
    assert sink.log.matching(rf"^\d+ lines, {wrong} wrong$"), sink.text()


def test_echo_and_send(peers, folder):
    echo = peers("echo", 0, "--upper")
    text = folder / "text"
    text.write_bytes(b"shall come back in capitals\n" * 10000)
    command = [sys.executable, PEER, "send", f"127.0.0.1:{echo.port()}"]
    done = subprocess.run([*command, text], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, text.read_bytes().upper())
    done = subprocess.run(command, input=b"typed", capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"TYPED")


def test_send_connects_again(peers):
    reserved = ReservedPort()
    command = [sys.executable, PEER, "send", f"127.0.0.1:{reserved.port}"]
    with contextlib.closing(reserved), subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as send:
        said = []
        reader = threading.Thread(target=lambda: said.extend(iter(lambda: send.stdout.readline(), b"")), daemon=True)
        assert send.stdout.readline().startswith(b"cannot connect")
        echo = peers("echo", reserved.port)
        send.stdin.write(b"one\n")
        send.stdin.flush()
        assert send.stdout.readline() == b"one\n"
        echo.restart()
        echo.port()
        reader.start()
        while b"two\n" not in said:  # what was said into the broken connection may be lost
            send.stdin.write(b"two\n")
            send.stdin.flush()
            reader.join(0.1)
        send.stdin.close()
        assert send.wait(30) == 0
