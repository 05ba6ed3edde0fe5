"""Servers that refuse, stay silent, lie or die: clear errors in time, never a desynchronised client."""

import time

import pytest

from support import wire
from support.raw_client import RawClient
from support.wire import Cap, Err, Greeting

BOTH_WAYS = pytest.mark.parametrize("credentials", ["login", "{user='plain', password='secret'}"])


def to_fake(credentials="login", options=""):
    return f"mysql_listen(SOCK, {{ on_login = function(client, login) return client:connect(FAKE, {credentials}{options}) end }})"


def refusal(daemon, seconds=10):
    """The error of a login, and that it came within its deadline and was followed by the end."""
    began = time.monotonic()
    with RawClient(daemon.sock) as client:
        with pytest.raises(Err) as caught:
            client.login("plain", "secret")
        assert client.at_end()
    assert time.monotonic() - began < seconds
    assert len(caught.value.sqlstate) == 5
    return caught.value


@BOTH_WAYS
def test_a_server_that_refuses_connections(perilune, credentials):
    daemon = perilune(to_fake(credentials), {"FAKE": "127.0.0.1:1"})
    error = refusal(daemon)
    assert error.message
    daemon.log.wait(r"127\.0\.0\.1:1\b.*refused|refused.*127\.0\.0\.1:1\b")


def test_a_missing_unix_socket(perilune):
    daemon = perilune(to_fake(), {"FAKE": "/nonexistent/server.sock"})
    refusal(daemon)
    daemon.log.wait("/nonexistent/server.sock")


@BOTH_WAYS
def test_a_server_that_never_answers_the_connect(perilune, backlogged, credentials):
    daemon = perilune(to_fake(credentials, ", {connect_timeout=0.3}"), {"FAKE": backlogged.address})
    refusal(daemon)
    daemon.log.wait(backlogged.address.replace(".", r"\."))


@BOTH_WAYS
def test_a_server_that_never_greets(perilune, fake, credentials):
    server = fake(None)
    daemon = perilune(to_fake(credentials, ", {connect_timeout=0.3}"), {"FAKE": server.address})
    refusal(daemon, seconds=15)
    daemon.log.wait(server.address.replace(".", r"\."))
    server.wait_for(lambda s: s.open_connections == 0)


def test_a_name_that_does_not_resolve(perilune):
    daemon = perilune(to_fake(options=", {connect_timeout=2}"), {"FAKE": "no-such-host.invalid:3306"})
    refusal(daemon)
    daemon.log.wait("no-such-host.invalid")


@BOTH_WAYS
@pytest.mark.parametrize("step", ["accept", "response", "login"])
def test_a_server_that_dies_during_login(perilune, fake, credentials, step):
    server = fake(Greeting(plugin="mysql_native_password"), password="secret", die_at=step)
    daemon = perilune(to_fake(credentials), {"FAKE": server.address})
    refusal(daemon)


@BOTH_WAYS
def test_too_many_connections_is_passed_on(perilune, fake, credentials):
    server = fake(Err(1040, "08004", "Too many connections"))
    daemon = perilune(to_fake(credentials), {"FAKE": server.address})
    error = refusal(daemon)
    assert (error.code, error.message) == (1040, "Too many connections")


@BOTH_WAYS
def test_the_servers_error_at_login_is_unchanged(perilune, fake, credentials):
    def refuse(peer, _):
        peer.error(4567, "28001", "an error of the server's own – ü")

    server = fake(on_login=refuse)
    daemon = perilune(to_fake(credentials), {"FAKE": server.address})
    assert refusal(daemon) == Err(4567, "28001", "an error of the server's own – ü")


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\x00\x00\x00\x0aabcd", b"\xff\xff\xff\x00" + bytes(100)])
def test_a_server_that_speaks_something_else(perilune, fake, garbage):
    server = fake(garbage)
    daemon = perilune(to_fake(options=", {connect_timeout=0.5}"), {"FAKE": server.address})
    refusal(daemon, seconds=20)
    server.wait_for(lambda s: s.open_connections == 0)


@BOTH_WAYS
def test_a_greeting_is_answered_even_if_the_client_is_gone(perilune, fake, credentials):
    """Servers block hosts that break handshakes off."""
    server = fake(Greeting(plugin="mysql_native_password"), password="secret")
    daemon = perilune(f"""
        mysql_listen(SOCK, {{ on_login = function(client, login)
          event('login') wait_for_gate('go')
          return client:connect(FAKE, {credentials})
        end }})""", {"FAKE": server.address})
    for _ in range(5):
        with daemon.raw() as client:
            client.send_login("plain", "secret")
    daemon.open_gate("go")
    for number in range(20):
        with daemon.raw() as client:
            client.send_login("plain", "secret")
            server.wait_for(lambda s, n=number: s.connections > n)
    server.wait_for(lambda s: s.open_connections == 0)
    assert server.broken_handshakes == 0


def test_a_server_lost_while_it_owes_an_answer(perilune, fake):
    def hang_up(peer, command):
        peer.ok() if command[0] == wire.COM_PING else peer.hang_up()

    server = fake(on_command=hang_up)
    daemon = perilune(to_fake(), {"FAKE": server.address})
    with daemon.logged_in() as client:
        client.command(wire.COM_PING)
        client.ok()
        client.send_query("SELECT 1")
        with pytest.raises(Err) as caught:
            client.result()  # RawClient checks the sequence number
        assert client.at_end()
    assert caught.value == Err(1047, "08S01", "Server closed the connection")


