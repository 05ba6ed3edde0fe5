"""Logs of statements: where they go, and what is lost when they cannot be written."""

import contextlib
import json
import os
import re
import resource
import signal
import socket
import socketserver
import threading
import time

import pytest

from support.query_log import PLAIN, Collector, by_session, lines_of, run_together, wait_for
from support.wire import Err

# What the log says of itself is asked at SOCK2, which has no log.
COUNTED = """
counted = LOG
local function connect(client, login) return client:connect(SERVER, login) end
mysql_listen(SOCK, { on_login = connect }, { log = counted })
mysql_listen(SOCK2, {
  on_login = function(client) return client:serve { unchecked = true } end,
  on_query = function(client)
    return client:result {
      columns = { 'written', 'dropped', 'errors', 'bytes', 'high_water' },
      rows = { { counted.written, counted.dropped, counted.errors, counted.bytes, counted.high_water } },
    }
  end,
})
"""
SMALL = "max_statement = 64, buffer = 4096"


def counted(log):
    return COUNTED.replace("LOG", log)


def at_collector(options=""):
    return counted(f"log_socket(FOLDER .. '/collector', {{ format = 'json', {options} }})")


def counters(daemon):
    with daemon.logged_in(address=daemon.sock2) as client:
        written, dropped, errors, size, high_water = map(int, client.query("counters").rows[0])
    return {"written": written, "dropped": dropped, "errors": errors, "bytes": size, "high_water": high_water}


def run_statements(daemon, count, first=0):
    with daemon.logged_in() as client:
        for i in range(first, first + count):
            client.query(f"SELECT {i}")


def texts(count):
    return [f"SELECT {i}" for i in range(count)]


def wait_until_all_are_counted(daemon, sent):
    found = {}

    def is_all():
        found.update(counters(daemon))
        return found["written"] + found["dropped"] >= sent

    wait_for(is_all)
    assert found["written"] + found["dropped"] == sent, found
    return found


# files


@pytest.mark.parametrize("how", [signal.SIGUSR1, signal.SIGHUP, "user-defined"], ids=str)
def test_rotation_under_load_loses_nothing(daemons, how):
    script = "function reload() event('reload') end " if how == "user-defined" else ""
    daemon = daemons(script + PLAIN, reloading=False)
    daemon.start()
    path, old = daemon.folder / "statements", daemon.folder / "old"
    clients, each = 4, 600
    running = threading.Thread(target=run_together, args=(lambda _: run_statements(daemon, each), clients))
    rotated = []
    running.start()
    while running.is_alive() or not rotated:
        wait_for(path.exists)
        rotated.append(old.with_suffix(f".{len(rotated)}"))
        path.rename(rotated[-1])
        daemon.signal(signal.SIGHUP if how == "user-defined" else how)
        wait_for(path.exists)
        time.sleep(0.05)
    running.join()

    def everything():
        return [json.loads(line) for p in [*rotated, path] for line in lines_of(p)]

    wait_for(lambda: len(everything()) >= clients * each)
    sessions = by_session(everything())
    assert [[r["sql"] for r in session] for session in sessions.values()] == [texts(each)] * clients


def test_a_file_that_cannot_grow_drops_counts_and_recovers(daemons):
    daemon = daemons(counted(f"log_file(FOLDER .. '/statements', {{ format = 'json', {SMALL} }})"))
    daemon.start()
    path = daemon.folder / "statements"
    run_statements(daemon, 10)
    wait_for(lambda: len(lines_of(path)) == 10)
    _, hard = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (path.stat().st_size + 1000, hard))
    run_statements(daemon, 200, first=10)
    full = wait_for(lambda: (now := counters(daemon))["dropped"] > 0 and now["errors"] > 0 and now)
    assert full["written"] + full["dropped"] < 210, "what fits the buffer is kept"
    assert path.stat().st_size <= full["bytes"]
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (hard, hard))
    found = wait_until_all_are_counted(daemon, 210)
    daemon.log.wait("query log cannot be written")
    daemon.log.wait("query log can be written again")
    daemon.log.wait("query log is incomplete")
    run_statements(daemon, 10, first=210)
    wait_for(lambda: len(lines_of(path)) >= found["written"] + 10)
    sent = [json.loads(line)["sql"] for line in lines_of(path)]
    assert len(sent) == found["written"] + 10 and sent == sorted(sent, key=lambda sql: int(sql.split()[1]))
    assert sent[:10] == texts(10) and sent[-10:] == texts(220)[210:]


