"""sessions(), disconnect(id) and local_sessions(): what a script sees of the sessions of all workers."""

import threading
import time

import pytest

from support.daemon import PATIENCE
from support.wire import Closed, Err

# Users "rows" and "disconnect N" ask and are refused with the answer, "wait" stays in its callback; all others log in.
SCRIPT = """
local function describe(row)
  local parts = {}
  for key, value in pairs(row) do
    parts[#parts + 1] = key .. '=' .. (type(value) == 'number' and ('%.17g'):format(value) or tostring(value))
  end
  return table.concat(parts, '\\t')
end
local function tell_rows()
  local all = sessions()
  for _, row in ipairs(all) do event('row\\t' .. describe(row)) end
  return #all
end
local handler = {
  on_login = function(client, login)
    if login.user == 'rows' then return client:err(tostring(tell_rows())) end
    local id = login.user:match('^disconnect (%S+)$')
    if id then
      if id == 'me' then id = client.id end
      return client:err(tostring(disconnect(tonumber(id))))
    end
    if login.user == 'wait' then event('waiting') wait_for_gate('go') end
    client.account = 'account of ' .. login.user
    return client:connect(SERVER, login)
  end,
  on_disconnect = function(client) event('gone ' .. client.id) end,
}
mysql_listen(SOCK, handler)
mysql_listen(TCP, handler)
"""


def answer_to(daemon, question):
    """What the script says; the question comes as a user's name."""
    with daemon.raw() as client, pytest.raises(Err) as caught:
        client.login(question)
    return caught.value.message


def row_of(line):
    return dict(part.split("=", 1) for part in line.split("\t")[1:])


def rows(daemon):
    """All rows by their ids, without the asker's own."""
    mark = daemon.events.mark()
    count = int(answer_to(daemon, "rows"))
    daemon.events.wait("^row\t", count=count, after=mark)
    found = [row_of(line) for line in daemon.events.snapshot()[mark:] if line.startswith("row\t")]
    assert [int(row["id"]) for row in found] == sorted(int(row["id"]) for row in found)
    return {int(row["id"]): row for row in found if row.get("user") != "rows"}


def end_of(client):
    """The error that an idle client is sent unasked before the end."""
    client.packets.sequence = 0
    payload = client.packets.read()
    assert client.at_end()
    return Err.decode(payload)


class Counted:
    """A socket that counts what goes through it."""

    def __init__(self, sock):
        self._socket, self.sent, self.received = sock, 0, 0

    def sendall(self, data):
        self._socket.sendall(data)
        self.sent += len(data)

    def recv(self, size):
        data = self._socket.recv(size)
        self.received += len(data)
        return data


def test_rows_are_complete_and_what_the_clients_know(perilune, mariadb, database):
    daemon = perilune(SCRIPT)
    began = time.time()
    clients = []
    try:
        for number in range(30):
            address = daemon.tcp if number % 2 else daemon.sock
            client = daemon.logged_in(address=address, database=database if number % 3 else "")
            client.packets.socket = client.counted = Counted(client.socket)
            clients.append(client)
            for _ in range(number):
                client.query(f"SELECT REPEAT('x', {number})")
        version = clients[0].value("SELECT @@version")
        known = rows(daemon)
        assert set(known) == {client.greeting.connection_id for client in clients}
        assert {row["worker"] for row in known.values()} == {"0", "1", "2"}
        for number, client in enumerate(clients):
            row = known[client.greeting.connection_id]
            peer = "%s:%d" % client.socket.getsockname() if number % 2 else ""
            assert (row["address"], row["protocol"], row["draining"]) == (peer, "mysql", "false")
            assert (row["user"], row["account"]) == ("plain", "account of plain")
            assert row.get("database") == (database if number % 3 else None)
            assert row["server"] == mariadb.address and row["server_version"].endswith(version)
            assert int(row["queries"]) == number + (number == 0)
            assert int(row["bytes_in"]) == client.counted.sent
            assert int(row["bytes_out"]) == client.counted.received
            assert began - 1 < float(row["connected_at"]) < time.time() + 1
    finally:
        for client in clients:
            client.close()


