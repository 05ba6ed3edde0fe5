"""prometheus_listen: every number compared with what really happened, through reloads and from several workers."""

import contextlib
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from support.admin import Metrics, request, scrape, until
from support.daemon import PASS_THROUGH, PATIENCE
from support.raw_client import open_socket
from support.tcp import receive_all
from support.wire import COM_PING, Err

LISTEN = "prometheus_listen(FOLDER .. '/metrics')\n"
ROOT = Path(__file__).resolve().parents[2]


def metrics_of(daemon):
    return scrape(f"{daemon.folder}/metrics")


class Counted:
    """A socket that counts what goes through it."""

    def __init__(self, sock):
        self._socket, self.sent, self.received = sock, 0, 0

    def sendall(self, data):
        self._socket.sendall(data)
        self.sent += len(data)

    def recv(self, size):
        data = self._socket.recv(size)
        self.received += len(data)
        return data


def counted(client):
    client.packets.socket = client.counted = Counted(client.socket)
    return client


def test_traffic_is_counted_for_each_listener(perilune):
    daemon = perilune(PASS_THROUGH + LISTEN)
    with contextlib.ExitStack() as stack:
        clients = {where: [] for where in (daemon.sock, daemon.tcp)}
        for number in range(6):
            where = daemon.tcp if number % 2 else daemon.sock
            client = counted(stack.enter_context(daemon.logged_in(address=where)))
            clients[where].append(client)
            for _ in range(number * 5):
                client.query("SELECT REPEAT('x', 300)")
            client.command(COM_PING)
            client.ok()
        for where, label in ((daemon.sock, daemon.sock), (daemon.tcp, "%s:%d" % daemon.tcp)):
            ours = clients[where]
            statements = sum(5 * n + 1 for n in range(6) if (n % 2 == 1) == (where == daemon.tcp))
            page = until(lambda: (p := metrics_of(daemon))("perilune_statement_seconds_count", listener=label) == statements and p)
            assert page("perilune_statements_total", listener=label) == statements
            assert page("perilune_client_bytes_total", listener=label) == sum(c.counted.sent for c in ours)
            assert page("perilune_server_bytes_total", listener=label) == sum(c.counted.received for c in ours)
            assert page("perilune_connections_accepted_total", listener=label) == 3
            assert page("perilune_sessions_open", listener=label) == 3
            assert page("perilune_logins_total", listener=label, outcome="accepted") == 3
            assert page("perilune_logins_total", listener=label) == 3
            assert page("perilune_login_seconds_count", listener=label) == 3
            assert page("perilune_connect_seconds_count", listener=label) == 3
            assert 0 < page("perilune_statement_seconds_sum", listener=label) < 60
        assert page("perilune_worker_sessions") == 6
        assert [page("perilune_worker_sessions", worker=str(n)) for n in range(3)] == [2, 2, 2]
    until(lambda: metrics_of(daemon)("perilune_sessions_open") == 0)


def test_long_statements_are_in_the_buckets_of_their_time(perilune):
    daemon = perilune(PASS_THROUGH + LISTEN)
    with daemon.logged_in() as client:
        client.query("SELECT SLEEP(0.6)")
        client.query("SELECT 1")
    page = until(lambda: (p := metrics_of(daemon))("perilune_statement_seconds_count") == 2 and p)
    label = {"listener": daemon.sock}
    assert page("perilune_statement_seconds_bucket", le="0.5", **label) == 1
    assert page("perilune_statement_seconds_bucket", le="+Inf", **label) == 2
    assert 0.6 <= page("perilune_statement_seconds_sum", **label) < 10 * PATIENCE


LOGINS = """
mysql_listen(SOCK, { on_login = function(client, login)
  if login.user == 'refused' then return client:err('no') end
  if login.user == 'failing' then error('oops') end
  if login.user == 'checked' and not login:verify('right') then return client:err() end
  if login.user == 'nowhere' then return client:connect(DEAD, login) end
  return client:connect(SERVER, login)
end }, { handshake_timeout = 0.5 })
"""


