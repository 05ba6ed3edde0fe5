"""Logs of statements: what they hold, where they go, and what is lost when they cannot be written."""

import json
import os
import re
import signal
import socket
import socketserver
import threading
import time

import pytest

from support import wire
from support.raw_client import execute_body

PLAIN = """
local statements = log_file(FOLDER .. '/statements', { format = 'json', parameters = true })
local lines = log_file(FOLDER .. '/lines')
local handler = {
  on_login = function(client, login) return client:connect(SERVER, login) end,
}
mysql_listen(SOCK, handler, { log = { statements, lines } })
"""


def wait_for(check, seconds=30):
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def lines_of(path):
    return path.read_text().splitlines() if path.exists() else []


def records(daemon, name="statements"):
    return [json.loads(line) for line in lines_of(daemon.folder / name)]


def wait_for_records(daemon, count, name="statements"):
    wait_for(lambda: len(lines_of(daemon.folder / name)) >= count)
    found = records(daemon, name)
    assert len(found) == count, found
    return found


def test_records_are_complete(perilune, database):
    daemon = perilune(PLAIN)
    with daemon.logged_in() as client:
        client.query(f"CREATE TABLE {database}.t (a INT, b TEXT)")
        client.query(f"INSERT INTO {database}.t VALUES (1, 'x'), (2, NULL)")
        client.query(f"SELECT * FROM {database}.t")
        with pytest.raises(wire.Err):
            client.query("SELEC\n1")
        statement, *_ = client.prepare(f"SELECT a FROM {database}.t WHERE a < ? AND 'é' = ?")
        client.command(wire.COM_STMT_EXECUTE, execute_body(statement, [2, "é".encode()]))
        client.result(binary=True)
    found = wait_for_records(daemon, 6)
    assert [r["kind"] for r in found] == ["query", "query", "query", "query", "prepare", "execute"]
    assert found[0]["affected"] == 0 and found[1]["affected"] == 2 and found[2]["rows"] == 2
    assert found[3]["error"]["code"] == 1064 and found[3]["error"]["sqlstate"] == "42000"
    assert found[5]["sql"] == found[4]["sql"] and found[5]["parameters"] == [2, "é"] and found[5]["rows"] == 1
    assert {r["user"] for r in found} == {"plain"} and len({r["session"] for r in found}) == 1
    assert all(r["answered"] and 0 <= r["first"] <= r["duration"] for r in found)
    assert [r["time"] for r in found] == sorted(r["time"] for r in found)
    lines = lines_of(daemon.folder / "lines")
    assert len(lines) == 6 and " SELEC\\n1\terror=1064 (42000) " in lines[3]


