"""Sessions without a server: the script answers, the proxy does what is a matter of the session alone."""

import signal
import struct

import pymysql
import pytest

from support import programs, wire
from support.drivers import DRIVERS, Login, log_in
from support.wire import Cap, Err

SERVED = """
local handler = {
  on_login = function(client, login)
    if login.user == 'refused' then return client:err('no') end
    return client:serve { unchecked = true }
  end,
  on_query = function(client, sql, kind)
    if sql == 'answer' then return client:result { columns = { 'n' }, rows = { { 42 } } } end
    if sql == 'slow' then sleep(0.05) return client:ok(3) end
    if sql == 'refuse' then return client:err('not here') end
    if sql == 'forward' then return client:query('SELECT 1') end
    if sql == 'wait' then event('waiting') wait_for_gate('open') return client:ok() end
    if kind == 'command' then event(sql) end
  end,
}
mysql_listen(SOCK, handler)
mysql_listen(TCP, handler, { max_query = '1M' })
"""


@pytest.fixture
def served(perilune):
    return perilune(SERVED)


def test_statements(served):
    with served.logged_in("anybody", "anything", database="start") as client:
        assert client.query("answer").rows == [(b"42",)]
        assert client.query("slow").affected == 3
        for sql, code, message in (("refuse", 1148, "not here"), ("SELECT * FROM t", 1148, "answers no such"), ("forward", 1148, "not allowed")):
            with pytest.raises(Err) as info:
                client.query(sql)
            assert info.value.code == code and message in info.value.message
        served.log.wait("client:query needs a server")
        assert client.value("SELECT DATABASE()") == "start"
        client.query("USE `another`")
        assert client.value("SELECT DATABASE()") == "another"
        client.command(wire.COM_INIT_DB, b"third")
        client.ok()
        assert client.query("select user(), connection_id(), 'x', version()").rows[0][1] == str(client.greeting.connection_id).encode()
    served.events.wait("^USE third$")


def test_commands(served):
    with served.logged_in("anybody", "") as client:
        client.command(wire.COM_PING)
        client.ok()
        client.command(wire.COM_STATISTICS)
        assert b"Perilune" in client.reply()
        client.command(wire.COM_RESET_CONNECTION)
        client.ok()
        client.command(wire.COM_SET_OPTION, b"\0\0")
        client.reply()
        client.command(wire.COM_PROCESS_INFO)
        with pytest.raises(Err, match="no server"):
            client.ok()
        client.command(wire.COM_QUIT)
        assert client.at_end()


def test_prepared_statements(served):
    with served.logged_in("anybody", "") as client:
        own, columns, parameters = client.prepare("answer")
        assert (columns, parameters) == (1, 0)
        assert client.execute(own).rows == [(b"\0\0" + struct.pack("<q", 42),)]
        other, _, _ = client.prepare("SET NAMES utf8mb4")
        assert client.execute(other).affected == 0
        client.command(wire.COM_STMT_CLOSE, struct.pack("<I", own))
        with pytest.raises(Err, match="Unknown prepared"):
            client.execute(own)
        with pytest.raises(Err, match="no cursors"):
            client.fetch(other, 1)
        with pytest.raises(Err, match="Unknown prepared"):
            client.execute(1)


def test_a_pipeline(served):
    texts = ["answer", "slow", "refuse", "SELECT 1", "answer"]
    with served.logged_in("anybody", "") as client:
        stream = b""
        for text in texts:
            payload = bytes([wire.COM_QUERY]) + text.encode()
            stream += len(payload).to_bytes(3, "little") + b"\0" + payload
        for at in range(len(stream)):
            client.socket.sendall(stream[at : at + 1])
        outcomes = []
        for _ in texts:
            client.packets.sequence = 1
            try:
                outcomes.append(client.result())
            except Err as error:
                outcomes.append(error.message)
        assert outcomes[0] == outcomes[4] and outcomes[0].rows == [(b"42",)]
        assert (outcomes[1].affected, outcomes[2], outcomes[3].rows) == (3, "not here", [(b"1",)])


def test_a_statement_that_is_too_long(served):
    with served.logged_in("anybody", "", address=served.tcp) as client:
        for size in (1048577, 40000000):
            with pytest.raises(Err, match="max_query"):
                client.query("x" * size)
        assert client.query("answer").rows == [(b"42",)]


