"""COM_CHANGE_USER: a login in the middle of a session, on which the old one depends in nothing."""

import os
import signal
import subprocess

import pytest

import drivers
from support import wire
from support.c_client import CClient, CError
from support.daemon import PASS_THROUGH
from support.raw_client import RawClient
from support.wire import Cap, Err

# `body` decides about changes; first logins pass through.
LISTEN = """
local function on_login(client, login)
  event(('login %%s %%s %%s'):format(login.user, tostring(login.change), tostring(login.attributes.program_name)))
  if login.change then %s end
  return client:connect(SERVER, login)
end
local handler = {
  on_login = on_login,
  on_command_phase = function(client) event('command phase') end,
  on_disconnect = function(client)
    event(('gone %%s %%s %%s %%s'):format(client.user, client.database, client.account, client.server))
  end,
}
mysql_listen(SOCK, handler, OPTIONS or {})
mysql_listen(TCP, handler, OPTIONS or {})
"""
ELSEWHERE = "return client:connect(tostring(client.server) == SERVER and SERVER_SOCK or SERVER, login)"
KNOWN = "return client:connect(SERVER, {user='plain', password='secret'}, {unchecked=true})"
VERIFY = "if login:verify('secret') then return client:connect(SERVER, login) end return client:err()"
READ = "if login.password == 'secret' then return client:connect(SERVER, login) end return client:err()"
WHO = "SELECT CURRENT_USER()"
ID = "SELECT CONNECTION_ID()"


def listen(body="", options=""):
    return f"OPTIONS = {{ {options} }}\n" + LISTEN % body


at_both = pytest.mark.parametrize("server", ["mariadb", "mysql9"], indirect=True)


@pytest.fixture
def server(request):
    return request.getfixturevalue(getattr(request, "param", "mariadb"))


def failure_of(client, *arguments, **options):
    with pytest.raises(Err) as caught:
        client.change_user(*arguments, **options)
    client.packets.sequence = 0
    return caught.value


def sessions_of(server, user):
    return int(server.sql(f"SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{user}'"))


def wait_for_sessions(server, user, count):
    """The end of a connection reaches the server's list some time later."""
    for _ in range(200):
        if sessions_of(server, user) == count:
            return
        server.sql("DO SLEEP(0.05)")
    raise AssertionError(f"{sessions_of(server, user)} sessions of {user}")


# passed through to the same server


@at_both
@pytest.mark.parametrize("where", ["sock", "tcp"])
def test_the_same_server_decides_on_the_same_connection(perilune, where):
    daemon = perilune(listen())
    with daemon.logged_in(address=getattr(daemon, where)) as client:
        number = client.value(ID)
        client.query("SET @a = 1")
        statement, *_ = client.prepare("SELECT 1")
        client.change_user("nopass", "", attributes={"program_name": "e2e"})
        assert client.value(WHO) == "nopass@%"
        client.change_user("plain", "secret", "shared_db")
        assert client.value("SELECT CONCAT(CURRENT_USER(), ' ', DATABASE())") == "plain@% shared_db"
        assert client.value(ID) == number
        assert client.query("SELECT @a").values == [None]
        with pytest.raises(Err) as caught:
            client.execute(statement)
        assert caught.value.code == 1243
    daemon.events.wait("^login plain true")
    daemon.events.wait("^gone plain shared_db")
    assert len(daemon.events.matching("command phase")) == 1
    daemon.log.wait('login user="plain" database="shared_db" change=true')


@at_both
def test_a_wrong_password_at_the_same_server(perilune, server, mariadb):
    """MariaDB's goes on as the one before, MySQL's ends the connection; no client is told more than it would be there."""
    daemon = perilune(listen("client.account = 'other'"))
    with RawClient(server.tcp) as direct, daemon.logged_in(address=daemon.tcp) as client:
        direct.login("plain", "secret")
        error = failure_of(client, "nopass", "wrong")
        assert error == failure_of(direct, "nopass", "wrong")
        assert error.code == 1045
        if server is mariadb:
            assert client.value(WHO) == "plain@%"
            client.change_user("plain", "secret")
            assert client.value(WHO) == "plain@%"
        else:
            assert client.at_end() and direct.at_end()
    daemon.events.wait("^gone plain ")
    daemon.log.wait("change of user failed")
    assert not daemon.log.matching("session failed")


