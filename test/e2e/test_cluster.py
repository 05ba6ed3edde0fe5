"""Clusters under tcp_listen: which node clients are sent to, and what happens when one fails."""

import contextlib
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from throwaway import ReservedPort

from support.nodes import ADMIN, Admin, chosen, lua_list, plain_nodes, read_line, visit
from support.tcp import connect, receive_all

HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
CONNECT = """
cluster = tcp_cluster(%s, { %s })
tcp_listen(TCP, { on_connect = function(client) return client:connect(cluster, { %s }) end })
"""


@pytest.fixture(scope="session")
def server():
    """These tests need no database."""
    return SimpleNamespace(address="127.0.0.1:1", socket="/nowhere")


@pytest.fixture
def nodes():
    with plain_nodes(*HOSTS) as nodes:
        yield nodes


@pytest.fixture
def start(perilune):
    def start(nodes, options="", connect="", **more):
        listed = nodes if isinstance(nodes, str) else lua_list(nodes)
        return perilune(CONNECT % (listed, options, connect) + ADMIN, **more)

    return start


@contextlib.contextmanager
def visits(address, count):
    """Names of the nodes that so many simultaneous sessions reach."""
    with contextlib.ExitStack() as stack:
        names = []
        for _ in range(count):
            sock, name = visit(address)
            stack.enter_context(sock)
            names.append(name)
        yield names


def weighted(nodes, weights):
    return "{" + ", ".join(f"{{'{n.address}', weight = {w}}}" for n, w in zip(nodes, weights)) + "}"


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


# which node


@pytest.mark.parametrize("policy", ["round_robin", "least_connections"])
@pytest.mark.parametrize("weights", [(1, 1, 1), (3, 2, 1)])
def test_balance_by_weights(start, nodes, policy, weights):
    daemon = start(weighted(nodes, weights), f"balance = '{policy}'")
    with visits(daemon.tcp, 300) as names:
        counts = Counter(names)
    for node, weight in zip(nodes, weights):
        assert abs(counts[node.address] - 300 * weight / sum(weights)) <= 3, counts


class Counting:
    """Counts its clients and closes their connections."""

    def __init__(self, host):
        self._listener = socket.create_server((host, 0), backlog=1024)
        self.address = "%s:%d" % self._listener.getsockname()
        self.clients = 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.clients += 1
                sock.close()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.mark.no_reload
@pytest.mark.parametrize("policy", ["round_robin", "consistent_hash"])
def test_ten_thousand_connections_follow_the_weights(perilune, policy):
    """Within one percent; the keys are the same in each run."""
    weights = (5, 3, 2)
    with contextlib.ExitStack() as stack:
        counting = [stack.enter_context(contextlib.closing(Counting(host))) for host in HOSTS]
        daemon = perilune(f"""
            local keys = shared('keys')
            local cluster = tcp_cluster({weighted(counting, weights)}, {{ balance = '{policy}' }})
            tcp_listen(TCP, {{ on_connect = function(client)
              return client:connect(cluster, {{ key = 'web' .. keys:incr('number') }})
            end }})""")

        def come_and_go():
            for _ in range(2500):
                with connect(daemon.tcp) as sock:
                    assert receive_all(sock) == b""

        visitors = [stack.enter_context(ThreadPoolExecutor(1)).submit(come_and_go) for _ in range(4)]
        for visitor in visitors:
            visitor.result()
        shares = [node.clients for node in counting]
    assert sum(shares) == 10000
    for share, weight in zip(shares, weights):
        assert abs(share / 10000 - weight / sum(weights)) < 0.01, shares


@pytest.mark.parametrize("policy", ["random", "consistent_hash"])
def test_balance_by_chance(perilune, nodes, policy):
    daemon = perilune(
        f"cluster = tcp_cluster({lua_list(nodes)}, {{ balance = '{policy}' }})\n"
        "tcp_listen(TCP, { on_connect = function(c) return c:connect(cluster, { key = tostring(c.id) }) end })"
    )
    with visits(daemon.tcp, 300) as names:
        counts = Counter(names)
    assert all(60 < counts[node.address] < 140 for node in nodes), counts


@pytest.mark.parametrize("key", ["anna", "berta", "dora", "heinz", ""])
def test_a_key_has_the_node_that_myproxy_chose(start, nodes, key):
    daemon = start(nodes, connect=f"key = '{key}'")
    with visits(daemon.tcp, 5) as names:
        assert {name.split(":")[0] for name in names} == {chosen(HOSTS, key)}


