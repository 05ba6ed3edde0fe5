"""pgsql_listen with node-postgres, pgx and pgjdbc: everything they do, and statements under the script's control."""

import itertools

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
    event(kind .. ' ' .. sql)
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
    event(sql)
    if sql:find('of_ours') then return client:result{columns = {'n', 'name'}, rows = {{1, client.user}, {2, nil}}} end
    if sql:find('^INSERT') then return client:ok(1) end
  end,
}
pgsql_listen(TCP, handler)
pgsql_listen(TCP2, handler, { tls = {cert = CERT, key = KEY, required = true} })
"""
OURS = "1|1.5|one|t;2|2.25|NULL|f"
FORBIDDEN = "42501"
# The answer of a driver that has lost its session may be anything, but not the next answer.
TRANSPORTS = ("off", "required", "direct")


@pytest.fixture(scope="module", params=[None, "postgresql-17"], ids=["15", "17"])
def postgres(request, fetched, certificates):
    if request.param is not None:
        fetched(request.param)
    with own_postgres(certificates=certificates, release=request.param) as server:
        server.sql("GRANT CREATE ON SCHEMA public TO web")
        yield server


@pytest.fixture(scope="module", params=PG_DRIVERS)
def driver(request, fetched):
    fetched(PG_DRIVERS[request.param].needs)
    with PgProgram(request.param) as program:
        program.name = request.param
        yield program


@pytest.fixture(params=TRANSPORTS)
def transport(request, driver):
    if request.param == "direct" and not PG_DRIVERS[driver.name].has_direct:
        pytest.skip("not known to the driver")
    return request.param


@pytest.fixture
def proxy(postgres, daemons, certificates):
    define = {"CERT": certificates.server, "KEY": certificates.server_key, "TARGET": f"127.0.0.1:{postgres.port}", "PASSWORD": PASSWORD}

    def start(script=SCRIPT, waits=False):
        return daemons(script, {**define, "WAITS": str(waits).lower()}).start()

    return start


def log_in(driver, daemon, transport="off", password=PASSWORD):
    host, port = daemon.tcp if transport == "off" else daemon.tcp2
    return driver.ask("login", host, port, "web", password, "hosting", transport, "table")


@pytest.fixture(params=[False, True], ids=["at once", "waiting"])
def logged_in(request, proxy, driver):
    daemon = proxy(waits=request.param)
    assert log_in(driver, daemon) == "web"
    yield driver
    driver.ask("logout")


def refused_with(answer, sqlstate):
    return isinstance(answer, Refused) and answer.sqlstate == sqlstate
