"""KILL and COM_PROCESS_KILL with the ids that clients know: those of their greetings."""

import contextlib
import os
import re
import select
import signal
import struct
import subprocess
import time
import uuid

import pymysql
import pytest

from support import programs
from support.daemon import PASS_THROUGH, PATIENCE
from support.wire import Closed, Err

COM_PROCESS_KILL = 12
UNKNOWN_THREAD, KILL_DENIED, INTERRUPTED, KILLED = 1094, 1095, 1317, 1927

# Who asks for shared_db gets another account; the user "wait" stays in its callback.
ACCOUNTS = """
local handler = { on_login = function(client, login)
  if login.database == 'shared_db' then client.account = 'another' end
  if login.attributes.wait then event('waiting') wait_for_gate('go') end
  return client:connect(SERVER, login)
end }
mysql_listen(SOCK, handler)
"""

# SOCK leads to one server, SOCK2 to the other.
TWO_SERVERS = """
local function to(target)
  return { on_login = function(client, login) return client:connect(target, %s, { unchecked = true }) end }
end
mysql_listen(SOCK, to(SERVER))
mysql_listen(SOCK2, to(OTHER))
"""
KNOWN = TWO_SERVERS % "{ user = login.user, password = 'secret' }"
UNKNOWN = TWO_SERVERS % "login"
# What the proxy gets to know by asking.
VERIFIED = TWO_SERVERS % "login:verify('secret') and login"
READ = TWO_SERVERS % "login.password and login"


def id_of(client):
    return client.greeting.connection_id


