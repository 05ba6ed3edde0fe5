"""tcp_listen: bytes both ways, ends and resets as they came, targets, limits, the script."""

import asyncio
import contextlib
import hashlib
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time
from types import SimpleNamespace

import pytest
from throwaway import ReservedPort

from support.daemon import PATIENCE
from support.tcp import Digest, Target, assert_closed, connect, forward, pattern, receive_all, receive_exactly, reset, session

MANY = 50 << 20


@pytest.fixture(scope="session")
def server():
    """Most of these tests need no database."""
    return SimpleNamespace(address="127.0.0.1:1", socket="/nowhere")


@pytest.fixture
def start(perilune, target):
    def start(config=None, define=None, **options):
        return perilune(config or forward(), {"TARGET": target.address, **(define or {})}, **options)

    return start


# bytes


@pytest.mark.parametrize("far", ["tcp", "sock"])
@pytest.mark.parametrize("near", ["tcp", "sock"])
def test_bytes_both_ways(perilune, folder, near, far):
    target = Target(unix_path=f"{folder}/target" if far == "sock" else None)
    daemon = perilune(forward(), {"TARGET": target.address})
    with contextlib.closing(target), session(daemon, target, getattr(daemon, near)) as (client, server):
        for size in (1, 1000, 300_000):
            data = os.urandom(size)
            client.sendall(data)
            assert receive_exactly(server, size) == data
            server.sendall(data[::-1])
            assert receive_exactly(client, size) == data[::-1]


def test_a_server_may_speak_first(start, target):
    daemon = start()
    with connect(daemon.tcp) as client, target.accept() as server:
        server.sendall(b"220 ready")
        assert receive_exactly(client, 9) == b"220 ready"


@pytest.mark.parametrize("first", ["client", "server"])
def test_an_end_is_passed_on_and_the_other_direction_goes_on(start, target, first):
    daemon = start()
    data = pattern(MANY)
    wanted = (len(data), hashlib.sha256(data).hexdigest())
    with session(daemon, target) as ends:
        one, other = ends if first == "client" else ends[::-1]
        received = Digest(other)
        one.sendall(data)
        one.shutdown(socket.SHUT_WR)
        assert received.result() == wanted
        received = Digest(one)
        other.sendall(data)
        other.shutdown(socket.SHUT_WR)
        assert received.result() == wanted


def test_both_directions_at_once(start, target):
    daemon = start()
    data = pattern(MANY)
    wanted = (len(data), hashlib.sha256(data).hexdigest())

    def send(sock):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)

    with session(daemon, target) as ends:
        received = [Digest(end) for end in ends]
        senders = [threading.Thread(target=send, args=(end,), daemon=True) for end in ends]
        for sender in senders:
            sender.start()
        assert [digest.result() for digest in received] == [wanted, wanted]


def test_the_session_ends_when_both_have_ended(start, target):
    daemon = start(forward() + """
function reload() for _, row in ipairs(sessions()) do event('open ' .. row.id) end event('seen') end
""", workers=1, reloading=False)
    with session(daemon, target) as (client, server):
        client.shutdown(socket.SHUT_WR)
        assert receive_all(server) == b""
        daemon.signal(signal.SIGHUP)
        daemon.events.wait("^seen$")
        assert daemon.events.matching("^open")
        server.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b""
        mark = daemon.events.mark()
        deadline = time.monotonic() + 20 * PATIENCE
        while True:
            daemon.signal(signal.SIGHUP)
            daemon.events.wait("^seen$", after=mark)
            if not [line for line in daemon.events.snapshot()[mark:] if line.startswith("open")]:
                break
            assert time.monotonic() < deadline, "the session has not ended"
            mark = daemon.events.mark()


def test_a_client_that_ends_at_once_still_hears_the_server(start, target):
    daemon = start("""
local handler = { on_connect = function(client) event('asked') wait_for_gate('go') return client:connect(TARGET) end }
tcp_listen(TCP, handler)
""", workers=1, reloading=False)
    with connect(daemon.tcp) as client:
        client.shutdown(socket.SHUT_WR)
        daemon.events.wait("^asked$")
        daemon.open_gate("go")
        with target.accept() as server:
            assert receive_all(server) == b""
            server.sendall(b"the time is 12:00")
            server.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b"the time is 12:00"


# resets


@pytest.mark.parametrize("first", ["client", "server"])
def test_a_reset_is_passed_on(start, target, first):
    daemon = start()
    with session(daemon, target) as ends:
        one, other = ends if first == "client" else ends[::-1]
        reset(one)
        with pytest.raises(ConnectionResetError):
            receive_all(other)


def test_a_reset_behind_an_end_is_passed_on(start, target):
    daemon = start()
    with session(daemon, target) as (client, server):
        client.shutdown(socket.SHUT_WR)
        assert receive_all(server) == b""
        reset(client)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            for _ in range(2000):
                server.sendall(b"x")
                time.sleep(0.01)