@at_both
def test_a_transaction_ends_with_the_user(perilune, server, database):
    server.sql("CREATE TABLE t (a INT)", database)
    daemon = perilune(listen(), reloading=False)
    with daemon.logged_in(database=database) as client:
        client.query("BEGIN")
        client.query("INSERT INTO t VALUES (1)")
        client.change_user("plain", "secret", database)
        assert client.value("SELECT COUNT(*) FROM t") == "0"
        daemon.signal(signal.SIGTERM)
        client.packets.sequence = 0
        with pytest.raises(Err) as caught:
            client.reply()
        assert caught.value.code == 1053


def test_a_transaction_is_over_even_if_the_change_is_refused(perilune):
    """Else a drain would wait for its end."""
    daemon = perilune(listen(), reloading=False)
    with daemon.logged_in() as client:
        client.query("BEGIN")
        client.query("SELECT * FROM mysql.user")
        failure_of(client, "plain", "wrong")
        daemon.signal(signal.SIGTERM)
        with pytest.raises(Err) as caught:
            client.reply()
        assert caught.value.code == 1053


def test_full_and_fast_exchanges(perilune, mysql9):
    mysql9.sql("CREATE USER change_full@'%' IDENTIFIED WITH caching_sha2_password BY 'secret'")
    daemon = perilune(PASS_THROUGH, {"SERVER": mysql9.address})
    try:
        for address in daemon.sock, daemon.tcp:
            mysql9.sql("FLUSH PRIVILEGES")
            with daemon.logged_in("nopass", "", address=address) as client:
                exchanges = []
                for _ in range(3):
                    client.change_user("change_full", "secret", plugin="caching_sha2_password")
                    exchanges.append(client.full_exchange)
                assert client.value(WHO) == "change_full@%"
                assert exchanges == [True, False, False]
    finally:
        mysql9.sql("DROP USER change_full@'%'")


def test_a_method_that_is_not_safe_is_not_relayed(perilune, fake):
    """The server's question is answered nevertheless, and the session goes on."""

    def on_command(peer, command):
        if command[0] != wire.COM_CHANGE_USER:
            return peer.ok()
        peer.packets.write(b"\xfemysql_clear_password\0")
        answers.append(peer.packets.read())
        peer.error(1045, "28000", "no")

    answers = []
    target = fake(on_command=on_command)
    daemon = perilune(listen(), {"SERVER": target.address})
    with daemon.logged_in(address=daemon.tcp) as client:
        error = failure_of(client, "plain", "secret")
        assert "mysql_clear_password" in error.message and error.sqlstate == "08S01"
        client.command(wire.COM_PING)
        client.ok()
    assert answers == [b""]


def test_who_is_let_in_without_an_answer_is_cut_off(perilune, fake):
    def on_command(peer, command):
        peer.packets.write(b"\xfemysql_clear_password\0")
        peer.packets.read()
        peer.ok()

    target = fake(on_command=on_command)
    daemon = perilune(listen(), {"SERVER": target.address})
    with daemon.logged_in(address=daemon.tcp) as client:
        failure_of(client, "plain", "secret")
        assert client.at_end()
    daemon.log.wait("session failed.*let in who gave no answer")


# somewhere else, or by credentials


@at_both
@pytest.mark.parametrize("body", [ELSEWHERE, KNOWN, VERIFY, READ], ids=["elsewhere", "known", "verify", "password"])
@pytest.mark.parametrize("where", ["sock", "tcp"])
def test_a_fresh_login_replaces_the_connection(perilune, server, body, where):
    daemon = perilune(listen(body, "allow_cleartext=true"))
    with daemon.logged_in("nopass", "", address=getattr(daemon, where)) as client:
        numbers = [client.value(ID)]
        for _ in range(3):
            client.change_user("plain", "secret", "shared_db" if body != KNOWN else "")
            assert client.value(WHO) == "plain@%"
            numbers.append(client.value(ID))
        assert len(set(numbers)) == 4
        wait_for_sessions(server, "nopass", 0)


