"""pgsql_listen with node-postgres, pgx and pgjdbc: everything they do, and statements under the script's control."""

import pytest

from postgres import PASSWORD, own_postgres
from support.pg_drivers import PG_DRIVERS, PgProgram, Refused

SCRIPT = """
local TLS = { tls = {cert = CERT, key = KEY, required = true} }
local function log_in(client, login) return client:connect(TARGET, login) end
local handler = {
  on_login = log_in,
  on_query = function(client, sql, kind)
    if WAITS == 'true' then sleep(0.01) end
    event(kind .. ' ' .. sql:gsub('%s+', ' '))
    if sql:find('forbidden') then return client:err() end
    if sql:find('denied') then return client:err('not for you', {sqlstate = '42P01'}) end
    if sql:find('rows_of_ours') then
      return client:result{columns = {'n', 'x', 't', 'b'}, rows = {{1, 1.5, 'one', true}, {2, 2.25, nil, false}}}
    end
    if sql:find('instead') then return client:query((sql:gsub('.*instead', 'SELECT 41 +'))) end
    if sql:find('okay') then return client:ok(3) end
  end,
}
pgsql_listen(TCP, handler)
pgsql_listen(TCP2, handler, TLS)
"""
SERVE = """
local handler = {
  on_login = function(client, login)
    if not login:verify(PASSWORD) then return client:err() end
    return client:serve()
  end,
  on_query = function(client, sql)
    event(sql:gsub('%s+', ' '))
    if sql:find('a_column') then return client:result{columns = {'x'}, rows = {{'1'}, {'2'}}} end
    if sql:find('of_ours') then return client:result{columns = {'n', 'name'}, rows = {{1, client.user}, {2, nil}}} end
    if sql:find('^INSERT') then return client:ok(1) end
  end,
}
pgsql_listen(TCP, handler)
pgsql_listen(TCP2, handler, { tls = {cert = CERT, key = KEY, required = true} })
"""
OURS = "1|1.5|one|t;2|2.25|NULL|f"
REFUSED = "the statement is not allowed"
TRANSPORTS = ("off", "required", "direct")


SERVERS = {"15": None, "17": "postgresql-17"}


@pytest.fixture(scope="module", params=SERVERS)
def postgres(request, fetched, certificates):
    release = SERVERS[request.param]
    if release is not None:
        fetched(release)
    with own_postgres(certificates=certificates, release=release) as server:
        server.sql("GRANT CREATE ON SCHEMA public TO web")
        yield server


@pytest.fixture(scope="module", params=PG_DRIVERS)
def driver(request, fetched):
    fetched(PG_DRIVERS[request.param].needs)
    with PgProgram(request.param) as program:
        yield program


@pytest.fixture
def proxy(postgres, daemons, certificates):
    define = {"CERT": certificates.server, "KEY": certificates.server_key, "TARGET": postgres.address, "PASSWORD": PASSWORD}

    def start(script, waits=False):
        return daemons(script, {**define, "WAITS": str(waits).lower()}).start()

    return start


def log_in(driver, daemon, transport="off", password=PASSWORD):
    host, port = daemon.tcp if transport == "off" else daemon.tcp2
    return driver.ask("login", host, port, "web", password, "hosting", transport, "table")


def transports_of(driver):
    return ("off", "required", "direct") if driver.traits.has_direct else ("off", "required")


def sqlstate_of(answer):
    assert isinstance(answer, Refused), answer
    return answer.sqlstate


only_at_15 = pytest.mark.parametrize("postgres", ["15"], indirect=True)


def test_statements(proxy, driver):
    daemon = proxy(SCRIPT)
    for transport in transports_of(driver):
        assert log_in(driver, daemon, transport) == "web"
        check_statements(driver)
        check_transactions(driver)
        check_copy(driver)
        check_cancel(driver)
        assert driver.ask("customs") == "done"
        assert driver.ask("query", "SELECT 1") == "1"
        assert driver.ask("logout") == "ended"


def check_statements(driver):
    assert driver.ask("query", "SELECT 1, 'ü€', NULL, true") == "1|ü€|NULL|t"
    assert driver.ask("prepared", "SELECT 7", 20) == ",".join(["7"] * 20)
    assert driver.ask("prepared", "SELECT $1::int + $2::int", 20, 1, 2) == ",".join(str(3 + 2 * i) for i in range(20))
    assert driver.ask("big", "SELECT repeat('x', 100) FROM generate_series(1, 50000)") == "50000|5000000"
    assert sqlstate_of(driver.ask("query", "SELECT 1/0")) == "22012"
    assert sqlstate_of(driver.ask("prepared", "SELECT 1/$1::int", 9, -6)) == "22012"
    assert driver.ask("query", "SELECT 2") == "2"