@pytest.mark.parametrize("first", ["client", "server"])
def test_a_reset_with_data_queued(start, target, first):
    daemon = start()
    with session(daemon, target) as ends:
        one, other = ends if first == "client" else ends[::-1]
        send_until_stuck(one)
        reset(one)
        with pytest.raises(ConnectionResetError):
            receive_all(other)


def test_the_reset_of_a_server_is_logged(start, target):
    daemon = start()
    with session(daemon, target) as (_, server):
        reset(server)
        line = daemon.log.wait(r'session failed reason="?the server reset the connection')
    assert f'server="{target.address}"' in line or f"server={target.address}" in line


# many, and much


def send_until_stuck(sock):
    """How many bytes the other side's not reading lets through."""
    sock.settimeout(1)
    sent, chunk = 0, bytes(1 << 16)
    with contextlib.suppress(TimeoutError):
        while sent < 1 << 30:
            sent += sock.send(chunk)
    return sent


def resident(daemon):
    text = open(f"/proc/{daemon.pid}/status").read()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) << 10


@pytest.mark.budget
@pytest.mark.no_reload
@pytest.mark.parametrize("slow", ["client", "server"])
def test_a_slow_reader_costs_little_memory(start, target, slow):
    daemon = start()
    with session(daemon, target) as ends:
        reader, writer = ends if slow == "client" else ends[::-1]
        before = resident(daemon)
        sent = send_until_stuck(writer)
        assert sent < 64 << 20, "nothing holds the writer back"
        assert resident(daemon) - before < 4 << 20
        writer.shutdown(socket.SHUT_WR)
        assert len(receive_all(reader)) == sent


def test_500_connections_at_once(perilune):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))

    async def echo(reader, writer):
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()

    async def client(daemon, number, everybody):
        reader, writer = await asyncio.open_connection(*daemon.tcp)
        data = b"%06d" % number * 500
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        await everybody.wait()
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()

    async def run():
        everybody = asyncio.Barrier(500)
        server = await asyncio.start_server(echo, sock=listener)
        await asyncio.wait_for(asyncio.gather(*(client(daemon, n, everybody) for n in range(500))), 60 * PATIENCE)
        server.close()

    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    daemon = perilune(forward(), {"TARGET": "127.0.0.1:%d" % listener.getsockname()[1]})
    asyncio.run(run())


# targets


@pytest.fixture
def free_port():
    reserved = ReservedPort()
    yield reserved.port
    reserved.close()


def test_a_target_that_refuses(start, free_port):
    daemon = start(define={"TARGET": f"127.0.0.1:{free_port}"})
    assert_closed(daemon, rf'session failed reason="cannot connect to 127\.0\.0\.1:{free_port}: connection refused"')


def test_a_target_that_is_silent(start, backlogged):
    daemon = start(forward("connect_timeout = 0.3"), define={"TARGET": backlogged.address})
    assert_closed(daemon, f'session failed reason="cannot connect to {re.escape(backlogged.address)}: timed out"')


def test_a_target_without_address(start):
    daemon = start(define={"TARGET": "no.such.host.invalid:7"})
    assert_closed(daemon, r'session failed reason="cannot connect to no\.such\.host\.invalid:7: ')


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_a_name_with_an_address_that_refuses(perilune, folder, host):
    """Whichever of the two the resolver names first: one of these tests begins with the one that refuses."""
    (folder / "hosts").write_text("127.0.0.1 twofold\n127.0.0.2 twofold\n")
    mounted = f"mount --bind {folder}/hosts /etc/hosts && exec \"$@\""
    target = Target(host=host)
    refusing = socket.socket()
    refusing.bind(("127.0.0.2" if host == "127.0.0.1" else "127.0.0.1", target.port))
    with contextlib.closing(target), refusing:
        daemon = perilune(forward(), {"TARGET": f"twofold:{target.port}"}, wrapper=("unshare", "--mount", "sh", "-c", mounted, "sh"))
        with session(daemon, target) as (client, server):
            server.sendall(b"here")
            assert receive_exactly(client, 4) == b"here"


# what the script and the operator do


def test_what_the_script_sees(start, target):
    daemon = start("""
local handler = {
  on_connect = function(client)
    client.account = 'shop'
    event(table.concat({ client.protocol, tostring(client.user), tostring(client.database), tostring(client.tls) }, ' '))
    return client:connect(tcp_resolve(TARGET))
  end,
  on_disconnect = function(client)
    event(('gone %s %d %d'):format(tostring(client.server), client.bytes_in, client.bytes_out))
  end,
}
tcp_listen(TCP, handler)
""")
    with session(daemon, target) as (client, server):
        server.sendall(b"welcome")
        assert receive_exactly(client, 7) == b"welcome"
    daemon.events.wait("^tcp nil nil nil$")
    daemon.events.wait(f"^gone {re.escape(target.address)} 1 7$")


def test_sessions_and_disconnect(start, target):
    daemon = start(forward() + """
function reload()
  for _, row in ipairs(sessions()) do
    event(('%s %s %d %d'):format(row.protocol, row.server, row.bytes_in, row.bytes_out))
    disconnect(row.id)
  end
end
""", workers=1, reloading=False)
    with session(daemon, target) as (client, server):
        daemon.signal(signal.SIGHUP)
        daemon.events.wait(f"^tcp {re.escape(target.address)} 1 0$")
        for end in (client, server):
            with pytest.raises(ConnectionResetError):
                receive_all(end)