def test_logins_by_what_came_of_them(perilune):
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        daemon = perilune(LOGINS + LISTEN, {"DEAD": "127.0.0.1:%d" % dead.getsockname()[1]})
        for user, password, times in (
            ("refused", "x", 3),
            ("failing", "x", 2),
            ("checked", "wrong", 4),
            ("nowhere", "x", 1),
            ("plain", "wrong", 2),
        ):
            for _ in range(times):
                with daemon.raw() as client, pytest.raises(Err):
                    client.login(user, password)
        with daemon.raw() as client:  # says nothing until it is too late
            client.receive_greeting()
            receive_all(client.socket)
        with daemon.raw() as client:  # goes away
            client.receive_greeting()
        with daemon.raw() as client:  # talks nonsense
            client.receive_greeting()
            client.socket.sendall(b"\x04\0\0\1abcd")
            receive_all(client.socket)
        with daemon.logged_in():
            pass
        expected = {
            "accepted": 1,
            "refused_by_script": 3,
            "script_failed": 2,
            "wrong_password": 4,
            "unreachable": 1,
            "refused_by_server": 2,
            "timeout": 1,
            "client_gone": 1,
            "client_malformed": 1,
            "failed": 0,
            "tls_failed": 0,
            "stopped": 0,
        }
        page = until(lambda: (p := metrics_of(daemon))("perilune_logins_total") == sum(expected.values()) and p)
        assert {o: page("perilune_logins_total", outcome=o) for o in expected} == expected
        assert page("perilune_lua_errors_total") == 2
        assert page("perilune_lua_callback_errors_total", callback="on_login") == 2
        assert page("perilune_connect_errors_total") == 1


STATEMENTS = """
mysql_listen(SOCK, {
  on_login = function(client, login) return client:connect(SERVER, login) end,
  on_query = function(client, sql)
    if sql == 'refuse' then return client:err('no') end
    if sql == 'replace' then return client:query('SELECT 2') end
    if sql == 'answer' then return client:ok() end
    if sql == 'fail' then error('oops') end
    if sql == 'wait' then sleep(0.3) end
    if sql == 'loop' then while true do end end
    if sql == 'wait' then return client:ok() end
  end,
}, { max_query = 1000 })
settings{ callback_cpu_limit = 0.2 }
"""


def test_statements_by_what_the_script_did_with_them(perilune):
    daemon = perilune(STATEMENTS + LISTEN)
    with counted(daemon.logged_in()) as client:
        for sql, fails in (("refuse", True), ("fail", True), ("loop", True), ("SELECT '" + "x" * 2000 + "'", True)):
            with pytest.raises(Err):
                client.query(sql)
        for sql in ("answer", "answer", "wait"):
            client.send_query(sql)
            client.ok()
        client.query("replace")
        client.query("SELECT 1")
        page = until(lambda: (p := metrics_of(daemon))("perilune_statement_seconds_count") == 2 and p)
        assert page("perilune_statements_total") == 9
        assert page("perilune_statements_refused_total") == 4  # the failed ones and the one that is too long are refused, too
        assert page("perilune_statements_too_long_total") == 1
        assert page("perilune_statements_answered_total") == 3
        assert page("perilune_statements_replaced_total") == 1
        assert page("perilune_server_bytes_total") == client.counted.received
        label = {"callback": "on_query"}
        assert page("perilune_lua_callback_calls_total", **label) == 8
        assert page("perilune_lua_callback_errors_total", **label) == 2
        assert page("perilune_lua_callback_aborts_total", **label) == 1
        assert 0.4 < page("perilune_lua_callback_seconds_total", **label) < 20 * PATIENCE
        assert page("perilune_lua_callback_calls_total", callback="on_login") == 1


CLUSTER = """
local cluster = mysql_cluster({{SERVER, name = 'one'}, {DEAD, name = 'two'}}, {
  name = 'shop', monitoring = true, interval = 0.2, balance = 'first' })
mysql_listen(SOCK, { on_login = function(client, login) return client:connect(cluster, login) end })
"""


