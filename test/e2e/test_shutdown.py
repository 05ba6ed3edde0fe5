"""SIGTERM: every session ends at its first quiet moment, the process with status 0."""

import os
import signal
import socket
import subprocess

import pytest

from support.daemon import PASS_THROUGH
from support.wire import Closed, Err, Greeting, HandshakeResponse, Packets

pytestmark = pytest.mark.no_reload


def farewell(client):
    """The error an idle session is told goodbye with."""
    client.packets.sequence = 0
    with pytest.raises(Err) as caught:
        client.reply()
    assert client.at_end()
    return caught.value


def test_idle_sessions_are_told_and_ended(perilune):
    daemon = perilune(PASS_THROUGH)
    clients = [daemon.logged_in() for _ in range(7)]
    daemon.signal(signal.SIGTERM)
    for client in clients:
        error = farewell(client)
        assert (error.code, error.sqlstate) == (1053, "08S01")
        client.close()
    assert daemon.wait() == 0
    assert not os.path.exists(daemon.sock)


def test_nothing_new_is_accepted(perilune):
    daemon = perilune(PASS_THROUGH)
    with daemon.logged_in() as client:
        client.query("BEGIN")
        daemon.signal(signal.SIGTERM)
        daemon.notifications.wait(1, STOPPING="1")
        with pytest.raises((ConnectionError, FileNotFoundError, Closed)):
            with daemon.raw() as late:
                late.receive_greeting()
        assert client.value("SELECT 1") == "1"
        client.query("COMMIT")
        assert farewell(client).code == 1053
    assert daemon.wait() == 0


def test_a_transaction_is_finished_first(perilune, database, mariadb):
    daemon = perilune(PASS_THROUGH)
    mariadb.sql("CREATE TABLE t (a INT)", database)
    with daemon.logged_in(database=database) as client:
        client.query("BEGIN")
        client.query("INSERT INTO t VALUES (1)")
        daemon.signal(signal.SIGTERM)
        daemon.notifications.wait(1, STOPPING="1")
        client.query("INSERT INTO t VALUES (2)")
        client.query("COMMIT")
        assert farewell(client).code == 1053
    assert daemon.wait() == 0
    assert mariadb.sql("SELECT SUM(a) FROM t", database) == "3\n"


def test_a_statement_in_progress_is_finished_first(perilune):
    daemon = perilune(PASS_THROUGH)
    with daemon.logged_in() as client:
        client.send_query("SELECT SLEEP(1), 'whole'")
        daemon.signal(signal.SIGTERM)
        assert client.result().rows == [(b"0", b"whole")]
        assert farewell(client).code == 1053
    assert daemon.wait() == 0


def test_drain_timeout_ends_what_never_rests(perilune):
    daemon = perilune("settings{ drain_timeout = 0.5 }" + PASS_THROUGH)
    with daemon.logged_in() as client:
        client.query("BEGIN")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(15) == 0
        client.packets.sequence = 0
        with pytest.raises((Err, Closed)):
            client.reply()


def test_a_second_sigterm_closes_at_once(perilune):
    daemon = perilune(PASS_THROUGH)
    with daemon.logged_in() as client:
        client.query("BEGIN")
        daemon.signal(signal.SIGTERM)
        daemon.notifications.wait(1, STOPPING="1")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(10) == 0


ENDLESS = {
    "Lua": "while true do end",
    "compiled": "compiled(function() local i = 0 while true do i = i + 1 end end)()",
    "C": "('a'):rep(40):match(('a?'):rep(40) .. ('a'):rep(40) .. 'b')",
}


@pytest.mark.parametrize("code", ENDLESS.values(), ids=ENDLESS)
def test_a_callback_that_never_ends_does_not_keep_the_process(perilune, code):
    daemon = perilune(
        f"settings{{ workers = 1, drain_timeout = 0.5 }} mysql_listen(SOCK, {{ on_login = function() event('busy') {code} end }})", workers=None
    )
    with daemon.raw() as client:
        client.send_login("plain", "secret")
        daemon.events.wait("busy")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(15) == 0
    assert not os.path.exists(daemon.sock)


@pytest.mark.parametrize("code", ENDLESS.values(), ids=ENDLESS)
def test_a_main_chunk_that_never_ends_does_not_keep_the_process(daemons, code):
    daemon = daemons("event('busy'); " + code)
    daemon.spawn()
    daemon.events.wait("busy")
    daemon.signal(signal.SIGTERM)
    assert daemon.wait(15) == 0


def test_no_drain_timeout_means_now(perilune):
    daemon = perilune("settings{ drain_timeout = 0 }" + PASS_THROUGH)
    with daemon.logged_in() as client:
        client.query("BEGIN")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(10) == 0


