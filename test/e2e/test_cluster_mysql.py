"""Clusters under mysql_listen: logins, probes that log in, read-only servers, failover, KILL and changes of user."""

import contextlib
import os
import shutil
import signal
import threading
import time

import pymysql
import pytest

from support import programs
from support.certificates import make_certificates
from support.daemon import PATIENCE
from support.nodes import ADMIN, Admin, chosen
from support.shared_servers import start_server
from support.wire import PLAIN_SERVER, Cap, Closed, Err, Greeting
from throwaway import ReservedPort, temporary_folder

UNAVAILABLE, SHUTDOWN, KILL_DENIED = 1047, 1053, 1095
PROBE = "monitoring = true, interval = 0.3, user = 'plain', password = 'secret'"
CONNECT = """
cluster = mysql_cluster(%s, { %s })
mysql_listen(SOCK, { on_login = function(client, login) return client:connect(cluster, login, { %s }) end })
"""
WITH_PASSWORD = """
cluster = mysql_cluster(%s, { %s })
mysql_listen(SOCK, { on_login = function(client, login)
  login.password = 'secret'
  return client:connect(cluster, login, { unchecked = true })
end })
"""


@contextlib.contextmanager
def two_servers(certificates, hosts, *options):
    folder = temporary_folder("pl-pair-")
    servers = []
    try:
        for number, host in enumerate(hosts):
            server = start_server("mariadb", folder / str(number), certificates, (f"--bind-address={host}", f"--server-id={number + 1}", *options))
            server.address = f"{host}:{server.port}"
            servers.append(server)
        yield servers
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def pair(certificates):
    """Two servers that a test may make read-only, on addresses of their own."""
    with two_servers(certificates, ("127.0.0.2", "127.0.0.3")) as servers:
        yield servers


@pytest.fixture(scope="module")
def secure_pair():
    """Two that want TLS of everybody, and the authority that vouches for them."""
    hosts = ("127.0.0.6", "127.0.0.7")
    folder = temporary_folder("pl-secure-")
    try:
        certificates = make_certificates(folder / "certificates", *hosts)
        with two_servers(certificates, hosts, "--require-secure-transport=ON") as servers:
            yield servers, certificates.ca
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def writable(pair):
    """Both as they were."""
    yield pair
    for server in pair:
        server.sql("SET GLOBAL read_only = 0")


def listed(servers):
    return "{" + ", ".join(f"'{server.address}'" for server in servers) + "}"


def set_read_only(server, on):
    server.sql(f"SET GLOBAL read_only = {int(on)}")


