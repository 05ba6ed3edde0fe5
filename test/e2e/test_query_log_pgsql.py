"""Logs of statements of pgsql_listen: what they hold, against the server's own log too."""

import asyncio
import json
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path

import asyncpg
import psycopg
import pytest

import drivers
from postgres import PASSWORD, own_postgres, program
from support.daemon import PATIENCE
from support.query_log import Collector, by_session, lines_of, records, run_together, wait_for, wait_for_records
from throwaway import plain_environment

PLAIN = """
local statements = log_file(FOLDER .. '/statements', { format = 'json', parameters = true })
local lines = log_file(FOLDER .. '/lines')
pgsql_listen(TCP, {
  on_login = function(client, login) return client:connect(TARGET, login) end,
}, { log = { statements, lines } })
"""


@pytest.fixture(scope="module")
def postgres():
    options = ["max_connections=200", "log_statement=all", "log_line_prefix=%c|", "logging_collector=on", "log_directory=log", "log_filename=all"]
    with own_postgres(options=options) as server:
        server.sql("GRANT CREATE ON SCHEMA public TO web")
        yield server


@pytest.fixture
def proxy(postgres, daemons):
    def start(script, **options):
        define = {"TARGET": f"127.0.0.1:{postgres.port}", **options.pop("define", {})}
        return daemons(script, define, **options).start()

    return start


def conninfo(daemon):
    return f"host=127.0.0.1 port={daemon.tcp[1]} user=web password={PASSWORD} dbname=hosting connect_timeout=30"


def run(*command):
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600 * PATIENCE, env={**plain_environment(), "PGPASSWORD": PASSWORD}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pgbench(port, *options):
    return run("pgbench", "-h", "127.0.0.1", "-p", str(port), "-U", "web", *options, "hosting")


def test_psql(proxy):
    daemon = proxy(PLAIN)
    with psycopg.connect(conninfo(daemon), autocommit=True) as connection:
        connection.execute("CREATE TABLE psql_t (a int, b text)", prepare=False)
    done = subprocess.run(
        ["psql", "-X", conninfo(daemon), "-c", "INSERT INTO psql_t VALUES (1, 'x'), (2, NULL)", "-c", "TABLE psql_t; SELECT 'é\nb'",
         "-c", "\\copy psql_t TO /dev/null", "-c", "SELECT 1/0 AS wrong", "-c", "SELECT 3"],
        capture_output=True, text=True, timeout=60 * PATIENCE, env=plain_environment(),
    )
    assert "division by zero" in done.stderr
    found = wait_for_records(daemon, 6)
    assert [r["kind"] for r in found] == ["query"] * 6
    assert found[1]["affected"] == 2
    assert found[2]["sql"] == "TABLE psql_t; SELECT 'é\nb'" and found[2]["rows"] == 3
    assert found[3]["sql"].startswith("COPY ") and found[3]["affected"] == 2
    assert found[4]["error"]["sqlstate"] == "22012" and found[4]["error"]["message"] == "division by zero"
    assert found[5]["rows"] == 1
    assert {r["protocol"] for r in found} == {"pgsql"} and {r["user"] for r in found} == {"web"}
    assert all(r["answered"] and 0 <= r["first"] <= r["duration"] for r in found)
    line = lines_of(daemon.folder / "lines")[2]
    assert " web hosting " in line and line.endswith("TABLE psql_t; SELECT 'é\\nb'")


def test_parameters(proxy):
    daemon = proxy(PLAIN)

    async def statements():
        connection = await asyncpg.connect(host="127.0.0.1", port=daemon.tcp[1], user="web", password=PASSWORD, database="hosting")
        await connection.fetch("SELECT $1::int, $2::text, $3::float8, $4::bool, $5::bytea, $6::numeric", 7, "é", 2.5, True, b"\1\2", 12)
        await connection.fetch("SELECT $1::bigint[], $2::uuid, $3::date", [1], "00112233-4455-6677-8899-aabbccddeeff", None)
        with pytest.raises(asyncpg.PostgresError):
            await connection.fetch("SELECT $1::int / 0", 1)
        await connection.close()

    asyncio.run(statements())

    def own():
        """Without what the driver asks about arrays."""
        return [r for r in records(daemon) if r["kind"] == "execute" and r["sql"].startswith("SELECT $")]

    executed = wait_for(lambda: own()[2:] and own())
    assert executed[0]["parameters"] == [7, "é", 2.5, "t", "\\x0102", "12"]
    assert executed[1]["parameters"][0].startswith("\\x") and executed[1]["parameters"][1:] == ["00112233-4455-6677-8899-aabbccddeeff", None]
    assert executed[2]["error"]["sqlstate"] == "22012"


