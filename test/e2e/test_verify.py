"""Who the client is, found out by the script: login:verify, login.password, and what may follow from them."""

import hashlib
import time

import pymysql
import pytest

from support import programs, wire
from support.raw_client import RawClient
from support.wire import Cap, Closed, Err

# `body` is the callback's; `client:err()` behind it is what follows when it returns nothing.
LISTEN = """
local function on_login(client, login)
  do %s end
  return client:err()
end
local handler = { on_login = on_login, on_disconnect = function(client) event('gone') end }
mysql_listen(SOCK, handler, OPTIONS or {})
mysql_listen(TCP, handler, OPTIONS or {})
"""
LET_IN = "client:connect(SERVER, {user='plain', password='secret'})"
VERIFY = f"if login:verify(SECRET) then return {LET_IN} end"
NATIVE_HASH = "*" + hashlib.sha1(hashlib.sha1(b"secret").digest()).hexdigest().upper()
CHALLENGED = r"the client was already challenged"
NATIVE, SHA2, CLEAR = "mysql_native_password", "caching_sha2_password", "mysql_clear_password"


def listen(body, options=""):
    return f"OPTIONS = {{ {options} }}\n" + LISTEN % body


def failure_of(address, password="secret", user="plain", **options):
    """What a client is refused with."""
    with RawClient(address) as client, pytest.raises(Err) as caught:
        client.login(user, password, **options)
    return caught.value


def logs_in(address, password="secret", user="plain", **options):
    with RawClient(address) as client:
        client.login(user, password, **options)
        return client.value("SELECT CURRENT_USER()") == "plain@%"


def denied(user="plain", host="localhost", password="YES"):
    return Err(1045, "28000", f"Access denied for user '{user}'@'{host}' (using password: {password})")


def stored(server, user, column="authentication_string"):
    return server.sql(f"SELECT {column} FROM mysql.user WHERE user = '{user}'").strip()


# what a secret may be


@pytest.mark.parametrize("secret", ["secret", NATIVE_HASH, NATIVE_HASH.lower()])
@pytest.mark.parametrize("where", ["sock", "tcp"])
def test_a_password_or_its_native_hash(perilune, secret, where):
    daemon = perilune(listen(VERIFY), {"SECRET": secret})
    address = getattr(daemon, where)
    host = "localhost" if where == "sock" else "127.0.0.1"
    assert logs_in(address)
    assert failure_of(address, "wrong") == denied(host=host)
    assert failure_of(address, "") == denied(host=host, password="NO")
    assert programs.mariadb(address, "SELECT CURRENT_USER()").stdout == "plain@%\n"
    done = programs.mariadb(address, "SELECT 1", password="wrong", check=False)
    assert done.returncode != 0 and "ERROR 1045 (28000): Access denied for user 'plain'@" in done.stderr


@pytest.mark.threads
@pytest.mark.parametrize("form", ["bytes", "hexadecimal"])
@pytest.mark.parametrize("where", ["sock", "tcp"])
def test_what_mysql_stores(perilune, mysql9, where, form):
    digits = stored(mysql9, "sha2", "HEX(authentication_string)")
    secret = "0x" + digits if form == "hexadecimal" else "".join(f"\\{byte:03d}" for byte in bytes.fromhex(digits))
    daemon = perilune(listen(VERIFY), {"SECRET": secret})
    address = getattr(daemon, where)
    assert logs_in(address)
    assert failure_of(address, "wrong").code == 1045
    assert programs.mariadb(address, "SELECT CURRENT_USER()").stdout == "plain@%\n"


@pytest.mark.parametrize("user, program", [("ed25519", "mariadb"), ("ed25519", "mariadb-11.8"), ("parsec", "mariadb-11.8")])
def test_what_mariadb_stores(perilune, mariadb118, user, program):
    daemon = perilune(listen(VERIFY), {"SECRET": stored(mariadb118, user)})
    assert programs.mariadb(daemon.sock, "SELECT CURRENT_USER()", name=program).stdout == "plain@%\n"
    done = programs.mariadb(daemon.sock, "SELECT 1", name=program, password="wrong", check=False)
    assert done.returncode != 0 and "ERROR 1045" in done.stderr