def test_nodes(perilune):
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        daemon = perilune(CLUSTER + LISTEN, {"DEAD": "127.0.0.1:%d" % dead.getsockname()[1]})
        until(lambda: metrics_of(daemon)("perilune_node_state", node="two", state="down") == 1)
        until(lambda: metrics_of(daemon)("perilune_node_state", node="one", state="available") == 1)
        with counted(daemon.logged_in()) as client:
            for _ in range(7):
                client.query("SELECT REPEAT('y', 500)")
            page = metrics_of(daemon)
            assert page("perilune_node_sessions", cluster="shop", node="one") == 1
            assert page("perilune_node_connects_total", node="one") == 1
            assert page("perilune_node_statements_total", node="one") == 7
            assert page("perilune_node_sent_bytes_total", node="one") == client.counted.sent
            assert page("perilune_node_received_bytes_total", node="one") == client.counted.received
            assert page("perilune_node_statements_total", node="two") == 0
            assert page("perilune_node_state", node="two") == 1, "one state, the others are 0"


def test_a_node_counts_what_it_was_sent(perilune):
    script = CLUSTER.replace(
        "{ on_login",
        """{ on_query = function(client, sql)
             if sql == 'ours' then return client:ok() end
             if sql == 'refused' then return client:err('no') end
             if sql == 'other' then return client:query('SELECT 2') end
           end, on_login""",
    )
    assert script != CLUSTER
    daemon = perilune(script + LISTEN, {"DEAD": "127.0.0.1:1"})
    with daemon.logged_in() as client:
        before = metrics_of(daemon)
        for _ in range(3):
            client.query("SELECT 1")
            client.send_query("ours")
            client.ok()
            with pytest.raises(Err):
                client.query("refused")
            assert client.value("other") == "2"
        page = metrics_of(daemon)
        assert page("perilune_node_statements_total", node="one") - before("perilune_node_statements_total", node="one") == 6
        assert page("perilune_statements_total") - before("perilune_statements_total") == 12


LOGS = """
local lines = log_file(FOLDER .. '/lines')
local full = log_file('/dev/full', { format = 'json', max_statement = 64, buffer = 4096 })
mysql_listen(SOCK, { on_login = function(client, login) return client:connect(SERVER, login) end },
             { log = { lines, full } })
"""


def test_logs(perilune):
    daemon = perilune(LOGS + LISTEN)
    lines = daemon.folder / "lines"
    with daemon.logged_in() as client:
        for number in range(200):
            client.query(f"SELECT {number}")
    page = until(lambda: (p := metrics_of(daemon))("perilune_log_written_total", log=str(lines)) == 200 and p)
    assert page("perilune_log_written_bytes_total", log=str(lines)) == lines.stat().st_size
    assert page("perilune_log_dropped_total", log=str(lines)) == page("perilune_log_errors_total", log=str(lines)) == 0
    assert 0 < page("perilune_log_high_water_bytes", log=str(lines)) <= 4 << 20
    assert page("perilune_log_waiting_bytes", log=str(lines)) == 0
    page = until(lambda: (p := metrics_of(daemon))("perilune_log_errors_total", log="/dev/full") > 0 and p)
    assert page("perilune_log_written_total", log="/dev/full") == 0
    assert 0 < page("perilune_log_dropped_total", log="/dev/full") < 200
    assert 0 < page("perilune_log_waiting_bytes", log="/dev/full") <= page("perilune_log_high_water_bytes", log="/dev/full") <= 4096


@pytest.mark.no_reload
def test_numbers_of_a_log_survive_its_end_and_other_options(perilune):
    daemon = perilune(LOGS + LISTEN)
    lines = str(daemon.folder / "lines")
    for written, script in enumerate((LOGS, LOGS.replace("/lines'", "/lines', { format = 'json' }"), LOGS), 1):
        daemon.write_config(script + LISTEN)
        daemon.reload()
        with daemon.logged_in() as client:
            client.query("SELECT 1")
        until(lambda written=written: metrics_of(daemon)("perilune_log_written_total", log=lines) == written)
    daemon.write_config(PASS_THROUGH + LISTEN)
    daemon.reload()
    assert metrics_of(daemon)("perilune_log_written_total", log=lines) == 3


@pytest.mark.no_reload
def test_lines_of_the_daemon_that_nobody_can_read_are_counted(perilune):
    daemon = perilune(PASS_THROUGH + LISTEN, wrapper=["sh", "-c", 'exec "$@" 2>/dev/full', "sh"])
    before = metrics_of(daemon)("perilune_messages_lost_total")
    assert before > 0  # that it is ready
    daemon.reload()
    until(lambda: metrics_of(daemon)("perilune_messages_lost_total") > before)