def test_cursors_and_pipelines(proxy):
    daemon = proxy(PLAIN)
    with psycopg.connect(conninfo(daemon)) as connection:
        with connection.cursor(name="c") as cursor:
            cursor.execute("SELECT generate_series(1, 10)")
            assert len(cursor.fetchmany(3)) == 3
        connection.commit()
        with connection.pipeline():
            for i in range(5):
                connection.execute("SELECT %s::int", [i])
        connection.commit()
    piped = wait_for(lambda: [r for r in records(daemon) if r["sql"] == "SELECT $1::int" and r["kind"] == "execute"][4:]
                     and [r for r in records(daemon) if r["sql"] == "SELECT $1::int" and r["kind"] == "execute"])
    assert [str(r["parameters"][0]) for r in piped] == ["0", "1", "2", "3", "4"]
    assert all(r["rows"] == 1 for r in piped)


def test_passwords_are_masked(proxy, postgres):
    daemon = proxy(PLAIN)
    postgres.sql("ALTER ROLE web CREATEROLE")
    with psycopg.connect(conninfo(daemon), autocommit=True) as connection:
        connection.execute("CREATE ROLE somebody PASSWORD 'geheim' -- it's\n")
        connection.execute("--it's\nALTER ROLE somebody ENCRYPTED PASSWORD $$geheim$$")
        connection.execute("DROP ROLE somebody")
    found = wait_for_records(daemon, 3)
    assert "geheim" not in (daemon.folder / "statements").read_text() + (daemon.folder / "lines").read_text()
    assert "'***'" in found[0]["sql"] and "'***'" in found[1]["sql"]


SCRIPTED = """
local statements = log_file(FOLDER .. '/statements', { format = 'json', parameters = true })
pgsql_listen(TCP, {
  on_login = function(client, login) return client:connect(TARGET, login) end,
  on_query = function(client, sql)
    if sql:find('ours') then return client:result{columns = {'n'}, rows = {{1}, {2}}} end
    if sql:find('instead') then return client:query('SELECT 42') end
    if sql:find('refused') then return client:err('no', {sqlstate = '42501'}) end
  end,
  on_log = function(client, record)
    event(record.kind .. ' ' .. record.sql)
    if record.sql:find('nowhere') then return false end
  end,
}, { log = statements })
"""