def server_id(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@server_id")
        return cursor.fetchone()[0]


def visit(daemon, **options):
    with contextlib.closing(daemon.pymysql(**options)) as connection:
        return server_id(connection)


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


def wait_for_state(admin, server, state):
    wait_until(lambda: admin(f"return state_of('{server.address}')") == state)


def wait_for_both(daemon, pair):
    admin = Admin(daemon)
    for server in pair:
        wait_for_state(admin, server, "available")


def error_of(connection, sql="SELECT 1"):
    """The code that the next statement fails with; None if it does not."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
    except pymysql.MySQLError as error:
        return error.args[0]
    return None


def farewell(client):
    """Code and text of the error that nobody asked for."""
    client.packets.sequence = 0
    with pytest.raises(Err) as error:
        client.reply()
    return error.value.code, error.value.message


# logins


@pytest.mark.parametrize("config", [CONNECT, WITH_PASSWORD], ids=["passed through", "credentials of the script"])
def test_the_user_is_the_key(perilune, pair, config):
    arguments = (listed(pair), "") + (("",) if config is CONNECT else ())
    daemon = perilune(config % arguments)
    hosts = [server.address.split(":")[0] for server in pair]
    assert {visit(daemon) for _ in range(4)} == {hosts.index(chosen(hosts, "plain")) + 1}


def test_myproxys_key_is_the_account_alone(perilune, pair):
    hosts = [server.address.split(":")[0] for server in pair]
    for account in ("", "anna", "berta"):
        daemon = perilune(
            f"cluster = mysql_cluster({listed(pair)})\n"
            "mysql_listen(SOCK, { on_handshake_response = function(client, login)\n"
            f"  client.account = {repr(account) if account else 'nil'}\n"
            "  return client:connect(cluster, login) end })"
        )
        assert visit(daemon) == hosts.index(chosen(hosts, account)) + 1


@pytest.mark.parametrize("greeting", [Err(1040, "08004", "Too many connections"), None, b"\x05\0\0\0hello"], ids=["an error", "silence", "nonsense"])
def test_a_bad_first_word_leads_to_another_node(perilune, pair, fake, greeting):
    bad = fake(greeting=greeting)
    daemon = perilune(CONNECT % (listed([bad, pair[0]]), "balance = 'first'", "connect_timeout = 4"))
    assert visit(daemon) == 1
    daemon.log.wait("node is down")


@pytest.mark.parametrize("die_at", ["accept", "greeting"])
def test_a_server_that_ends_at_once_leads_to_another_node(perilune, pair, fake, die_at):
    bad = fake(die_at=die_at)
    daemon = perilune(CONNECT % (listed([bad, pair[0]]), "balance = 'first'", ""))
    assert visit(daemon) == 1


def test_a_refused_login_is_no_reason_for_another_node(perilune, pair, fake):
    daemon = perilune(CONNECT % (listed(pair), "", ""))
    with pytest.raises(pymysql.OperationalError) as error:
        visit(daemon, password="wrong")
    assert error.value.args[0] == 1045
    assert not daemon.log.matching("another node is tried|node is down")


def test_the_last_servers_error_is_the_clients(perilune, fake):
    servers = [fake(greeting=Err(1040, "08004", "Too many connections")) for _ in range(2)]
    daemon = perilune(CONNECT % (listed(servers), "", ""))
    with pytest.raises(pymysql.OperationalError) as error:
        visit(daemon)
    assert error.value.args == (1040, "Too many connections")


def test_with_none_left_the_client_is_told(perilune, pair):
    with contextlib.closing(ReservedPort("127.0.0.9")) as dead:
        config = CONNECT % (f"{{ '127.0.0.9:{dead.port}' }}", "monitoring = true, name = 'shop'", "connect_timeout = 0.5")
        daemon = perilune(config)
        with pytest.raises(pymysql.OperationalError) as error:
            visit(daemon)
    assert error.value.args[0] == 1043
    assert "no server of cluster shop is available" in error.value.args[1]
    daemon.log.wait("session failed.*no node of cluster shop is usable.*is down .connection refused.")


def test_with_none_left_without_monitoring(perilune, pair):
    with contextlib.closing(ReservedPort("127.0.0.9")) as dead:
        config = CONNECT % (f"{{ '127.0.0.9:{dead.port}' }}", "name = 'shop'", "connect_timeout = 1.5")
        daemon = perilune(config)
        began = time.monotonic()
        with pytest.raises(pymysql.OperationalError) as error:
            visit(daemon)
        assert time.monotonic() - began >= 1.4
    assert error.value.args[0] == 1043
    assert "no server of cluster shop is available" in error.value.args[1]
    daemon.log.wait("session failed.*no node of cluster shop is usable.*is down .connection refused.")


def test_like_a_cluster(perilune, fake):
    servers = [fake(Greeting(server_version=f"6.6.{n}-fake")) for n in range(2)]
    daemon = perilune(
        f"cluster = mysql_cluster({listed(servers)}, {{ monitoring = true }})\n"
        "mysql_listen(SOCK, { on_login = function(c, l) return c:connect(cluster, l) end }, { like = cluster })"
    )
    with daemon.raw() as client:
        assert client.receive_greeting().server_version == "6.6.0-fake"


def test_like_a_cluster_whose_nodes_differ(perilune, fake):
    """What all of its nodes have."""
    first = fake(Greeting(server_version="6.6.6", capabilities=PLAIN_SERVER & ~Cap.SESSION_TRACK))
    second = fake(Greeting(server_version="7.7.7", capabilities=PLAIN_SERVER & ~Cap.DEPRECATE_EOF))
    daemon = perilune(
        f"cluster = mysql_cluster({listed([first, second])}, {{ monitoring = true }})\n"
        "mysql_listen(SOCK, { on_login = function(c, l) return c:connect(cluster, l) end }, { like = cluster })"
    )
    with daemon.raw() as client:
        greeting = client.receive_greeting()
    assert greeting.server_version == "6.6.6"
    assert not greeting.capabilities & (Cap.SESSION_TRACK | Cap.DEPRECATE_EOF)


@pytest.mark.threads
def test_like_follows_the_nodes_of_a_cluster(perilune, fake):
    servers = [fake(Greeting(server_version=f"6.6.{n}-fake")) for n in range(3)]
    daemon = perilune(
        f"cluster = mysql_cluster({listed(servers[:2])})\n"
        "mysql_listen(SOCK, { on_login = function(c, l) return c:connect(cluster, l) end }, { like = cluster })" + ADMIN
    )

    def announced():
        with daemon.raw() as client:
            return client.receive_greeting().server_version

    assert announced() == "6.6.0-fake"
    Admin(daemon)(f"cluster:set_nodes({listed(servers[1:])})")
    wait_until(lambda: announced() == "6.6.1-fake")
    Admin(daemon)(f"cluster:set_nodes({listed(servers[2:])})")
    wait_until(lambda: announced() == "6.6.2-fake")


# probes


def test_a_greeting_is_always_answered(perilune, fake):
    server = fake()
    perilune(CONNECT % (listed([server]), "monitoring = true, interval = 0.1", ""))
    server.wait_for(lambda s: len(s.responses) >= 3)
    assert server.broken_handshakes == 0
    assert {response.user for response in server.responses} == {""}


@pytest.mark.parametrize(
    "kind, user",
    [("mariadb", "plain"), ("mariadb", "ed25519"), ("mariadb", "nopass"), ("mariadb118", "parsec"), ("mysql9", "sha2"), ("mysql9", "sha256"), ("mysql9", "nopass")],
)
def test_probes_log_in_by_every_method(perilune, request, kind, user):
    server = request.getfixturevalue(kind)
    password = "" if user == "nopass" else "secret"
    options = f"monitoring = true, timeout = 10, no_read_only = true, user = '{user}', password = '{password}'"
    daemon = perilune(CONNECT % (listed([server]), options, "") + ADMIN)
    admin = Admin(daemon)
    wait_until(lambda: admin(f"return state_of('{server.address}')") != "unknown")
    assert admin("local r = cluster:nodes()[1] return r.state .. ' ' .. tostring(r.reason)") == "available nil"


SECURE = "monitoring = true, interval = 0.3, user = 'plain', password = 'secret', no_read_only = true"


@pytest.mark.parametrize("tls", ["'require'", "'prefer'", "{ ca = CA }", "{ ca = CA, server_name = 'localhost' }"])
def test_probes_log_in_by_tls(perilune, secure_pair, tls):
    servers, ca = secure_pair
    daemon = perilune(CONNECT % (listed(servers), f"{SECURE}, tls = {tls}", f"tls = {tls}") + ADMIN, {"CA": ca})
    wait_for_both(daemon, servers)
    assert visit(daemon) in (1, 2)


@pytest.mark.parametrize(
    "tls, why", [("'disable'", "Access denied"), ("{ ca = CA }", "certificate"), ("{ ca = OWN, server_name = 'other.example' }", "certificate")]
)
def test_probes_that_tls_keeps_out(perilune, secure_pair, certificates, tls, why):
    servers, ca = secure_pair
    daemon = perilune(CONNECT % (listed(servers), f"{SECURE}, tls = {tls}", "") + ADMIN, {"CA": certificates.ca, "OWN": ca})
    admin = Admin(daemon)
    for server in servers:
        wait_for_state(admin, server, "auth_failed")
    assert why in admin("return cluster:nodes()[1].reason")


def test_a_probe_that_is_refused(perilune, pair):
    daemon = perilune(CONNECT % (listed(pair[:1]), "monitoring = true, user = 'plain', password = 'wrong'", "") + ADMIN)
    admin = Admin(daemon)
    wait_for_state(admin, pair[0], "auth_failed")
    assert "Access denied" in admin("return cluster:nodes()[1].reason")
    daemon.log.wait("node is auth_failed")
    assert visit(daemon) == 1  # there is nothing better


@pytest.mark.parametrize("bad", [dict(greeting=None), dict(die_at="login"), dict(die_at="response"), dict(greeting=b"\x05\0\0\0hello")])
def test_servers_that_fail_a_probe_are_down(perilune, fake, bad):
    server = fake(**bad)
    daemon = perilune(CONNECT % (listed([server]), PROBE + ", timeout = 0.5", "") + ADMIN)
    admin = Admin(daemon)
    wait_until(lambda: admin(f"return state_of('{server.address}')") in ("down", "auth_failed"))


def test_a_read_only_node(perilune, writable):
    set_read_only(writable[0], True)
    daemon = perilune(CONNECT % (listed(writable), PROBE + ", no_read_only = true", "read_only = login.user == 'dumper'") + ADMIN)
    admin = Admin(daemon)
    wait_for_state(admin, writable[0], "read_only")
    wait_for_state(admin, writable[1], "available")
    assert {visit(daemon, user="plain") for _ in range(3)} == {2}
    assert {visit(daemon, user="dumper") for _ in range(3)} == {1}


def test_read_only_is_nothing_without_no_read_only(perilune, writable):
    set_read_only(writable[0], True)
    daemon = perilune(CONNECT % (listed(writable[:1]), PROBE, "") + ADMIN)
    wait_for_state(Admin(daemon), writable[0], "available")


# failover

FAILOVER = PROBE + ", no_read_only = true, disconnect_unavailable = true, balance = 'first'"


class Load(threading.Thread):
    """Statements that write, each on the connection there is or on a new one."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self._daemon, self._stopped = daemon, threading.Event()
        self.done = []  # (when it began, when it was over, the server)
        self.failed = []  # (when, code)
        self.start()

    def run(self):
        connection = None
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                connection = connection or self._daemon.pymysql(autocommit=True)
                with connection.cursor() as cursor:
                    cursor.execute("CREATE OR REPLACE TABLE shared_db.t%d (id INT) ENGINE=MEMORY" % threading.get_ident())
                self.done.append((began, time.monotonic(), server_id(connection)))
            except pymysql.MySQLError as error:
                self.failed.append((time.monotonic(), error.args[0]))
                connection = None
            time.sleep(0.01)
        if connection:
            connection.close()

    def stop(self):
        self._stopped.set()
        self.join()

    def first_success_after(self, moment, server):
        return next((over for began, over, where in list(self.done) if began >= moment and where == server), None)


def measure(name, load, event, server):
    """Seconds from the event to the first statement that succeeded at the other server."""
    wait_until(lambda: load.done)
    begin = time.monotonic()
    event()
    wait_until(lambda: load.first_success_after(begin, server))
    seconds = load.first_success_after(begin, server) - begin
    print(f"failover, {name}: {seconds:.2f} s")
    return seconds


def test_failover_when_the_primary_turns_read_only(perilune, writable):
    first, second = writable
    daemon = perilune(CONNECT % (listed(writable), FAILOVER, "") + ADMIN)
    wait_for_state(Admin(daemon), second, "available")
    load = Load(daemon)
    seconds = measure("read-only", load, lambda: first.sql("SET GLOBAL read_only = 1; REVOKE SUPER, READ_ONLY ADMIN ON *.* FROM plain@'%'"), 2)
    load.stop()
    first.sql("SET GLOBAL read_only = 0; GRANT ALL ON *.* TO plain@'%'")
    assert seconds < 10


class SysbenchLoad(threading.Thread):
    """Sysbench, started again whenever it has lost its sessions: it does not survive connecting again by itself."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self._load = programs.Sysbench(daemon.sock, "shared_db")
        self._process, self._stopped, self.outputs = None, threading.Event(), []
        self.start()

    def run(self):
        while not self._stopped.is_set():
            self._process = self._load.start(threads=16, seconds=60)
            self.outputs.append(self._process.communicate()[0])

    def stop(self):
        self._stopped.set()
        self._process.terminate()
        self.join()


def commits(server):
    return int(server.sql("SHOW GLOBAL STATUS LIKE 'Com_commit'").split()[1])


@pytest.mark.parametrize("event", ["read-only", "killed"])
def test_failover_under_sysbench(perilune, certificates, writable, folder, event):
    second = writable[1]
    # To become read-only it waits for statements, some of which wait for rows of others.
    options = ("--bind-address=127.0.0.4", "--server-id=7", "--innodb-lock-wait-timeout=1")
    first = start_server("mariadb", folder / "primary", certificates, options)
    first.address = f"127.0.0.4:{first.port}"
    try:
        for server in (first, second):
            programs.Sysbench(server.socket, "shared_db").prepare()
        daemon = perilune(CONNECT % (listed([first, second]), FAILOVER, "") + ADMIN)
        wait_for_state(Admin(daemon), second, "available")
        load = SysbenchLoad(daemon)
        wait_until(lambda: commits(first) > 200)
        before = commits(second)
        set_read_only(first, True) if event == "read-only" else os.kill(first.process.pid, signal.SIGKILL)
        begin = time.monotonic()
        wait_until(lambda: commits(second) > before)
        print(f"failover under sysbench, {event}: {time.monotonic() - begin:.2f} s")
        assert time.monotonic() - begin < 10 * PATIENCE
        wait_until(lambda: commits(second) > before + 200)
        load.stop()
        assert len(load.outputs) == 2, load.outputs  # the sessions were lost once
    finally:
        first.stop()
        second.sql("DROP TABLE IF EXISTS shared_db.sbtest1, shared_db.sbtest2")


@pytest.mark.threads
def test_sessions_are_told_why_they_end(perilune, writable):
    first, second = writable
    daemon = perilune(CONNECT % (listed(writable), FAILOVER, "read_only = login.user == 'dumper'") + ADMIN)
    admin = Admin(daemon)
    wait_for_state(admin, second, "available")
    with daemon.logged_in("plain") as leaving, daemon.logged_in("dumper") as staying:
        assert leaving.value("SELECT @@server_id") == staying.value("SELECT @@server_id")
        set_read_only(first, True)
        assert farewell(leaving) == (UNAVAILABLE, "Node is unavailable")
        assert staying.value("SELECT 1")


def test_nobody_is_dropped_when_all_are_equally_bad(perilune, writable):
    first, second = writable
    set_read_only(first, True)
    set_read_only(second, True)
    daemon = perilune(CONNECT % (listed(writable), FAILOVER, "") + ADMIN)
    wait_for_state(Admin(daemon), second, "read_only")
    with contextlib.closing(daemon.pymysql()) as connection:
        here = server_id(connection)
        time.sleep(1)  # some probes
        assert server_id(connection) == here


def test_failover_when_the_primary_dies(perilune, certificates, pair, folder):
    primary = start_server("mariadb", folder / "primary", certificates, ("--bind-address=127.0.0.4", "--server-id=7"))
    try:
        primary.address = f"127.0.0.4:{primary.port}"
        daemon = perilune(CONNECT % (listed([primary, pair[1]]), FAILOVER, "") + ADMIN)
        wait_for_state(Admin(daemon), primary, "available")
        load = Load(daemon)
        seconds = measure("killed", load, lambda: os.kill(primary.process.pid, signal.SIGKILL), 2)
        load.stop()
        assert seconds < 10
        # Only the statement that was under way has failed.
        assert len(load.failed) <= 2, load.failed
    finally:
        primary.stop()


def test_failover_when_the_primary_hangs(perilune, certificates, pair, folder):
    primary = start_server("mariadb", folder / "primary", certificates, ("--bind-address=127.0.0.4", "--server-id=7"))
    try:
        primary.address = f"127.0.0.4:{primary.port}"
        daemon = perilune(CONNECT % (listed([primary, pair[1]]), FAILOVER + ", timeout = 0.5", "") + ADMIN)
        wait_for_state(Admin(daemon), primary, "available")
        load = Load(daemon)
        seconds = measure("hanging", load, lambda: os.kill(primary.process.pid, signal.SIGSTOP), 2)
        os.kill(primary.process.pid, signal.SIGCONT)
        load.stop()
        assert seconds < 20
    finally:
        os.kill(primary.process.pid, signal.SIGCONT)
        primary.stop()


def test_myproxys_configuration(perilune, writable):
    daemon = perilune(
        f"local cluster = mysql_cluster({listed(writable)}, {{ monitoring = true, user = 'plain', password = 'secret',"
        " no_read_only = true, disconnect_unavailable = true })\n"
        "mysql_listen(SOCK, { on_handshake_response = function(client, handshake_response)\n"
        "  client.account = handshake_response.user\n"
        "  return client:connect(cluster, handshake_response, { read_only = handshake_response.user == 'dumper' }) end })"
    )
    assert visit(daemon) in (1, 2)
    assert visit(daemon, user="dumper") in (1, 2)


# at run time


def test_drain_and_close_at_the_quiet_moment(perilune, pair):
    daemon = perilune(CONNECT % (listed(pair), "balance = 'first'", "") + ADMIN)
    admin = Admin(daemon)
    with daemon.logged_in() as idle, daemon.logged_in() as busy:
        busy.query("BEGIN")
        admin(f"cluster:drain('{pair[0].address}', {{ close = true }})")
        assert farewell(idle)[0] == SHUTDOWN
        assert busy.value("SELECT @@server_id") == "1"
        busy.query("COMMIT")
        assert farewell(busy)[0] == SHUTDOWN
    assert visit(daemon) == 2
    admin(f"cluster:enable('{pair[0].address}')")
    assert visit(daemon) == 1


def test_a_change_of_user_goes_where_its_key_leads(perilune, pair):
    hosts = [server.address.split(":")[0] for server in pair]
    daemon = perilune(
        f"cluster = mysql_cluster({listed(pair)})\n"
        "mysql_listen(SOCK, { on_login = function(client, login)\n"
        "  return client:connect(cluster, login, { key = login.database }) end })" + ADMIN
    )
    keys = {hosts.index(chosen(hosts, key)) + 1: key for key in ("shared_db", "mysql", "information_schema", "performance_schema", "sys")}
    assert set(keys) == {1, 2}
    admin = Admin(daemon)
    sessions = "local n = cluster:nodes() return n[1].sessions .. ' ' .. n[2].sessions"
    with daemon.logged_in(database=keys[1]) as client:
        thread = client.value("SELECT CONNECTION_ID()")
        assert admin(sessions) == "1 0"
        client.change_user("plain", "secret", keys[1])
        assert client.value("SELECT CONNECTION_ID()") == thread
        client.change_user("plain", "secret", keys[2])
        assert client.value("SELECT @@server_id") == "2"
        assert admin(sessions) == "0 1"
    wait_until(lambda: admin(sessions) == "0 0")


@pytest.mark.parametrize("balance", ["first", "round_robin"])
def test_kill_finds_its_server(perilune, pair, balance):
    daemon = perilune(WITH_PASSWORD % (listed(pair), f"balance = '{balance}'"))
    with contextlib.closing(daemon.pymysql()) as victim, contextlib.closing(daemon.pymysql()) as killer:
        with killer.cursor() as cursor:
            cursor.execute(f"KILL {victim.thread_id()}")
        assert error_of(victim) is not None
        assert error_of(killer) is None


@pytest.mark.threads
@pytest.mark.parametrize("words", ["KILL", "KILL QUERY"])
def test_kill_across_nodes_in_pass_through(perilune, pair, words):
    """By the cluster's user, who may end other users' threads."""
    for server in pair:
        server.sql("CREATE OR REPLACE USER caretaker@'%' IDENTIFIED BY 'care'; GRANT CONNECTION ADMIN ON *.* TO caretaker@'%'")
    options = "monitoring = true, interval = 0.3, user = 'caretaker', password = 'care', balance = 'round_robin'"
    daemon = perilune(CONNECT % (listed(pair), options, "") + ADMIN)
    wait_for_both(daemon, pair)
    with daemon.logged_in("plain") as victim, contextlib.closing(daemon.pymysql()) as killer:
        assert {victim.value("SELECT @@server_id"), str(server_id(killer))} == {"1", "2"}
        victim.send_query("SELECT SLEEP(600) AS sleeping_here")
        running = "SELECT COUNT(*) FROM information_schema.processlist WHERE info = 'SELECT SLEEP(600) AS sleeping_here'"
        wait_until(lambda: sum(int(server.sql(running)) for server in pair) == 1)
        assert error_of(killer, f"{words} {victim.greeting.connection_id}") is None
        with contextlib.suppress(Err, Closed):
            assert victim.result().values == [b"1"]  # interrupted
        wait_until(lambda: sum(int(server.sql(running)) for server in pair) == 0)
        if words == "KILL QUERY":
            assert victim.value("SELECT 1") == "1"
        assert error_of(killer) is None


def test_kill_across_nodes_by_tls(perilune, secure_pair):
    servers, ca = secure_pair
    options = f"{SECURE}, balance = 'round_robin', tls = {{ ca = CA }}"
    daemon = perilune(CONNECT % (listed(servers), options, "tls = 'require'") + ADMIN, {"CA": ca})
    wait_for_both(daemon, servers)
    with daemon.logged_in("dumper") as victim, contextlib.closing(daemon.pymysql(user="dumper")) as killer:
        assert {victim.value("SELECT @@server_id"), str(server_id(killer))} == {"1", "2"}
        assert error_of(killer, f"KILL {victim.greeting.connection_id}") is None
        victim.packets.sequence = 0  # an error nobody asked for may come before the end
        with pytest.raises((Err, Closed, ConnectionError)):
            victim.reply()
        assert error_of(killer) is None


@pytest.mark.parametrize("options", [PROBE, "monitoring = true", ""], ids=["may not", "no user", "not probed"])
def test_kill_across_nodes_that_nobody_can_do(perilune, pair, options):
    """The cluster's user is no more than the servers let it be."""
    for server in pair:
        server.sql("CREATE OR REPLACE USER nobody_much@'%' IDENTIFIED BY 'secret'")
    options = options.replace("'plain'", "'nobody_much'")
    daemon = perilune(CONNECT % (listed(pair), options + (options and ", ") + "balance = 'round_robin'", "") + ADMIN)
    if options:
        wait_for_both(daemon, pair)
    with daemon.logged_in("plain") as victim, contextlib.closing(daemon.pymysql()) as killer:
        assert {victim.value("SELECT @@server_id"), str(server_id(killer))} == {"1", "2"}
        assert error_of(killer, f"KILL {victim.greeting.connection_id}") == KILL_DENIED
        assert victim.value("SELECT 1") == "1"


def test_sessions_are_counted_and_a_reload_keeps_the_count(perilune, pair):
    daemon = perilune(CONNECT % (listed(pair), "balance = 'round_robin'", "") + ADMIN, reloading=False)
    admin = Admin(daemon)
    sessions = "local n = cluster:nodes() return n[1].sessions .. ' ' .. n[2].sessions"
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(daemon.logged_in())
        daemon.reload()
        assert admin(sessions) == "5 5"
    wait_until(lambda: admin(sessions) == "0 0")
