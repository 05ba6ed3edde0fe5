"""What metrics, the admin interface and perilunectl show of PostgreSQL's sessions, compared with what really happened."""

import contextlib
import socket
import struct
import subprocess
import time

import psycopg2
import pytest

from postgres import PASSWORD, own_postgres
from support.admin import ask, ctl, scrape, until
from support.daemon import PATIENCE
from support.raw_pg_client import EXECUTE, SYNC, RawPgClient, bind, message, parse, query
from support.tcp import receive_all
from throwaway import plain_environment

LISTEN = "prometheus_listen(FOLDER .. '/metrics')\nadmin_listen(FOLDER .. '/admin')\n"
KNOWN = """
function to(target, client)
  return client:connect(target, {user = 'web', password = PASSWORD, database = 'hosting'}, {unchecked = true})
end
"""
SCRIPT = """
pgsql_listen(TCP, { on_login = function(client, login)
  client.account = 'account of ' .. login.user
  if login.attributes.application_name == 'gated' then event('waiting') wait_for_gate('go') end
  return to(TARGET, client)
end })
"""


@pytest.fixture(scope="module")
def postgres():
    with own_postgres() as server:
        server.sql("CREATE TABLE item (id int, name text); GRANT ALL ON item TO web")
        yield server


@pytest.fixture
def proxy(postgres, daemons):
    def start(script=SCRIPT, **define):
        define = {"TARGET": postgres.address, "PASSWORD": PASSWORD, **define}
        return daemons(KNOWN + script + LISTEN, define).start()

    return start


@pytest.fixture
def dead():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield "127.0.0.1:%d" % sock.getsockname()[1]


def metrics(daemon):
    return scrape(f"{daemon.folder}/metrics")


def metrics_when(daemon, count, name, **labels):
    return until(lambda: (page := metrics(daemon))(name, **labels) == count and page)


def admin(daemon, path, method="GET", **options):
    return ask(f"{daemon.folder}/admin", path, method, **options)


def sessions(daemon, arguments=""):
    return admin(daemon, "/sessions" + arguments)["sessions"]


def raw(daemon, **options):
    return RawPgClient(daemon.tcp, **options)


def connect(daemon, user="web", password=PASSWORD, address=None):
    host, port = address or daemon.tcp
    return psycopg2.connect(host=host, port=port, user=user, password=password, dbname="hosting", sslmode="disable", connect_timeout=30)


def psql(daemon, *statements):
    options = [word for statement in statements for word in ("-c", statement)]
    return ["psql", "-X", "-At", "-h", "127.0.0.1", "-p", str(daemon.tcp[1]), "-U", "web", *options, "hosting"]


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120 * PATIENCE, env=plain_environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# --- metrics


def test_traffic(proxy):
    daemon = proxy()
    with raw(daemon).log_in() as client:
        assert client.run(query("SELECT repeat('x', 300)")) == b"TDCZ"
        assert client.run(parse("SELECT 1") + bind() + EXECUTE + bind() + EXECUTE + SYNC) == b"12DC2DCZ"
        assert client.run(query("nonsense")) == b"EZ"
        assert client.run(parse("SELECT 1/0") + bind() + EXECUTE + SYNC) == b"1EZ", "Bind fails, and Execute is ignored"
        assert client.run(query("")) == b"IZ"
        page = metrics_when(daemon, 5, "perilune_statement_seconds_count")
        assert page("perilune_statements_total") == 6
        assert page("perilune_client_bytes_total") == client.sent
        assert page("perilune_server_bytes_total") == client.received
        assert page("perilune_sessions_open") == page("perilune_worker_sessions") == 1
        assert page("perilune_logins_total", outcome="accepted") == page("perilune_logins_total") == 1
        assert page("perilune_login_seconds_count") == page("perilune_connect_seconds_count") == 1
        assert 0 < page("perilune_login_seconds_sum") < 60 and 0 < page("perilune_connect_seconds_sum") < 60
    until(lambda: metrics(daemon)("perilune_sessions_open") == 0)