def test_lines_that_are_written_are_not_lost(perilune):
    daemon = perilune(PASS_THROUGH + LISTEN)
    daemon.reload()
    assert metrics_of(daemon)("perilune_messages_lost_total") == 0


@pytest.mark.no_reload
def test_limits_of_sessions(perilune):
    script = CLUSTER.replace("name = 'one'", "name = 'one', max_connections = 7").replace(", login) end }", ", login) end }, { max_connections = 9 }")
    daemon = perilune(script + LISTEN, {"DEAD": "127.0.0.1:1"})
    page = metrics_of(daemon)
    assert page("perilune_sessions_limit", listener=daemon.sock) == 9
    assert page("perilune_node_sessions_limit", cluster="shop") == page("perilune_node_sessions_limit", node="one") == 7
    daemon.write_config(script.replace("= 9", "= 10") + LISTEN)
    daemon.reload()
    assert metrics_of(daemon)("perilune_sessions_limit", listener=daemon.sock) == 10
    daemon.write_config(CLUSTER + LISTEN)
    daemon.reload()
    assert not {"perilune_sessions_limit", "perilune_node_sessions_limit"} & metrics_of(daemon).names


OWN = """
local counter = metric.counter('shop_orders_total', 'Orders')
local gauge = metric.gauge('shop_size', 'Size of the shop')
local seconds = metric.histogram('shop_wait_seconds', 'Waiting', { buckets = { 0.1, 1 } })
mysql_listen(SOCK, { on_login = function(client, login)
  counter:add() gauge:set(42) seconds:observe(0.5)
  return client:err('counted')
end })
"""


def test_metrics_of_the_script_are_the_processs(perilune):
    daemon = perilune(OWN + LISTEN)
    for _ in range(12):
        with daemon.raw() as client, pytest.raises(Err):
            client.login("anna")
    page = metrics_of(daemon)
    assert page("shop_orders_total") == 12 and page("shop_size") == 42
    assert page("shop_wait_seconds_bucket", le="0.1") == 0
    assert page("shop_wait_seconds_bucket", le="1") == page("shop_wait_seconds_count") == 12
    assert page("shop_wait_seconds_sum") == 6


@pytest.mark.no_reload
def test_numbers_survive_a_reload_and_a_listener_that_comes_back(perilune):
    daemon = perilune(PASS_THROUGH + LISTEN)
    with daemon.logged_in(address=daemon.tcp) as client:
        client.query("SELECT 1")
    label = {"listener": "%s:%d" % daemon.tcp}
    assert metrics_of(daemon)("perilune_generations_alive") == 1
    daemon.write_config(PASS_THROUGH.replace("mysql_listen(TCP, handler)", "") + LISTEN)
    daemon.reload()
    assert metrics_of(daemon)("perilune_statements_total", **label) == 1
    daemon.write_config(PASS_THROUGH + LISTEN)
    daemon.reload()
    with daemon.logged_in(address=daemon.tcp) as client:
        client.query("SELECT 1")
        page = metrics_of(daemon)
        assert page("perilune_statements_total", **label) == 2
        assert page("perilune_logins_total", outcome="accepted", **label) == 2