def test_the_log_holds_what_the_servers_own_log_holds(perilune, server, request):
    """…in order, session by session; the general log of the server is the witness."""
    count = 100_000 if request.config.getoption("--thorough") else 5_000
    clients = 5
    mark = "m%d" % os.getpid()
    daemon = perilune(PLAIN)
    server.sql("SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = ON")
    try:
        threads = [threading.Thread(target=run_statements, args=(daemon, mark, i, count // clients)) for i in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        server.sql("SET GLOBAL general_log = OFF; SET GLOBAL log_output = 'FILE'")
    witness = server.sql(
        f"SELECT argument FROM mysql.general_log WHERE argument LIKE '%/*{mark} %' AND command_type IN ('Query', 'Prepare', 'Execute')"
        " AND argument NOT LIKE '%general_log%' ORDER BY event_time"
    )
    texts = [line for line in str(witness).splitlines() if mark in line]
    mine = wait_for_records(daemon, len(texts))
    assert len(mine) >= count
    for i in range(clients):
        tag = f"/*{mark} {i}*/"
        expected = [text.strip() for text in texts if tag in text]
        assert len(expected) >= count // clients
        assert [sent_text(r) for r in mine if tag in r["sql"]] == expected


def sent_text(record):
    """As servers log it: with the values in their places."""
    text = record["sql"]
    for value in record.get("parameters", []):
        text = text.replace("?", str(value), 1)
    return text


def run_statements(daemon, mark, number, count):
    tag = f"/*{mark} {number}*/"
    with daemon.logged_in() as client:
        done = 0
        while done < count:
            statement, *_ = client.prepare(f"SELECT ? + {done} {tag}")
            for i in range(8):
                client.command(wire.COM_STMT_EXECUTE, execute_body(statement, [i]))
                client.result(binary=True)
            client.command(wire.COM_STMT_CLOSE, statement.to_bytes(4, "little"))
            client.query(f"SELECT {done} {tag}")
            done += 10


def test_passwords_are_masked(perilune):
    daemon = perilune(PLAIN)
    with daemon.logged_in() as client:
        with pytest.raises(wire.Err):
            client.query("ALTER USER nobody IDENTIFIED BY 'geheim'")
        with pytest.raises(wire.Err):
            client.query("SET PASSWORD FOR nobody@x = 'geheim' nonsense")
    wait_for_records(daemon, 2)
    assert "geheim" not in (daemon.folder / "statements").read_text() + (daemon.folder / "lines").read_text()


def test_statements_without_an_answer_are_logged_at_the_end(perilune):
    daemon = perilune(PLAIN)
    client = daemon.logged_in()
    client.send_query("SELECT SLEEP(30)")
    time.sleep(0.2)
    client.close()
    [record] = wait_for_records(daemon, 1)
    assert record["answered"] is False and record["sql"] == "SELECT SLEEP(30)"


SCRIPTED = """
local all = log_file(FOLDER .. '/statements', { format = 'json' })
local other = log_file(FOLDER .. '/other', { format = 'json' })
mysql_listen(SOCK, {
  on_login = function(client, login) return client:connect(SERVER, login) end,
  on_command_phase = function(client)
    client.log = all
    assert(client.log == all)
  end,
  on_query = function(client, sql)
    if sql == 'old' then return client:query('SELECT 1') end
    if sql == 'no' then return client:err('never') end
    if sql == 'rows' then return client:result { columns = { 'a' }, rows = { { 1 }, { 2 } } } end
    if sql == 'SELECT 2' then client.log = { all, other } end
    if sql == 'SELECT 3' then client.log = nil end
  end,
  on_log = function(client, record)
    if record.sql == 'SELECT 4' then return false end
    if record.sql == 'SELECT 5' then return other end
    if record.sql == 'SELECT 6' then error('boom') end
    if record.sql == 'SELECT 7' then sleep(1) end
  end,
})
"""


def test_the_script_decides(perilune):
    daemon = perilune(SCRIPTED)
    with daemon.logged_in() as client:
        client.query("old")
        with pytest.raises(wire.Err):
            client.query("no")
        client.query("rows")
        for i in (4, 5, 6, 7, 2, 3):
            client.query(f"SELECT {i}")
    found = wait_for_records(daemon, 6)
    assert [r["sql"] for r in found] == ["SELECT 1", "no", "rows", "SELECT 6", "SELECT 7", "SELECT 2"]
    assert found[0]["original"] == "old" and found[1]["error"]["message"] == "never" and found[2]["rows"] == 2
    assert [r["sql"] for r in wait_for_records(daemon, 2, "other")] == ["SELECT 5", "SELECT 2"]


def test_rotation_under_load_loses_nothing(perilune):
    daemon = perilune(PLAIN)
    path, old = daemon.folder / "statements", daemon.folder / "old"
    rotated = []
    with daemon.logged_in() as client:
        for i in range(2000):
            client.query(f"SELECT {i}")
            if i % 500 == 250:
                rotated.append(old.with_suffix(f".{i}"))
                path.rename(rotated[-1])
                daemon.signal(signal.SIGUSR1)
                wait_for(path.exists)
    everything = lambda: [json.loads(line)["sql"] for p in [*rotated, path] for line in lines_of(p)]
    wait_for(lambda: len(everything()) >= 2000)
    assert everything() == [f"SELECT {i}" for i in range(2000)]


class Collector:
    """A log server on a unix socket that can be stopped and started."""

    def __init__(self, path):
        self.path, self.lines, self._connections = str(path), [], []
        self.start()

    def start(self):
        self._listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(self.path):
            os.unlink(self.path)
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._thread.start()

    def _accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                for line in stream:
                    self.lines.append(line)
            except OSError:
                pass

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        os.unlink(self.path)
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._connections.clear()


SOCKET = """
collector = log_socket(FOLDER .. '/collector', { format = 'json', OPTIONS })
mysql_listen(SOCK, {
  on_login = function(client, login) return client:connect(SERVER, login) end,
  on_query = function(client, sql)
    if sql == 'counters' then
      return client:result { columns = { 'w', 'd' }, rows = { { collector.written, collector.dropped } } }
    end
  end,
}, { log = collector })
"""




def test_an_outage_of_the_collector_is_got_over(daemons):
    daemon = daemons(SOCKET.replace("OPTIONS", ""))
    collector = Collector(daemon.folder / "collector")
    daemon.start()
    with daemon.logged_in() as client:
        client.query("SELECT 1")
        wait_for(lambda: len(collector.lines) == 1)
        collector.stop()
        for i in range(500):
            client.query(f"SELECT {i}")
        collector.start()
        wait_for(lambda: len(collector.lines) >= 501)
    assert len(collector.lines) == 501
    collector.stop()


@pytest.mark.no_reload
def test_a_full_log_drops_and_counts(daemons):
    daemon = daemons(SOCKET.replace("OPTIONS", "max_statement = 64, buffer = 4096"), workers=1)
    daemon.start()  # nobody collects
    with daemon.logged_in() as client:
        for i in range(500):
            client.query(f"SELECT {i}")
        collector = Collector(daemon.folder / "collector")
        asked = []

        def all_accounted_for():
            written, dropped = (int(n) for n in client.query("counters").rows[0])
            asked.append((written, dropped))
            return written + dropped == 500 + len(asked) - 1

        wait_for(all_accounted_for)
        written, dropped = asked[-1]
        assert written > 0 and dropped > 0
        wait_for(lambda: len(collector.lines) >= written)
    collector.stop()


def test_a_full_log_blocks_its_sessions_and_loses_nothing(daemons):
    daemon = daemons(SOCKET.replace("OPTIONS", "max_statement = 64, buffer = 4096, on_full = 'block'"))
    daemon.start()
    client = daemon.logged_in()

    def run():
        for i in range(200):
            client.query(f"SELECT {i}")

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(1.5)
    assert thread.is_alive(), "nothing blocked"
    collector = Collector(daemon.folder / "collector")
    thread.join(60)
    assert not thread.is_alive()
    client.close()
    wait_for(lambda: len(collector.lines) >= 200)
    assert [json.loads(line)["sql"] for line in collector.lines] == [f"SELECT {i}" for i in range(200)]
    collector.stop()


def test_datagrams_syslog_and_journal(daemons):
    script = """
    local everywhere = {
      log_socket(FOLDER .. '/plain', { type = 'dgram' }),
      log_syslog { address = FOLDER .. '/syslog', format = 'json' },
      log_journal { address = FOLDER .. '/journal', max_statement = '1M', buffer = '16M' },
    }
    mysql_listen(SOCK, {
      on_login = function(client, login) return client:connect(SERVER, login) end,
    }, { log = everywhere })
    """
    daemon = daemons(script)
    sockets = {}
    for name in ("plain", "syslog", "journal"):
        sockets[name] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sockets[name].bind(f"{daemon.folder}/{name}")
        sockets[name].settimeout(30)
    daemon.start()
    with daemon.logged_in() as client:
        client.query("SELECT 1")
        assert sockets["plain"].recv(65536).endswith(b" SELECT 1\n")
        assert re.match(rb"<134>1 \S+Z \S+ perilune \d+ statement - \{.*\}$", sockets["syslog"].recv(65536))
        entry = sockets["journal"].recv(65536)
        assert b"\nPERILUNE_SQL=SELECT 1\n" in entry and b"\nPERILUNE_USER=plain\n" in entry
        client.query("SELECT '%s'" % ("x" * 900_000))
        data, descriptors, *_ = socket.recv_fds(sockets["journal"], 65536, 1)
        assert data == b""
        with os.fdopen(descriptors[0], "rb") as file:
            file.seek(0)
            assert b"x" * 900_000 in file.read()
    for name, bound in sockets.items():
        bound.close()
        os.unlink(f"{daemon.folder}/{name}")


def test_raw_bytes_session_by_session(daemons):
    script = """
    mysql_listen(SOCK, {
      on_login = function(client, login) return client:connect(SERVER, login) end,
    }, { log = log_socket(FOLDER .. '/raw', { format = 'raw' }) })
    """
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

    with socketserver.ThreadingUnixStreamServer(f"{daemon.folder}/raw", Handler) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        daemon.start()
        for number in range(2):
            with daemon.logged_in() as client:
                client.query(f"SELECT {number}")
        for _ in range(2):
            assert done.acquire(timeout=30)
        collector.shutdown()
    os.unlink(f"{daemon.folder}/raw")
    for number in range(2):
        assert any(data.startswith(b"\x09\x00\x00\x00\x03SELECT %d" % number) for data in received), received


@pytest.mark.parametrize(
    "line, error",
    [
        ("log_file('/no/such/folder/log')", "cannot open /no/such/folder/log"),
        ("log_file(FOLDER .. '/x', { format = 'raw' })", "only for log_socket"),
        ("log_file(FOLDER .. '/x', { formt = 'json' })", "format"),
        ("log_file(FOLDER .. '/x', { buffer = '64K' })", "buffer"),
        ("log_socket('localhost:99')", ""),
    ],
)
def test_mistakes_fail_the_load(daemons, line, error):
    daemon = daemons(PLAIN + line, stop_code=78)
    daemon.spawn()
    assert daemon.wait() == 78
    assert error in daemon.log.text()


def test_many_clients(perilune):
    daemon = perilune(PLAIN)
    counts = 150, 20

    def run(number):
        with daemon.pymysql() as connection, connection.cursor() as cursor:
            for i in range(counts[1]):
                cursor.execute(f"SELECT {number}, {i}")

    threads = [threading.Thread(target=run, args=(i,)) for i in range(counts[0])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: sum(" SELECT " in line for line in lines_of(daemon.folder / "lines")) >= counts[0] * counts[1])
    by_session = {}
    for record in records(daemon):
        if found := re.fullmatch(r"SELECT (\d+), (\d+)", record["sql"]):
            by_session.setdefault((record["session"], found[1]), []).append(int(found[2]))
    assert len(by_session) == counts[0]
    assert all(order == list(range(counts[1])) for order in by_session.values())