class Sleeping:
    """A client with a statement that ends only if somebody ends it."""

    def __init__(self, client, server):
        self.client, self._server = client, server
        self.start()

    def start(self):
        self._mark = uuid.uuid4().hex
        self.client.send_query(f"SELECT SLEEP(600) AS sleep_{self._mark}")
        wait_until(self.is_running)

    def is_running(self):
        texts = self._server.sql("SELECT COALESCE(info, '') FROM information_schema.processlist")
        return f"SLEEP(600) AS sleep_{self._mark}" in texts

    def was_interrupted(self):
        """MySQL's SLEEP gives 1 then."""
        try:
            return self.client.result().values == [b"1"]
        except Err as error:
            return error.code == INTERRUPTED

    def was_killed(self):
        with contextlib.suppress(Err):
            self.client.result()
        with contextlib.suppress(Closed, ConnectionError):
            return self.client.at_end()
        return True


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextlib.contextmanager
def killers(daemon, count=6, **options):
    """Sessions on all workers."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(daemon.pymysql(**options))) for _ in range(count)]


@pytest.mark.threads
def test_kill_query_from_every_worker(perilune, mariadb):
    daemon = perilune(PASS_THROUGH)
    with daemon.logged_in() as client, killers(daemon) as sessions:
        own = client.value("SELECT CONNECTION_ID()")
        sleeping = Sleeping(client, mariadb)
        for number, killer in enumerate(sessions):
            if number:
                sleeping.start()
            with killer.cursor() as cursor:
                cursor.execute(f"KILL QUERY {id_of(client)}")
            assert sleeping.was_interrupted()
        assert client.value("SELECT CONNECTION_ID()") == own


@pytest.mark.parametrize("words", ["KILL", "KILL CONNECTION"])
def test_kill_connection_from_every_worker(perilune, mariadb, words):
    daemon = perilune(PASS_THROUGH)
    with killers(daemon, 3) as sessions:
        for killer in sessions:
            with daemon.logged_in() as client:
                sleeping = Sleeping(client, mariadb)
                with killer.cursor() as cursor:
                    cursor.execute(f"{words} {id_of(client)}")
                assert sleeping.was_killed()
                wait_until(lambda: not sleeping.is_running())


@pytest.mark.parametrize(
    "form",
    [
        "kill query %d",
        "KILL HARD QUERY %d",
        "KILL SOFT QUERY %d;",
        "/* away with it */ KILL /*!50000 QUERY */ %d -- at once",
        "\n\tKILL QUERY\n%d ; ",
    ],
)
def test_all_ways_to_write_it(perilune, mariadb, form):
    daemon = perilune(PASS_THROUGH)
    with daemon.logged_in() as client, daemon.logged_in() as killer:
        sleeping = Sleeping(client, mariadb)
        killer.query(form % id_of(client))
        assert sleeping.was_interrupted()


def test_process_kill(perilune, mariadb):
    daemon = perilune(PASS_THROUGH)
    with killers(daemon, 3) as sessions:
        for killer in sessions:
            with daemon.logged_in() as client:
                sleeping = Sleeping(client, mariadb)
                killer.kill(id_of(client))
                assert sleeping.was_killed()


def test_process_kill_of_a_pipelining_client(perilune, mariadb):
    daemon = perilune(PASS_THROUGH)
    with daemon.logged_in() as client, daemon.logged_in() as killer:
        sleeping = Sleeping(client, mariadb)
        batch = b""
        kill = bytes([COM_PROCESS_KILL]) + struct.pack("<I", id_of(client))
        for payload in (b"\x03SELECT 1", kill, b"\x03SELECT 2"):
            killer.packets.sequence = 0
            batch += killer.packets.encode(payload)
        killer.socket.sendall(batch)
        for expected in ([b"1"], None, [b"2"]):
            killer.packets.sequence = 1
            if expected:
                assert killer.result().values == expected
            else:
                killer.ok()
        assert sleeping.was_killed()


def test_the_servers_own_ids_still_work(perilune, mariadb):
    daemon = perilune(PASS_THROUGH)
    with daemon.logged_in() as client, daemon.logged_in() as killer:
        own = client.value("SELECT CONNECTION_ID()")
        sleeping = Sleeping(client, mariadb)
        killer.query(f"KILL QUERY {own}")
        assert sleeping.was_interrupted()


def refusal_of(killer, statement):
    with pytest.raises(Err) as caught:
        killer.query(statement)
    return caught.value


def test_ids_of_others_go_to_the_server_unchanged(perilune):
    daemon = perilune(ACCOUNTS)
    with daemon.logged_in() as client:
        own = id_of(client)
        strangers = ({"user": "dumper"}, {"database": "shared_db"})
        for who in strangers:
            with daemon.logged_in(**who) as killer:
                for words in ("KILL", "KILL QUERY"):
                    error = refusal_of(killer, f"{words} {own}")
                    assert error.code == UNKNOWN_THREAD and str(own) in error.message
                killer.command(COM_PROCESS_KILL, struct.pack("<I", own))
                with pytest.raises(Err) as caught:
                    killer.ok()
                assert caught.value.code == UNKNOWN_THREAD
                assert killer.value("SELECT 1") == "1"
        assert client.value("SELECT 1") == "1"


def test_ids_of_nobody_go_to_the_server_unchanged(perilune):
    daemon = perilune(PASS_THROUGH)
    with daemon.logged_in() as killer:
        for number in (0xFFFFFFFF, 1 << 31, (1 << 40) + id_of(killer)):
            assert refusal_of(killer, f"KILL {number}").code == UNKNOWN_THREAD


def test_kill_of_oneself(perilune):
    daemon = perilune(PASS_THROUGH)
    with daemon.logged_in() as client:
        with contextlib.suppress(Err):
            client.query(f"KILL QUERY {id_of(client)}")
        assert client.value("SELECT 1") == "1"
        with pytest.raises((Err, Closed)):
            client.query(f"KILL {id_of(client)}")
        with pytest.raises((Closed, ConnectionError)):
            while True:
                client.packets.sequence = 0  # an error nobody asked for may come before the end
                assert client.packets.read()[:1] == b"\xff"


def test_a_session_that_is_being_logged_in(perilune):
    daemon = perilune(ACCOUNTS)
    with daemon.logged_in() as killer, daemon.raw() as client:
        client.send_login("plain", "secret", attributes={"wait": "yes"})
        daemon.events.wait("^waiting$")
        killer.query(f"KILL QUERY {id_of(client)}")
        killer.query(f"KILL {id_of(client)}")
        with pytest.raises(Err) as caught:
            client.finish_login("secret")
        assert caught.value.code == KILLED


@pytest.mark.threads
def test_another_server_with_known_credentials(perilune, mariadb, mariadb118):
    daemon = perilune(KNOWN, {"OTHER": mariadb118.address})
    with daemon.logged_in(address=daemon.sock2) as client, killers(daemon, 3) as sessions:
        version = client.value("SELECT @@version")
        for killer in sessions:
            with killer.cursor() as cursor:
                cursor.execute("SELECT @@version")
                assert cursor.fetchone()[0] != version
                sleeping = Sleeping(client, mariadb118)
                cursor.execute(f"KILL QUERY {id_of(client)}")
                assert sleeping.was_interrupted()
                cursor.execute("SELECT 1")
        sleeping = Sleeping(client, mariadb118)
        sessions[0].kill(id_of(client))
        assert sleeping.was_killed()
        with pytest.raises(pymysql.MySQLError) as caught, sessions[1].cursor() as cursor:
            cursor.execute(f"KILL {id_of(client)}")
        assert caught.value.args[0] == UNKNOWN_THREAD


def test_another_server_in_pass_through(perilune, mariadb118):
    daemon = perilune(UNKNOWN, {"OTHER": mariadb118.address})
    with daemon.logged_in(address=daemon.sock2) as client, daemon.logged_in() as killer:
        for words in ("KILL", "KILL QUERY"):
            error = refusal_of(killer, f"{words} {id_of(client)}")
            assert (error.code, error.sqlstate) == (KILL_DENIED, "HY000")
            assert mariadb118.address in error.message
        assert client.value("SELECT 1") == killer.value("SELECT 1") == "1"


@pytest.mark.parametrize("config", [VERIFIED, READ], ids=["verified", "read"])
def test_another_server_with_learnt_credentials(perilune, mariadb118, config):
    daemon = perilune(config, {"OTHER": mariadb118.address})
    with daemon.logged_in(address=daemon.sock2) as client, killers(daemon, 3) as sessions:
        for killer in sessions:
            sleeping = Sleeping(client, mariadb118)
            with killer.cursor() as cursor:
                cursor.execute(f"KILL QUERY {id_of(client)}")
            assert sleeping.was_interrupted()
        sleeping = Sleeping(client, mariadb118)
        sessions[0].kill(id_of(client))
        assert sleeping.was_killed()


# "END 5" is what the script makes a KILL of; it waits before "LATE END 5".
REWRITING = """
mysql_listen(SOCK, {
  on_login = function(client, login) return client:connect(SERVER, login) end,
  on_query = function(client, sql)
    local late, words, id = sql:match('^(L?A?T?E? ?)END (%a*) ?(%d+)$')
    if not id then return end
    if late ~= '' then sleep(0.01) end
    return client:query('KILL ' .. words .. ' ' .. id)
  end })