def test_a_full_disk_and_a_new_file_elsewhere(daemons):
    daemon = daemons(counted(f"log_file(FOLDER .. '/statements', {{ format = 'json', {SMALL} }})"), reloading=False)
    path = daemon.folder / "statements"
    path.symlink_to("/dev/full")
    daemon.start()
    run_statements(daemon, 200)
    daemon.log.wait("query log cannot be written.*No space left on device")
    wait_for(lambda: counters(daemon)["dropped"] > 0)
    path.unlink()
    daemon.signal(signal.SIGUSR1)
    found = wait_until_all_are_counted(daemon, 200)
    assert found["written"] > 0
    wait_for(lambda: len(lines_of(path)) == found["written"])


# streams


def test_an_outage_of_the_collector_is_got_over(daemons):
    daemon = daemons(at_collector())
    with Collector(daemon.folder / "collector") as collector:
        daemon.start()
        run_statements(daemon, 1)
        wait_for(lambda: len(collector.lines) == 1)
        collector.stop()
        run_statements(daemon, 499, first=1)
        collector.start()
        wait_for(lambda: len(collector.lines) >= 500)
        assert [r["sql"] for r in collector.records()] == texts(500)
        found = wait_until_all_are_counted(daemon, 500)
        assert found["dropped"] == 0


@pytest.mark.no_reload
def test_a_full_log_drops_and_counts(daemons):
    daemon = daemons(at_collector(SMALL), workers=1)
    daemon.start()  # nobody collects
    run_statements(daemon, 500)
    with Collector(daemon.folder / "collector") as collector:
        found = wait_until_all_are_counted(daemon, 500)
        assert found["written"] > 0 and found["dropped"] > 0 and 0 < found["high_water"] <= 4096
        wait_for(lambda: len(collector.lines) >= found["written"])
        kept = [r["sql"] for r in collector.records()]
        assert kept == texts(found["written"]), "the oldest are kept"


def test_a_full_log_blocks_its_sessions_and_loses_nothing(daemons):
    daemon = daemons(at_collector(SMALL + ", on_full = 'block', block_timeout = 300"))
    daemon.start()
    running = threading.Thread(target=run_statements, args=(daemon, 200))
    running.start()
    running.join(3)
    assert running.is_alive(), "nothing blocked"
    with Collector(daemon.folder / "collector") as collector:
        running.join(60)
        assert not running.is_alive()
        wait_for(lambda: len(collector.lines) >= 200)
        assert [r["sql"] for r in collector.records()] == texts(200)
        assert wait_until_all_are_counted(daemon, 200)["dropped"] == 0


def test_blocking_ends_at_its_timeout(daemons):
    daemon = daemons(at_collector(SMALL + ", on_full = 'block', block_timeout = 0.1"))
    daemon.start()  # nobody ever collects
    began = time.monotonic()
    run_statements(daemon, 60)
    assert time.monotonic() - began > 1, "nothing blocked"
    found = counters(daemon)
    assert found["written"] == 0 and found["dropped"] > 10


def test_a_slow_collector_gets_everything_of_those_who_wait_for_it(daemons):
    daemon = daemons(at_collector(SMALL + ", on_full = 'block', block_timeout = 300"))
    with Collector(daemon.folder / "collector", pace=0.01) as collector:
        daemon.start()
        run_together(lambda _: run_statements(daemon, 400), 6)
        assert wait_until_all_are_counted(daemon, 2400)["dropped"] == 0
        wait_for(lambda: len(collector.lines) >= 2400)
        sessions = by_session(collector.records()).values()
        assert [[r["sql"] for r in session] for session in sessions] == [texts(400)] * 6