def test_a_server_lost_in_the_middle_of_rows(perilune, fake):
    def half(peer, _):
        for payload in (wire.lenenc(1), wire.column_definition("a"), wire.eof(), wire.text_row([b"x"])):
            peer.packets.write(payload)
        peer.hang_up()

    server = fake(Greeting(capabilities=wire.PLAIN_SERVER & ~Cap.DEPRECATE_EOF), on_command=half)
    daemon = perilune(to_fake(), {"FAKE": server.address})
    with daemon.logged_in() as client:
        client.send_query("SELECT 1")
        with pytest.raises(Err) as caught:
            client.result()
        assert caught.value.code == 1047
        assert client.at_end()


def test_a_server_lost_while_idle_ends_the_session(perilune, fake):
    server = fake()
    daemon = perilune(to_fake(), {"FAKE": server.address})
    with daemon.logged_in() as client:
        server.wait_for(lambda s: s.responses)
        server.drop_all()
        try:
            client.packets.sequence = 0
            while True:
                assert client.packets.read()[:1] == b"\xff"
        except wire.Closed as closed:
            assert closed.rest == b""


@pytest.mark.parametrize("flag", [Cap.DEPRECATE_EOF, Cap.SESSION_TRACK], ids=lambda flag: flag.name)
def test_a_flag_that_only_the_client_has_never_desynchronises(perilune, fake, flag):
    """Translated, or refused with an error that says why; nothing in between."""
    server = fake(
        Greeting(capabilities=wire.PLAIN_SERVER & ~flag),
        on_command=lambda peer, _: peer.rows(["a", "b"], [(b"1", None), (b"", b"2")]),
    )
    daemon = perilune(to_fake(), {"FAKE": server.address})
    with daemon.raw() as client:
        try:
            client.login("plain", "secret", flags=wire.PLAIN_CLIENT | flag)
        except Err as error:
            assert flag.name in error.message
            assert client.at_end()
            return
        for _ in range(3):
            assert client.query("SELECT").rows == [(b"1", None), (b"", b"2")]


@pytest.mark.parametrize("flags", [wire.PLAIN_CLIENT, wire.PLAIN_CLIENT | Cap.DEPRECATE_EOF])
def test_rows_come_in_the_form_that_was_negotiated(perilune, fake, flags):
    server = fake(on_command=lambda peer, _: peer.rows(["a"], [(b"x",), (None,)]))
    daemon = perilune(to_fake(), {"FAKE": server.address})
    with daemon.raw() as client:
        client.login("plain", "secret", flags=flags)
        assert client.query("SELECT").rows == [(b"x",), (None,)]
        assert client.query("SELECT").rows == [(b"x",), (None,)]


@pytest.mark.parametrize(
    "packet",
    [
        b"",  # closed at once
        b"\x01\x00\x00",  # half a header
        b"\x10\x00\x00\x01abc",  # a length that is not kept
        b"\x04\x00\x00\x01\x00\x00\x00\x00",  # too short for a login
        b"\x20\x00\x00\x05" + bytes(32),  # wrong sequence number
        b"\xff\xff\xff\x01" + bytes(64),  # 16 MiB announced
        b"\x00\x00\x00\x01",  # nothing
    ],
)
def test_malformed_logins_harm_nobody(perilune, packet):
    daemon = perilune("""
        mysql_listen(SOCK, { on_login = function(client, login) return client:connect(SERVER, login) end },
          { handshake_timeout = 1 })""")
    with daemon.logged_in() as bystander:
        with daemon.raw() as client:
            client.receive_greeting()
            client.socket.sendall(packet)
            if packet:
                client.packets.sequence = 1 if len(packet) < 4 else (packet[3] + 1) & 0xFF
                with pytest.raises((Err, wire.Closed)):
                    while True:
                        client.packets._exactly(1)
        assert bystander.value("SELECT 1") == "1"


def test_every_truncation_of_a_login_harms_nobody(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, { on_login = function(client, login) return client:connect(SERVER, login) end,
          on_disconnect = function() event('gone') end })""")
    whole = wire.HandshakeResponse("plain", b"x" * 20, "shared_db", wire.PLAIN_SERVER, attributes={"a": "b"}).encode()
    for length in range(0, len(whole), 3):
        with daemon.raw() as client:
            client.receive_greeting()
            client.packets.write(whole[:length])
    daemon.events.wait("gone", count=len(range(0, len(whole), 3)))
    daemon.logged_in().close()


def test_a_client_that_never_logs_in_is_closed_in_time(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, { on_login = function(client, login) return client:connect(SERVER, login) end },
          { handshake_timeout = 0.3 })""")
    with daemon.raw(seconds=15) as client:
        client.receive_greeting()
        with pytest.raises(wire.Closed):
            while True:
                client.packets._exactly(1)


def test_the_scripts_own_waiting_is_no_part_of_the_handshake_timeout(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, { on_login = function(client, login) sleep(1) return client:connect(SERVER, login) end },
          { handshake_timeout = 0.5 })""")
    with daemon.logged_in() as client:
        assert client.value("SELECT 1") == "1"


def test_idle_timeout(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, { on_login = function(client, login) return client:connect(SERVER, login) end },
          { idle_timeout = 0.3 })""")
    with daemon.logged_in() as client:
        with pytest.raises(wire.Closed):
            while True:
                client.packets._exactly(1)


def test_max_connections(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, { on_login = function(client, login) return client:connect(SERVER, login) end },
          { max_connections = 2 })""")
    first, second = daemon.logged_in(), daemon.logged_in()
    with daemon.raw() as third, pytest.raises((Err, wire.Closed)) as caught:
        third.login("plain", "secret")
    if isinstance(caught.value, Err):
        assert caught.value.code == 1040
    for client in (first, second):
        assert client.value("SELECT 1") == "1"
        client.close()