def test_pymysql(perilune):
    daemon = perilune(listen(VERIFY), {"SECRET": "secret"})
    with daemon.pymysql() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER()")
        assert cursor.fetchall() == (("plain@%",),)
    with pytest.raises(pymysql.err.OperationalError) as caught:
        daemon.pymysql(password="wrong")
    assert caught.value.args[0] == 1045


def test_an_account_without_a_password(perilune):
    daemon = perilune(listen(VERIFY), {"SECRET": ""})
    assert logs_in(daemon.tcp, "")
    assert failure_of(daemon.tcp, "secret").code == 1045


def test_a_mistyped_hash_is_a_clear_password(perilune):
    daemon = perilune(listen(VERIFY), {"SECRET": NATIVE_HASH[:-1]})
    assert failure_of(daemon.tcp).code == 1045
    assert logs_in(daemon.tcp, NATIVE_HASH[:-1])


@pytest.mark.parametrize("argument", ["", "7", "{}", "'a\\0b'", "true"])
def test_what_is_no_secret(perilune, argument):
    daemon = perilune(listen(f"if login:verify({argument}) then return {LET_IN} end"))
    if argument == "7":  # as everywhere in Lua, a number is a string
        assert logs_in(daemon.tcp, "7")
        return
    assert failure_of(daemon.tcp).code == 1043
    daemon.log.wait("callback failed")


# what was learnt


@pytest.mark.parametrize("secret", ["secret", NATIVE_HASH])
def test_what_was_learnt_logs_in_to_the_server(perilune, secret):
    daemon = perilune(listen("if login:verify(SECRET) then return client:connect(SERVER, login) end"), {"SECRET": secret})
    assert logs_in(daemon.tcp)
    assert logs_in(daemon.tcp, plugin=SHA2) or secret == NATIVE_HASH


def test_what_was_read_logs_in_to_the_server(perilune):
    daemon = perilune(listen("event(login.password) return client:connect(SERVER, login)"))
    assert logs_in(daemon.tcp)
    daemon.events.wait("^secret$")
    assert failure_of(daemon.tcp, "wrong").code == 1045
    daemon.events.wait("^wrong$")


def test_what_was_not_learnt_is_missed_by_name(perilune, mysql9):
    """SHA1(password) is no help at a server that wants SHA-256."""
    body = "if login:verify(SECRET) then return client:connect(SERVER, login) end"
    daemon = perilune(listen(body), {"SECRET": NATIVE_HASH, "SERVER": mysql9.address})
    assert failure_of(daemon.tcp, user="sha2").code == 1043
    line = daemon.log.wait(r"caching_sha2_password")
    assert "password" in line and "secret" not in line.replace("secrets", "")


# rounds


def rounds(address, plugin, password):
    """The lengths and kinds of all packets of a refused login."""
    seen = []
    with RawClient(address) as client:
        read = client.packets.read

        def watched():
            payload = read()
            seen.append((payload[0], 0 if payload[0] == 0xFF else len(payload)))
            return payload

        client.packets.read = watched
        with pytest.raises(Err) as caught:
            client.login("plain", password, plugin=plugin)
    return seen, caught.value


@pytest.mark.parametrize("plugin", [NATIVE, SHA2, CLEAR])
@pytest.mark.parametrize("where", ["sock", "tcp"])
def test_an_unknown_user_takes_the_rounds_of_a_wrong_password(perilune, plugin, where):
    known = perilune(listen(VERIFY), {"SECRET": "secret"})
    unknown = perilune(listen("login:verify(nil)"))
    for password in ("wrong", ""):
        expected = rounds(getattr(known, where), plugin, password)
        assert expected[1].code == 1045
        assert rounds(getattr(unknown, where), plugin, password) == expected


# several times