def test_rows_of_a_worker_alone(perilune):
    daemon = perilune(SCRIPT, workers=1)
    with daemon.logged_in() as first, daemon.logged_in() as second:
        assert set(rows(daemon)) == {first.greeting.connection_id, second.greeting.connection_id}


def test_a_session_without_server_has_none(perilune):
    daemon = perilune(SCRIPT)
    with daemon.raw() as client:
        client.send_login("wait")
        daemon.events.wait("^waiting$")
        (row,) = rows(daemon).values()
        assert "server" not in row and "database" not in row and "account" not in row
        assert row["user"] == "wait"


@pytest.mark.threads
def test_any_worker_disconnects_the_sessions_of_all(perilune):
    daemon = perilune(SCRIPT)
    clients = [daemon.logged_in() for _ in range(9)]
    workers = {row["worker"] for row in rows(daemon).values()}
    assert workers == {"0", "1", "2"}
    for client in clients:
        own = client.greeting.connection_id
        assert answer_to(daemon, f"disconnect {own}") == "true"
        err = end_of(client)
        assert (err.code, err.sqlstate) == (1927, "70100")
        client.close()
        daemon.events.wait(f"^gone {own}$")
    assert rows(daemon) == {}


def test_disconnect_ends_a_running_statement(perilune):
    daemon = perilune(SCRIPT)
    with daemon.logged_in() as client:
        client.send_query("SELECT SLEEP(60)")
        while rows(daemon)[client.greeting.connection_id]["queries"] != "1":
            pass
        assert answer_to(daemon, f"disconnect {client.greeting.connection_id}") == "true"
        with pytest.raises(Err) as caught:
            client.result()
        assert caught.value.code == 1927
        assert client.at_end()


def test_disconnect_of_ids_that_nobody_has(perilune):
    daemon = perilune(SCRIPT)
    with daemon.logged_in() as client:
        own = client.greeting.connection_id
        for other in (0, 1, own ^ 0x80000000, 0xFFFFFFFF):
            assert answer_to(daemon, f"disconnect {other}") == "false"
        assert client.value("SELECT 1") == "1"
    daemon.events.wait(f"^gone {own}$")
    while answer_to(daemon, f"disconnect {own}") == "true":
        pass  # on_disconnect is the session's last word, not yet its end


def test_disconnect_of_oneself_is_like_of_others(perilune):
    daemon = perilune(SCRIPT)
    with daemon.raw() as client, pytest.raises(Err) as caught:
        client.login("disconnect me")
    assert (caught.value.code, caught.value.sqlstate) == (1927, "70100")


def test_disconnect_during_a_login(perilune):
    daemon = perilune(SCRIPT)
    with daemon.raw() as client:
        client.send_login("wait")
        daemon.events.wait("^waiting$")
        own = client.greeting.connection_id
        assert answer_to(daemon, f"disconnect {own}") == "true"
        with pytest.raises(Err) as caught:
            client.finish_login()
        assert caught.value.code == 1927
        daemon.events.wait(f"^gone {own}$")


def test_disconnect_before_the_client_has_said_a_word(perilune):
    daemon = perilune(SCRIPT)
    with daemon.raw() as client:
        own = client.receive_greeting().connection_id
        assert answer_to(daemon, f"disconnect {own}") == "true"
        assert Err.decode(client.packets.read()).code == 1927
        assert client.at_end()