def test_sessions_that_end_while_there_is_no_room_lose_nothing(daemons):
    daemon = daemons(at_collector("max_statement = 64, buffer = 16384, on_full = 'block', block_timeout = 300"))
    daemon.start()
    clients = [daemon.logged_in() for _ in range(5)]
    answered = 0
    for client in clients:
        client.socket.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while True:  # until nothing is answered any more
                client.query("SELECT 'something to remember'")
                answered += 1
    assert answered > 50
    for client in clients:
        client.socket.close()
    with Collector(daemon.folder / "collector") as collector:
        wait_for(lambda: len(collector.lines) >= answered)
        wait_for(lambda: counters(daemon)["written"] == len(collector.lines))
        assert counters(daemon)["dropped"] == 0 and len(collector.lines) <= answered + len(clients)


@pytest.mark.parametrize("on_full", ["drop", "block"])
def test_a_collector_that_is_killed_and_restarted(daemons, on_full):
    """written + dropped = sent; what comes keeps its order, and comes twice only around a restart."""
    daemon = daemons(at_collector(f"max_statement = 64, buffer = 16384, on_full = '{on_full}', block_timeout = 300"))
    clients, each = 6, 500
    collector = Collector(daemon.folder / "collector", pace=0.001)
    daemon.start()
    running = threading.Thread(target=run_together, args=(lambda _: run_statements(daemon, each), clients))
    running.start()
    restarts = 0
    while running.is_alive():
        time.sleep(0.2)
        collector.stop()
        time.sleep(0.1)
        collector.start()
        restarts += 1
    found = wait_until_all_are_counted(daemon, clients * each)
    if on_full == "block":
        assert found["dropped"] == 0
    assert restarts > 0 and len(collector.lines) <= found["written"] + restarts
    for session in by_session(collector.records()).values():
        numbers = [int(r["sql"].split()[1]) for r in session]
        assert numbers == sorted(numbers)
    collector.stop()


# datagrams, syslog, journal


def bind(path):
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(path))
    made.settimeout(60)
    return made


def close(made, path):
    made.close()
    os.unlink(path)


CONNECT = "{ on_login = function(client, login) return client:connect(SERVER, login) end }"
SYSLOG = re.compile(rb"<134>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ perilune \d+ statement - (.*)", re.S)


def test_datagrams(daemons):
    daemon = daemons(f"mysql_listen(SOCK, {CONNECT}, {{ log = log_socket(FOLDER .. '/plain', {{ type = 'dgram' }}) }})")
    path = daemon.folder / "plain"
    made = bind(path)
    daemon.start()
    run_statements(daemon, 3)
    assert [made.recv(65536).rpartition(b" SELECT ")[2] for _ in range(3)] == [b"0\n", b"1\n", b"2\n"]
    close(made, path)
    made = bind(path)  # a new one under the same name
    run_statements(daemon, 1)
    assert made.recv(65536).endswith(b" SELECT 0\n")
    close(made, path)


def syslog_messages(kind, path):
    """What to write into the script, and a function that gives the next message."""
    if kind == "local":
        made = bind(path)
        return f"address = '{path}'", made, lambda: made.recv(65536)
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    made.bind(("127.0.0.1", 0))
    made.settimeout(60)
    address = f"address = '127.0.0.1:{made.getsockname()[1]}'"
    if kind == "udp":
        return address, made, lambda: made.recv(65536)
    made.listen()
    streams = []

    def counted_message():
        if not streams:
            streams.append(made.accept()[0].makefile("rb"))
        size = b""
        while (digit := streams[0].read(1)) != b" ":
            size += digit
        return streams[0].read(int(size))

    return address + ", type = 'stream'", made, counted_message