@at_both
@pytest.mark.parametrize("plugin", ["mysql_native_password", "caching_sha2_password", "mysql_clear_password"])
@pytest.mark.parametrize("body", [KNOWN, VERIFY, READ], ids=["known", "verify", "password"])
def test_every_method_of_the_client(perilune, body, plugin):
    daemon = perilune(listen(body))
    with daemon.logged_in() as client:
        client.change_user("plain", "secret", plugin=plugin)
        assert client.value(WHO) == "plain@%"
        if body != KNOWN:
            error = failure_of(client, "plain", "wrong", plugin=plugin)
            assert error.code in (1043, 1045)
            assert client.value(WHO) == "plain@%"


@at_both
def test_an_empty_password(perilune):
    daemon = perilune(listen(VERIFY.replace("secret", "")))
    with daemon.logged_in() as client:
        client.change_user("nopass", "")
        assert client.value(WHO) == "nopass@%"


def refused_at(target):
    return f"client.account = 'other' return client:connect('{target}', login, {{connect_timeout = 1}})"


@pytest.mark.parametrize(
    "body, code",
    [
        ("return client:err('Not you', {code=1045})", 1045),
        ("return client:err()", 1043),
        ("error('broken')", 1043),
        ("", None),
        (refused_at("127.0.0.1:1"), 1043),
        (refused_at("/nowhere/x.sock"), 1043),
        ("client.account = 'other' return client:connect(SERVER_SOCK, login)", 1045),
        ("return client:connect(SERVER, {user='plain', password='wrong'}, {unchecked=true})", 1045),
        ("login:verify('other') return client:err()", 1045),
        ("return client:connect(SERVER, {user='plain', password='secret'})", 1043),
    ],
    ids=["refused", "silently", "error", "server", "port", "path", "elsewhere", "credentials", "verify", "unchecked"],
)
def test_what_fails_leaves_the_old_session_as_it_was(perilune, body, code):
    daemon = perilune(listen(body))
    with daemon.logged_in(database="shared_db", address=daemon.tcp) as client:
        number = client.value(ID)
        client.query("SET @a = 7")
        client.query("BEGIN")
        statement, *_ = client.prepare("SELECT @a")
        error = failure_of(client, "nopass", "wrong")
        if code is None:  # the server of the session itself was asked
            assert error.code == 1045
        else:
            assert error.code == code and error.sqlstate
            assert client.query("SELECT @a").rows == [(b"7",)]
            assert len(client.execute(statement).rows) == 1
        assert client.value(ID) == number
        assert client.value("SELECT CONCAT(CURRENT_USER(), DATABASE())") == "plain@%shared_db"
    daemon.events.wait("^gone plain shared_db nil ")


def test_a_dead_server_leaves_the_old_session_as_it_was(perilune, fake):
    for die_at in "greeting", "response", "login":
        target = fake(die_at=die_at)
        daemon = perilune(listen("return client:connect(FAKE, login)"), {"FAKE": target.address})
        with daemon.logged_in() as client:
            assert failure_of(client, "nopass", "").sqlstate == "08S01"
            assert client.value(WHO) == "plain@%"


# the middle of it


def test_a_client_that_goes_away_in_the_middle(perilune, fake):
    def on_command(peer, command):
        if command[0] == wire.COM_CHANGE_USER:
            peer.packets.write(b"\xfemysql_native_password\0" + b"n" * 20 + b"\0")
            answers.append(peer.packets.read())
            peer.error(1045, "28000", "no")

    answers = []
    target = fake(on_command=on_command)
    daemon = perilune(listen(), {"SERVER": target.address})
    with daemon.logged_in() as client:
        client.send_change("nopass")
        assert client.packets.read()[0] == 0xFE
    daemon.events.wait("^gone plain ")
    target.wait_for(lambda s: s.open_connections == 0)
    assert answers == [b""], "the server's question was not answered"


@pytest.mark.parametrize("where", ["elsewhere", "callback"])
def test_a_client_that_goes_away_while_it_waits(perilune, fake, where):
    target = fake(greeting=None)
    body = "event('asked') " + ("return client:connect(FAKE, login)" if where == "elsewhere" else "sleep(60)")
    daemon = perilune(listen(body), {"FAKE": target.address})
    with daemon.logged_in() as client:
        client.send_change("nopass")
        daemon.events.wait("asked")
    daemon.events.wait("^gone plain ", seconds=5)