def test_what_the_script_does(proxy):
    daemon = proxy(SCRIPTED)
    with psycopg.connect(conninfo(daemon), autocommit=True) as connection:
        assert connection.execute("SELECT ours").fetchall() == [(1,), (2,)]
        assert connection.execute("SELECT instead", prepare=True).fetchone() == (42,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT refused")
        connection.execute("SELECT 'nowhere'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.pipeline():
            connection.execute("SELECT 'before it'")
            connection.execute("SELECT refused, too")
    found = wait_for(lambda: records(daemon) if any("refused, too" in r["sql"] for r in records(daemon)) else None)
    texts = [(r["kind"], r["sql"]) for r in found]
    assert not any("nowhere" in sql or "by the proxy" in sql for _, sql in texts)
    ours = [r for r in found if "ours" in r["sql"]]
    assert ours[-1]["rows"] == 2
    instead = next(r for r in found if "original" in r)
    assert instead["sql"] == "SELECT 42" and instead["original"] == "SELECT instead"
    refused = [r for r in found if "refused" in r["sql"]]
    assert [r["error"]["sqlstate"] for r in refused] == ["42501", "42501"]
    assert "before it" in str(texts)


SERVED = """
local statements = log_file(FOLDER .. '/statements', { format = 'json', parameters = true })
pgsql_listen(TCP, {
  on_login = function(client, login) return client:serve { unchecked = true } end,
  on_query = function(client, sql)
    if sql == 'rows' then return client:result { columns = { 'a' }, rows = { { 1 }, { 2 } } } end
    if sql == 'ok' then return client:ok(3) end
    if sql == 'slow' then sleep(0.05) return client:err('slowly') end
  end,
}, { log = statements })
"""


def test_served_sessions_are_logged_too(proxy):
    daemon = proxy(SERVED)
    with psycopg.connect(conninfo(daemon), autocommit=True) as connection:
        connection.execute("rows", prepare=False)
        connection.execute("ok", prepare=False)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("slow", prepare=False)
    found = wait_for_records(daemon, 3)
    assert [(r["kind"], r["sql"]) for r in found] == [("query", "rows"), ("query", "ok"), ("query", "slow")]
    assert found[0]["rows"] == 2 and found[1]["affected"] == 3 and found[2]["error"]["message"] == "slowly"


def test_statements_without_an_answer_are_logged_at_the_end(proxy, postgres):
    daemon = proxy(PLAIN)
    client = psycopg.connect(conninfo(daemon), autocommit=True)
    client.pgconn.send_query(b"SELECT pg_sleep(60)")
    client.pgconn.flush()
    wait_for(lambda: "pg_sleep(60)" in str(postgres.sql("SELECT query FROM pg_stat_activity WHERE state = 'active'")))
    client.close()
    found = wait_for_records(daemon, 1)
    assert found[0]["sql"] == "SELECT pg_sleep(60)" and not found[0]["answered"]
    postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND pid <> pg_backend_pid()")


def test_a_pipeline_beyond_what_the_log_may_hold(proxy):
    """Far more bytes of values than the log keeps for statements without answers, before the first Sync."""
    daemon = proxy(PLAIN)
    with psycopg.connect(conninfo(daemon), autocommit=True) as connection:
        with connection.pipeline():
            for i in range(200):
                connection.execute("SELECT length(%s)", ["x" * 30_000 + str(i)])
    executed = wait_for(lambda: [r for r in records(daemon) if r["kind"] == "execute"][199:] and
                        [r for r in records(daemon) if r["kind"] == "execute"])
    assert [r["parameters"][0][30_000:] for r in executed] == [str(i) for i in range(200)]


# --- against the server's own log


class Witness:
    """What the server has logged since."""

    def __init__(self, server):
        self._path = Path(server.folder) / "data" / "log" / "all"
        self._begin = self._path.stat().st_size

    def sessions(self):
        """Lists of texts: an execution's is that of its statement."""
        text = self._path.read_bytes()[self._begin:].decode()
        found = {}
        for entry in re.split(r"\n(?=[0-9a-f]+\.[0-9a-f]+\|)", text):
            match = re.match(r"([0-9a-f.]+)\|LOG:  (?:statement|execute [^:]+): (.*)", entry.rstrip("\n"), re.S)
            if match:
                found.setdefault(match[1], []).append(match[2].replace("\n\t", "\n"))
        return sorted(found.values())


def executed(session):
    return [r["sql"] for r in session if r["kind"] != "prepare"]


def compare(daemon, witness, least):
    expected = wait_for(lambda: witness.sessions() if sum(map(len, witness.sessions())) >= least else None)
    total = sum(map(len, expected))
    wait_for(lambda: sum('"kind": "prepare"' not in line for line in lines_of(daemon.folder / "statements")) >= total)
    mine = sorted(executed(session) for session in by_session(records(daemon)).values())
    assert mine == expected


@pytest.mark.parametrize("mode", ["simple", "extended", "prepared"])
def test_pgbench_against_the_servers_log(proxy, postgres, request, mode):
    pgbench(postgres.port, "-i", "-q")
    daemon = proxy(PLAIN)
    witness = Witness(postgres)
    transactions = 3600 if request.config.getoption("--thorough") else 60
    pgbench(daemon.tcp[1], "-n", "-M", mode, "-c", "4", "-j", "2", "-t", str(transactions))
    compare(daemon, witness, 4 * transactions * 7)


def test_node_postgres_against_the_servers_log(proxy, postgres, fetched, request):
    fetched("driver-pg-node")
    daemon = proxy(PLAIN)
    witness = Witness(postgres)
    count = 20_000 if request.config.getoption("--thorough") else 500
    script = Path(__file__).parent / "support" / "many_statements_pg.js"

    def one(number):
        done = subprocess.run(
            ["node", script, str(daemon.tcp[1]), "web", PASSWORD, str(number), str(count)],
            env={**plain_environment(), "NODE_PATH": str(drivers.root_of("driver-pg-node") / "node_modules")},
            capture_output=True, text=True, timeout=1200,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run_together(one, 5)
    compare(daemon, witness, 5 * count)


ROTATED = """
local file = log_file(FOLDER .. '/statements', { format = 'json' })
local stream = log_socket(COLLECTOR, { format = 'json', on_full = 'drop', max_statement = 1024, buffer = 65536 })
pgsql_listen(TCP, {
  on_login = function(client, login)
    if login.user == 'counters' then return client:serve { unchecked = true } end
    return client:connect(TARGET, login)
  end,
  on_query = function(client, sql)
    if sql == 'counters' then
      client.log = nil
      return client:result { columns = { 'written', 'dropped' }, rows = { { stream.written, stream.dropped } } }
    end
  end,
}, { log = { file, stream } })
"""


def counters(daemon):
    with psycopg.connect(conninfo(daemon).replace("user=web", "user=counters"), autocommit=True) as connection:
        return connection.execute("counters", prepare=False).fetchone()


def test_rotation_and_a_slow_collector_under_load(proxy, tmp_path):
    """written + dropped = sent, and a file that is renamed loses nothing."""
    statement = tmp_path / "one.sql"
    statement.write_text("SELECT 1;\n")
    with Collector(tmp_path / "collector", pace=0.05) as collector:
        daemon = proxy(ROTATED, define={"COLLECTOR": str(tmp_path / "collector")})
        files = [daemon.folder / "statements", *(daemon.folder / f"statements.{number}" for number in range(5))]

        def rotate():
            for renamed in files[1:]:
                wait_for(lambda: len(lines_of(files[0])) > 50)
                files[0].rename(renamed)
                daemon.signal(signal.SIGUSR1)
                wait_for(files[0].exists)

        jobs = [lambda: pgbench(daemon.tcp[1], "-n", "-c", "4", "-j", "2", "-t", "1000", "-f", str(statement)), rotate]
        run_together(lambda number: jobs[number](), 2)
        wait_for(lambda: sum(len(lines_of(path)) for path in files) >= 4000)
        written, dropped = wait_for(lambda: (now := counters(daemon)) and sum(now) == 4000 and now)
        assert dropped > 0
        wait_for(lambda: len(collector.lines) == written)
    logged = Counter(json.loads(line)["session"] for path in files for line in lines_of(path))
    assert sorted(logged.values()) == [1000] * 4


def test_sysbench_150_threads(proxy, request):
    daemon = proxy(PLAIN.replace("{ log = { statements, lines } }", "{ log = lines }"), workers=2)
    seconds = 180 if request.config.getoption("--thorough") else 10
    common = ["sysbench", "oltp_point_select", "--db-driver=pgsql", "--pgsql-host=127.0.0.1", f"--pgsql-port={daemon.tcp[1]}",
              "--pgsql-user=web", f"--pgsql-password={PASSWORD}", "--pgsql-db=hosting", "--table-size=1000"]
    run(*common, "--threads=1", "prepare")
    before = len(lines_of(daemon.folder / "lines"))
    out = run(*common, "--threads=150", f"--time={seconds}", "run")
    run(*common, "--threads=1", "cleanup")
    queries = int(re.search(r"total:\s+(\d+)", out)[1])
    wait_for(lambda: len(lines_of(daemon.folder / "lines")) - before >= queries)
