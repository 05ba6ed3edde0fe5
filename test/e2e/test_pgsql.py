"""pgsql_listen with real clients: statements, cancel, TLS, COPY, dump and restore, clusters, the end of sessions."""

import asyncio
import contextlib
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time

import asyncpg
import psycopg
import psycopg2
import pytest

from postgres import PASSWORD, own_postgres, program
from support.daemon import PATIENCE
from throwaway import plain_environment

ACCESS = ["local replication all trust", "host replication all all scram-sha-256"]
REPLICATION = ["wal_level=logical", "max_wal_senders=6", "max_replication_slots=4"]

KNOWN = """
local function to(target)
  return function(client, login)
    local database = login.database ~= login.user and login.database or 'hosting'
    return client:connect(target, {user = 'web', password = PASSWORD, database = database, attributes = login.attributes}, {unchecked = true})
  end
end
"""
PASS = "pgsql_listen(TCP, { on_login = function(client, login) return client:connect(TARGET, login) end })\n"
QUERY = """
pgsql_listen(TCP, {
  on_login = function(client, login) return client:connect(TARGET, login) end,
  on_query = function(client, sql, kind)
    if WAITS then sleep(0.01) end
    event(kind .. ' ' .. sql:gsub('%s+', ' '))
    if sql:find('forbidden') then return client:err() end
    if sql:find('denied') then return client:err('not for you', {sqlstate = '42P01'}) end
    if sql:find('rows_of_ours') then
      return client:result{columns = {'n', 'x', 't', 'b'}, rows = {{1, 1.5, 'one', true}, {2, 2.25, nil, false}}}
    end
    if sql:find('instead') then return client:query('SELECT 42 AS answer') end
    if sql:find('okay') then return client:ok(3) end
    if sql:find('raises') then error('on purpose') end
  end,
})
"""


SERVERS = {"15": None, "17": "postgresql-17", "18": "postgresql-18"}
# By default these alone run at PostgreSQL 17 too, and none at 18 (test_pgsql_versions.py).
AT_BOTH = {
    "test_on_query_extended",
    "test_on_query_simple",
    "test_other_makers_prepared_statements",
    "test_parameters",
    "test_cancel_from_any_worker_and_listener",
    "test_copy",
    "test_pipeline",
    "test_psql_17",
    "test_refusal_in_a_pipeline_undoes_what_came_before",
}
# The system's programs refuse to work with a newer server.
ONLY_AT_15 = {"test_base_backup", "test_dump_and_restore"}


def pytest_generate_tests(metafunc):
    name = metafunc.function.__name__
    if "postgres" in metafunc.fixturenames:
        servers = ["15", "17"] if name in AT_BOTH else ["15"]
        if metafunc.config.getoption("--thorough") and name not in ONLY_AT_15:
            servers = SERVERS
        metafunc.parametrize("postgres", servers, indirect=True, scope="module")


@pytest.fixture(scope="module")
def postgres(request, fetched, certificates):
    release = SERVERS[request.param]
    if release is not None:
        fetched(release)
    with own_postgres(options=REPLICATION, access=ACCESS, certificates=certificates, release=release) as server:
        server.sql(
            "ALTER ROLE web REPLICATION; GRANT CREATE ON SCHEMA public TO web; CREATE TABLE item (id int PRIMARY KEY, name text);"
            "GRANT ALL ON item TO web; INSERT INTO item SELECT i, 'item ' || i FROM generate_series(1, 1000) i"
        )
        yield server


@pytest.fixture
def proxy(postgres, daemons):
    def start(script, **options):
        define = {"TARGET": f"127.0.0.1:{postgres.port}", "PASSWORD": PASSWORD, "WAITS": False, **options.pop("define", {})}
        return daemons(KNOWN + script, define, **options).start()

    return start


def conninfo(daemon, **options):
    options = {"host": "127.0.0.1", "port": daemon.tcp[1], "user": "web", "password": PASSWORD, "dbname": "hosting", "connect_timeout": 30, **options}
    return " ".join(f"{name}='{value}'" for name, value in options.items())