def test_malformed_commands_end_the_session(served):
    with served.logged_in("anybody", "") as client:
        client.socket.sendall(b"\0\0\0\0")
        assert client.at_end()
    with served.logged_in("anybody", "") as client:
        client.socket.sendall(b"\1\0\0\5\x0e")
        assert client.at_end()
    served.log.wait("session failed.*empty command")
    served.log.wait("session failed.*out of order")


def test_who_is_let_in(perilune):
    """serve() is a login by the script's own word: somebody must have checked the client."""
    daemon = perilune("""
        mysql_listen(TCP, {
          on_login = function(client, login)
            if login.user == 'checked' then
              if not login:verify('secret') then return client:err() end
              return client:serve()
            end
            if login.user == 'refuted' then login:verify('other') end
            return client:serve { unchecked = login.user == 'unchecked' }
          end,
          on_query = function(client, sql) return client:ok() end,
        })""")
    with daemon.logged_in("checked", "secret", address=daemon.tcp) as client:
        client.query("x")
    with daemon.logged_in("unchecked", "whatever", address=daemon.tcp) as client:
        client.query("x")
    for user, password in (("checked", "wrong"), ("nobody", "secret"), ("refuted", "secret")):
        with daemon.raw(daemon.tcp) as client, pytest.raises(Err):
            client.login(user, password)
    daemon.log.wait("nothing has checked this client's password, but client:serve")


def test_drain_ends_idle_sessions_at_once_and_others_behind_their_answer(perilune):
    daemon = perilune(SERVED, reloading=False)
    with daemon.logged_in("idle", "") as idle, daemon.logged_in("busy", "") as busy:
        busy.send_query("wait")
        daemon.events.wait("waiting")
        daemon.signal(signal.SIGTERM)
        assert Err.decode(_first_payload(idle)).code == 1053
        daemon.open_gate("open")
        busy.ok()
        busy.packets.sequence = 0
        assert Err.decode(busy.packets.read()).code == 1053
    assert daemon.wait() == 0


def _first_payload(client):
    client.packets.sequence = 0
    return client.packets.read()


def test_idle_timeout(perilune):
    daemon = perilune(SERVED.replace("max_query = '1M'", "idle_timeout = 0.2"))
    with daemon.logged_in("anybody", "", address=daemon.tcp) as client:
        assert client.query("answer").rows == [(b"42",)]
        assert Err.decode(_first_payload(client)).code == 4031


def test_a_client_that_leaves_cancels_its_callback(perilune):
    daemon = perilune(SERVED.replace("on_query =", "on_disconnect = function() event('gone') end, on_query ="))
    with daemon.logged_in("anybody", "") as client:
        client.send_query("wait")
        daemon.events.wait("waiting")
    daemon.events.wait("gone")


@pytest.mark.parametrize("driver", DRIVERS)
def test_drivers(served, fetched, driver):
    for name in DRIVERS[driver].needs:
        fetched(name)

    def ask(sql, **login):
        return log_in(driver, Login(served.tcp, "anybody", "secret", query=sql, **login))

    assert ask("answer").value == "42"
    assert ask("answer", tls="required").value == "42"
    assert ask("refuse").number == 1148


def test_pymysql(served):
    connection = served.pymysql("anybody", "x", autocommit=False)
    with connection, connection.cursor() as cursor:
        cursor.execute("answer")
        assert cursor.fetchall() == ((42,),)
        connection.commit()
        connection.select_db("elsewhere")
        connection.ping(reconnect=False)
        cursor.execute("SHOW VARIABLES LIKE 'version%'")
        assert ("version_comment", "Perilune") in cursor.fetchall()
        with pytest.raises(pymysql.err.OperationalError, match="Unknown system variable"):
            cursor.execute("SELECT @@no_such_thing")