@pytest.mark.no_reload
def test_local_sessions_are_the_objects_of_the_callbacks(perilune):
    daemon = perilune("""
        local function users()
          local names = {}
          for i, client in ipairs(local_sessions()) do
            names[i] = client.user .. ':' .. tostring(client.notes.mark) .. ':' .. tostring(client.queries)
          end
          return table.concat(names, ' ')
        end
        mysql_listen(SOCK, {
          on_login = function(client, login)
            if login.user == 'ask' then return client:err(users()) end
            if login.user == 'end' then for _, c in ipairs(local_sessions()) do c:disconnect() end return client:err() end
            client.notes.mark = login.database
            return client:connect(SERVER, login)
          end })""", workers=1)
    with daemon.logged_in(database="shared_db") as first, daemon.logged_in() as second:
        first.query("SELECT 1")
        assert answer_to(daemon, "ask") == "plain:shared_db:1 plain:nil:0 ask:nil:0"
        daemon.reload()
        assert answer_to(daemon, "ask") == "ask:nil:0"
        with daemon.logged_in() as third:
            with daemon.raw() as client, pytest.raises(Err):
                client.login("end")
            assert end_of(third).code == 1927
        assert first.value("SELECT 2") == second.value("SELECT 2") == "2"


def test_the_main_chunk_may_ask_too(perilune):
    daemon = perilune("event(#sessions() .. ' sessions, ' .. tostring(disconnect(7)))" + SCRIPT)
    daemon.events.wait(r"^\d+ sessions, false$", count=3)
    with daemon.logged_in():
        daemon.events.wait(r"^1 sessions, false$")


@pytest.mark.no_reload
def test_a_worker_that_computes_is_not_waited_for_long(perilune):
    daemon = perilune("settings{callback_cpu_limit = 60, callback_timeout = 60}" + SCRIPT.replace(
        "event('waiting')", "event('waiting') while not io.open(FOLDER .. '/stop') do end"))
    clients = [daemon.logged_in() for _ in range(3)]
    try:
        before = rows(daemon)
        with daemon.raw() as busy:
            busy.send_login("wait")
            daemon.events.wait("^waiting$")
            left = rows(daemon)
            assert set(left) < set(before)
            stuck = {before[i]["worker"] for i in set(before) - set(left)}
            assert len(stuck) == 1
            daemon.log.wait(f"does not answer.*worker={stuck.pop()}")
            for own in left:
                began = time.monotonic()
                assert answer_to(daemon, f"disconnect {own}") == "true"
                assert time.monotonic() - began < 1.5 * PATIENCE
            daemon.open_gate("stop")
            daemon.open_gate("go")
    finally:
        daemon.open_gate("stop")
        for client in clients:
            client.close()


@pytest.mark.threads
def test_asking_while_sessions_come_and_go(perilune):
    daemon = perilune(SCRIPT)
    failures = []

    def come_and_go(count):
        try:
            for _ in range(count):
                with daemon.logged_in() as client:
                    client.value("SELECT 1")
        except (Err, Closed, OSError) as error:
            failures.append(error)

    threads = [threading.Thread(target=come_and_go, args=(50,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    asked = 0
    while any(thread.is_alive() for thread in threads):
        for own, row in rows(daemon).items():
            assert own >= 1 << 31 and row["protocol"] == "mysql"
        answer_to(daemon, "disconnect 5")
        asked += 1
    for thread in threads:
        thread.join()
    assert asked > 0 and not failures


def test_sessions_that_are_disconnected_while_they_log_in(perilune):
    """From beginning to end: whoever survives works, whoever does not is told so."""
    daemon = perilune(SCRIPT)
    stop = threading.Event()

    def disconnect_all():
        while not stop.is_set():
            for own in rows(daemon):
                answer_to(daemon, f"disconnect {own}")

    thread = threading.Thread(target=disconnect_all)
    thread.start()
    told = 0
    try:
        for _ in range(60):
            try:
                with daemon.logged_in() as client:
                    client.value("SELECT SLEEP(0.02)")
            except Err as error:
                assert error.code == 1927, error
                told += 1
            except (Closed, ConnectionError, AssertionError):
                told += 1
    finally:
        stop.set()
        thread.join()
    assert told > 0
