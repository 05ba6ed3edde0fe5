"""pgsql_listen with PostgreSQL 18, whose protocol 3.2 has long cancel keys, before an old server and a new one: what psql and
others get is compared with what they get without Perilune."""

import contextlib
import re
import signal
import subprocess

import psycopg2
import pytest

from postgres import PASSWORD, own_postgres, program
from support.daemon import PATIENCE
from support.raw_pg_client import RawPgClient
from support.replication import until
from throwaway import plain_environment, stop_process

SCRIPT = """
pgsql_listen(TCP, { on_login = function(client, login) return client:connect(SERVER, login) end })
pgsql_listen(TCP2, { on_login = function(client, login)
  if not login:verify(PASSWORD) then return client:err() end
  return client:connect(SERVER, {user = 'web', password = PASSWORD, database = login.database, attributes = login.attributes})
end })
"""
UNCHECKED = """
pgsql_listen(TCP, { on_login = function(client, login)
  return client:connect(SERVER, {user = 'web', password = PASSWORD, database = 'hosting'}, {unchecked = true})
end })
"""

SERVERS = {"15": None, "18": "postgresql-18"}
NEW = SERVERS["18"]
ONLY_32 = {"min_protocol_version": "3.2", "max_protocol_version": "3.2"}
# A client's release and the versions of the protocol that it wishes for. That of 18 says 3.0 by default.
CLIENTS = {"15": (None, {}), "18": (NEW, {}), "18-latest": (NEW, {"max_protocol_version": "latest"})}
WAYS = ("pass", "known")

# What both releases of psql can say.
STATEMENTS = r"""
SELECT 1, 'ü€', NULL;
SELECT 1/0;
SELECT current_user, current_database(), current_setting('application_name'), inet_server_port();
CREATE TEMP TABLE t (id int, what text);
COPY t FROM STDIN;
1	one
2	\N
\.
TABLE t;
COPY t TO STDOUT;
BEGIN;
nonsense;
SELECT 1;
ROLLBACK;
DO $$ BEGIN RAISE NOTICE 'noticed'; END $$;
LISTEN news;
NOTIFY news, 'hello';
SELECT count(*), sum(length(x)) FROM (SELECT repeat('x', i) FROM generate_series(1, 3000) i) AS s(x);
"""
# A pipeline of 18's psql; what follows an error in it is ignored up to the next point of synchronisation.
PIPELINE = r"""
\bind 41
SELECT $1::int + 1 \g
SELECT $1::text, $2::text \parse both
\bind_named both one two \g
\startpipeline
SELECT $1::int \bind 1 \sendpipeline
INSERT INTO t VALUES (3, $1) \bind three \sendpipeline
\bind_named both three four \sendpipeline
\syncpipeline
SELECT 1/$1::int \bind 0 \sendpipeline
SELECT $1::int \bind 5 \sendpipeline
\syncpipeline
SELECT count(*) FROM t \bind \sendpipeline
\endpipeline
\close_prepared both
\bind_named both one two \g
"""


@pytest.fixture(scope="module", params=SERVERS)
def postgres(request, fetched, certificates):
    fetched(NEW)  # all tests have its programs
    with own_postgres(certificates=certificates, release=SERVERS[request.param]) as server:
        server.version = request.param
        server.sql("GRANT CREATE ON SCHEMA public TO web; CREATE TABLE item (id int PRIMARY KEY, name text); GRANT ALL ON item TO web")
        server.sql("INSERT INTO item SELECT i, 'item ' || i FROM generate_series(1, 1000) i")
        server.socket = f"{server.folder}/.s.PGSQL.{server.port}"
        yield server


@pytest.fixture(scope="module")
def server(postgres):
    return postgres