@pytest.mark.parametrize("plugin", [NATIVE, SHA2, CLEAR])
@pytest.mark.parametrize("where", ["sock", "tcp"])
@pytest.mark.parametrize("password, order", [("secret", "false true"), ("old", "true nil"), ("wrong", "false false")])
def test_rotation(perilune, plugin, where, password, order):
    body = f"""
        local old = login:verify('old')
        local new = nil
        if not old then new = login:verify('secret') end
        event(tostring(old) .. ' ' .. tostring(new))
        if old or new then return {LET_IN} end"""
    daemon = perilune(listen(body))
    address = getattr(daemon, where)
    assert failure_of(address, password, plugin=plugin).code == 1045 if password == "wrong" else logs_in(address, password, plugin=plugin)
    daemon.events.wait(f"^{order}$")


def test_rotation_logs_in_to_the_server_with_the_password_that_was_right(perilune):
    daemon = perilune(listen("if login:verify('old') or login:verify('secret') then return client:connect(SERVER, login) end"))
    for plugin in (NATIVE, SHA2):
        assert logs_in(daemon.tcp, plugin=plugin)


def test_a_stored_hash_after_another(perilune, mysql9):
    """The full exchange that the first one leads to is enough for any other."""
    digits = stored(mysql9, "sha2", "HEX(authentication_string)")
    body = f"login:verify('0x{digits[:-4]}6161') event(tostring(login:verify('0x{digits}'))) return {LET_IN}"
    daemon = perilune(listen(body))
    assert logs_in(daemon.tcp)
    daemon.events.wait("^true$")


def test_verify_after_reading(perilune):
    body = f"local p = login.password event(tostring(login:verify('other')) .. tostring(login:verify(p))) return {LET_IN}"
    daemon = perilune(listen(body))
    assert logs_in(daemon.tcp)
    daemon.events.wait("^falsetrue$")


def test_reading_twice_asks_once(perilune):
    daemon = perilune(listen(f"event(login.password .. '+' .. login.password) return {LET_IN}"))
    with RawClient(daemon.tcp) as client:
        client.login("plain", "secret")
        assert client.switches == 1
    daemon.events.wait(r"^secret\+secret$")


def test_reading_after_a_right_or_wrong_password_that_came_itself(perilune):
    body = f"login:verify(SECRET) event(login.password) return {LET_IN}"
    assert logs_in(perilune(listen(body), {"SECRET": "secret"}).tcp, plugin=SHA2)
    daemon = perilune(listen(body), {"SECRET": "other"})
    assert failure_of(daemon.tcp, plugin=SHA2) == denied(host="127.0.0.1")
    daemon.events.wait("^secret$")


def test_what_was_read_after_a_wrong_verify_logs_in_to_the_server(perilune):
    body = "login:verify('other') local _ = login.password return client:connect(SERVER, login, {unchecked=true})"
    assert logs_in(perilune(listen(body)).tcp, plugin=SHA2)


@pytest.mark.parametrize("then", ["login.password", "login:verify('0x' .. ('24412430303524' .. ('61'):rep(63)))"])
def test_what_cannot_be_judged_from_what_is_known_is_an_error(perilune, then):
    daemon = perilune(listen(f"login:verify('other') local _ = {then} return {LET_IN}"))
    error = failure_of(daemon.tcp)
    assert (error.code, error.message) == (1045, "Lua error")
    assert CHALLENGED in daemon.log.wait("callback failed")


def test_an_error_that_the_script_catches(perilune):
    body = f"login:verify('other') event(tostring(pcall(function() return login.password end))) return {LET_IN[:-1]}, {{unchecked=true}})"
    daemon = perilune(listen(body))
    assert logs_in(daemon.tcp)
    daemon.events.wait("^false$")


def test_a_login_that_is_over_is_stale(perilune):
    body = f"kept = kept or login if kept ~= login then kept:verify('secret') end return {LET_IN}"
    daemon = perilune(listen(body), workers=1, reloading=False)
    assert logs_in(daemon.sock)
    assert failure_of(daemon.sock).code == 1043
    daemon.log.wait("Stale object")