def test_prometheus_finds_nothing_to_complain_about(perilune):
    assert shutil.which("promtool"), "promtool is missing; run tools/deps"
    daemon = perilune(OWN + CLUSTER.replace("mysql_listen(SOCK", "mysql_listen(SOCK2") + LISTEN, {"DEAD": "127.0.0.1:1"})
    until(lambda: metrics_of(daemon)("perilune_loop_delay_seconds_count") >= 3)
    page = metrics_of(daemon)
    done = subprocess.run(["promtool", "check", "metrics"], input=page.text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stdout and not done.stderr, done
    assert page("perilune_build_info") == 1
    assert page("perilune_lua_memory_bytes") > 100_000
    assert page("process_resident_memory_bytes") > 1_000_000
    assert page("process_open_fds") > 10 and page("process_max_fds") >= page("process_open_fds")
    assert abs(page("process_start_time_seconds") - time.time()) < 600


def test_the_manual_knows_every_metric(perilune):
    limited = CLUSTER.replace("SOCK", "SOCK2").replace("'one'", "'one', max_connections = 5")
    script = PASS_THROUGH + limited + "mysql_listen(FOLDER .. '/sock3', handler, { max_connections = 5, log = log_file(FOLDER .. '/log') })" + LISTEN
    daemon = perilune(script, {"DEAD": "127.0.0.1:1"})
    with daemon.logged_in() as client:
        client.query("SELECT 1")
    manual = (ROOT / "doc" / "metrics.rst").read_text()
    documented = set(re.findall(r"^``((?:perilune|process)_\w+)``", manual, re.MULTILINE))
    assert documented == metrics_of(daemon).names


@pytest.mark.no_reload
def test_on_tcp_and_with_other_rights(perilune, folder):
    port = open_port()
    script = PASS_THROUGH + f"prometheus_listen('127.0.0.1:{port}') prometheus_listen(FOLDER .. '/m', {{ mode = 0640 }})"
    daemon = perilune(script)
    assert scrape(("127.0.0.1", port))("perilune_sessions_open") == 0
    assert Path(f"{daemon.folder}/m").stat().st_mode & 0o777 == 0o640
    daemon.write_config(script.replace("0640", "0600"))
    daemon.reload()
    assert Path(f"{daemon.folder}/m").stat().st_mode & 0o777 == 0o600
    daemon.write_config(PASS_THROUGH)
    daemon.reload()
    assert not Path(f"{daemon.folder}/m").exists()
    with pytest.raises(ConnectionRefusedError):
        scrape(("127.0.0.1", port))


def open_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_other_paths_and_methods(perilune):
    daemon = perilune(PASS_THROUGH + LISTEN)
    address = f"{daemon.folder}/metrics"
    assert request(address, "/other")[0] == 404
    assert request(address, "/metrics", "POST", body="x")[0] == 405
    assert request(address, "/")[0] == 200
    status, _, body = request(address, "/metrics", "HEAD")
    assert (status, body) == (200, "")


def test_hostile_clients_keep_nobody_from_the_metrics(perilune):
    daemon = perilune(PASS_THROUGH + LISTEN)
    address = f"{daemon.folder}/metrics"

    def send(data):
        with contextlib.suppress(ConnectionError, TimeoutError), open_socket(address, 20) as sock:
            sock.sendall(data)
            return receive_all(sock)
        return b""

    with daemon.logged_in() as client:
        assert not send(b"\0\xff" * 4000).startswith(b"HTTP/1.1 200")
        assert not send(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        assert not send(b"GET /" + b"y" * 100_000 + b" HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")
        assert not send(b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n" + b"z" * 200_000).startswith(b"HTTP/1.1 200")
        with contextlib.ExitStack() as stack:
            slow = [stack.enter_context(open_socket(address)) for _ in range(60)]
            began = time.monotonic()

            def dribble_and_scrape():
                for sock in slow:
                    with contextlib.suppress(OSError):
                        sock.send(b"G")
                with contextlib.suppress(OSError, AssertionError):
                    return metrics_of(daemon)

            until(dribble_and_scrape, 60)
            assert time.monotonic() - began < 60 * PATIENCE
        client.query("SELECT 1")
    assert metrics_of(daemon)("perilune_statements_total") == 1


def test_scraping_under_load(perilune):
    daemon = perilune(PASS_THROUGH + LISTEN)
    over = threading.Event()
    sent, problems = [], []

    def work():
        try:
            with daemon.logged_in() as client:
                count = 0
                while not over.is_set():
                    client.query("SELECT 1")
                    count += 1
                sent.append(count)
        except BaseException as error:
            problems.append(error)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    pages = [metrics_of(daemon) for _ in range(60)]
    over.set()
    for worker in workers:
        worker.join()
    assert not problems
    assert [p("perilune_statements_total") for p in pages] == sorted(p("perilune_statements_total") for p in pages)
    for key, value in pages[0].values.items():
        if key[0].endswith(("_total", "_count", "_bucket")):
            assert pages[-1].values.get(key, value) >= value, key
    page = until(lambda: (p := metrics_of(daemon))("perilune_statement_seconds_count") == sum(sent) and p)
    assert page("perilune_statements_total") == sum(sent)


def test_a_page_that_says_something_twice_is_found():
    with pytest.raises(AssertionError, match="twice"):
        Metrics('a{x="1"} 1\na{x="1"} 2\n')
