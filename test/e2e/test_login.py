"""Logging in: who is asked, what is passed on, what the client sees when it fails."""

import hashlib

import pymysql
import pytest

from support import programs, wire
from support.daemon import PASS_THROUGH
from support.raw_client import RawClient
from support.wire import Cap, Err, Greeting

KNOWN = """
local function on_login(client, login)
  return client:connect(SERVER, %s%s)
end
mysql_listen(SOCK, { on_login = on_login })
mysql_listen(TCP, { on_login = on_login })
"""


def known(login, options=""):
    return KNOWN % (login, options)


def login_error(address, user="plain", password="secret", **options):
    with RawClient(address) as client, pytest.raises(Err) as caught:
        client.login(user, password, **options)
    return caught.value


@pytest.mark.parametrize("user, password", [("plain", "secret"), ("nopass", "")])
@pytest.mark.parametrize("where", ["sock", "tcp"])
def test_pass_through_lets_the_server_decide(perilune, where, user, password):
    daemon = perilune(PASS_THROUGH)
    with daemon.logged_in(user, password, address=getattr(daemon, where)) as client:
        assert client.value("SELECT CURRENT_USER()") == f"{user}@%"


def test_pass_through_with_the_ordinary_client(perilune):
    daemon = perilune(PASS_THROUGH)
    for address in (daemon.sock, daemon.tcp):
        assert programs.mariadb(address, "SELECT CURRENT_USER()").stdout == "plain@%\n"
        assert programs.mariadb(address, "SELECT 1", user="nopass", password=None).stdout == "1\n"


def test_pass_through_with_pymysql(perilune):
    with perilune(PASS_THROUGH).pymysql() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER(), %s", ("ü€😀",))
        assert cursor.fetchall() == (("plain@%", "ü€😀"),)


@pytest.mark.parametrize("user, password", [("plain", "wrong"), ("plain", ""), ("nopass", "extra"), ("nobody", "x")])
def test_a_wrong_password_gives_the_servers_own_error(perilune, mariadb, user, password):
    daemon = perilune(PASS_THROUGH)
    direct = login_error(mariadb.tcp, user, password)
    proxied = login_error(daemon.tcp, user, password)
    assert direct.code == 1045
    assert proxied == direct


def test_a_wrong_password_is_followed_by_the_end(perilune):
    with perilune(PASS_THROUGH).raw() as client:
        client.send_login("plain", "wrong")
        with pytest.raises(Err):
            client.finish_login("wrong")
        assert client.at_end()


def test_known_credentials_replace_the_clients(perilune):
    daemon = perilune(known("{user='plain', password='secret'}", ", {unchecked=true}"))
    for address in (daemon.sock, daemon.tcp):
        with daemon.logged_in("somebody", "else", address=address) as client:
            assert client.value("SELECT CURRENT_USER()") == "plain@%"


def test_known_credentials_without_a_password(perilune):
    daemon = perilune(known("{user='nopass', password=''}", ", {unchecked=true}"))
    with daemon.logged_in("somebody", "else") as client:
        assert client.value("SELECT CURRENT_USER()") == "nopass@%"


def test_password_sha1_is_enough_for_the_native_method(perilune):
    digest = "".join(f"\\{byte:03d}" for byte in hashlib.sha1(b"secret").digest())
    daemon = perilune(known(f"{{user='plain', password_sha1='{digest}'}}", ", {unchecked=true}"))
    with daemon.logged_in("somebody", "else") as client:
        assert client.value("SELECT CURRENT_USER()") == "plain@%"


def test_known_credentials_need_no_password_check_on_a_unix_socket(perilune):
    daemon = perilune(known("{user='plain', password='secret'}"))
    with daemon.logged_in("somebody", "else") as client:
        assert client.value("SELECT CURRENT_USER()") == "plain@%"


def test_unchecked_credentials_over_tcp_are_refused(perilune):
    daemon = perilune(known("{user='plain', password='secret'}"))
    error = login_error(daemon.tcp, "somebody", "else")
    assert "secret" not in error.message
    daemon.log.wait(r"(?i)unchecked")
    assert "secret" not in daemon.log.text()