def test_long_statements_are_in_the_buckets_of_their_time(proxy):
    daemon = proxy()
    with raw(daemon).log_in() as client:
        client.run(query("SELECT pg_sleep(0.6)"))
        client.run(query("SELECT 1"))
        page = metrics_when(daemon, 2, "perilune_statement_seconds_count")
        assert page("perilune_statement_seconds_bucket", le="0.5") == 1
        assert 0.6 <= page("perilune_statement_seconds_sum") < 10 * PATIENCE


def test_psql_and_pgbench(proxy, tmp_path):
    daemon = proxy()
    assert run(psql(daemon, "SELECT 1", "SELECT 2; SELECT 3", "INSERT INTO item VALUES (1)")).split() == ["1", "2", "3", "INSERT", "0", "1"]
    assert metrics_when(daemon, 3, "perilune_statement_seconds_count")("perilune_statements_total") == 3
    script = tmp_path / "script"
    script.write_text("SELECT 1;\n")
    for number, protocol in enumerate(("simple", "extended", "prepared"), 1):
        where = ["-h", "127.0.0.1", "-p", str(daemon.tcp[1]), "-U", "web"]
        run(["pgbench", *where, "-n", "-M", protocol, "-c", "4", "-t", "25", "-f", str(script), "hosting"])
        page = metrics_when(daemon, 3 + 100 * number, "perilune_statement_seconds_count")
        assert page("perilune_statements_total") == 3 + 100 * number
    assert page("perilune_logins_total", outcome="accepted") == page("perilune_logins_total")


LOGINS = """
pgsql_listen(TCP, { on_login = function(client, login)
  if login.user == 'refused' then return client:err('no') end
  if login.user == 'failing' then error('oops') end
  if login.user == 'checked' and not login:verify('right') then return client:err() end
  if login.user == 'nowhere' then return client:connect(DEAD, login) end
  if login.user == 'web' then return to(TARGET, client) end
  return client:connect(TARGET, login, {unchecked = true})
end,
on_command_phase = function(client)
  if client.user == 'late' then return client:err('not any more') end
end }, { handshake_timeout = 0.5 })
pgsql_listen(TCP2, { on_login = function(client) return client:serve() end, on_connect = function(client)
  return client:err('closed today')
end })
"""
SSL_REQUEST = struct.pack("!II", 8, 80877103)


def say(address, *words):
    """Each word once there was an answer to the one before; all that comes behind the last."""
    with socket.create_connection(address, 20) as sock:
        for word in words[:-1]:
            sock.sendall(word)
            sock.recv(1)
        sock.sendall(words[-1])
        receive_all(sock)


def test_logins_by_what_came_of_them(proxy, postgres, dead):
    postgres.sql("CREATE ROLE late LOGIN PASSWORD 'x'")
    daemon = proxy(LOGINS, DEAD=dead)
    for user, times in (("refused", 3), ("failing", 2), ("checked", 4), ("nowhere", 1), ("nobody_of_that_name", 2), ("late", 1)):
        for _ in range(times):
            with pytest.raises(psycopg2.OperationalError):
                connect(daemon, user, "x")
    with socket.create_connection(daemon.tcp, 20) as silent:
        receive_all(silent)
    socket.create_connection(daemon.tcp, 20).close()
    say(daemon.tcp, b"GET / HTTP/1.0\r\n\r\n")
    say(daemon.tcp, struct.pack("!II", 9, 3 << 16) + b"\0")  # no user
    say(daemon.tcp, SSL_REQUEST, SSL_REQUEST * 40)
    connect(daemon).close()
    with pytest.raises(psycopg2.OperationalError, match="closed today"):
        connect(daemon, address=daemon.tcp2)
    expected = {
        "accepted": 1,
        "refused_by_script": 4,
        "script_failed": 2,
        "wrong_password": 4,
        "unreachable": 1,
        "refused_by_server": 2,
        "timeout": 1,
        "client_gone": 1,
        "client_malformed": 2,
        "failed": 0,
        "tls_failed": 1,
        "stopped": 0,
    }
    page = metrics_when(daemon, sum(expected.values()), "perilune_logins_total")
    assert {o: page("perilune_logins_total", outcome=o) for o in expected} == expected
    assert page("perilune_tls_handshakes_failed_total") == 1
    assert page("perilune_connect_errors_total") == 1
    assert page("perilune_connections_rejected_total", listener="%s:%d" % daemon.tcp2) == 1
    assert page("perilune_handshakes_aborted_total") == 0