def test_a_refused_client_is_closed(start):
    daemon = start("tcp_listen(TCP, { on_connect = function(client) return client:err('not today') end })")
    assert_closed(daemon, r'\[127\.0\.0\.1:\d+\] refused message="not today"')


@pytest.mark.parametrize(
    "code, why",
    [
        ("", r"returned nothing; expected: client:connect\(…\), client:fanout\(…\) or client:err\(…\)"),
        ("return client:serve()", r"returned client:serve\(…\); expected: client:connect\(…\), client:fanout\(…\) or client:err\(…\)"),
        ("error('oh')", "oh"),
        ("return client:connect('127.0.0.1')", "the port is missing"),
        ("return client:connect(TARGET, { user = 'a' })", "unknown option 'user'"),
        ("return client:connect(TARGET, {}, {})", "there is no login"),
        ("return client:connect(TARGET, { unchecked = true })", "'unchecked' is not for tcp_listen"),
        ("return client:connect(TARGET, { tls = 'prefer' })", "'prefer'"),
        ("return client:connect(TARGET, { mirror = { 'a' } })", "bad target 1 .*the port is missing"),
        ("return client:connect(TARGET, { read_only = true })", "'read_only' is not for tcp_listen"),
    ],
)
def test_a_mistake_in_the_script_closes(start, code, why):
    daemon = start(f"tcp_listen(TCP, {{ on_connect = function(client) {code} end }})")
    assert_closed(daemon, f"callback failed callback=.?on_connect.? error=.*{why}")


def test_max_connections(start, target):
    daemon = start("""
tcp_listen(TCP, { on_connect = function(client) event('asked') return client:connect(TARGET) end }, { max_connections = 2 })
""")
    with session(daemon, target), session(daemon, target):
        for _ in range(5):
            with connect(daemon.tcp) as late:
                assert receive_all(late) == b""
        daemon.events.wait("^asked$", count=2)
        assert len(daemon.events.matching("^asked$")) == 2


def test_idle_sessions_are_closed(start, target):
    daemon = start(forward(listen="idle_timeout = 0.6"))
    with session(daemon, target) as (client, server):
        begin = time.monotonic()
        while time.monotonic() - begin < 1.5:
            server.sendall(b"x")
            assert receive_exactly(client, 1) == b"x"
            time.sleep(0.1)
        assert receive_all(client) == b""
        assert receive_all(server) == b""


def test_traffic_goes_on_through_reloads(start, target):
    daemon = start()
    with session(daemon, target) as (client, server):
        done = daemon.notifications.count(READY="1")
        while daemon.notifications.count(READY="1") < done + 5:
            client.sendall(b"ping")
            assert receive_exactly(server, 4) == b"ping"
            server.sendall(b"pong")
            assert receive_exactly(client, 4) == b"pong"


@pytest.mark.no_reload
def test_a_reload_leads_new_sessions_elsewhere(start, target):
    other = Target()
    daemon = start()
    with contextlib.closing(other), session(daemon, target) as (client, server):
        daemon.define["TARGET"] = other.address
        daemon.write_config(forward())
        daemon.reload()
        with session(daemon, other) as (new_client, new_server):
            new_server.sendall(b"new")
            assert receive_exactly(new_client, 3) == b"new"
        server.sendall(b"old")
        assert receive_exactly(client, 3) == b"old"


@pytest.mark.no_reload
def test_a_drain_waits_for_the_sessions(start, target):
    daemon = start()
    with session(daemon, target) as (client, server):
        daemon.signal(signal.SIGTERM)
        daemon.notifications.wait(1, STOPPING="1")
        client.sendall(b"still")
        assert receive_exactly(server, 5) == b"still"
        server.shutdown(socket.SHUT_WR)
        assert receive_all(client) == b""
        client.shutdown(socket.SHUT_WR)
    assert daemon.wait() == 0


@pytest.mark.no_reload
def test_drain_timeout_resets_what_is_left(start, target):
    daemon = start("settings { drain_timeout = 0.5 }" + forward())
    with session(daemon, target) as (client, server):
        daemon.signal(signal.SIGTERM)
        for end in (client, server):
            with pytest.raises(ConnectionResetError):
                receive_all(end)
    assert daemon.wait() == 0


def test_a_database_session(start, mariadb):
    daemon = start(define={"TARGET": mariadb.address})
    with daemon.logged_in(address=daemon.tcp) as client:
        assert client.value("SELECT REPEAT('x', 100000)") == "x" * 100000
    with daemon.pymysql() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 6 * 7")
        assert cursor.fetchall() == ((42,),)


def test_check_names_the_listener(start):
    daemon = start()
    done = subprocess.run(daemon.command("--check"), capture_output=True, text=True, timeout=30)
    assert f"tcp_listen {daemon.sock}: on_connect" in done.stdout, done