def run(*command, **options):
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120 * PATIENCE, env={**plain_environment(), "PGPASSWORD": PASSWORD}, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pgbench(daemon, *options):
    return run("pgbench", "-h", "127.0.0.1", "-p", str(daemon.tcp[1]), "-U", "web", *options, "hosting")


# --- the ordinary programs


def test_psql(proxy):
    daemon = proxy(PASS)
    out = run("psql", "-X", "-At", conninfo(daemon), "-c", "SELECT 1; SELECT 2", "-c", "\\d item", "-c", "TABLE item LIMIT 1")
    assert out.splitlines()[:2] == ["1", "2"]
    assert "item 1" in out


@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
@pytest.mark.parametrize("again", [[], ["-C"]])
def test_pgbench(proxy, protocol, again):
    daemon = proxy(PASS)
    pgbench(daemon, "-i", "-q")
    out = pgbench(daemon, "-n", "-M", protocol, "-c", "4", "-j", "2", "-t", "20" if again else "100", *again)
    assert "number of failed transactions: 0" in out


def test_dump_and_restore(proxy, postgres, tmp_path):
    daemon = proxy(PASS)
    dump = tmp_path / "dump"
    run("pg_dump", "-Fc", "-f", str(dump), "-t", "item", conninfo(daemon))
    postgres.sql("CREATE DATABASE restored OWNER web", database="postgres")
    try:
        run("pg_restore", "--no-owner", "-d", conninfo(daemon, dbname="restored"), str(dump))
        assert postgres.sql("SELECT count(*), md5(string_agg(name, ',' ORDER BY id)) FROM item", database="restored") == postgres.sql(
            "SELECT count(*), md5(string_agg(name, ',' ORDER BY id)) FROM item"
        )
    finally:
        postgres.sql("DROP DATABASE restored WITH (FORCE)", database="postgres")


@pytest.mark.no_reload
def test_base_backup(proxy, tmp_path):
    daemon = proxy(PASS)
    run("pg_basebackup", "-D", str(tmp_path / "backup"), "-X", "stream", "-c", "fast", "-d", conninfo(daemon))
    assert (tmp_path / "backup" / "backup_manifest").exists()


def test_logical_replication(proxy, postgres, tmp_path):
    """The stream goes both ways at once (CopyBoth)."""
    daemon = proxy(PASS)
    out = tmp_path / "changes"
    common = ["-d", conninfo(daemon), "--slot", "proxied"]
    run("pg_recvlogical", *common, "--create-slot", "--plugin", "test_decoding")
    environment = {**plain_environment(), "PGPASSWORD": PASSWORD}
    receiver = subprocess.Popen(["pg_recvlogical", *common, "--start", "-f", str(out), "-F", "0"], env=environment, stderr=subprocess.DEVNULL)
    try:
        postgres.sql("CREATE TABLE logged (what text); INSERT INTO logged VALUES ('through the proxy')")
        deadline = time.monotonic() + 30 * PATIENCE
        while not (out.exists() and "through the proxy" in out.read_text()):
            assert time.monotonic() < deadline and receiver.poll() is None
            time.sleep(0.05)
    finally:
        receiver.send_signal(signal.SIGINT)
        receiver.wait(30)
        run("pg_recvlogical", *common, "--drop-slot")
        postgres.sql("DROP TABLE logged")


# --- sessions


def test_parameters(proxy):
    """Start-up parameters reach the server, and the script sees and changes them."""
    daemon = proxy(
        """
        pgsql_listen(TCP, { on_login = function(client, login)
          event('name=' .. login.attributes.application_name .. ' ' .. client.protocol .. ' ' .. client.user)
          login.attributes.application_name = 'renamed'
          return client:connect(TARGET, login)
        end })
        """
    )
    with contextlib.closing(psycopg2.connect(conninfo(daemon, application_name="mine", options="-c geqo=off"))) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT current_setting('application_name'), current_setting('geqo')")
        assert cursor.fetchall() == [("renamed", "off")]
        assert connection.get_parameter_status("application_name") == "renamed"
    assert daemon.events.wait("name=") == "name=mine pgsql web"


