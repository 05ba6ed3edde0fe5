"""pg_receivewal and a streaming standby through Perilune, and a cluster of a primary and its standby."""

import contextlib
import signal
import subprocess
import threading
import time

import psycopg2
import psycopg2.errors
import pytest

from postgres import PASSWORD, own_postgres, program
from support import admin
from support.daemon import PATIENCE
from support.pg_replication import ACCESS, OPTIONS, Standby, ask, own_standby, streams, synchronous
from support.replication import until
from throwaway import plain_environment, stop_process

pytestmark = pytest.mark.streams

# Standbys come by TCP, clients by TCP2.
STREAM = "pgsql_listen(TCP, { on_login = function(client, login) return client:connect(SERVER, login) end })\n"
CLUSTER = STREAM + """
admin_listen(FOLDER .. '/admin')
local pair = pgsql_cluster({SERVER, STANDBY}, {
  monitoring = true, user = 'web', password = PASSWORD, database = 'hosting', interval = 0.3, timeout = 5,
  no_read_only = true, disconnect_unavailable = true, balance = 'first',
})
pgsql_listen(TCP2, { on_login = function(client, login)
  return client:connect(pair, login, {read_only = login.attributes.application_name == 'reports'})
end })
"""

SERVERS = {"15": None, "18": "postgresql-18"}
# How its pg_receivewal ends, since that of 15 does not know SIGTERM, and the versions of the protocol that it wishes for.
RECEIVERS = {"15": (signal.SIGINT, {}), "18": (signal.SIGTERM, {"min_protocol_version": "3.2", "max_protocol_version": "3.2"})}


def pytest_generate_tests(metafunc):
    """By default all happens at the older server. A receiver refuses a server that is newer than itself."""
    servers = SERVERS if metafunc.config.getoption("--thorough") else ["15"]
    if "receiver" in metafunc.fixturenames:
        cells = [(server, receiver) for server in servers for receiver in RECEIVERS if server <= receiver]
        metafunc.parametrize("postgres, receiver", cells, indirect=["postgres"], scope="module")
    elif "postgres" in metafunc.fixturenames:
        metafunc.parametrize("postgres", servers, indirect=True, scope="module")


@pytest.fixture(scope="module")
def postgres(request, fetched):
    release = SERVERS[request.param]
    if release is not None:
        fetched(release)
    with own_postgres(options=OPTIONS, access=ACCESS, release=release) as server:
        server.socket, server.release = f"{server.folder}/.s.PGSQL.{server.port}", release
        server.sql("ALTER ROLE web REPLICATION; CREATE TABLE item (id int PRIMARY KEY, name text); GRANT ALL ON item TO web")
        yield server


@pytest.fixture(scope="module")
def server(postgres):
    """What the daemons call SERVER."""
    return postgres


@pytest.fixture
def items(postgres):
    """An empty table."""
    ask(postgres, "TRUNCATE item")


@pytest.fixture
def standby(postgres, daemons, items):
    """The daemons' fixture is asked for: they end after it."""
    with own_standby(postgres.release) as standby:
        yield standby


def conninfo(port, **options):
    options = {"host": "127.0.0.1", "port": port, "user": "web", "password": PASSWORD, "dbname": "hosting", "sslmode": "disable", "connect_timeout": 30, **options}
    return " ".join(f"{name}='{value}'" for name, value in options.items())


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 * PATIENCE, env=plain_environment())
    assert done.returncode == 0, done.stdout + done.stderr


# --- pg_receivewal


def test_receive_wal(perilune, postgres, fetched, items, tmp_path, receiver):
    """What is written meanwhile arrives byte for byte, and the server is told that it did."""
    release, (end, wish) = SERVERS[receiver], RECEIVERS[receiver]
    if release is not None:
        fetched(release)
    common = [program("pg_receivewal", release), "-D", str(tmp_path), "--slot", "receiver", "-d", conninfo(perilune(STREAM).tcp[1], **wish)]
    run(*common, "--create-slot")
    process = subprocess.Popen([*common, "--synchronous", "--no-loop"], stderr=subprocess.PIPE, text=True, env=plain_environment())
    try:
        until(lambda: streams(postgres, "pg_receivewal"))
        ask(postgres, "INSERT INTO item SELECT i, repeat(md5(i::text), 5) FROM generate_series(1, 100000) i")
        [(last, end_of_last)] = ask(postgres, "SELECT pg_walfile_name(lsn), lsn FROM pg_switch_wal() lsn")
        until(lambda: (tmp_path / last).exists() or process.poll() is not None)
        received = sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".partial")
        assert len(received) > 1 and received[-1] == last
        for name in received:
            assert (tmp_path / name).read_bytes() == (postgres.folder / "data/pg_wal" / name).read_bytes()
        until(lambda: ask(postgres, f"SELECT 1 FROM pg_replication_slots WHERE slot_name = 'receiver' AND restart_lsn > '{end_of_last}'"))
        process.send_signal(end)
        assert process.wait(20 * PATIENCE) == 0, process.stderr.read()
        until(lambda: not ask(postgres, "SELECT 1 FROM pg_stat_replication"))
    finally:
        stop_process(process, signal.SIGKILL, 5)
        process.stderr.close()
        until(lambda: ask(postgres, "SELECT 1 FROM pg_replication_slots WHERE NOT active"))
        run(*common, "--drop-slot")


# --- a standby


def numbers(server):
    return {number for number, in ask(server, "SELECT id FROM item")}