def test_the_account_is_the_key(perilune, nodes):
    daemon = perilune(
        f"cluster = tcp_cluster({lua_list(nodes)})\n"
        "tcp_listen(TCP, { on_connect = function(c) c.account = 'berta' return c:connect(cluster) end })"
    )
    with visits(daemon.tcp, 3) as names:
        assert {name.split(":")[0] for name in names} == {chosen(HOSTS, "berta")}


def test_nodes_of_one_address_share_its_clients(perilune):
    with plain_nodes("127.0.0.1", "127.0.0.1", "127.0.0.1") as nodes:
        daemon = perilune(
            f"cluster = tcp_cluster({lua_list(nodes)})\n"
            "tcp_listen(TCP, { on_connect = function(c) return c:connect(cluster, { key = tostring(c.id) }) end })"
        )
        with visits(daemon.tcp, 200) as names:
            assert len(set(names)) == 3


def test_a_source_stays_where_it_is(start, nodes):
    daemon = start(nodes, "balance = 'source_hash'")
    seen = {}
    for _ in range(3):
        for host in range(10, 40):
            source = f"127.0.0.{host}"
            with socket.socket() as sock:
                sock.settimeout(30)
                sock.bind((source, 0))
                sock.connect(daemon.tcp)
                name = read_line(sock)
            assert seen.setdefault(source, name) == name
    assert len(set(seen.values())) == 3


def test_the_first_one_and_a_backup(start, nodes):
    first, second, third = nodes
    listed = f"{{ {{'{first.address}', backup = true}}, '{second.address}', '{third.address}' }}"
    daemon = start(listed, "balance = 'first'")
    with visits(daemon.tcp, 3) as names:
        assert set(names) == {second.address}
    second.stop()
    third.stop()
    with visits(daemon.tcp, 3) as names:
        assert set(names) == {first.address}


@pytest.mark.parametrize("answer", ["nodes[#nodes]", "nodes[#nodes].address", "'last'"])
def test_a_function_chooses(start, nodes, answer):
    listed = f"{{ '{nodes[0].address}', '{nodes[1].address}', {{'{nodes[2].address}', name = 'last'}} }}"
    daemon = start(listed, f"balance = function(client, nodes) sleep(0.001) return {answer} end")
    with visits(daemon.tcp, 3) as names:
        assert set(names) == {nodes[2].address}


def test_a_function_may_leave_it_to_the_hash(start, nodes):
    daemon = start(nodes, "balance = function() end", "key = 'dora'")
    with visits(daemon.tcp, 2) as names:
        assert {name.split(":")[0] for name in names} == {chosen(HOSTS, "dora")}


@pytest.mark.parametrize("body, why", [("error('no idea')", "no idea"), ("return 17", "a node, its address or its name expected"), ("return '127.0.0.9:1'", "not offered")])
def test_a_function_that_fails_refuses(start, nodes, body, why):
    daemon = start(nodes, f"balance = function(client, nodes) {body} end")
    with connect(daemon.tcp) as client:
        assert receive_all(client) == b""
    daemon.log.wait(why)


# failures


def test_a_dead_node_costs_nobody_a_session(start, nodes):
    with contextlib.closing(ReservedPort("127.0.0.9")) as dead:
        listed = f"{{ '127.0.0.9:{dead.port}', '{nodes[0].address}', '{nodes[1].address}' }}"
        daemon = start(listed, "balance = 'round_robin'")
        with visits(daemon.tcp, 60) as names:
            assert set(names) == {nodes[0].address, nodes[1].address}
        assert 1 <= len(daemon.log.matching("node is down")) <= 3


def test_without_retry_there_is_one_attempt(start, nodes):
    with contextlib.closing(ReservedPort("127.0.0.9")) as dead:
        daemon = start(f"{{ '127.0.0.9:{dead.port}', '{nodes[0].address}' }}", "balance = 'first'", "retry = 0")
        with connect(daemon.tcp) as client:
            assert receive_all(client) == b""
        daemon.log.wait("cannot connect to 127.0.0.9")
        with visits(daemon.tcp, 1) as names:
            assert names == [nodes[0].address]


