"""What a statement may cost: system calls and allocations, which a test can count exactly, unlike time."""

import re
import struct
import subprocess
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from postgres import PASSWORD, own_postgres
from support import wire
from support.daemon import PASS_THROUGH
from support.raw_client import execute_body

pytestmark = [pytest.mark.no_reload, pytest.mark.budget]

STATEMENTS = 1000


def text(client):
    client.send_query("SELECT 1")
    client.result()


def prepared(client):
    if not hasattr(client, "statement"):
        client.statement, *_ = client.prepare("SELECT ?")
    client.command(wire.COM_STMT_EXECUTE, execute_body(client.statement, [1]))
    client.result(binary=True)


def ping(client):
    client.command(wire.COM_PING)
    client.ok()


FORWARD = """
local handler = { on_connect = function(client) return client:connect(SERVER) end }
tcp_listen(SOCK, handler)
tcp_listen(TCP, handler)
"""
SCRIPTS = pytest.mark.parametrize("script", [PASS_THROUGH, FORWARD], ids=["mysql_listen", "tcp_listen"])
KINDS = pytest.mark.parametrize("run_one", [text, prepared, ping], ids=lambda f: f.__name__)


class Tracer:
    """strace on all threads of a daemon, while the context is entered."""

    def __init__(self, daemon):
        self._output = Path(daemon.folder / "strace")
        self._command = ["strace", "--follow-forks", f"--attach={daemon.pid}", f"--output={self._output}"]

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)
        for line in self._process.stderr:
            if "attached" in line:
                return self
        pytest.fail(f"strace cannot attach: exit status {self._process.wait()}")

    def __exit__(self, *_):
        self._process.terminate()
        self._process.communicate(timeout=30)

    def calls(self):
        """(thread, name) of all calls in order; one that was interrupted by another thread's counts once."""
        lines = self._output.read_text().splitlines()
        return [m.groups() for m in (re.match(r"(\d+) +(\w+)\(", line) for line in lines) if m]


def check_calls(daemon, run_one):
    """Two reads, two writes and two waits a statement; `run_one` runs one on a connection that is there."""
    for _ in range(50):
        run_one()
    with Tracer(daemon) as tracer:
        for _ in range(STATEMENTS):
            run_one()
    calls = tracer.calls()
    counts = Counter(name for _, name in calls)
    paths = Counter({name: counts[name] for name in ("epoll_wait", "epoll_pwait", "read", "write")})
    all_waits = paths["epoll_wait"] + paths["epoll_pwait"]
    # The control thread looks after the others all the time; what wakes it for a statement would be a write.
    [(worker, _)] = Counter(thread for thread, name in calls if name == "write").most_common(1)
    waits = sum(1 for thread, name in calls if thread == worker and name in ("epoll_wait", "epoll_pwait"))
    # Timers that fire now and then, and the ends of the trace, are not the statements'.
    assert paths["read"] - 2 * STATEMENTS in range(0, 12), counts
    assert paths["write"] - 2 * STATEMENTS in range(0, 12), counts
    assert waits - 2 * STATEMENTS in range(-1, 30), (waits, counts)  # the first may have begun before the trace
    others = sum(counts.values()) - all_waits - paths["read"] - paths["write"]
    assert others < 60, counts


@KINDS
@SCRIPTS
@pytest.mark.parametrize("where", ["sock", "tcp"])
def test_six_system_calls_per_statement(perilune, script, run_one, where):
    daemon = perilune(script, workers=1)
    with daemon.logged_in(address=getattr(daemon, where)) as client:
        check_calls(daemon, lambda: run_one(client))


@pytest.fixture(scope="session")
def counting_library(tmp_path_factory):
    library = tmp_path_factory.mktemp("count") / "count_malloc.so"
    source = Path(__file__).parent / "support" / "count_malloc.c"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


class AllocationCounter:
    """Counts what a daemon allocates that is started with its environment."""

    def __init__(self, library, file):
        self._file = file
        self._file.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(library), "COUNT_MALLOC_FILE": str(file)}

    def read(self):
        return struct.unpack("<Q", self._file.read_bytes())[0]

    def check(self, run_one):
        assert self.read() > 100, "the counter does not count"
        for _ in range(200):
            run_one()
        before = self.read()
        for _ in range(STATEMENTS):
            run_one()
        # Timers of the process itself allocate now and then, statements never.
        assert self.read() - before < 10


@pytest.fixture
def allocations(folder, counting_library):
    return AllocationCounter(counting_library, folder / "count")


@KINDS
@SCRIPTS
@pytest.mark.parametrize("where", ["sock", "tcp"])
def test_no_allocation_per_statement(perilune, allocations, script, run_one, where):
    daemon = perilune(script, workers=1, environment=allocations.environment)
    with daemon.logged_in(address=getattr(daemon, where)) as client:
        allocations.check(lambda: run_one(client))


# --- PostgreSQL

PGSQL = "pgsql_listen(TCP, { on_login = function(client, login) return client:connect(POSTGRES, login) end }, { tls = false })"
PGSQL_KINDS = pytest.mark.parametrize("prepared", [False, True], ids=["text", "prepared"])


@pytest.fixture(scope="module")
def postgres():
    with own_postgres() as server:
        yield server


def statement_of(daemon, prepared):
    connection = psycopg.connect(
        host="127.0.0.1", port=daemon.tcp[1], user="web", password=PASSWORD, dbname="hosting", autocommit=True, sslmode="disable"
    )
    cursor = connection.cursor() if prepared else psycopg.ClientCursor(connection)
    return connection, lambda: cursor.execute("SELECT 1", prepare=prepared or None).fetchone()


@PGSQL_KINDS
def test_six_system_calls_per_statement_of_postgresql(perilune, postgres, prepared):
    daemon = perilune(PGSQL, {"POSTGRES": postgres.address}, workers=1)
    connection, run_one = statement_of(daemon, prepared)
    with connection:
        check_calls(daemon, run_one)


@PGSQL_KINDS
@pytest.mark.parametrize("watched", ["", "prometheus_listen(FOLDER .. '/metrics') admin_listen(FOLDER .. '/admin')"], ids=["unwatched", "watched"])
def test_no_allocation_per_statement_of_postgresql(perilune, postgres, allocations, prepared, watched):
    daemon = perilune(PGSQL + watched, {"POSTGRES": postgres.address}, workers=1, environment=allocations.environment)
    connection, run_one = statement_of(daemon, prepared)
    with connection:
        allocations.check(run_one)