def test_tls_that_is_required_and_servers_that_break_the_protocol(proxy, target):
    script = """
    pgsql_listen(TCP, { on_login = function(client) return to(TARGET, client) end }, { tls = { required = true } })
    pgsql_listen(TCP2, { on_login = function(client) return client:connect(WRONG, { user = 'x' }, { tls = 'disable', unchecked = true }) end })
    """
    daemon = proxy(script, WRONG=target.address)
    with pytest.raises(psycopg2.OperationalError, match="requires TLS"):
        connect(daemon)
    with RawPgClient(daemon.tcp2) as client:
        client.send_login()
        target.accept().sendall(b"R\0\0\0\1")
        assert client.receive()[0] == b"E"
    page = metrics_when(daemon, 2, "perilune_logins_total")
    assert page("perilune_logins_total", outcome="tls_failed") == page("perilune_logins_total", outcome="failed") == 1
    assert page("perilune_tls_handshakes_failed_total") == 0
    assert page("perilune_server_malformed_total") == 1 and page("perilune_client_malformed_total") == 0


def test_cancel_requests_are_no_logins(proxy):
    daemon = proxy()
    with contextlib.closing(connect(daemon)) as connection:
        connection.cancel()
        say(daemon.tcp, struct.pack("!IIII", 16, 80877102, 1, 2))
        page = metrics_when(daemon, 1, "perilune_cancels_ignored_total")
        assert page("perilune_cancels_passed_total") == 1
        assert page("perilune_logins_total") == page("perilune_connect_seconds_count") == 1
        assert page("perilune_statements_total") == 0


STATEMENTS = """
pgsql_listen(TCP, {
  on_login = function(client, login) return client.user == 'served' and client:serve({unchecked = true}) or to(TARGET, client) end,
  on_query = function(client, sql)
    if sql == 'refuse' then return client:err('no') end
    if sql == 'replace' then return client:query('SELECT 2') end
    if sql == 'answer' then return client:ok() end
    if sql == 'fail' then error('oops') end
    if sql == 'wait' then sleep(0.3) return client:ok() end
  end,
}, { max_query = 1000 })
"""


def test_statements_by_what_the_script_did_with_them(proxy):
    daemon = proxy(STATEMENTS)
    with raw(daemon).log_in() as client:
        for text in ("refuse", "fail", "SELECT '" + "x" * 2000 + "'"):
            assert client.run(query(text)) == b"EZ"
        for text in ("answer", "wait"):
            assert client.run(query(text)) == b"CZ"
        assert client.run(parse("answer") + bind() + EXECUTE + SYNC) == b"12CZ"
        assert client.run(parse("refuse") + bind() + EXECUTE + SYNC) == b"EZ"
        assert client.run(parse("SELECT 1") + parse("refuse") + SYNC) == b"1EZ"
        assert client.run(query("replace")) == client.run(query("SELECT 1")) == b"TDCZ"
        page = metrics_when(daemon, 2, "perilune_statement_seconds_count")
        assert page("perilune_statements_total") == 8, "what a refused Parse takes with it is no statement"
        assert page("perilune_statements_refused_total") == 5  # the failed one and the one that is too long, too
        assert page("perilune_statements_too_long_total") == 1
        assert page("perilune_statements_answered_total") == 3
        assert page("perilune_statements_replaced_total") == 1
        assert page("perilune_client_bytes_total") == client.sent
        assert page("perilune_server_bytes_total") == client.received