def test_a_node_where_connecting_hangs_has_its_share_of_the_time(start, nodes, backlogged):
    daemon = start(f"{{ '{backlogged.address}', '{nodes[0].address}' }}", "balance = 'first'", "connect_timeout = 2")
    with visits(daemon.tcp, 1) as names:
        assert names == [nodes[0].address]


@pytest.mark.threads
def test_killing_a_node_under_load_ends_only_its_sessions(start, nodes):
    daemon = start(nodes, "balance = 'round_robin'")
    errors, stopped = [], threading.Event()

    def load():
        while not stopped.is_set():
            with connect(daemon.tcp) as sock:
                try:
                    if read_line(sock) is None:
                        errors.append("an end")
                except ConnectionResetError:
                    errors.append("a reset")

    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(90):
            sock, name = visit(daemon.tcp)
            held.append((stack.enter_context(sock), name))
        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        victim = nodes[1]
        victim.stop()
        for sock, name in held:
            if name == victim.address:
                assert receive_all(sock) == b""
        wait_until(lambda: daemon.log.matching("node is down"))
        stopped.set()
        for thread in threads:
            thread.join()
        for sock, name in held:
            if name == victim.address:
                continue
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(1)
    # Who was accepted by the victim's kernel at the moment of its death sees the end that it made.
    assert len(errors) <= 4, errors


def test_a_node_is_back(start, nodes):
    daemon = start(nodes, "balance = 'first'")
    nodes[0].stop()
    with visits(daemon.tcp, 2) as names:
        assert set(names) == {nodes[1].address}
    nodes[0].start()

    def is_back():
        sock, name = visit(daemon.tcp)
        sock.close()
        return name == nodes[0].address

    wait_until(is_back)


@pytest.mark.parametrize("options", ["", "monitoring = true, interval = 0.2"])
def test_with_none_left_the_error_is_clear(start, nodes, options):
    daemon = start(nodes, options, "connect_timeout = 1")
    with visits(daemon.tcp, 1) as names:
        assert names[0]
    for node in nodes:
        node.stop()
    with connect(daemon.tcp) as client:
        assert receive_all(client) == b""
    daemon.log.wait("session failed.*(cannot connect to 127|no node of cluster)")
    daemon.log.wait("error.*no usable node is left")


def test_clients_wait_for_a_node(start, nodes):
    daemon = start(nodes[:1], "monitoring = true, interval = 60", "connect_timeout = 20")
    nodes[0].stop()
    daemon_sees = connect(daemon.tcp)  # refused, which counts at once
    daemon.log.wait("no usable node is left")
    nodes[0].start()
    with daemon_sees:
        assert read_line(daemon_sees) == nodes[0].address


@pytest.mark.threads
def test_clients_wait_for_a_node_without_monitoring(start, nodes):
    daemon = start(nodes[:1], "", "connect_timeout = 60")
    nodes[0].stop()
    with connect(daemon.tcp) as waiting:
        daemon.log.wait("no usable node is left")
        nodes[0].start()
        assert read_line(waiting) == nodes[0].address


def test_a_full_node_is_waited_for(start, nodes):
    listed = f"{{ {{'{nodes[0].address}', max_connections = 2}} }}"
    daemon = start(listed, connect="connect_timeout = 20")
    one, _ = visit(daemon.tcp)
    two, _ = visit(daemon.tcp)
    with two, connect(daemon.tcp) as third:
        third.settimeout(0.3)
        with pytest.raises(TimeoutError):
            third.recv(1)
        third.settimeout(30)
        one.close()
        assert read_line(third) == nodes[0].address


def test_waiting_for_a_full_node_ends(start, nodes):
    daemon = start(f"{{ {{'{nodes[0].address}', max_connections = 1}} }}", connect="connect_timeout = 0.3")
    with visit(daemon.tcp)[0], connect(daemon.tcp) as second:
        assert receive_all(second) == b""
    daemon.log.wait("has a place left")


# at run time