def test_wrong_known_credentials_give_the_servers_error(perilune, mariadb):
    daemon = perilune(known("{user='plain', password='wrong'}", ", {unchecked=true}"))
    assert login_error(daemon.sock) == login_error(mariadb.tcp, "plain", "wrong")


def test_a_bad_length_of_password_sha1_is_an_error(perilune):
    daemon = perilune(known("{user='plain', password_sha1='short'}", ", {unchecked=true}"))
    login_error(daemon.sock)
    daemon.log.wait(r"password_sha1|SHA1")


@pytest.mark.parametrize("callback", ["on_connect", "on_login"])
@pytest.mark.parametrize(
    "arguments, code, sqlstate",
    [
        ("'go away'", None, None),
        ("'go away', {code=4711}", 4711, None),
        ("'go away', {code=4711, sqlstate='45000'}", 4711, "45000"),
    ],
)
def test_client_err_refuses(perilune, callback, arguments, code, sqlstate):
    handlers = {
        "on_connect": f"{{ on_connect = function(client) return client:err({arguments}) end, on_login = function() end }}",
        "on_login": f"{{ on_login = function(client) return client:err({arguments}) end }}",
    }
    daemon = perilune(f"mysql_listen(SOCK, {handlers[callback]})")
    error = login_error(daemon.sock)
    assert error.message == "go away"
    assert error.code == (code or {"on_connect": 1043, "on_login": 1045}[callback]) or (code is None and error.code == 1043)
    assert len(error.sqlstate) == 5 or callback == "on_connect"
    if sqlstate and error.sqlstate:
        assert error.sqlstate == sqlstate


def test_a_very_long_error_message_reaches_the_client(perilune):
    daemon = perilune("mysql_listen(SOCK, { on_login = function(client) return client:err(('x'):rep(5000)) end })")
    assert login_error(daemon.sock).message.startswith("x" * 500)


def test_the_ordinary_client_shows_the_scripts_error(perilune):
    daemon = perilune("mysql_listen(SOCK, { on_login = function(client) return client:err('closed today') end })")
    done = programs.mariadb(daemon.sock, "SELECT 1", check=False)
    assert done.returncode == 1
    assert "closed today" in done.stderr


MYPROXY = """
function handshake_response(client, handshake_response)
  return client:connect(%s, {
    user = handshake_response.user, password = 'secret', database = handshake_response.database })
end
mysql_listen(SOCK, { on_handshake_response = handshake_response })
"""


@pytest.mark.parametrize("target", ["SERVER_SOCK", "SERVER", "mysql_resolve(SERVER)"])
def test_a_myproxy_script_runs_unchanged(perilune, target):
    daemon = perilune(MYPROXY % target, workers=None)
    with daemon.logged_in("plain", "whatever", database="shared_db") as client:
        assert client.value("SELECT CONCAT(CURRENT_USER(), DATABASE())") == "plain@%shared_db"


def test_the_last_return_value_counts_under_myproxys_name(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, { on_handshake_response = function(client, login)
          return client:err('first'), client:connect(SERVER, {user='plain', password='secret'})
        end })""", workers=None)
    with daemon.logged_in() as client:
        assert client.value("SELECT 1") == "1"


def test_a_second_return_value_is_an_error_in_on_login(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, { on_login = function(client, login)
          return client:connect(SERVER, login), client:err('second')
        end })""")
    login_error(daemon.sock)
    daemon.log.wait(r"on_login")


def test_the_database_is_passed_on(perilune, database):
    daemon = perilune(PASS_THROUGH)
    with daemon.logged_in(database=database) as client:
        assert client.value("SELECT DATABASE()") == database
    with daemon.logged_in() as client:
        assert client.query("SELECT DATABASE()").values == [None]


def test_the_script_chooses_another_database(perilune, database):
    daemon = perilune(f"""
        mysql_listen(SOCK, {{ on_login = function(client, login)
          event(login.database)
          login.database = '{database}'
          return client:connect(SERVER, login)
        end }})""")
    with daemon.logged_in(database="shared_db") as client:
        assert client.value("SELECT DATABASE()") == database
    daemon.events.wait("^shared_db$")


