"""Commands under the script's control by the clients that people have, at both makers' servers."""

import os
import subprocess

import pymysql
import pytest

import drivers
from support.drivers import DRIVERS, Login, log_in

RULES = """
local handler = {
  on_login = function(client, login) return client:connect(SERVER, login) end,
  on_init_db = function(client, name) if name == 'alias' then return client:init_db('shared_db') end end,
  on_query = function(client, sql)
    if sql:find('^answer') then return client:result { columns = { 'n' }, rows = { { 42 } } } end
    if sql == 'replace' then return client:query('SELECT 7') end
    if sql == 'replace ?' then return client:query('SELECT ? + 7') end
    if sql:find('^refuse') then return client:err('mine', { code = 4711 }) end
  end,
}
mysql_listen(SOCK, handler)
mysql_listen(TCP, handler, { like = SERVER })
"""


@pytest.fixture(params=["mariadb", "mysql9"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("name", ["mariadb-10.11", "mysql-9", "pymysql", "mysql2"])
def test_statements(perilune, fetched, name):
    for needed in DRIVERS[name].needs:
        fetched(needed)
    daemon = perilune(RULES)

    def ask(sql):
        return log_in(name, Login(daemon.tcp, "plain", "secret", tls="required", query=sql))

    assert ask("answer").value == "42"
    assert ask("replace").value == "7"
    assert ask("refuse").number == 4711
    assert ask("SELECT 'unchanged'").value == "unchanged"
    if name in ("mariadb-10.11", "mysql-9"):  # they send COM_INIT_DB
        assert ask("USE alias; SELECT DATABASE()").value == "shared_db"


def test_pymysql(perilune):
    daemon = perilune(RULES)
    with daemon.pymysql() as connection, daemon.pymysql() as killer, connection.cursor() as cursor:
        connection.select_db("alias")
        cursor.execute("SELECT DATABASE()")
        assert cursor.fetchone() == ("shared_db",)
        with killer.cursor() as other:
            other.execute(f"KILL {connection.thread_id()}")
        with pytest.raises(pymysql.err.OperationalError):
            for _ in range(100):
                cursor.execute("SELECT SLEEP(0.1)")


def test_mysql2(perilune, fetched):
    """Prepared statements too, which it remembers."""
    fetched("driver-node")
    daemon = perilune(RULES)
    script = os.path.join(os.path.dirname(__file__), "support", "statements.js")
    environment = {**os.environ, "NODE_PATH": str(drivers.root_of("driver-node") / "node_modules")}
    command = ["node", script, daemon.sock, "plain", "secret"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    rounds = [f"prepared {said}" for added in (0, 1) for said in (42, 7 + added, 4711)]
    assert done.stdout.splitlines() == [*rounds, "use ok", "database shared_db", "kill ok", "killed true"], done.stdout + done.stderr