def test_rows(start, nodes):
    listed = f"{{ {{'{nodes[0].address}', weight = 3, name = 'one', backup = true, max_connections = 7}} }}"
    daemon = start(listed, "monitoring = true, name = 'the cluster'")
    admin = Admin(daemon)
    row = "local r = cluster:nodes()[1] return "
    assert admin(row + "r.address .. ' ' .. r.name .. ' ' .. r.weight .. ' ' .. tostring(r.backup)") == f"{nodes[0].address} one 3 true"
    assert admin(row + "r.state .. ' ' .. r.sessions .. ' ' .. r.max_connections") == "available 0 7"
    assert admin(row + "now() - r.since < 60 and tostring(r.reason)") == "nil"
    assert admin("return tostring(cluster)") == "the cluster"
    with visits(daemon.tcp, 2):
        assert admin(row + "r.sessions") == "2"


def test_drain_and_enable(start, nodes):
    daemon = start(nodes, "balance = 'first'")
    admin = Admin(daemon)
    with visits(daemon.tcp, 1) as names:
        assert names == [nodes[0].address]
        admin(f"cluster:drain('{nodes[0].address}')")
        assert admin(f"return state_of('{nodes[0].address}')") == "draining"
        with visits(daemon.tcp, 2) as others:
            assert set(others) == {nodes[1].address}
        assert admin("return cluster:nodes()[1].sessions") == "1"
        admin("cluster:enable(cluster:nodes()[1])")
        with visits(daemon.tcp, 1) as others:
            assert others == [nodes[0].address]


def test_drain_and_close(perilune, nodes):
    """Bytes without a protocol have no quiet moment: they end with drain_timeout."""
    daemon = perilune("settings{ drain_timeout = 0.5 }" + CONNECT % (lua_list(nodes), "balance = 'first'", "") + ADMIN)
    sock, name = visit(daemon.tcp)
    with sock:
        Admin(daemon)(f"cluster:drain('{name}', {{ close = true }})")
        with contextlib.suppress(ConnectionResetError):
            assert receive_all(sock) == b""


@pytest.mark.threads
def test_set_nodes(start, nodes):
    daemon = start(nodes[:1], "balance = 'first'")
    admin = Admin(daemon)
    with visits(daemon.tcp, 1) as names:
        admin(f"cluster:set_nodes{{ '{nodes[2].address}', {{'{nodes[1].address}', name = 'n'}} }}")
        with visits(daemon.tcp, 2) as others:
            assert names == [nodes[0].address] and set(others) == {nodes[2].address}
        assert admin("return state_of('n')") == "unknown"


def test_a_reload_keeps_the_state(start, nodes):
    daemon = start(nodes, "balance = 'first', monitoring = true", reloading=False)
    admin = Admin(daemon)
    since = admin("return cluster:nodes()[2].since")
    admin(f"cluster:drain('{nodes[0].address}')")
    with visits(daemon.tcp, 2):
        for _ in range(3):
            daemon.reload()
        assert admin(f"return state_of('{nodes[0].address}')") == "draining"
        assert admin("return cluster:nodes()[2].since") == since
        assert admin("return cluster:nodes()[2].sessions") == "2"
    assert len(daemon.log.matching("node is available")) == 3


def test_a_reload_with_other_nodes_keeps_those_that_stay(start, nodes):
    daemon = start(nodes[:2], "balance = 'first'", reloading=False)
    admin = Admin(daemon)
    with visits(daemon.tcp, 1) as names:
        admin(f"cluster:drain('{nodes[1].address}')")
        daemon.write_config(CONNECT % (lua_list(nodes[1:]), "balance = 'first'", "") + ADMIN)
        daemon.reload()
        assert admin(f"return state_of('{nodes[1].address}')") == "draining"
        with visits(daemon.tcp, 2) as others:
            assert names == [nodes[0].address] and set(others) == {nodes[2].address}


@pytest.mark.threads
def test_drain_and_close_reaches_sessions_from_before_a_reload(start, nodes):
    settings = "settings{ drain_timeout = 0.5 }"
    daemon = start(nodes[:2], "balance = 'first'", reloading=False)
    sock, name = visit(daemon.tcp)
    with sock:
        assert name == nodes[0].address
        daemon.write_config(settings + CONNECT % (lua_list(nodes), "balance = 'first'", "") + ADMIN)
        daemon.reload()
        Admin(daemon)(f"cluster:drain('{name}', {{ close = true }})")
        with contextlib.suppress(ConnectionResetError):
            assert receive_all(sock) == b""


def test_a_cluster_made_at_run_time(perilune, nodes):
    """The same declaration is the same cluster in all workers."""
    daemon = perilune(
        f"tcp_listen(TCP, {{ on_connect = function(c) return c:connect(tcp_cluster({lua_list(nodes)}, {{ balance = 'round_robin' }})) end }})"
    )
    with visits(daemon.tcp, 9) as names:
        counts = Counter(names)
    assert set(counts.values()) == {3}, counts