def test_sessions_without_a_server(proxy):
    daemon = proxy(STATEMENTS)
    with raw(daemon, user="served").log_in() as client:
        assert client.run(query("answer")) == b"CZ"
        assert client.run(query("refuse")) == b"EZ"
        assert client.run(parse("answer") + bind() + EXECUTE + SYNC) == b"12CZ"
        page = metrics_when(daemon, 3, "perilune_statements_total")
        assert page("perilune_statements_answered_total") == 2 and page("perilune_statements_refused_total") == 1
        assert page("perilune_statement_seconds_count") == 0
        assert page("perilune_client_bytes_total") == client.sent
        assert page("perilune_server_bytes_total") == client.received
        assert sessions(daemon)[0]["waits_for"] == "client"
        client.send(query("wait"))
        until(lambda: sessions(daemon, "?waits_for=on_query"))
        assert client.until_ready()[-1][0] == b"Z"


CLUSTER = """
local settings = { name = 'shop', monitoring = true, interval = 0.2, balance = 'first',
                   user = 'web', password = PASSWORD, database = 'hosting' }
shop = pgsql_cluster({{TARGET, name = 'one'}, {DEAD, name = 'two'}}, settings)
settings.name, settings.password = 'locked', 'wrong'
local locked = pgsql_cluster({{TARGET, name = 'three'}}, settings)
pgsql_listen(TCP, { on_login = function(client)
  client.account = 'shop'
  return to(client.user == 'locked' and locked or shop, client)
end })
"""


@pytest.fixture
def clustered(proxy, dead):
    daemon = proxy(CLUSTER, DEAD=dead)
    for name, state in (("one", "available"), ("two", "down"), ("three", "auth_failed")):
        until(lambda name=name, state=state: metrics(daemon)("perilune_node_state", node=name, state=state) == 1)
    return daemon


def test_nodes(clustered):
    daemon = clustered
    with raw(daemon).log_in() as client:
        for _ in range(7):
            client.run(query("SELECT repeat('y', 500)"))
        client.run(parse("SELECT 1") + bind() + EXECUTE + SYNC)
        page = metrics_when(daemon, 8, "perilune_node_statements_total", node="one")
        assert page("perilune_node_sessions", cluster="shop", node="one") == 1
        assert page("perilune_node_connects_total", node="one") == 1
        assert page("perilune_node_sent_bytes_total", node="one") == client.sent
        assert page("perilune_node_received_bytes_total", node="one") == client.received
        assert page("perilune_node_statements_total", node="two") == 0
        assert page("perilune_node_state", node="two") == 1, "one state, the others are 0"


# --- the admin interface


def test_a_session_and_what_it_waits_for(proxy, postgres):
    daemon = proxy()
    began = time.time()
    with raw(daemon).log_in() as client, raw(daemon, user="other", application_name="gated") as waiting:
        waiting.send_login()
        daemon.events.wait("waiting")
        client.run(query("SELECT 1"))
        rows = {row["user"]: row for row in sessions(daemon)}
        row = rows["web"]
        assert (row["id"], row["account"], row["database"]) == (client.id, "account of web", "web")
        assert (row["protocol"], row["listener"], row["waits_for"]) == ("pgsql", "%s:%d" % daemon.tcp, "client")
        assert (row["statements"], row["bytes_in"], row["bytes_out"]) == (1, client.sent, client.received)
        assert row["server"] == postgres.address and began - 1 < row["connected_at"] < time.time() + 1
        assert (row["statement"]["kind"], row["statement"]["text"], row["statement"]["running"]) == ("query", "SELECT 1", False)
        assert (rows["other"]["waits_for"], rows["other"]["statement"]) == ("on_login", None)
        client.send(query("SELECT pg_sleep(30)"))
        [row] = until(lambda: sessions(daemon, "?waits_for=server"))
        assert (row["statement"]["text"], row["statement"]["running"]) == ("SELECT pg_sleep(30)", True)
        until(lambda: sessions(daemon, "?waits_for=server")[0]["statement"]["age"] >= 0.3)
        daemon.open_gate("go")