def test_a_server_that_goes_away_in_the_middle(perilune, fake):
    target = fake(on_command=lambda peer, _: peer.hang_up())
    daemon = perilune(listen(), {"SERVER": target.address})
    with daemon.logged_in() as client:
        assert "closed the connection" in failure_of(client, "nopass").message
        assert client.at_end()
    daemon.log.wait("session failed")


@at_both
def test_commands_behind_it_wait(perilune, server):
    for script in "", ELSEWHERE:
        daemon = perilune(listen("sleep(0.1) " + script))
        with daemon.logged_in("nopass", "") as client:
            batch = b""
            body = wire.change_user_body("nopass", b"", "", client.capabilities, "mysql_native_password", {}, 45)
            for payload in (b"\x03SELECT SLEEP(0.1), 'first'", b"\x11" + body):
                client.packets.sequence = 0
                batch += client.packets.encode(payload)
            client.socket.sendall(batch)
            client.packets.sequence = 1
            assert client.result().rows == [(b"0", b"first")]
            client.packets.sequence = 1
            client.finish_login("")
            assert client.value(WHO) == "nopass@%"


def test_a_refused_one_lets_the_commands_behind_it_through(perilune):
    daemon = perilune(listen("sleep(0.1) return client:err()"))
    with daemon.logged_in() as client:
        batch = b""
        body = wire.change_user_body("nopass", b"", "", client.capabilities, "mysql_native_password", {}, 45)
        for payload in (b"\x11" + body, b"\x03SELECT 'next'"):
            client.packets.sequence = 0
            batch += client.packets.encode(payload)
        client.socket.sendall(batch)
        client.packets.sequence = 1
        with pytest.raises(Err):
            client.reply()
        client.packets.sequence = 1
        assert client.result().rows == [(b"next",)]


@at_both
@pytest.mark.parametrize("body", ["", ELSEWHERE, VERIFY], ids=["same", "elsewhere", "verify"])
def test_back_and_forth(perilune, server, mariadb, body):
    """No connection is left behind."""
    user = "dumper"
    before = sessions_of(server, user)
    daemon = perilune(listen(body), workers=1)
    with daemon.logged_in(user, "secret") as client:
        descriptors = len(os.listdir(f"/proc/{daemon.pid}/fd"))
        for _ in range(200):
            client.change_user(user, "secret")
        assert client.value(WHO) == f"{user}@%"
        wait_for_sessions(server, user, before + 1)
        assert len(os.listdir(f"/proc/{daemon.pid}/fd")) <= descriptors + 8
    wait_for_sessions(server, user, before)


@pytest.mark.no_reload
@pytest.mark.parametrize("body", ["", ELSEWHERE, "return client:err()"], ids=["same", "elsewhere", "refused"])
def test_a_drain_waits_for_its_end(perilune, body):
    daemon = perilune(listen("event('asked') wait_for_gate('go') " + body))
    with daemon.logged_in() as client:
        client.send_change("nopass")
        daemon.events.wait("asked")
        daemon.signal(signal.SIGTERM)
        daemon.notifications.wait(1, STOPPING="1")
        daemon.open_gate("go")
        if "err" in body:
            with pytest.raises(Err):
                client.reply()
        else:
            client.finish_login("")
        client.packets.sequence = 0
        with pytest.raises(Err) as caught:
            client.reply()
        assert caught.value.code == 1053
        assert client.at_end()
    assert daemon.wait() == 0


def test_its_time_is_the_logins(perilune):
    daemon = perilune(listen("login:verify('secret')", "handshake_timeout = 1"))
    with daemon.logged_in() as client:
        client.send_change("nopass", plugin="mysql_native_password")
        assert client.packets.read()[0] == 0xFE
        with pytest.raises(Err) as caught:
            client.reply()
        assert caught.value.message == "Login took too long"
        assert client.at_end()