def test_error_of_the_server_is_unchanged(proxy, postgres):
    daemon = proxy(PASS)
    with pytest.raises(psycopg2.OperationalError) as direct:
        psycopg2.connect(f"host=127.0.0.1 port={postgres.port} user=web password={PASSWORD} dbname=missing sslmode=disable")
    with pytest.raises(psycopg2.OperationalError) as proxied:
        psycopg2.connect(conninfo(daemon, dbname="missing", sslmode="disable"))
    assert str(direct.value).split("FATAL")[1] == str(proxied.value).split("FATAL")[1]


def test_refusals(proxy):
    daemon = proxy(
        """
        pgsql_listen(TCP, {
          on_login = function(client, login)
            if login.user == 'nobody' then return client:err('go away', {sqlstate = '28P01'}) end
            return client:connect(TARGET, login)
          end,
          on_command_phase = function(client) if client.user == 'web' then return client:err('not yet') end end,
        })
        pgsql_listen(TCP2, { on_connect = function(client) return client:err('closed today') end, on_login = function() end })
        """
    )
    for options, message in (({"user": "nobody"}, "go away"), ({}, "not yet"), ({"port": daemon.tcp2[1]}, "closed today")):
        with pytest.raises(psycopg2.OperationalError, match=message):
            psycopg2.connect(conninfo(daemon, **options))


def test_cancel_from_any_worker_and_listener(proxy):
    daemon = proxy(PASS)
    for _ in range(4):
        with psycopg.connect(conninfo(daemon)) as connection:
            timer = threading.Timer(0.3, connection.cancel)
            timer.start()
            began = time.monotonic()
            with pytest.raises(psycopg.errors.QueryCanceled):
                connection.execute("SELECT pg_sleep(60)")
            assert time.monotonic() - began < 30
            timer.join()
            connection.rollback()
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_foreign_cancel_keys_are_ignored(proxy):
    daemon = proxy(PASS)
    with psycopg.connect(conninfo(daemon)) as connection:
        process_id = connection.info.backend_pid & 0xFFFFFFFF
        for key in (b"\0\0\0\0", b"\1" * 32):
            with socket.create_connection(daemon.tcp, 20) as wire:
                wire.sendall(struct.pack("!IIII", 12 + len(key), 80877102, process_id, 0)[:12] + key)
                assert wire.recv(1) == b""
        assert connection.execute("SELECT pg_sleep(0.2), 1").fetchone()[1] == 1


def test_copy(proxy):
    daemon = proxy(PASS)
    with psycopg.connect(conninfo(daemon)) as connection:
        connection.execute("CREATE TEMP TABLE t (id int, what text)")
        with connection.cursor().copy("COPY t FROM STDIN") as copy:
            for i in range(20000):
                copy.write_row((i, "x" * 100))
        with connection.cursor().copy("COPY t TO STDOUT") as copy:
            assert sum(1 for _ in copy.rows()) == 20000
        with pytest.raises(psycopg.errors.InvalidTextRepresentation), connection.cursor().copy("COPY t FROM STDIN") as copy:
            copy.write("nonsense\n")
        connection.rollback()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_notifications_and_notices(proxy):
    daemon = proxy(PASS)
    with psycopg.connect(conninfo(daemon), autocommit=True) as listening, psycopg.connect(conninfo(daemon), autocommit=True) as other:
        notices = []
        listening.add_notice_handler(lambda diagnostic: notices.append(diagnostic.message_primary))
        listening.execute("LISTEN news")
        other.execute("NOTIFY news, 'hello'")
        assert next(listening.notifies()).payload == "hello"
        listening.execute("DO $$ BEGIN RAISE NOTICE 'noticed'; END $$")
        assert notices == ["noticed"]