def test_statements_as_they_are_shown(proxy):
    daemon = proxy()

    def shown():
        [row] = sessions(daemon)
        return row["statement"]["kind"], row["statement"]["text"]

    with raw(daemon).log_in() as client:
        client.run(message(b"C", b"Sold\0") + SYNC + parse("SELECT 5", "five") + SYNC)
        assert client.until_ready()[-1][0] == b"Z"
        assert shown() == ("prepare", "SELECT 5")
        client.run(bind("five") + EXECUTE + SYNC)
        assert shown() == ("execute", "")
        client.run(query("SELECT 'password secret-word'"))
        assert "secret-word" not in shown()[1]
        client.send(query("COPY item FROM STDIN"))
        assert client.receive()[0] == b"G"
        client.send(message(b"d", b"1\tone\n"))
        [row] = until(lambda: sessions(daemon, "?waits_for=copy%20data"))
        assert (row["statement"]["text"], row["statement"]["running"]) == ("COPY item FROM STDIN", True)
        assert client.run(message(b"c")) == b"CZ"
        assert sessions(daemon)[0]["waits_for"] == "client"


def test_kill(proxy):
    daemon = proxy()
    with raw(daemon).log_in() as client, raw(daemon).log_in() as second, raw(daemon).log_in() as third:
        assert admin(daemon, f"/kill?session={client.id}", "POST")["closed"] == 1
        tag, error = client.receive()
        assert tag == b"E" and b"C57P01\0" in error
        assert second.run(query("SELECT 1")) == b"TDCZ"
        admin(daemon, f"/kill?session={client.id}", "POST", status=404)
        assert admin(daemon, "/kill?account=account+of+web", "POST")["closed"] == 2
        for killed in (second, third):
            assert killed.receive()[0] == b"E"
    page = until(lambda: (p := metrics(daemon))("perilune_sessions_open") == 0 and p)
    assert page("perilune_logins_total") == page("perilune_logins_total", outcome="accepted") == 3


def test_drain_and_enable_a_node(clustered):
    daemon = clustered
    with raw(daemon).log_in() as client:
        client.run(query("BEGIN"))
        [drained] = admin(daemon, "/drain?node=one&close=1", "POST")["nodes"]
        assert drained["state"] == "draining"
        assert client.run(query("SELECT 1")) == b"TDCZ", "a transaction is not broken off"
        client.run(query("COMMIT"))
        tag, error = client.receive()
        assert tag == b"E" and b"C57P01\0" in error
        assert admin(daemon, "/enable?node=one", "POST")["nodes"][0]["state"] == "available"
        with raw(daemon).log_in() as other:
            assert other.run(query("SELECT 1")) == b"TDCZ"


def test_perilunectl(clustered):
    daemon = clustered

    def say(*arguments, **options):
        return ctl(*arguments, socket_path=f"{daemon.folder}/admin", **options)

    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(psql(daemon, f"SELECT pg_sleep(300), {i}"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=plain_environment())
            )
            for i in range(2)
        ]
        for client in started:
            stack.callback(client.kill)
        rows = until(lambda: len(r := sessions(daemon, "?waits_for=server")) == 2 and r)
        lines = say("sessions", "--filter", "waits_for=server").splitlines()
        assert len(lines) == 3 and all("SELECT pg_sleep(300), " in line and "shop" in line for line in lines[1:])
        assert "one" in say("nodes") and "auth_failed" in say("nodes")
        assert say("kill", str(rows[0]["id"])) == "closed 1\n"
        assert say("kill", "--account", "shop") == "closed 1\n"
        for client in started:
            assert "terminating connection due to administrator command" in client.stderr.read().decode()
            assert client.wait(60) != 0
    assert say("drain", "one", "--cluster", "shop") == "shop one: draining\n"
    with pytest.raises(psycopg2.OperationalError, match="no server of cluster shop is available"):
        connect(daemon)
    assert say("enable", "one") == "shop one: available\n"
    connect(daemon).close()