def check_transactions(driver):
    assert driver.ask("query", "CREATE TEMP TABLE t (id int PRIMARY KEY)") == "0"
    assert driver.ask("transaction", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)") == "committed"
    assert sqlstate_of(driver.ask("transaction", "INSERT INTO t VALUES (3)", "INSERT INTO t VALUES (2)")) == "23505"
    assert driver.ask("query", "SELECT count(*) FROM t") == "2"


def check_copy(driver):
    assert driver.ask("query", "CREATE TEMP TABLE c (line text)") == "0"
    assert driver.ask("copy_in", "COPY c FROM STDIN", "y" * 99, 20000) == "20000"
    assert driver.ask("copy_out", "COPY c TO STDOUT") == "2000000"
    assert driver.ask("copy_out", "COPY (SELECT 1 WHERE false) TO STDOUT") == "0"
    assert sqlstate_of(driver.ask("copy_in", "COPY t FROM STDIN", "nonsense", 3)) == "22P02"
    assert driver.ask("query", "SELECT count(*) FROM c") == "20000"


def check_cancel(driver):
    for _ in range(2):
        assert sqlstate_of(driver.ask("cancel", "SELECT pg_sleep(60)")) == "57014"
        assert driver.ask("query", "SELECT pg_sleep(0.1), 3") == "|3"


@only_at_15
@pytest.mark.parametrize("waits", [False, True], ids=["at once", "waiting"])
def test_on_query(proxy, driver, waits):
    daemon = proxy(SCRIPT, waits)
    assert log_in(driver, daemon) == "web"
    for _ in range(2):
        assert driver.ask("query", "SELECT rows_of_ours") == OURS
        assert driver.ask("prepared", "SELECT rows_of_ours", 12) == ",".join([OURS] * 12)
        if driver.traits.sends_as_text:
            assert driver.ask("prepared", "SELECT rows_of_ours WHERE $1::int > 0", 12, 1) == ",".join([OURS] * 12)
        assert driver.ask("query", "anything instead 1") == "42"
        assert driver.ask("prepared", "anything instead $1::int", 12, 1) == ",".join(str(42 + i) for i in range(12))
        assert driver.ask("query", "UPDATE okay") == "3"
        assert driver.ask("prepared", "UPDATE okay", 12) == ",".join(["3"] * 12)
        assert sqlstate_of(driver.ask("query", "SELECT forbidden")) == "42501"
        assert driver.ask("prepared", "SELECT forbidden, $1::int", 3, 1) == Refused("42501", REFUSED)
        assert driver.ask("query", "SELECT denied") == Refused("42P01", "not for you")
        assert sqlstate_of(driver.ask("copy_in", "COPY forbidden FROM STDIN", "line", 3)) == "42501"
        assert sqlstate_of(driver.ask("copy_out", "COPY forbidden TO STDOUT")) == "42501"
        assert sqlstate_of(driver.ask("big", "SELECT forbidden")) == "42501"
        assert driver.ask("query", "SELECT 5") == "5"
    for kind in ("query",) if driver.traits.has_simple else ("prepare",):
        assert daemon.events.wait(f"^{kind} SELECT rows_of_ours$")
    driver.ask("logout")


@only_at_15
def test_refusals_and_transactions(proxy, driver):
    assert log_in(driver, proxy(SCRIPT)) == "web"
    assert driver.ask("query", "CREATE TEMP TABLE t (id int PRIMARY KEY)") == "0"
    assert driver.ask("transaction", "INSERT INTO t VALUES (1)", "SELECT rows_of_ours", "UPDATE okay") == "committed"
    assert sqlstate_of(driver.ask("transaction", "INSERT INTO t VALUES (2)", "SELECT forbidden")) == "42501"
    assert driver.ask("query", "SELECT count(*) FROM t") == "1"
    driver.ask("logout")


@only_at_15
def test_without_a_server(proxy, driver):
    """Whatever the driver sends of its own accord is answered."""
    daemon = proxy(SERVE)
    for transport in transports_of(driver):
        assert sqlstate_of(log_in(driver, daemon, transport, "falsch")) == "28P01"
        assert log_in(driver, daemon, transport) == "web"
        assert driver.ask("customs") == "done", daemon.events.text()
        assert driver.ask("query", "SELECT of_ours") == "1|web;2|NULL"
        assert driver.ask("prepared", "SELECT of_ours", 12) == ",".join(["1|web;2|NULL"] * 12)
        if driver.traits.sends_as_text:
            assert driver.ask("prepared", "SELECT of_ours WHERE $1::int = 1", 12, 1) == ",".join(["1|web;2|NULL"] * 12)
        assert driver.ask("big", "SELECT a_column") == "2|2"
        assert driver.ask("transaction", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)") == "committed"
        assert sqlstate_of(driver.ask("transaction", "INSERT INTO t VALUES (1)", "something else")) == "0A000"
        assert sqlstate_of(driver.ask("copy_in", "COPY t FROM STDIN", "line", 3)) == "0A000"
        assert driver.ask("query", "SELECT 1") == "1"
        driver.ask("logout")