"""


@pytest.mark.parametrize("form", ["END", "LATE END"])
def test_a_kill_of_the_scripts(perilune, mariadb, form):
    daemon = perilune(REWRITING)
    with daemon.logged_in() as client, killers(daemon, 3) as sessions:
        for killer in sessions:
            sleeping = Sleeping(client, mariadb)
            with killer.cursor() as cursor:
                cursor.execute(f"{form} QUERY {id_of(client)}")
            assert sleeping.was_interrupted()
        sleeping = Sleeping(client, mariadb)
        with sessions[0].cursor() as cursor:
            cursor.execute(f"{form} CONNECTION {id_of(client)}")
        assert sleeping.was_killed()


@pytest.mark.parametrize("form", ["END", "LATE END"])
def test_a_kill_of_the_scripts_with_ids_of_others(perilune, mariadb, form):
    daemon = perilune(REWRITING)
    with daemon.logged_in() as client, daemon.logged_in(user="dumper") as killer:
        error = refusal_of(killer, f"{form} QUERY {id_of(client)}")
        assert error.code == UNKNOWN_THREAD and str(id_of(client)) in error.message
        own = client.value("SELECT CONNECTION_ID()")
        sleeping = Sleeping(client, mariadb)
        killer.query(f"{form} QUERY {own}")
        assert sleeping.was_interrupted()


class Terminal:
    """A program that takes itself for one that somebody types at."""

    def __init__(self, command):
        self._master, slave = os.openpty()
        self._process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env={**os.environ, "TERM": "dumb"}
        )
        os.close(slave)
        self._said = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def type(self, line):
        os.write(self._master, line.encode() + b"\n")

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)

    def wait(self, pattern, seconds=30):
        """What has been said behind the last match, up to the end of this one."""
        deadline = time.monotonic() + seconds * PATIENCE
        while not (found := re.search(pattern, self._said)):
            readable, _, _ = select.select([self._master], [], [], max(0, deadline - time.monotonic()))
            assert readable, f"no /{pattern}/ in {self._said!r}"
            self._said += os.read(self._master, 65536).decode(errors="replace")
        text, self._said = self._said[: found.end()], self._said[found.end() :]
        return text


@pytest.mark.parametrize("where", ["sock", "tcp"])
@pytest.mark.parametrize("name, target", [("mariadb", "mariadb"), ("mariadb-11.8", "mariadb118"), ("mysql-9", "mysql9")])
def test_ctrl_c(request, perilune, name, target, where):
    server = request.getfixturevalue(target)
    daemon = perilune(PASS_THROUGH, {"SERVER": server.address})
    command = [*programs.command_of(name), *programs.address_options(getattr(daemon, where))]
    with Terminal([*command, "--user=plain", "--password=secret", "--unbuffered"]) as terminal:
        for _ in range(2):
            terminal.type("SELECT CONCAT('id is ', CONNECTION_ID(), '.');")
            own = re.search(r"id is (\d+)\.", terminal.wait(r"id is \d+\.[^']"))[1]
            mark = uuid.uuid4().hex
            terminal.type(f"SELECT SLEEP(600) AS sleep_{mark};")
            running = f"SELECT COALESCE(info, '') FROM information_schema.processlist WHERE id = {own}"
            wait_until(lambda: mark in server.sql(running))
            terminal.interrupt()
            wait_until(lambda: mark not in server.sql(running))
            terminal.type("SELECT CONCAT('now it is ', CONNECTION_ID(), '.');")
            assert re.search(rf"now it is {own}\.", terminal.wait(r"now it is \d+\.[^']"))