def test_a_callback_that_takes_too_long_refuses_it(perilune):
    daemon = perilune("settings { callback_timeout = 1 }\n" + listen("sleep(60)"))
    with daemon.logged_in() as client:
        assert failure_of(client, "nopass").message == "Lua error"
        assert client.value(WHO) == "plain@%"


def test_idle_is_not_who_waits_for_it(perilune):
    daemon = perilune(listen("sleep(2.5)", "idle_timeout = 1"))
    with daemon.logged_in() as client:
        client.change_user("nopass")
        assert client.value(WHO) == "nopass@%"


# clients


def test_a_client_without_plugins_is_refused(perilune):
    daemon = perilune(listen(KNOWN).replace("return client:connect(SERVER, login)", KNOWN))
    with daemon.raw() as client:
        client.login("plain", "secret", flags=wire.PLAIN_CLIENT & ~Cap.PLUGIN_AUTH & ~Cap.LENENC_AUTH)
        assert "too old" in failure_of(client, "plain", "secret").message
        assert client.value(WHO) == "plain@%"


@pytest.mark.parametrize("body", [b"", b"u", b"u\0", b"u\0\x14short", b"u\0\0", b"u\0\0\0\x2d\0"])
def test_a_malformed_one_ends_the_session(perilune, body):
    with perilune(PASS_THROUGH).logged_in() as client:
        client.command(wire.COM_CHANGE_USER, body)
        with pytest.raises(Err) as caught:
            client.reply()
        assert (caught.value.code, caught.value.sqlstate) == (1047, "08S01")
        assert client.at_end()


@at_both
@pytest.mark.parametrize("body", ["", KNOWN, VERIFY], ids=["same", "known", "verify"])
@pytest.mark.parametrize("where", ["sock", "tcp"])
def test_the_client_library_for_c(perilune, body, where):
    """Whatever it is sent, its native method answers by the challenge of the first login."""
    daemon = perilune(listen(body).replace("if login.change then", "if true then"))
    with CClient(getattr(daemon, where), "plain", "secret") as client:
        for _ in range(3):
            client.change_user("plain", "secret", "shared_db")
            assert client.value(WHO) == "plain@%"


def test_the_client_library_for_c_with_a_wrong_password(perilune):
    daemon = perilune(listen(VERIFY).replace("if login.change then", "if true then"))
    with CClient(daemon.sock, "plain", "secret") as client:
        with pytest.raises(CError) as caught:
            client.change_user("plain", "wrong")
        assert caught.value.number == 1045
        assert client.value(WHO) == "plain@%"


@at_both
@pytest.mark.parametrize("body", ["", ELSEWHERE, KNOWN, VERIFY], ids=["same", "elsewhere", "known", "verify"])
def test_a_driver_with_a_change_of_its_own(perilune, fetched, body):
    fetched("driver-node")
    daemon = perilune(listen(body))
    second = "plain" if body == KNOWN else "dumper"
    script = os.path.join(os.path.dirname(__file__), "support", "change_user.js")
    done = subprocess.run(
        ["node", script, daemon.sock, "plain", "dumper", "secret"],
        env={**os.environ, "NODE_PATH": str(drivers.root_of("driver-node") / "node_modules")},
        capture_output=True, text=True, timeout=60,
    )
    assert done.stdout.split() == ["plain@%", f"{second}@%", "plain@%"], done.stdout + done.stderr


# COM_RESET_CONNECTION


@at_both
def test_a_reset_passes(perilune, server):
    daemon = perilune(listen())
    with daemon.logged_in(database="shared_db") as client:
        number = client.value(ID)
        client.query("SET @a = 1")
        client.query("CREATE TEMPORARY TABLE reset_t (a INT)")
        statement, *_ = client.prepare("SELECT 1")
        client.command(wire.COM_RESET_CONNECTION)
        client.ok()
        assert client.value(ID) == number
        assert client.query("SELECT @a").values == [None]
        with pytest.raises(Err) as caught:
            client.query("SELECT * FROM reset_t")
        assert caught.value.code == 1146
        with pytest.raises(Err) as caught:
            client.execute(statement)
        assert caught.value.code == 1243
        assert client.value("SELECT CONCAT(CURRENT_USER(), DATABASE())") == "plain@%shared_db"
    assert len(daemon.events.matching("^login")) == 1