@pytest.mark.parametrize("kind", ["local", "udp", "tcp"])
@pytest.mark.parametrize("format", ["text", "json"])
def test_syslog(daemons, kind, format):
    daemon = daemons("")
    options, made, receive = syslog_messages(kind, daemon.folder / "syslog")
    daemon.write_config(f"mysql_listen(SOCK, {CONNECT}, {{ log = log_syslog {{ {options}, format = '{format}' }} }})")
    daemon.start()
    run_statements(daemon, 3)
    for i in range(3):
        message = SYSLOG.fullmatch(receive())
        if format == "json":
            assert json.loads(message[1])["sql"] == f"SELECT {i}"
        else:
            assert message[1].endswith(b" SELECT %d" % i)
    made.close()
    if kind == "local":
        os.unlink(daemon.folder / "syslog")


def journal_fields(entry):
    """Of the native protocol: NAME=value, or NAME, the value's length and the value."""
    fields = {}
    while entry:
        line, _, rest = entry.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[9 + size :]
        fields[name.decode()] = value.decode()
        entry = rest
    return fields


def test_the_journals_fields(daemons):
    daemon = daemons(
        f"mysql_listen(SOCK, {CONNECT}, {{ log = log_journal {{ address = FOLDER .. '/journal', max_statement = '1M',"
        " buffer = '16M', parameters = true } })"
    )
    path = daemon.folder / "journal"
    made = bind(path)
    daemon.start()
    with daemon.logged_in(database="shared_db") as client:
        client.query("SELECT\n1")
        fields = journal_fields(made.recv(65536))
        assert fields.pop("MESSAGE").endswith(" SELECT\\n1")
        assert float(fields.pop("PERILUNE_DURATION")) > 0 and int(fields.pop("PERILUNE_SESSION")) > 0
        assert fields.pop("PERILUNE_CLIENT").startswith("pid=") and fields.pop("PERILUNE_SERVER")
        assert fields == {
            "PRIORITY": "6", "SYSLOG_IDENTIFIER": "perilune", "PERILUNE_PROTOCOL": "mysql", "PERILUNE_USER": "plain",
            "PERILUNE_DATABASE": "shared_db", "PERILUNE_KIND": "query", "PERILUNE_SQL": "SELECT\n1", "PERILUNE_ROWS": "1",
            "PERILUNE_ANSWERED": "1",
        }
        with pytest.raises(Err):
            client.query("SELEC")
        fields = journal_fields(made.recv(65536))
        assert (fields["PERILUNE_ERROR_CODE"], fields["PERILUNE_ERROR_SQLSTATE"]) == ("1064", "42000")
        client.query("SELECT '%s'" % ("x" * 900_000))
        data, descriptors, *_ = socket.recv_fds(made, 65536, 1)
        assert data == b""
        with os.fdopen(descriptors[0], "rb") as file:
            file.seek(0)
            assert journal_fields(file.read())["PERILUNE_SQL"].count("x") == 900_000
    close(made, path)


# raw bytes


def test_raw_bytes_session_by_session(daemons):
    script = f"mysql_listen(SOCK, {CONNECT}, {{ log = log_socket(FOLDER .. '/raw', {{ format = 'raw' }}) }})"
    daemon = daemons(script)
    received = []
    done = threading.Semaphore(0)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            data = b""
            while piece := self.request.recv(65536):
                data += piece
            received.append(data)
            done.release()

    large = "SELECT LENGTH('%s')" % ("x" * 300_000)
    with socketserver.ThreadingUnixStreamServer(f"{daemon.folder}/raw", Handler) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        daemon.start()
        for number in range(2):
            with daemon.logged_in() as client:
                client.query(f"SELECT {number}")
                client.query(large)
        for _ in range(2):
            assert done.acquire(timeout=60)
        collector.shutdown()
    os.unlink(f"{daemon.folder}/raw")

    def packet(sql):
        return (len(sql) + 1).to_bytes(3, "little") + b"\0\x03" + sql.encode()

    assert sorted(received) == [packet(f"SELECT {number}") + packet(large) for number in range(2)]
