"""pgsql_listen: every way to log in, by clients of five makers, at servers with every method, over every transport."""

import asyncio
import itertools
import ssl

import asyncpg
import psycopg2
import pytest

from postgres import own_postgres
from support.pg_drivers import PG_DRIVERS, PgProgram, Refused

SECRET = "Gehe1m"
USERS = ("trust", "clear", "md5", "scram")
METHODS = {"trust": "trust", "clear": "password", "md5": "md5", "scram": "scram-sha-256"}
WAYS = ("pass", "known", "verify", "verifier", "nobody", "read")
TRANSPORTS = ("plain", "tls", "unix")
ACCESS = [f"{kind} all {user} {address} {METHODS[user]}" for user in USERS for kind, address in (("local", ""), ("host", "all"))]

SCRIPT = """
local targets = {
  plain = {TARGET, {unchecked = true}},
  tls = {TARGET, {tls = 'require', unchecked = true}},
  unix = {TARGET_SOCK, {unchecked = true}},
}
local handler = {
  on_login = function(client, login)
    local way, transport = login.attributes.application_name:match('(%w+) (%w+)')
    local target, options = unpack(targets[transport])
    if way == 'pass' then
      return client:connect(target, login, options)
    elseif way == 'known' then
      return client:connect(target, {user = login.user, password = SECRET, database = 'hosting'}, options)
    elseif way == 'verify' then
      if not login:verify(SECRET) then return client:err() end
    elseif way == 'verifier' then
      if not login:verify(VERIFIERS[login.user] or SECRET) then return client:err() end
    elseif way == 'nobody' then
      if not login:verify(nil) then return client:err() end
    elseif way == 'read' then
      local password = login.password
      if password ~= SECRET then return client:err('a password of my own choice', {sqlstate = '28P01'}) end
    end
    return client:connect(target, login, options)
  end,
}
pgsql_listen(SOCK, handler)
pgsql_listen(TCP, handler)
"""


SERVERS = {"15": None, "17": "postgresql-17", "18": "postgresql-18"}


@pytest.fixture(scope="module")
def postgres(request, fetched, certificates):
    release = SERVERS[request.param]
    if release is not None:
        fetched(release)
    with own_postgres(access=ACCESS, certificates=certificates, release=release) as server:
        for user in USERS:
            stored = "md5" if user == "md5" else "scram-sha-256"
            server.sql(f"SET password_encryption = '{stored}'; CREATE ROLE {user} LOGIN PASSWORD '{SECRET}'")
        yield server


@pytest.fixture
def proxy(postgres, daemons, folder):
    stored = dict(postgres.sql("SELECT rolname, rolpassword FROM pg_authid WHERE rolname IN ('md5', 'scram')"))
    listed = ", ".join(f"{user} = '{stored[user]}'" for user in stored)
    define = {
        "TARGET": f"127.0.0.1:{postgres.port}",
        "TARGET_SOCK": f"{postgres.folder}/.s.PGSQL.{postgres.port}",
        "SECRET": SECRET,
        "SOCK": f"{folder}/.s.PGSQL.5432",
    }
    return daemons(f"VERIFIERS = {{{listed}}}\n" + SCRIPT, define).start()


# --- what is expected: None, or the SQLSTATE and a part of the message


def expected(client, client_transport, way, user, server_transport, right):
    could_bind = client in ("libpq", "pgjdbc") and client_transport == "tls"
    if way == "nobody":
        return "28P01", "password authentication failed"
    if way == "pass":
        return expected_of_pass_through(could_bind, client_transport, user, server_transport, right)
    if way == "read" and client_transport == "plain":
        return "28000", "Lua error"
    if way == "read" and not right:
        return "28P01", "my own choice"
    if way in ("verify", "verifier") and not right:
        return "28P01", "password authentication failed"
    if user == "clear" and server_transport == "plain":
        return "08006", "the proxy cannot log in to the server"
    return None