def test_big_values(proxy):
    daemon = proxy(PASS)
    big = "x" * (40 << 20)
    with psycopg.connect(conninfo(daemon)) as connection:
        assert connection.execute("SELECT length(%s::text), %s::text", (big, big)).fetchone() == (len(big), big)


def test_pipeline(proxy):
    daemon = proxy(PASS)
    with psycopg.connect(conninfo(daemon), autocommit=True) as connection:
        with connection.pipeline():
            cursors = [connection.execute("SELECT %s::int", (i,)) for i in range(2000)]
        assert [cursor.fetchone()[0] for cursor in cursors] == list(range(2000))


def test_lost_server(proxy, postgres):
    daemon = proxy(PASS)
    with psycopg.connect(conninfo(daemon), autocommit=True) as connection:
        with pytest.raises(psycopg.OperationalError, match="terminating connection due to administrator command"):
            connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


# --- TLS


@pytest.mark.parametrize("options", [{"sslmode": "disable"}, {"sslmode": "require"}, {"sslmode": "require", "sslnegotiation": "direct"}], ids=["plain", "tls", "direct"])
def test_psql_17(proxy, fetched, options):
    """\\bind runs a statement with parameters, and what cannot be bound to a channel in the proxy logs in by known credentials."""
    fetched("postgresql-17")
    daemon = proxy(QUERY.replace("client:connect(TARGET, login)", "to(TARGET)(client, login)"))
    statements = "SELECT 1;\nSELECT $1::int + 1 \\bind 2 \\g\nSELECT rows_of_ours;\nSELECT forbidden;\nSELECT something instead;\n\\conninfo\n"
    out = run(program("psql", "postgresql-17"), "-X", "-At", conninfo(daemon, **options), input=statements)
    assert out.splitlines()[:5] == ["1", "3", "1|1.5|one|t", "2|2.25||f", "42"]
    assert ("SSL connection" in out) == ("require" in options.values())


def test_direct_tls(proxy):
    """A client that begins with TLS names the protocol, as PostgreSQL 17's do."""
    daemon = proxy(PASS)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["postgresql"])
    with socket.create_connection(daemon.tcp, 20) as plain, context.wrap_socket(plain) as wire:
        assert wire.selected_alpn_protocol() == "postgresql"
        body = struct.pack("!I", 3 << 16) + b"user\0web\0database\0hosting\0\0"
        wire.sendall(struct.pack("!I", len(body) + 4) + body)
        assert wire.recv(1) == b"R"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(daemon.tcp, 20) as plain, context.wrap_socket(plain) as wire:
        wire.sendall(b"\0\0\0\x08\0\3\0\0")
        assert wire.recv(1) == b"E"


def test_data_before_tls_is_thrown_away(proxy):
    """CVE-2021-23214: a statement that somebody put behind SSLRequest is not the client's."""
    daemon = proxy(PASS)
    with socket.create_connection(daemon.tcp, 20) as plain:
        plain.sendall(struct.pack("!II", 8, 80877103) + b"Q\0\0\0\x0dSELECT 1\0")
        assert plain.recv(1) == b"S"
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(plain) as wire:
            body = struct.pack("!I", 3 << 16) + b"user\0web\0\0"
            wire.sendall(struct.pack("!I", len(body) + 4) + body)
            assert wire.recv(1) == b"R"


def test_required_tls_and_gss(proxy, certificates):
    files = {"CERT": str(certificates.server), "KEY": str(certificates.server_key)}
    daemon = proxy("pgsql_listen(TCP, { on_login = to(TARGET) }, { tls = {cert = CERT, key = KEY, required = true} })", define=files)
    with pytest.raises(psycopg2.OperationalError, match="requires TLS"):
        psycopg2.connect(conninfo(daemon, sslmode="disable"))
    with socket.create_connection(daemon.tcp, 20) as wire:
        wire.sendall(struct.pack("!II", 8, 80877104))
        assert wire.recv(1) == b"N"
    psycopg2.connect(conninfo(daemon, sslmode="require")).close()