def test_a_name_is_looked_up(perilune):
    with plain_nodes("127.0.0.1") as nodes:
        daemon = perilune(CONNECT % (f"{{ 'localhost:{nodes[0].port}' }}", "monitoring = true", "") + ADMIN)
        with visits(daemon.tcp, 3) as names:
            assert set(names) == {nodes[0].address}
        assert Admin(daemon)("return cluster:nodes()[1].address .. ' ' .. cluster:nodes()[1].state") == f"localhost:{nodes[0].port} available"


def test_a_name_that_means_nothing(perilune):
    daemon = perilune(CONNECT % ("{ 'nowhere.invalid:1' }", "", "connect_timeout = 1"))
    with connect(daemon.tcp) as client:
        assert receive_all(client) == b""
    daemon.log.wait("a node's name cannot be resolved")


# what scripts may say


@pytest.mark.parametrize(
    "script, why",
    [
        ("tcp_cluster({})", "Cluster is empty"),
        ("tcp_cluster({ a = '127.0.0.1:1' })", "Key is not a number"),
        ("tcp_cluster({ '127.0.0.1:1', '127.0.0.1:1' })", "listed twice"),
        ("tcp_cluster({ '127.0.0.1' })", "port"),
        ("tcp_cluster({ { '127.0.0.1:1', wieght = 2 } })", "did you mean 'weight'"),
        ("tcp_cluster({ { '127.0.0.1:1', weight = 0 } })", "at least 1"),
        ("tcp_cluster({ 17 })", "a node is an address"),
        ("tcp_cluster({ '127.0.0.1:1' }, { balance = 'round_robbin' })", "did you mean 'round_robin'"),
        ("tcp_cluster({ '127.0.0.1:1' }, { monitering = true })", "did you mean 'monitoring'"),
        ("tcp_cluster({ '127.0.0.1:1' }, { monitoring = 1 })", "boolean expected"),
        ("tcp_cluster({ '127.0.0.1:1' }, { interval = 1 })", "'interval' needs 'monitoring'"),
        ("tcp_cluster({ '127.0.0.1:1' }, { user = 'x' })", "'user' is not for tcp_cluster"),
        ("tcp_cluster({ '127.0.0.1:1' }, { tls = 'require' })", "'tls' is not for tcp_cluster"),
        ("mysql_cluster({ '127.0.0.1' }, { monitoring = true, tls = 'require' })", "'tls' needs 'user'"),
        ("mysql_cluster({ '127.0.0.1' }, { monitoring = true, user = 'x', tls = 'maybe' })", "bad 'tls' value"),
        ("mysql_cluster({ '127.0.0.1' }, { monitoring = true, user = 'x', tls = { ca = '/nowhere.pem' } })", "/nowhere.pem"),
        ("mysql_cluster({ '127.0.0.1' }, { monitoring = true, password = 'x' })", "'password' needs 'user'"),
        ("mysql_cluster({ '127.0.0.1' }, { monitoring = true, no_read_only = true })", "'no_read_only' needs 'user'"),
        ("mysql_cluster({ '127.0.0.1' }, { disconnect_unavailable = true })", "needs 'monitoring'"),
        ("mysql_cluster({ '127.0.0.1' }):drain('127.0.0.2')", "no such node"),
        ("mysql_cluster({ '127.0.0.1' }):nods()", "nods"),
        ("mysql_cluster({ '127.0.0.1' }, {}, {})", "Invalid parameters"),
    ],
)
def test_mistakes_are_found_at_load(daemons, script, why):
    daemon = daemons(script + " tcp_listen(TCP, { on_connect = function() end })", stop_code=78)
    daemon.spawn()
    assert daemon.wait() == 78
    assert why in daemon.log.text()


def test_clusters_belong_to_their_protocol(perilune):
    daemon = perilune(
        "cluster = mysql_cluster({ '127.0.0.1' })\ntcp_listen(TCP, { on_connect = function(c) return c:connect(cluster) end })"
    )
    with connect(daemon.tcp) as client:
        assert receive_all(client) == b""
    daemon.log.wait("a mysql_cluster is not for tcp_listen")