def expected_of_pass_through(could_bind, client_transport, user, server_transport, right):
    if user == "trust":
        return ("28000", "the server has asked nothing") if server_transport == "unix" else None
    if user == "clear" and "plain" in (client_transport, server_transport):
        return "28000", "in clear"
    if user == "scram" and could_bind and server_transport == "tls":
        return "28000", "there are two"
    return None if right else ("28P01", "password authentication failed")


# --- the clients: None, or the SQLSTATE (None: libpq tells none at login) and the message


def place_of(daemon, transport):
    """Clients find a unix socket by its folder and a port."""
    if transport == "unix":
        return {"host": str(daemon.define["SOCK"]).rsplit("/", 1)[0], "port": 5432}
    return {"host": "127.0.0.1", "port": daemon.tcp[1]}


def by_libpq(daemon, transport, user, password, application):
    where = place_of(daemon, transport)
    if transport != "unix":
        where["sslmode"] = "require" if transport == "tls" else "disable"
    try:
        connection = psycopg2.connect(user=user, password=password, dbname="hosting", application_name=application, **where)
    except psycopg2.OperationalError as error:
        return None, str(error)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchall() == [(user,)]
    connection.close()
    return None


def by_asyncpg(daemon, transport, user, password, application):
    where = place_of(daemon, transport)
    if transport != "unix":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        where["ssl"] = context if transport == "tls" else False

    async def log_in():
        connection = await asyncpg.connect(
            user=user, password=password, database="hosting", server_settings={"application_name": application}, timeout=30, **where
        )
        assert await connection.fetchval("SELECT current_user::text") == user
        await connection.close()

    try:
        asyncio.run(log_in())
    except asyncpg.PostgresError as error:
        return error.sqlstate, str(error)
    return None


def by_program(program):
    def log_in(daemon, transport, user, password, application):
        where = place_of(daemon, transport)
        tls = "required" if transport == "tls" else "off"
        answer = program.ask("login", where["host"], where["port"], user, password, "hosting", tls, application)
        assert isinstance(answer, Refused) or answer == user
        return answer if isinstance(answer, Refused) else None

    return log_in


CLIENTS = ("libpq", "asyncpg", *(name for name in PG_DRIVERS if name != "pgjdbc-simple"))


@pytest.fixture(scope="module")
def log_in(request, fetched):
    name = request.param
    if name not in PG_DRIVERS:
        yield {"libpq": by_libpq, "asyncpg": by_asyncpg}[name]
        return
    fetched(PG_DRIVERS[name].needs)
    with PgProgram(name) as program:
        yield by_program(program)


def pytest_generate_tests(metafunc):
    """By default all clients log in at the oldest server, and libpq at the next; the rest happens at the oldest one."""
    if "log_in" not in metafunc.fixturenames:
        metafunc.parametrize("postgres", ["15"], indirect=True, scope="module")
        return
    clients = itertools.product(SERVERS, CLIENTS)
    if not metafunc.config.getoption("--thorough"):
        clients = [("17", "libpq"), *(("15", client) for client in CLIENTS)]
    cells = [
        (server, client, client, transport)
        for server, client in clients
        for transport in TRANSPORTS
        if transport != "unix" or client not in PG_DRIVERS or PG_DRIVERS[client].has_unix
    ]
    ids = [f"{server}-{client}-{transport}" for server, client, _, transport in cells]
    metafunc.parametrize("postgres, log_in, client, transport", cells, indirect=["postgres", "log_in"], ids=ids, scope="module")