def test_a_commit_waits_for_the_standby(perilune, postgres, standby):
    """While Perilune stands still no acknowledgement arrives, and the commit does not return."""
    daemon = perilune(STREAM)
    standby.follow(*daemon.tcp)
    assert ask(standby, "SELECT pg_is_in_recovery()") == [(True,)]
    with synchronous(postgres):
        ask(postgres, "SET synchronous_commit = remote_apply; INSERT INTO item SELECT i, repeat(md5(i::text), 5) FROM generate_series(1, 20000) i")
        counted = "SELECT count(*), md5(string_agg(name, ',' ORDER BY id)) FROM item"
        assert ask(standby, counted) == ask(postgres, counted)
        daemon.signal(signal.SIGSTOP)
        try:
            writer = threading.Thread(target=ask, args=(postgres, "INSERT INTO item VALUES (0)"))
            writer.start()
            until(lambda: ask(postgres, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))
            assert writer.is_alive()
        finally:
            daemon.signal(signal.SIGCONT)
        writer.join(20 * PATIENCE)
        assert not writer.is_alive()


def test_a_drain_ends_the_stream_and_the_standby_comes_back(perilune, postgres, standby):
    """A stream has no quiet moment: it lasts until drain_timeout."""
    first = perilune("settings{ drain_timeout = 0.2 }" + STREAM)
    standby.follow(*first.tcp)
    until(lambda: streams(postgres, Standby.NAME))
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    until(lambda: not ask(postgres, "SELECT 1 FROM pg_stat_replication"))
    ask(postgres, "INSERT INTO item VALUES (1, 'meanwhile')")
    perilune(STREAM, {"TCP": "%s:%d" % first.tcp})
    until(lambda: numbers(standby) == {1})
    assert streams(postgres, Standby.NAME) == 1


# --- a cluster of both


@pytest.fixture
def cluster(perilune, postgres, standby):
    daemon = perilune(CLUSTER, {"STANDBY": standby.address, "PASSWORD": PASSWORD})
    standby.follow(*daemon.tcp)
    until(lambda: states(daemon) == ["available", "read_only"])
    return daemon


def states(daemon):
    [cluster] = admin.ask(f"{daemon.folder}/admin", "/clusters")["clusters"]
    return [node["state"] for node in cluster["nodes"]]


def test_reads_go_to_the_standby_and_writes_to_the_primary(cluster, postgres, standby):
    with contextlib.ExitStack() as stack:
        stack.enter_context(synchronous(postgres))

        def connect(name):
            connection = stack.enter_context(contextlib.closing(psycopg2.connect(conninfo(cluster.tcp2[1], application_name=name))))
            connection.autocommit = True
            return connection.cursor()

        for number in range(6):
            writer, reader = connect("shop"), connect("reports")
            writer.execute("SET synchronous_commit = remote_apply")
            writer.execute("INSERT INTO item VALUES (%s) RETURNING inet_server_port(), pg_is_in_recovery()", (number,))
            assert writer.fetchall() == [(postgres.port, False)]
            reader.execute("SELECT max(id), inet_server_port(), pg_is_in_recovery() FROM item")
            assert reader.fetchall() == [(number, standby.port, True)]
            assert reader.connection.get_parameter_status("in_hot_standby") == "on"
            with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
                reader.execute("DELETE FROM item")


class Load(threading.Thread):
    """Writes, each on the connection there is or on a new one."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self._port, self._stopped = port, threading.Event()
        self.done = []  # (when it began, the number, the server's port)
        self.failed = []  # SQLSTATE, None if the connection could not tell
        self.start()

    def run(self):
        connection = None
        for number in range(1 << 30):
            if self._stopped.wait(0.01):
                break
            began = time.monotonic()
            try:
                connection = connection or self._connect()
                with connection.cursor() as cursor:
                    cursor.execute("INSERT INTO item VALUES (%s) RETURNING inet_server_port()", (number,))
                    self.done.append((began, number, cursor.fetchone()[0]))
            except psycopg2.Error as error:
                self.failed.append(error.pgcode)
                if connection and connection.closed:
                    connection = None
        if connection:
            connection.close()

    def _connect(self):
        connection = psycopg2.connect(conninfo(self._port))
        connection.autocommit = True
        return connection

    def written_at(self, server, after=0):
        return {number for began, number, port in list(self.done) if port == server.port and began >= after}

    def stop(self):
        self._stopped.set()
        self.join()


def test_failover(cluster, postgres, standby):
    """The primary crashes and the standby is promoted: nothing is lost that was committed, sessions that write find it, and those
    that read stay where they are."""
    with synchronous(postgres), contextlib.closing(psycopg2.connect(conninfo(cluster.tcp2[1], application_name="reports"))) as reader:
        load = Load(cluster.tcp2[1])
        until(lambda: len(load.done) > 20)
        postgres.crash()
        until(lambda: "25006" in load.failed)  # nothing but the standby is there, and it refuses to write
        until(lambda: states(cluster) == ["down", "read_only"])
        assert ask(standby, "SELECT pg_promote()") == [(True,)]
        promoted = time.monotonic()
        until(lambda: load.written_at(standby, after=promoted))
        assert time.monotonic() - promoted < 10 * PATIENCE
        until(lambda: states(cluster) == ["down", "available"])
        load.stop()
        assert {port for _, _, port in load.done} == {postgres.port, standby.port}
        assert load.written_at(postgres) | load.written_at(standby) <= numbers(standby)
        with reader.cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery(), inet_server_port()")
            assert cursor.fetchall() == [(False, standby.port)]
        assert reader.get_parameter_status("in_hot_standby") == "off"