# What DBeaver's MySQL and MariaDB drivers send before the first statement of the user.
DBEAVER = [
    "/* mysql-connector-j-8.3.0 (Revision: 0) */SELECT  @@session.auto_increment_increment AS auto_increment_increment, @@character_set_client AS character_set_client,"
    " @@character_set_connection AS character_set_connection, @@character_set_results AS character_set_results, @@character_set_server AS character_set_server,"
    " @@collation_server AS collation_server, @@collation_connection AS collation_connection, @@init_connect AS init_connect, @@interactive_timeout AS interactive_timeout,"
    " @@license AS license, @@lower_case_table_names AS lower_case_table_names, @@max_allowed_packet AS max_allowed_packet, @@net_write_timeout AS net_write_timeout,"
    " @@performance_schema AS performance_schema, @@sql_mode AS sql_mode, @@system_time_zone AS system_time_zone, @@time_zone AS time_zone,"
    " @@transaction_isolation AS transaction_isolation, @@wait_timeout AS wait_timeout",
    "SET character_set_results = NULL",
    "SET autocommit=1",
    "SET sql_mode='STRICT_TRANS_TABLES'",
    "/* ApplicationName=DBeaver 24.0.0 - Main */ SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "/* ApplicationName=DBeaver 24.0.0 - Main */ SELECT DATABASE()",
    "/* ApplicationName=DBeaver 24.0.0 - Metadata */ SHOW ENGINES",
    "SHOW CHARSET",
    "SHOW COLLATION",
    "SHOW PLUGINS",
    "SHOW VARIABLES LIKE 'lower_case_%'",
    "SHOW STATUS",
    "SELECT @@GLOBAL.character_set_server,@@GLOBAL.collation_server",
    "SHOW DATABASES",
    "SELECT @@session.transaction_read_only",
    "SHOW WARNINGS",
    "SELECT @@max_allowed_packet,@@system_time_zone,@@time_zone,@@auto_increment_increment",
    "select @@version_comment limit 1",
    "START TRANSACTION",
    "COMMIT",
    "ROLLBACK",
]


@pytest.mark.parametrize("flags", [wire.PLAIN_CLIENT, wire.PLAIN_CLIENT | Cap.DEPRECATE_EOF])
def test_the_first_statements_of_dbeaver(served, flags):
    with served.logged_in("anybody", "", flags=flags) as client:
        for sql in DBEAVER:
            client.query(sql)


def test_the_mariadb_client_in_a_session(served):
    done = programs.mariadb(served.sock, "SELECT 1; USE x; answer; status; SHOW WARNINGS;", "--batch", user="anybody")
    assert "42" in done.stdout


CHANGING = """
mysql_listen(SOCK, {
  on_login = function(client, login)
    if login.user == 'nobody' then return client:err('no such user') end
    if login.user == 'plain' then return client:connect(SERVER, login) end
    return client:serve { unchecked = true }
  end,
  on_query = function(client, sql)
    if sql == 'who' then return client:result { columns = { 'u' }, rows = { { client.user .. (client.server and ' with' or ' without') } } } end
  end,
})
"""


def test_changes_of_user_between_served_and_forwarded(perilune, mariadb):
    daemon = perilune(CHANGING)
    with daemon.logged_in("first", "x") as client:
        own, _, _ = client.prepare("who")
        client.change_user("second", "y")
        assert client.value("who") == "second without"
        with pytest.raises(Err, match="Unknown prepared"):
            client.execute(own)
        with pytest.raises(Err, match="no such user"):
            client.change_user("nobody", "y")
        assert client.value("who") == "second without"
        with pytest.raises(Err, match="1045"):
            client.change_user("plain", "wrong")
        assert client.value("who") == "second without"
        for _ in range(3):
            client.change_user("plain", "secret")
            assert client.value("who") == "plain with"
            assert client.value("SELECT CURRENT_USER()").startswith("plain@")
            client.change_user("third", "z")
            assert client.value("who") == "third without"


def test_an_own_prepared_statement_ends_with_a_change_of_user(perilune):
    daemon = perilune(CHANGING)
    with daemon.logged_in("plain", "secret") as client:
        own, _, _ = client.prepare("who")
        assert b"plain with" in client.execute(own).rows[0][0]
        with pytest.raises(Err, match="no such user"):
            client.change_user("nobody", "secret")
        assert b"plain with" in client.execute(own).rows[0][0]
        client.change_user("plain", "secret")
        with pytest.raises(Err):
            client.execute(own)
        assert client.value("who") == "plain with"