# unchecked logins

OWN = "client:connect(SERVER, {user='plain', password='secret'}%s)"
UNCHECKED = OWN % ", {unchecked=true}"
OWN = OWN % ""
NOTHING_CHECKED = r"nothing has checked this client's password"
FALSE_VERIFY = r"login:verify has returned false"


@pytest.mark.parametrize(
    "body, where, outcome",
    [
        (f"return {OWN}", "tcp", NOTHING_CHECKED),
        (f"return {OWN}", "sock", None),
        (f"return {UNCHECKED}", "tcp", None),
        (f"login:verify('mine') return {OWN}", "tcp", None),
        (f"local _ = login.password return {OWN}", "tcp", None),
        (f"login:verify('other') return {OWN}", "tcp", FALSE_VERIFY),
        (f"login:verify('other') return {OWN}", "sock", FALSE_VERIFY),
        (f"login:verify(nil) return {OWN}", "sock", FALSE_VERIFY),
        (f"login:verify('other') return {UNCHECKED}", "tcp", None),
        (f"login:verify('other') login:verify('mine') return {OWN}", "tcp", None),
        (f"login:verify('mine') login:verify('other') return {OWN}", "tcp", FALSE_VERIFY),
        ("login:verify('other') return client:connect(SERVER, login)", "sock", FALSE_VERIFY),
    ],
)
def test_credentials_of_the_scripts_own(perilune, body, where, outcome):
    daemon = perilune(listen(body))
    address = getattr(daemon, where)
    if outcome is None:
        assert logs_in(address, "mine")
        return
    error = failure_of(address, "mine")
    assert error.code == (1045 if outcome == FALSE_VERIFY else 1043)
    daemon.log.wait(outcome)


def test_under_myproxys_name_with_one_warning_for_each_listener(perilune):
    config = f"local h = {{ on_handshake_response = function(client, login) return {OWN} end }} mysql_listen(TCP, h) mysql_listen(TCP2, h)"
    daemon = perilune(config, workers=1, reloading=False)
    for address in (daemon.tcp, daemon.tcp, daemon.tcp2):
        assert logs_in(address, "whatever")
    warnings = daemon.log.matching(r"warning .*unchecked|warning .*checked")
    assert len(warnings) == 2, daemon.log.text()


def test_the_scripts_own_words_after_a_false_verify(perilune):
    daemon = perilune(listen("if not login:verify('other') then return client:err('Go away', {code=4711}) end"))
    error = failure_of(daemon.tcp)
    assert (error.code, error.message) == (4711, "Go away")


def test_without_a_challenge_the_default_error_is_the_usual_one(perilune):
    assert failure_of(perilune(listen("")).tcp).code == 1043


# clients that do not play along

WAITING = "event('asked') login:verify(SECRET) event('never')"


def ask(daemon):
    """A client that has been asked to switch to caching_sha2_password and has not answered."""
    client = RawClient(daemon.tcp)
    client.send_login("plain", "secret", plugin=SHA2)
    assert client.packets.read()[0] == 0xFE
    return client


def test_a_client_that_goes_away_while_it_is_asked(perilune):
    daemon = perilune(listen(WAITING), {"SECRET": "secret"})
    ask(daemon).close()
    daemon.events.wait("^gone$")
    assert "never" not in daemon.events.text()
    assert not daemon.log.matching("error|callback failed"), daemon.log.text()


def test_a_client_that_goes_away_between_the_rounds(perilune):
    daemon = perilune(listen("event(login.password)"))
    with ask(daemon) as client:
        client.packets.write(wire.sha2_answer("secret", b"x" * 20))
        assert client.packets.read() == wire.SHA2_FULL
        client.packets.write(wire.SHA2_ASK_KEY)
        assert client.packets.read().startswith(b"\x01-----BEGIN")
    daemon.events.wait("^gone$")
    assert not daemon.log.matching("error|callback failed"), daemon.log.text()