def test_newer_protocol_is_negotiated(proxy):
    daemon = proxy(PASS)
    with socket.create_connection(daemon.tcp, 20) as wire:
        body = struct.pack("!I", 3 << 16 | 9999) + b"user\0web\0database\0hosting\0_pq_.wish\0on\0\0"
        wire.sendall(struct.pack("!I", len(body) + 4) + body)
        answer = wire.recv(1000)
        assert answer[:1] == b"v" and struct.unpack("!I", answer[5:9])[0] == (3 << 16 | 2)
        assert b"_pq_.wish\0" in answer


# --- statements under the script's control


@pytest.fixture(params=[False, True], ids=["at once", "waiting"])
def asked(request, proxy):
    return proxy(QUERY, define={"WAITS": request.param})


def test_on_query_simple(asked):
    with contextlib.closing(psycopg2.connect(conninfo(asked))) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SELECT 1 AS passes")
        assert cursor.fetchall() == [(1,)]
        cursor.execute("SELECT rows_of_ours")
        assert [column.name for column in cursor.description] == ["n", "x", "t", "b"]
        assert cursor.fetchall() == [(1, 1.5, "one", True), (2, 2.25, None, False)]
        cursor.execute("SELECT something instead")
        assert cursor.fetchall() == [(42,)]
        cursor.execute("UPDATE okay")
        assert cursor.statusmessage == "UPDATE 3"
        for sql, state in (("SELECT forbidden", "42501"), ("SELECT denied", "42P01"), ("SELECT raises", "42501")):
            with pytest.raises(psycopg2.Error) as refused:
                cursor.execute(sql)
            assert refused.value.pgcode == state
        cursor.execute("SELECT 2 AS passes_again")
        assert cursor.fetchall() == [(2,)]
    assert asked.events.wait("query SELECT 1 AS passes")


def test_on_query_extended(asked):
    with psycopg.connect(conninfo(asked), autocommit=True) as connection:
        for _ in range(8):  # psycopg prepares what comes again
            assert connection.execute("SELECT %s::int + 1", (1,)).fetchone() == (2,)
            assert connection.execute("SELECT rows_of_ours, %s::int", (1,)).fetchall() == [(1, 1.5, "one", True), (2, 2.25, None, False)]
            assert connection.execute("SELECT %s::int instead", (1,)).fetchone() == (42,)
            assert connection.execute("INSERT okay %s::int", (1,)).rowcount == 3
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT forbidden, %s::int", (1,))
    assert asked.events.wait("prepare SELECT \\$1::int")


def test_refusal_inside_a_transaction(asked):
    """What ReadyForQuery says of the transaction is the server's truth."""
    with psycopg.connect(conninfo(asked)) as connection:
        connection.execute("CREATE TEMP TABLE t (i int)")
        connection.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT forbidden")
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_refusal_in_a_pipeline_undoes_what_came_before(asked, postgres):
    """A series is one transaction: an error in it, ours too, takes all of it back."""
    postgres.sql("CREATE TABLE series (i int); GRANT ALL ON series TO web")
    try:
        with psycopg.connect(conninfo(asked), autocommit=True) as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.pipeline():
                connection.execute("INSERT INTO series VALUES (1)")
                connection.execute("SELECT forbidden, %s::int", (1,))
                connection.execute("INSERT INTO series VALUES (2)")
            assert connection.execute("SELECT count(*) FROM series").fetchone() == (0,)
            with connection.pipeline():
                connection.execute("INSERT INTO series VALUES (3)")
                rows = connection.execute("SELECT rows_of_ours, %s::int", (1,))
                connection.execute("INSERT INTO series VALUES (4)")
            assert len(rows.fetchall()) == 2
            assert connection.execute("SELECT count(*) FROM series").fetchone() == (2,)
    finally:
        postgres.sql("DROP TABLE series")


