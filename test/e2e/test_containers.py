"""lua/examples/container.lua as it is shipped: all it knows comes from the environment, and it runs as PID 1."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from throwaway import ReservedPort

from support.admin import ask, ctl, scrape
from support.daemon import PATIENCE, ROOT
from support.tcp import connect

SCRIPT = ROOT / "lua" / "examples" / "container.lua"
NAMESPACES = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


@pytest.fixture
def container(daemons, folder, server):
    """Makes a daemon with the script and these variables besides the needed ones; not yet started."""

    def make(environment=None, **options):
        values = {
            "PERILUNE_NODES": server.address,
            "PERILUNE_LISTEN": f"{folder}/container.sock",
            "PERILUNE_METRICS": f"{folder}/metrics.sock",
            "PERILUNE_ADMIN": f"{folder}/admin.sock",
            **(environment or {}),
        }
        given = {name: value for name, value in values.items() if value is not None}
        daemon = daemons("", environment=given, workers=None, **options)
        daemon.config, daemon.sock = SCRIPT, values["PERILUNE_LISTEN"]
        return daemon

    return make


def test_all_by_the_environment(container, folder):
    statements = folder / "statements"
    daemon = container({"PERILUNE_STATEMENTS": str(statements), "PERILUNE_WORKERS": "2"}).start()
    with daemon.logged_in() as client:
        assert client.value("SELECT 'from a container'") == "from a container"
    deadline = time.monotonic() + 20 * PATIENCE
    while not (statements.exists() and "from a container" in statements.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (record,) = [json.loads(line) for line in statements.read_text().splitlines() if "from a container" in line]
    assert record["account"] == "plain"
    assert len(ask(f"{folder}/admin.sock", "/status")["workers"]) == 2
    assert scrape(f"{folder}/metrics.sock")("perilune_node_sessions", cluster="nodes") == 0


def test_nodes_share_the_clients(container, server, folder):
    nodes = f" {server.address} ,{server.socket}"
    daemon = container({"PERILUNE_NODES": nodes, "PERILUNE_BALANCE": "round_robin", "PERILUNE_METRICS": "off"}).start()
    deadline = time.monotonic() + 20 * PATIENCE
    while ctl("nodes", socket_path=f"{folder}/admin.sock").count("available") != 2:
        assert time.monotonic() < deadline
    clients = [daemon.logged_in() for _ in range(4)]
    (cluster,) = ask(f"{folder}/admin.sock", "/clusters")["clusters"]
    assert [node["sessions"] for node in cluster["nodes"]] == [2, 2]
    for client in clients:
        client.close()
    assert not (folder / "metrics.sock").exists()


def test_any_protocol(container):
    with_port = ReservedPort()
    try:
        container({"PERILUNE_PROTOCOL": "tcp", "PERILUNE_LISTEN": f"127.0.0.1:{with_port.port}"}).start()
        with connect(("127.0.0.1", with_port.port)) as client:
            assert client.recv(5)[4] == 10, "the server's own greeting"
    finally:
        with_port.close()


def test_postgresql(container):
    daemon = container({"PERILUNE_PROTOCOL": "pgsql", "PERILUNE_NODES": "db.invalid", "PERILUNE_LISTEN": None})
    daemon.arguments = ("--check",)
    daemon.spawn()
    assert daemon.wait() == 0
    assert "pgsql_listen *:5432: on_login" in daemon.log.text()


@pytest.mark.parametrize(
    "variable, value",
    [
        ("PERILUNE_NODES", None),
        ("PERILUNE_NODES", "a,,b"),
        ("PERILUNE_NODES", "a b"),
        ("PERILUNE_PROTOCOL", "http"),
        ("PERILUNE_BALANCE", "fair"),
        ("PERILUNE_WORKERS", "0"),
        ("PERILUNE_WORKERS", "many"),
        ("PERILUNE_DRAIN_TIMEOUT", "-1"),
        ("PERILUNE_MAX_CONNECTIONS", "0"),
    ],
)
def test_the_variable_that_is_wrong_is_named(container, variable, value):
    daemon = container({variable: value}, stop_code=78, reloading=False)
    daemon.spawn()
    assert daemon.wait() == 78
    assert daemon.log.matching(rf"error configuration: .*\b{variable}\b"), daemon.log.text()


def test_tcp_needs_a_port(container):
    daemon = container({"PERILUNE_PROTOCOL": "tcp", "PERILUNE_LISTEN": None}, stop_code=78, reloading=False)
    daemon.spawn()
    assert daemon.wait() == 78
    assert daemon.log.matching("PERILUNE_LISTEN")


# as PID 1


def child_of(pid):
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


@pytest.fixture
def contained(container):
    """The same as PID 1 of a namespace; signals go to it, not to what has made the namespace."""
    probe = subprocess.run([*NAMESPACES, "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        pytest.skip(f"no namespace of processes: {probe.stderr.strip()}")

    def start(environment=None):
        daemon = container(environment, wrapper=NAMESPACES)
        daemon.signal = lambda number: os.kill(child_of(daemon.pid), number)
        return daemon.start()

    return start


def namespace_pid(pid):
    return re.search(r"(?m)^NSpid:.*\s(\d+)$", Path(f"/proc/{pid}/status").read_text())[1]


@pytest.mark.no_reload
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_pid_1_drains(contained, number):
    daemon = contained()
    assert namespace_pid(child_of(daemon.pid)) == "1"
    with daemon.logged_in() as client:
        client.query("BEGIN")
        daemon.signal(number)
        daemon.notifications.wait(1, STOPPING="1")
        assert client.value("SELECT 1") == "1", "a transaction is open"
        client.query("COMMIT")
        assert daemon.wait() == 0


@pytest.mark.no_reload
def test_pid_1_reloads(contained, folder):
    daemon = contained()
    with daemon.logged_in() as client:
        before = client.value("SELECT CONNECTION_ID()")
        daemon.reload()
        assert client.value("SELECT CONNECTION_ID()") == before
        daemon.signal(signal.SIGUSR1)
        assert ask(f"{folder}/admin.sock", "/status")["pid"] == 1
        assert "sessions     1" in ctl("status", socket_path=f"{folder}/admin.sock")


@pytest.mark.no_reload
def test_probes_fail_once_it_has_ended(contained, folder):
    daemon = contained()
    ctl("status", socket_path=f"{folder}/admin.sock")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    ctl("status", socket_path=f"{folder}/admin.sock", status=1)


# what is written about it


def variables(path):
    return set(re.findall(r"PERILUNE_[A-Z_]+", path.read_text()))


def test_what_is_written_names_the_scripts_variables():
    read = set(re.findall(r"'(PERILUNE_[A-Z_]+)'", SCRIPT.read_text()))
    assert variables(SCRIPT) == read
    assert variables(ROOT / "doc" / "containers.rst") == read
    for name in ("Dockerfile", "kubernetes.yaml"):
        assert variables(ROOT / "doc" / "containers" / name) <= read


def test_the_images_files_exist():
    text = (ROOT / "doc" / "containers" / "Dockerfile").read_text()
    copied = re.findall(r"(?m)^COPY(?: --\S+)* (\S+) /etc/\S+$", text)
    assert copied == ["lua/examples/container.lua"]
    assert all((ROOT / path).exists() for path in copied)
