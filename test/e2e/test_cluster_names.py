"""Nodes that are host names: all their addresses, and what happens when these change."""

import contextlib
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.daemon import PATIENCE, sanitizer_environment
from support.nodes import ADMIN, Admin, Node, plain_nodes, read_line, visit
from support.tcp import connect, receive_all

CONFIG = """
cluster = tcp_cluster({ 'db.fake:%d' }, { %s })
tcp_listen(TCP, { on_connect = function(client) return client:connect(cluster, { %s }) end })
"""


@pytest.fixture(scope="session")
def server():
    """These tests need no database."""
    return SimpleNamespace(address="127.0.0.1:1", socket="/nowhere")


@pytest.fixture(scope="module")
def resolver(tmp_path_factory):
    library = tmp_path_factory.mktemp("hosts") / "fake_hosts.so"
    source = Path(__file__).parent / "support" / "fake_hosts.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture
def hosts(folder):
    """Says what db.fake means."""
    path = folder / "hosts"

    def set_hosts(*addresses):
        (folder / "hosts.new").write_text("".join(f"{address}\n" for address in addresses))
        (folder / "hosts.new").rename(path)

    set_hosts.path = path
    return set_hosts


@pytest.fixture
def start(perilune, resolver, hosts):
    def start(port, options="", connect=""):
        options_of_asan = sanitizer_environment()["ASAN_OPTIONS"] + ":verify_asan_link_order=0"
        environment = {"LD_PRELOAD": str(resolver), "FAKE_HOSTS": str(hosts.path), "ASAN_OPTIONS": options_of_asan}
        return perilune(CONFIG % (port, options, connect) + ADMIN, environment=environment)

    return start


@pytest.mark.parametrize("options", ["", "monitoring = true"])
def test_all_addresses_of_a_name_are_tried(start, hosts, options):
    with plain_nodes("127.0.0.3") as (node,):
        hosts("127.0.0.2", "127.0.0.3")
        daemon = start(node.port, options)
        sock, name = visit(daemon.tcp)
        sock.close()
        assert name == node.address


@pytest.mark.parametrize("options", ["", "monitoring = true, interval = 0.2"])
def test_a_name_that_moves_is_followed(start, hosts, options):
    old = Node("127.0.0.2")
    new = Node("127.0.0.3", port=old.port)
    try:
        hosts("127.0.0.2")
        daemon = start(old.port, options, "connect_timeout = 15")
        sock, name = visit(daemon.tcp)
        with sock:
            assert name == old.address
            hosts("127.0.0.3")
            old.stop()
            deadline = time.monotonic() + 20 * PATIENCE
            name = None
            while not name and time.monotonic() < deadline:
                with connect(daemon.tcp) as other:
                    name = read_line(other)
            assert name == new.address
    finally:
        old.stop()
        new.stop()


@contextlib.contextmanager
def stopped(node):
    """At the end."""
    try:
        yield node
    finally:
        node.stop()


@pytest.mark.parametrize("options", ["", "monitoring = true"])
def test_a_name_is_looked_up_again_though_nothing_fails(request, start, hosts, options):
    """Every thirty seconds."""
    if not request.config.getoption("--thorough"):
        pytest.skip("takes half a minute: --thorough")
    with stopped(Node("127.0.0.2")) as old, stopped(Node("127.0.0.3", port=old.port)) as new:
        hosts("127.0.0.2")
        daemon = start(old.port, options)
        sock, name = visit(daemon.tcp)
        with sock:
            assert name == old.address
            hosts("127.0.0.3")
            deadline = time.monotonic() + 60 * PATIENCE
            while name != new.address and time.monotonic() < deadline:
                time.sleep(0.2)
                other, name = visit(daemon.tcp)
                other.close()
            assert name == new.address


def test_a_name_without_a_meaning_keeps_its_addresses(start, hosts):
    with plain_nodes("127.0.0.2") as (node,):
        hosts("127.0.0.2")
        daemon = start(node.port, "monitoring = true, interval = 0.2", "connect_timeout = 15")
        node.stop()
        hosts()
        daemon.log.wait("a node's name cannot be resolved")
        node.start()
        sock, name = visit(daemon.tcp)
        sock.close()
        assert name == node.address
        hosts("127.0.0.2")
        node.stop()
        daemon.log.wait("a node's name can be resolved again")


def test_a_name_that_gets_its_meaning_later(start, hosts):
    with plain_nodes("127.0.0.2") as (node,):
        hosts()
        daemon = start(node.port, "monitoring = true, interval = 0.2", "connect_timeout = 15")
        assert Admin(daemon)("return cluster:nodes()[1].state") == "down"
        hosts("127.0.0.2")
        sock, name = visit(daemon.tcp)
        sock.close()
        assert name == node.address


def test_a_name_without_a_meaning_is_an_error(start, hosts):
    hosts()
    daemon = start(1, "", "connect_timeout = 1")
    with connect(daemon.tcp) as client:
        assert receive_all(client) == b""
    daemon.log.wait("session failed.*cannot connect to db.fake:1")