def test_other_makers_prepared_statements(asked):
    """asyncpg: named statements, binary results, portals with a limit of rows."""

    async def talk():
        connection = await asyncpg.connect(host="127.0.0.1", port=asked.tcp[1], user="web", password=PASSWORD, database="hosting", timeout=30)
        assert await connection.fetchval("SELECT $1::int + 1", 1) == 2
        rows = await connection.fetch("SELECT rows_of_ours")
        assert [tuple(row) for row in rows] == [(1, 1.5, "one", True), (2, 2.25, None, False)]
        statement = await connection.prepare("SELECT rows_of_ours")
        for _ in range(3):
            assert len(await statement.fetch()) == 2
        async with connection.transaction():
            found = [row["n"] async for row in connection.cursor("SELECT rows_of_ours", prefetch=1)]
        assert found == [1, 2]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT forbidden")
        assert await connection.fetchval("SELECT 3") == 3
        await connection.close()

    asyncio.run(talk())


def test_too_long(proxy):
    daemon = proxy(QUERY.rstrip().removesuffix(")") + ", { max_query = '1K' })")
    with psycopg.connect(conninfo(daemon), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            connection.execute(f"SELECT '{'x' * 1100}'")
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            connection.execute(f"SELECT %s::int, '{'x' * (3 << 20)}'", (1,))
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_function_call(asked):
    """lo_… of libpq are FunctionCalls."""
    with contextlib.closing(psycopg2.connect(conninfo(asked))) as connection:
        large = connection.lobject(0, "wb")
        large.write(b"x" * 10000)
        assert large.tell() == 10000
        connection.rollback()
    assert asked.events.wait("command FUNCTION CALL")


# --- without a server


def test_serve(proxy):
    daemon = proxy(
        """
        pgsql_listen(TCP, {
          on_login = function(client, login)
            if not login:verify(PASSWORD) then return client:err() end
            return client:serve()
          end,
          on_query = function(client, sql)
            if sql:find('of_ours') then return client:result{columns = {'n', 'name'}, rows = {{1, client.user}, {2, nil}}} end
            if sql:find('^INSERT') then return client:ok(1) end
          end,
        }, { server_version = '16.3' })
        """
    )
    out = run("psql", "-X", "-At", conninfo(daemon), "-c", "SELECT of_ours", "-c", "SELECT 1", "-c", "BEGIN; ")
    assert out.splitlines() == ["1|web", "2|", "1", "BEGIN"]
    with psycopg.connect(conninfo(daemon)) as connection:
        assert connection.info.server_version == 160003
        assert connection.execute("SELECT of_ours, %s::int", (1,)).fetchall() == [(1, "web"), (2, None)]
        assert connection.execute("INSERT %s::int", (1,)).rowcount == 1
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            connection.execute("SELECT something else")
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
        connection.rollback()
        assert connection.execute("SELECT of_ours").fetchone() == (1, "web")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(conninfo(daemon, password="falsch"))


# --- clusters, drain, limits


def test_cluster(proxy, postgres):
    """A monitored cluster logs in, leaves out what recovers, and goes on without a node that dies."""
    with own_postgres() as other:
        daemon = proxy(
            """
            cluster = pgsql_cluster({FIRST, SECOND}, {monitoring = true, user = 'web', password = PASSWORD, database = 'hosting',
                                    interval = 0.1, no_read_only = true, balance = 'round_robin', name = 'pair'})
            pgsql_listen(TCP, { on_login = to(cluster) })
            """,
            define={"FIRST": f"127.0.0.1:{postgres.port}", "SECOND": f"127.0.0.1:{other.port}"},
        )
        ports = set()
        deadline = time.monotonic() + 30 * PATIENCE
        while len(ports) < 2:
            assert time.monotonic() < deadline
            with psycopg.connect(conninfo(daemon)) as connection:
                ports.add(connection.execute("SELECT inet_server_port()").fetchone()[0])
        other.stop()
        for _ in range(10):
            with psycopg.connect(conninfo(daemon)) as connection:
                assert connection.execute("SELECT inet_server_port()").fetchone()[0] == postgres.port


def test_drain(proxy):
    """A session in a transaction ends behind it, an idle one at once: 57P01."""
    daemon = proxy(PASS, reloading=False)
    idle, busy = psycopg.connect(conninfo(daemon), autocommit=True), psycopg.connect(conninfo(daemon))
    with contextlib.closing(idle), contextlib.closing(busy):
        busy.execute("CREATE TEMP TABLE t (i int)")
        daemon.process.send_signal(signal.SIGTERM)
        with pytest.raises(psycopg.OperationalError, match="terminating connection due to administrator command"):
            for _ in range(1000):
                idle.execute("SELECT 1")
                time.sleep(0.01)
        busy.execute("INSERT INTO t VALUES (1)")
        busy.commit()
        with pytest.raises(psycopg.OperationalError):
            for _ in range(1000):
                busy.execute("SELECT 1")
                busy.commit()
                time.sleep(0.01)
    assert daemon.process.wait(30 * PATIENCE) == 0


def test_limits(proxy):
    daemon = proxy("pgsql_listen(TCP, { on_login = to(TARGET) }, { max_connections = 1, idle_timeout = 0.5 })")
    with contextlib.closing(psycopg.connect(conninfo(daemon), autocommit=True)) as connection:
        with pytest.raises(psycopg2.OperationalError, match="too many clients"):
            psycopg2.connect(conninfo(daemon))
        connection.execute("SELECT pg_sleep(1.2)")
        with pytest.raises(psycopg.OperationalError, match="idle-session timeout"):
            time.sleep(2)
            connection.execute("SELECT 1")


def test_silent_and_dead_servers(proxy, backlogged):
    daemon = proxy(
        """
        pgsql_listen(TCP, { on_login = function(client, login)
          return client:connect(login.database == 'dead' and '127.0.0.1:1' or SILENT, login, {connect_timeout = 0.5})
        end })
        """,
        define={"SILENT": backlogged.address},
    )
    for database, message in (("dead", "connection refused"), ("silent", "timed out|is silent")):
        with pytest.raises(psycopg2.OperationalError, match=message):
            psycopg2.connect(conninfo(daemon, dbname=database))


def test_garbage(proxy):
    daemon = proxy(PASS)
    for data in (b"GET / HTTP/1.0\r\n\r\n", b"\0\0\0\x04", b"\0\0\0\x08\0\2\0\0", b"\xff" * 100, b"\0\0\0\x09\0\3\0\0\0"):
        with socket.create_connection(daemon.tcp, 20) as wire:
            wire.sendall(data)
            while wire.recv(1000):
                pass
    with psycopg.connect(conninfo(daemon)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_many_clients(proxy):
    daemon = proxy(PASS)
    out = run(
        "sysbench", "oltp_read_write", "--db-driver=pgsql", "--pgsql-host=127.0.0.1", f"--pgsql-port={daemon.tcp[1]}", "--pgsql-user=web",
        f"--pgsql-password={PASSWORD}", "--pgsql-db=hosting", "--tables=1", "--table-size=1000", "prepare",
    )
    try:
        out = run(
            "sysbench", "oltp_read_write", "--db-driver=pgsql", "--pgsql-host=127.0.0.1", f"--pgsql-port={daemon.tcp[1]}", "--pgsql-user=web",
            f"--pgsql-password={PASSWORD}", "--pgsql-db=hosting", "--tables=1", "--table-size=1000", "--threads=50", "--time=5",
            "--skip-trx=on", "run",
        )
        assert "FATAL" not in out
    finally:
        with psycopg.connect(conninfo(daemon), autocommit=True) as connection:
            connection.execute("DROP TABLE sbtest1")