def test_a_handshake_that_a_session_left_behind_is_ended_in_order(perilune):
    """Servers count handshakes broken off, and lock out the host that breaks off too many."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        daemon = perilune(
            "mysql_listen(SOCK, { on_login = function(client, login) return client:connect(FAKE, login) end,"
            " on_disconnect = function() event('gone') end })",
            {"FAKE": "127.0.0.1:%d" % listener.getsockname()[1]},
        )
        with daemon.raw() as client:
            client.send_login("plain", "secret")
            server, _ = listener.accept()
        daemon.events.wait("gone")
        with server:
            daemon.signal(signal.SIGTERM)
            daemon.notifications.wait(1, STOPPING="1")
            with pytest.raises(subprocess.TimeoutExpired):
                daemon.process.wait(0.5)
            packets = Packets(server)
            packets.write(Greeting().encode())
            assert HandshakeResponse.decode(packets.read()).user == ""
            packets.write(Err(1045, "28000", "refused").encode())
            assert daemon.wait() == 0


def test_a_reload_that_ends_later_does_not_say_ready(perilune):
    daemon = perilune(PASS_THROUGH)
    with daemon.logged_in() as client:
        client.query("BEGIN")
        daemon.write_config("event('loading') wait_for_gate('go') event('loaded')" + PASS_THROUGH)
        daemon.signal(signal.SIGHUP)
        daemon.events.wait("loading")
        daemon.signal(signal.SIGTERM)
        daemon.notifications.wait(1, STOPPING="1")
        daemon.open_gate("go")
        daemon.events.wait("loaded", count=3)
        client.query("COMMIT")
        assert farewell(client).code == 1053
    assert daemon.wait() == 0
    assert daemon.notifications.count(READY="1") == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_the_signals_that_end_it(perilune, number):
    daemon = perilune(PASS_THROUGH)
    daemon.signal(number)
    assert daemon.wait() == 0


def test_a_login_under_way_does_not_hold_the_end_up(perilune, fake):
    server = fake(None)
    daemon = perilune(
        "settings{ drain_timeout = 2 } mysql_listen(SOCK, { on_login = function(client, login)"
        " event('login') return client:connect(FAKE, login) end })",
        {"FAKE": server.address},
    )
    with daemon.raw() as talking, daemon.raw() as silent:
        silent.receive_greeting()
        talking.send_login("plain", "secret")
        daemon.events.wait("login")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(20) == 0


def test_a_waiting_callback_does_not_hold_the_end_up(perilune):
    daemon = perilune("""
        settings{ drain_timeout = 1 }
        mysql_listen(SOCK, { on_login = function(client, login) event('waiting') sleep(600) end })""")
    with daemon.raw() as client:
        client.send_login("plain", "secret")
        daemon.events.wait("waiting")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(20) == 0


def test_on_disconnect_still_runs(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, { on_login = function(client, login) return client:connect(SERVER, login) end,
          on_disconnect = function(client) event('gone ' .. client.user) end })""")
    clients = [daemon.logged_in() for _ in range(5)]
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    daemon.events.wait("^gone plain$", count=5)
    for client in clients:
        client.close()


def test_sigpipe_and_a_closed_log_do_not_end_it(perilune):
    daemon = perilune(PASS_THROUGH)
    for _ in range(20):
        client = daemon.logged_in(database="shared_db")
        client.send_query("SELECT seq FROM seq_1_to_100000")
        client.close()
    daemon.signal(signal.SIGPIPE)
    with daemon.logged_in() as client:
        assert client.value("SELECT 1") == "1"


def test_a_pipeline_is_answered_before_the_farewell(perilune):
    daemon = perilune(PASS_THROUGH)
    with daemon.logged_in() as client:
        batch = b""
        for payload in (b"\x03SELECT SLEEP(0.5)", b"\x03SELECT 2"):
            client.packets.sequence = 0
            batch += client.packets.encode(payload)
        client.socket.sendall(batch)
        with daemon.logged_in() as other:
            assert other.value("SELECT 1") == "1"
        daemon.signal(signal.SIGTERM)
        for expected in (b"0", b"2"):
            client.packets.sequence = 1
            assert client.result().values == [expected]
        assert farewell(client).code == 1053
    assert daemon.wait() == 0


def test_who_asks_again_and_again_gets_a_clean_end_all_the_same(perilune):
    """A signal that comes while the process is taken down does not kill it."""
    for _ in range(5):
        daemon = perilune(PASS_THROUGH)
        daemon.signal(signal.SIGTERM)
        while daemon.process.poll() is None:
            daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
