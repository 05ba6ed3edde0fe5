"""What a statement may cost: system calls and allocations, which a test can count exactly, unlike time."""

import re
import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest

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


@KINDS
@SCRIPTS
@pytest.mark.parametrize("where", ["sock", "tcp"])
def test_six_system_calls_per_statement(perilune, script, run_one, where):
    daemon = perilune(script, workers=1)
    with daemon.logged_in(address=getattr(daemon, where)) as client:
        for _ in range(50):
            run_one(client)
        with Tracer(daemon) as tracer:
            for _ in range(STATEMENTS):
                run_one(client)
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


@pytest.fixture(scope="session")
def counting_library(tmp_path_factory):
    library = tmp_path_factory.mktemp("count") / "count_malloc.so"
    source = Path(__file__).parent / "support" / "count_malloc.c"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


@KINDS
@SCRIPTS
@pytest.mark.parametrize("where", ["sock", "tcp"])
def test_no_allocation_per_statement(perilune, folder, counting_library, script, run_one, where):
    counter = folder / "count"
    counter.write_bytes(bytes(8))

    def allocations():
        return struct.unpack("<Q", counter.read_bytes())[0]

    environment = {"LD_PRELOAD": str(counting_library), "COUNT_MALLOC_FILE": str(counter)}
    daemon = perilune(script, workers=1, environment=environment)
    assert allocations() > 100, "the counter does not count"
    with daemon.logged_in(address=getattr(daemon, where)) as client:
        for _ in range(200):
            run_one(client)
        before = allocations()
        for _ in range(STATEMENTS):
            run_one(client)
        # Timers of the process itself allocate now and then, statements never.
        assert allocations() - before < 10