@pytest.mark.table
@pytest.mark.parametrize("way", WAYS)
def test_table(proxy, log_in, client, transport, way):
    wrong = []
    for user, server_transport, right in itertools.product(USERS, TRANSPORTS, (True, False)):
        got = log_in(proxy, transport, user, SECRET if right else "falsch", f"{way} {server_transport}")
        wanted = expected(client, transport, way, user, server_transport, right)
        good = (got is None) == (wanted is None)
        if got and wanted:
            good = wanted[1] in got[1] and got[0] in (None, wanted[0])
        if not good:
            wrong.append(f"{user} {server_transport} {'right' if right else 'wrong'}: {got}, not {wanted}")
    assert not wrong, "\n".join(wrong)


# --- besides the table


def test_passwords_are_prepared(postgres, daemons):
    """SASLprep (RFC 4013): what looks different may be the same password, on either side."""
    written, prepared = "p\u00aa\u00ad x\u00fc", "pa x\u00fc"
    postgres.sql(f"SET password_encryption = 'scram-sha-256'; CREATE ROLE prepared LOGIN PASSWORD '{written}'")
    daemon = daemons(
        """
        pgsql_listen(TCP, { on_login = function(client, login)
          if not login:verify(WRITTEN) then return client:err() end
          return client:connect(TARGET, {user = 'prepared', password = PREPARED, database = 'hosting'})
        end })
        """,
        {"TARGET": f"127.0.0.1:{postgres.port}", "WRITTEN": written, "PREPARED": prepared},
    ).start()
    for password in (written, prepared):
        where = f"host=127.0.0.1 port={daemon.tcp[1]} user=anybody dbname=hosting"
        psycopg2.connect(where, password=password).close()
    postgres.sql("DROP ROLE prepared")


@pytest.mark.parametrize("user, problem", [("md5", "md5 covers the user's name"), ("scram", None), ("trust", None)])
def test_changed_user(postgres, daemons, user, problem):
    daemon = daemons(
        """
        pgsql_listen(TCP, { on_login = function(client, login)
          login.user = login.attributes.application_name
          return client:connect(TARGET, login)
        end }, { tls = false })
        """,
        {"TARGET": f"127.0.0.1:{postgres.port}"},
    ).start()

    def connect():
        return psycopg2.connect(
            host="127.0.0.1", port=daemon.tcp[1], user="somebody", password=SECRET, dbname="hosting", application_name=user
        )

    if problem:
        with pytest.raises(psycopg2.OperationalError, match=problem):
            connect()
    else:
        connection = connect()
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            assert cursor.fetchall() == [(user,)]
        connection.close()


def test_channel_binding(postgres, daemons):
    """Who knows the password can bind it to the channel, and a client may insist on that."""
    daemon = daemons(
        """
        pgsql_listen(TCP, { on_login = function(client, login)
          if login.attributes.application_name == 'checked' and not login:verify(SECRET) then return client:err() end
          return client:connect(TARGET, login, {tls = 'require'})
        end })
        """,
        {"TARGET": f"127.0.0.1:{postgres.port}", "SECRET": SECRET},
    ).start()
    where = f"host=127.0.0.1 port={daemon.tcp[1]} user=scram password={SECRET} dbname=hosting sslmode=require"
    psycopg2.connect(f"{where} application_name=checked channel_binding=require").close()
    psycopg2.connect(f"{where} channel_binding=disable").close()
    with pytest.raises(psycopg2.OperationalError, match="there are two"):
        psycopg2.connect(f"{where} channel_binding=prefer")
    with pytest.raises(psycopg2.OperationalError, match="channel binding"):
        psycopg2.connect(f"{where} channel_binding=require")


def test_logins_without_a_check_are_refused(postgres, daemons):
    daemon = daemons(
        "pgsql_listen(TCP, { on_login = function(client) return client:connect(TARGET, {user = 'scram', password = SECRET}) end })",
        {"TARGET": f"127.0.0.1:{postgres.port}", "SECRET": SECRET},
    ).start()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(f"host=127.0.0.1 port={daemon.tcp[1]} user=x dbname=hosting")
    assert daemon.log.wait("nothing has checked this client's password")
    assert SECRET not in daemon.log.text()