@pytest.fixture(scope="module")
def running(postgres):
    """How many statements like this the server is at."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s AND pid <> pg_backend_pid()"
    with contextlib.closing(psycopg2.connect(postgres.local_conninfo)) as connection, connection.cursor() as cursor:
        connection.autocommit = True

        def count(text):
            cursor.execute(asked, (f"%{text}%",))
            return cursor.fetchone()[0]

        yield count


@pytest.fixture
def proxy(perilune):
    def start(script=SCRIPT):
        return perilune(script, {"PASSWORD": PASSWORD})

    return start


def port_of(daemon, way):
    return (daemon.tcp if way == "pass" else daemon.tcp2)[1]


def conninfo(port, **options):
    options = {"host": "127.0.0.1", "port": port, "user": "web", "password": PASSWORD, "dbname": "hosting", "sslmode": "disable", "connect_timeout": 30, **options}
    return " ".join(f"{name}='{value}'" for name, value in options.items())


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=60 * PATIENCE, env=plain_environment(), **options)


def run_well(*command, **options):
    done = run(*command, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def psql(release, port, *arguments, statements=None, **options):
    done = run(program("psql", release), "-X", "-At", conninfo(port, **options), *arguments, input=statements)
    return done.returncode, *(_without_places(text, port) for text in (done.stdout, done.stderr))


def _without_places(text, port):
    """Less what differs from one connection to the next."""
    return re.sub(r"(Backend PID\||PID )-?\d+", r"\1PID", text.replace(str(port), "PORT"))


# --- what psql gets


def spoken(text):
    """The version that \\conninfo tells."""
    return re.search(r"^Protocol Version\|(.*)$", text, re.MULTILINE)[1]


@pytest.mark.parametrize("way", WAYS)
def test_statements(proxy, postgres, way):
    daemon = proxy()
    for release, wish in CLIENTS.values():
        statements = STATEMENTS + (PIPELINE if release else "")
        status, out, err = psql(release, port_of(daemon, way), statements=statements, **wish)
        out = out.replace(str(postgres.port), "PORT")  # what inet_server_port() says
        assert (status, out, err) == psql(release, postgres.port, statements=statements, **wish)
        assert (status, err.count("ERROR:")) == (0, 5 if release else 3)


def test_version_of_the_protocol(proxy, postgres):
    """Perilune speaks 3.2 itself: its clients may insist on that where the server has to be spoken to by 3.0."""
    daemon = proxy()
    for way in WAYS:
        for wish, expected in ({}, "3.0"), ({"max_protocol_version": "latest"}, "3.2"), (ONLY_32, "3.2"):
            status, out, err = psql(NEW, port_of(daemon, way), "-c", "\\conninfo", **wish)
            assert (status, spoken(out), err) == (0, expected, "")
            direct = psql(NEW, postgres.port, "-c", "\\conninfo", **wish)
            if postgres.version == "15" and wish is ONLY_32:
                assert direct[0] == 2 and "server only supports protocol version 3.0" in direct[2]
            else:
                assert out.replace(expected, spoken(direct[1])) == direct[1]
                assert spoken(direct[1]) == (expected if postgres.version == "18" else "3.0")


@pytest.mark.parametrize("sslmode, negotiation", [("require", "postgres"), ("require", "direct")])
def test_tls(proxy, sslmode, negotiation):
    daemon = proxy()
    for way in WAYS:
        wish = {**ONLY_32, "sslmode": sslmode, "sslnegotiation": negotiation}
        status, out, err = psql(NEW, port_of(daemon, way), "-c", "\\conninfo", "-c", "TABLE item LIMIT 1", **wish)
        assert (status, spoken(out), err) == (0, "3.2", "")
        assert "SSL Connection|true" in out and out.endswith("\n1|item 1\n")


@pytest.mark.parametrize("options", [{"password": "falsch"}, {"user": "nobody"}, {"dbname": "missing"}], ids=["password", "user", "database"])
def test_refused_logins(proxy, postgres, options):
    daemon = proxy()
    for release, wish in CLIENTS.values():
        status, out, err = psql(release, port_of(daemon, "pass"), "-c", "SELECT 1", **wish, **options)
        assert (status, out, err) == psql(release, postgres.port, "-c", "SELECT 1", **wish, **options)
        assert status == 2 and "FATAL" in err


# --- cancel


@pytest.mark.parametrize("version, size", [((3, 0), 4), ((3, 2), 32)], ids=["3.0", "3.2"])
def test_size_of_the_key(proxy, version, size):
    """It is the client's protocol that decides, whatever the server's keys are like."""
    daemon = proxy(UNCHECKED)
    with RawPgClient(daemon.tcp, version=version).log_in() as first, RawPgClient(daemon.tcp, version=version).log_in() as second:
        assert len(first.key) == len(second.key) == size
        assert first.key != second.key


def cancelled(postgres, running, release, port, mark, **options):
    """What psql leaves behind, whose Ctrl-C comes while the server is at it."""
    statement = f"SELECT pg_sleep(60) AS {mark}"
    command = [program("psql", release), "-X", "-At", conninfo(port, **options), "-c", statement, "-c", f"UPDATE item SET name = '{mark}' WHERE id = 7"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=plain_environment())
    try:
        until(lambda: running(mark) == 1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30 * PATIENCE)
    finally:
        stop_process(process, signal.SIGKILL, 5)
    assert running(mark) == 0
    assert postgres.sql("SELECT name FROM item WHERE id = 7") == [(mark,)]
    return process.returncode, out, err


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("release, wish", [(None, {}), (NEW, ONLY_32)], ids=["psql 15", "psql 18"])
def test_interrupt(proxy, postgres, running, release, wish, way):
    """Ctrl-C in psql ends the statement in the server and no more: the session goes on to the next one."""
    got = cancelled(postgres, running, release, port_of(proxy(), way), f"proxied_{way}", **wish)
    direct_wish = {} if postgres.version == "15" else wish
    assert got == cancelled(postgres, running, release, postgres.port, "direct", **direct_wish)
    assert got == (1, "UPDATE 1\n", "Cancel request sent\nERROR:  canceling statement due to user request\n")


def test_interrupt_of_one_among_many(proxy, postgres, running):
    """Every session has a key of its own."""
    daemon = proxy()
    with contextlib.ExitStack() as stack:
        others = []
        for _ in range(4):
            command = [program("psql", NEW), "-X", "-At", conninfo(port_of(daemon, "pass"), **ONLY_32), "-c", "SELECT pg_sleep(60) AS others"]
            others.append(subprocess.Popen(command, stderr=subprocess.DEVNULL, env=plain_environment()))
            stack.callback(stop_process, others[-1], signal.SIGINT, 20)
        until(lambda: running("others") == 4)
        assert cancelled(postgres, running, NEW, port_of(daemon, "known"), "this_one", **ONLY_32)[0] == 1
        assert running("others") == 4
        assert [other.poll() for other in others] == [None] * 4
    assert [other.returncode for other in others] == [1] * 4
    assert running("others") == 0


# --- other programs of 18


@pytest.mark.parametrize("way", WAYS)
def test_pgbench(proxy, postgres, tmp_path, way):
    script = tmp_path / "script"
    script.write_text("\\startpipeline\nSELECT 1;\nSELECT name FROM item WHERE id = 1;\n\\endpipeline\n")
    where = conninfo(port_of(proxy(), way), **ONLY_32)
    for protocol in ("extended", "prepared"):
        out = run_well(program("pgbench", NEW), "-n", "-M", protocol, "-c", "4", "-t", "50", "-f", str(script), where)
        assert "transactions actually processed: 200/200" in out and "failed transactions: 0" in out


def test_dump(proxy, postgres):
    dump = [program("pg_dump", NEW), "--restrict-key=same", "-d"]
    proxied = run_well(*dump, conninfo(port_of(proxy(), "pass"), **ONLY_32))
    direct = run_well(*dump, conninfo(postgres.port))
    assert proxied == direct and "\n1000\titem 1000\n" in direct