def test_a_client_that_never_answers_is_a_matter_of_handshake_timeout(perilune):
    config = "settings{callback_timeout = '200ms'}\n" + listen(WAITING, "handshake_timeout = '1s'")
    daemon = perilune(config, {"SECRET": "secret"})
    begin = time.monotonic()
    with ask(daemon) as client:
        with pytest.raises(Err) as caught:
            client.reply()
        assert 0.8 < time.monotonic() - begin < 8
        assert (caught.value.code, caught.value.message) == (1043, "Login took too long")
        assert client.at_end()
    daemon.events.wait("^gone$")
    assert not daemon.log.matching("callback_timeout"), daemon.log.text()


def test_what_the_client_takes_is_not_the_callbacks_time(perilune):
    daemon = perilune("settings{callback_timeout = '300ms'}\n" + listen(VERIFY), {"SECRET": "secret"})
    with RawClient(daemon.tcp) as client:
        client.send_login("plain", "secret", plugin=SHA2)
        time.sleep(0.6)  # the passing of time itself is the test
        client.finish_login("secret")
        assert client.value("SELECT 1") == "1"


def test_what_the_script_takes_is_not_the_clients_time(perilune):
    body = f"sleep(0.5) local right = login:verify(SECRET) sleep(0.5) if right then return {LET_IN} end"
    daemon = perilune(listen(body, "handshake_timeout = '400ms'"), {"SECRET": "secret"})
    assert logs_in(daemon.sock, plugin=SHA2)  # no RSA key to wait for


@pytest.mark.parametrize("answer", [b"\0" * 3, b"x" * 5000, b"\x02" * 21])
def test_an_answer_that_is_none(perilune, answer):
    daemon = perilune(listen(VERIFY), {"SECRET": "secret"})
    with ask(daemon) as client:
        client.packets.write(answer)
        with pytest.raises(Err):
            client.reply()
        assert client.at_end()
    assert logs_in(daemon.tcp)


# passwords in clear


def test_a_clear_password_only_where_nobody_listens(perilune):
    """A client whose method would send it is asked by another one over plain TCP, unless it is allowed there."""
    body = f"event(login.password) return {LET_IN}"
    strict, lax = perilune(listen(body)), perilune(listen(body, "allow_cleartext = true"))
    switches = {}
    for name, address in (("tcp", strict.tcp), ("unix", strict.sock), ("allowed", lax.tcp)):
        with RawClient(address) as client:
            client.login("plain", "secret", plugin=CLEAR)
            switches[name] = client.switches
    assert switches == {"tcp": 1, "unix": 0, "allowed": 0}


def test_a_client_that_knows_no_methods_cannot_be_read(perilune):
    old = wire.PLAIN_CLIENT & ~Cap.PLUGIN_AUTH
    daemon = perilune(listen(f"event(login.password) return {LET_IN}"))
    assert failure_of(daemon.sock, flags=old).code == 1043
    daemon.log.wait("mysql_native_password")
    assert logs_in(perilune(listen(VERIFY), {"SECRET": NATIVE_HASH}).sock, flags=old)


def test_no_secret_in_the_log(perilune):
    body = f"if login.user == 'reads' then local _ = login.password else login:verify('{NATIVE_HASH}') end return {LET_IN}"
    daemon = perilune(listen(body), arguments=("-vv",))
    for user in ("reads", "verified"):
        for plugin in (NATIVE, SHA2, CLEAR):
            for password in ("secret", "s3cret-wrong"):
                with RawClient(daemon.tcp) as client:
                    try:
                        client.login(user, password, plugin=plugin)
                    except Err:
                        pass
    with RawClient(daemon.tcp) as client:
        client.send_login("reads", "s3cret-wrong", plugin=SHA2)
        client.packets.read()
        client.packets.write(b"s3cret-wrong")
        with pytest.raises((Err, Closed)):
            client.reply()
    log = daemon.log.text()
    assert 'user="reads"' in log
    for word in ("secret", "s3cret", NATIVE_HASH[1:], NATIVE_HASH[1:].lower()):
        assert word not in log