def test_an_unknown_database_gives_the_servers_error(perilune, mariadb):
    daemon = perilune(PASS_THROUGH)
    direct = login_error(mariadb.tcp, database="no_such_database")
    assert direct.code == 1049
    assert login_error(daemon.sock, database="no_such_database") == direct


@pytest.mark.parametrize("charset, name", [(45, "utf8mb4"), (33, "utf8mb3"), (8, "latin1"), (63, "binary")])
def test_the_character_set_is_passed_on(perilune, charset, name):
    with perilune(PASS_THROUGH).logged_in(charset=charset) as client:
        assert client.value("SELECT @@character_set_client") == name


@pytest.mark.parametrize("credentials", ["login", "{user='plain', password='secret'}"])
def test_connect_attributes_are_passed_on(perilune, fake, credentials):
    server = fake()
    daemon = perilune(
        "mysql_listen(SOCK, { on_login = function(client, login)"
        f" event(login.attributes.program_name) return client:connect(FAKE, {credentials}) end }})",
        {"FAKE": server.address},
    )
    attributes = {"program_name": "e2e", "_os": "Linux", "long": "x" * 300}
    with daemon.logged_in(attributes=attributes):
        server.wait_for(lambda s: s.responses)
    daemon.events.wait("^e2e$")
    if credentials == "login":
        assert server.responses[0].attributes == attributes


@pytest.mark.parametrize("plugin", ["mysql_native_password", "caching_sha2_password"])
@pytest.mark.parametrize("credentials", ["login", "{user='plain', password='secret'}"])
@pytest.mark.parametrize("password", ["secret", ""])
def test_the_methods_of_the_servers_greeting(perilune, fake, plugin, credentials, password):
    server = fake(Greeting(plugin=plugin), password=password)
    credentials = credentials.replace("'secret'", f"'{password}'")
    daemon = perilune(
        f"mysql_listen(SOCK, {{ on_login = function(client, login) return client:connect(FAKE, {credentials}) end }})",
        {"FAKE": server.address},
    )
    with daemon.logged_in("plain", password) as client:
        client.command(wire.COM_PING)
        client.ok()
    if credentials != "login":
        assert server.responses[0].plugin == plugin, "asked to switch for nothing"


@pytest.mark.parametrize("switch_to", ["mysql_native_password", "caching_sha2_password"])
@pytest.mark.parametrize("credentials", ["login", "{user='plain', password='secret'}"])
def test_a_server_that_switches_the_method(perilune, fake, switch_to, credentials):
    other = {"mysql_native_password": "caching_sha2_password", "caching_sha2_password": "mysql_native_password"}
    server = fake(Greeting(plugin=other[switch_to]), password="secret", switch_to=switch_to)
    daemon = perilune(
        f"mysql_listen(SOCK, {{ on_login = function(client, login) return client:connect(FAKE, {credentials}) end }})",
        {"FAKE": server.address},
    )
    with daemon.logged_in() as client:
        assert client.switches <= 1, "clients accept one switch"
        client.command(wire.COM_PING)
        client.ok()


def test_a_flag_that_was_not_offered_is_not_passed_on(perilune, fake):
    server = fake(Greeting(capabilities=wire.PLAIN_SERVER & ~Cap.CONNECT_ATTRS & ~Cap.FOUND_ROWS))
    daemon = perilune(
        "mysql_listen(SOCK, { on_login = function(client, login) return client:connect(FAKE, login) end })",
        {"FAKE": server.address},
    )
    with daemon.raw() as client:
        client.receive_greeting()
        client.login("plain", flags=wire.PLAIN_CLIENT | Cap.FOUND_ROWS | Cap(1 << 29) | Cap(1 << 30), mask=False)
    asked = server.responses[0].capabilities
    assert not asked & ~server.greeting.capabilities


def test_pymysql_reports_a_refusal_as_its_own_error(perilune):
    daemon = perilune(PASS_THROUGH)
    with pytest.raises(pymysql.err.OperationalError) as caught:
        daemon.pymysql(password="wrong")
    assert caught.value.args[0] == 1045
