"""admin_listen: what it shows and does, and to whom."""

import contextlib
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from support.admin import ask, request, scrape, until
from support.daemon import PASS_THROUGH, PATIENCE
from support.raw_client import open_socket
from support.tcp import receive_all
from support.wire import Err

LISTEN = "admin_listen(FOLDER .. '/admin')\n"
SCRIPT = """
mysql_listen(SOCK, { on_login = function(client, login)
  client.account = 'account of ' .. login.user
  if login.attributes.gate then event('waiting') wait_for_gate(login.attributes.gate) end
  return client:connect(SERVER, login)
end })
"""


def admin(daemon):
    return f"{daemon.folder}/admin"


def sessions(daemon, arguments=""):
    return ask(admin(daemon), "/sessions" + arguments)["sessions"]


def test_status(perilune):
    daemon = perilune(SCRIPT + LISTEN)
    with daemon.logged_in() as client:
        client.query("SELECT 1")
        status = ask(admin(daemon), "/status")
    assert status["pid"] == daemon.pid and status["config"] == str(daemon.config)
    assert (status["sessions"], status["logins"], status["statements"], status["listeners"]) == (1, 1, 1, 1)
    assert sorted(worker["sessions"] for worker in status["workers"]) == [0, 0, 1]
    assert 0 <= status["uptime"] < 600 and status["silent_workers"] == []


def test_a_session_and_what_it_waits_for(perilune, database):
    daemon = perilune(SCRIPT + LISTEN)
    began = time.time()
    with daemon.logged_in(database=database) as client, daemon.raw() as waiting:
        waiting.send_login("other", attributes={"gate": "go"})
        daemon.events.wait("waiting")
        client.query("SELECT 1")
        rows = {row["user"]: row for row in sessions(daemon)}
        row = rows["plain"]
        assert row["id"] == client.greeting.connection_id
        assert (row["account"], row["database"]) == ("account of plain", database)
        assert (row["protocol"], row["listener"], row["waits_for"]) == ("mysql", daemon.sock, "client")
        assert row["statements"] == 1 and row["bytes_in"] == 4 + 1 + len("SELECT 1")
        assert row["server"] == daemon.define["SERVER"]
        assert began - 1 < row["connected_at"] < time.time() + 1
        assert (row["statement"]["text"], row["statement"]["running"]) == ("SELECT 1", False)
        assert (rows["other"]["waits_for"], rows["other"]["statement"]) == ("on_login", None)
        client.send_query("SELECT SLEEP(30)")
        row = until(lambda: next((r for r in sessions(daemon, "?waits_for=server")), None))
        assert (row["statement"]["text"], row["statement"]["running"]) == ("SELECT SLEEP(30)", True)
        until(lambda: sessions(daemon, "?waits_for=server")[0]["statement"]["age"] >= 0.3)
        daemon.open_gate("go")


def test_passwords_in_statements_are_not_shown(perilune):
    daemon = perilune(SCRIPT + LISTEN)
    with daemon.logged_in() as client:
        client.query("SELECT 'identified by secret-word'")
        assert "secret-word" not in request(admin(daemon), "/sessions")[2]
        client.query("SELECT '" + "x" * 5000 + "'")
        statement = sessions(daemon)[0]["statement"]
        assert statement["cut"] and statement["text"].startswith("SELECT 'xxx") and len(statement["text"]) == 240
        client.query(b"SELECT '\xff\xfe\x1b[2J'".decode("latin-1"))
        assert sessions(daemon)[0]["statement"]["text"].startswith("SELECT '")


def test_selections(perilune):
    daemon = perilune(SCRIPT + LISTEN)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(daemon.logged_in()) for _ in range(9)]
        ids = sorted(client.greeting.connection_id for client in clients)
        for number, client in enumerate(clients):
            for _ in range(number):
                client.query("SELECT 1")
        assert [row["id"] for row in sessions(daemon)] == ids
        answer = ask(admin(daemon), "/sessions?limit=4&sort=statements")
        assert answer["total"] == 9 and [row["statements"] for row in answer["sessions"]] == [8, 7, 6, 5]
        assert [row["statements"] for row in sessions(daemon, "?limit=2&sort=bytes")] == [8, 7]
        pages = [row["id"] for row in sessions(daemon, "?limit=5")]
        pages += [row["id"] for row in sessions(daemon, f"?limit=5&after={pages[-1]}")]
        assert pages == ids
        assert len(sessions(daemon, "?account=account%20of%20plain&user=plain")) == 9
        assert sessions(daemon, "?account=nobody") == []
        for wrong in ("?sort=size", "?limit=x", "?limit=99999999", "?color=red", "?after=-1"):
            assert "error" in ask(admin(daemon), "/sessions" + wrong, status=400)


def test_kill(perilune):
    daemon = perilune(SCRIPT + LISTEN)
    with daemon.logged_in() as client, daemon.logged_in() as second, daemon.logged_in() as third:
        number = client.greeting.connection_id
        assert ask(admin(daemon), f"/kill?session={number}", "POST")["closed"] == 1
        receive_all(client.socket)  # it ends
        second.query("SELECT 1")
        ask(admin(daemon), f"/kill?session={number}", "POST", status=404)
        assert ask(admin(daemon), "/kill?account=nobody", "POST")["closed"] == 0
        assert ask(admin(daemon), "/kill?account=account+of+plain", "POST")["closed"] == 2
        for killed in (second, third):
            receive_all(killed.socket)
    ask(admin(daemon), "/kill", "POST", status=400)
    ask(admin(daemon), "/kill?session=1&account=x", "POST", status=400)
    ask(admin(daemon), "/kill?session=x", "POST", status=400)
    ask(admin(daemon), "/kill?session=1", "GET", status=405)
    daemon.log.wait('admin action.*action="?kill')


CLUSTER = """
cluster = mysql_cluster({{SERVER, name = 'one'}}, { name = 'shop', monitoring = true, interval = 0.2 })
mysql_listen(SOCK, { on_login = function(client, login)
  return client:connect(cluster, login, { connect_timeout = 0.5 })
end })
"""


def node(daemon):
    [cluster] = ask(admin(daemon), "/clusters")["clusters"]
    assert cluster["cluster"] == "shop"
    [found] = cluster["nodes"]
    return found


def test_drain_and_enable_a_node(perilune):
    daemon = perilune(CLUSTER + LISTEN)
    until(lambda: node(daemon)["state"] == "available")
    with daemon.logged_in() as client:
        client.query("SELECT 1")
        before = node(daemon)
        assert (before["sessions"], before["connects"], before["statements"]) == (1, 1, 1)
        assert ask(admin(daemon), "/drain?node=one&cluster=shop", "POST")["nodes"][0]["state"] == "draining"
        with pytest.raises(Err), daemon.raw() as refused:
            refused.login("plain", "secret")
        client.query("SELECT 1")  # those that are there stay
        after = node(daemon)
        assert after["state"] == "draining" and after["history"][0]["state"] == "available"
        assert ask(admin(daemon), "/enable?node=one", "POST")["nodes"][0]["state"] == "available"
        with daemon.logged_in() as other:
            other.query("SELECT 1")
        assert [entry["state"] for entry in node(daemon)["history"][:2]] == ["draining", "available"]
        ask(admin(daemon), "/drain?node=one&close=1", "POST")
        receive_all(client.socket)  # it ends
    ask(admin(daemon), "/drain?node=other", "POST", status=404)
    ask(admin(daemon), "/drain?node=one&cluster=other", "POST", status=404)
    ask(admin(daemon), "/drain", "POST", status=400)


@pytest.mark.no_reload
def test_reload_tells_what_came_of_it(perilune):
    daemon = perilune(SCRIPT + LISTEN)
    with daemon.logged_in() as client:
        assert ask(admin(daemon), "/reload", "POST") == {"generation": 2}
        generations = ask(admin(daemon), "/generations")["generations"]
        assert [(g["generation"], g["sessions"], g["current"]) for g in generations] == [(1, 1, False), (2, 0, True)]
        daemon.write_config("mysql_listen(")
        assert "config.lua:1" in ask(admin(daemon), "/reload", "POST", status=409)["error"]
        daemon.write_config(PASS_THROUGH)  # without an admin_listen
        assert ask(admin(daemon), "/reload", "POST") == {"generation": 3}
        client.query("SELECT 1")
    with pytest.raises(OSError):
        ask(admin(daemon), "/status")


@pytest.mark.no_reload
@pytest.mark.parametrize("arguments", ["", "?now=1"])
def test_shutdown(perilune, arguments):
    daemon = perilune(SCRIPT + LISTEN)
    with daemon.logged_in() as client:
        client.query("BEGIN")
        ask(admin(daemon), "/shutdown" + arguments, "POST", status=202)
        daemon.log.wait("shutting down")
        if not arguments:
            client.query("SELECT 1")
            client.query("COMMIT")
    assert daemon.wait() == 0


def test_listeners(perilune):
    daemon = perilune(PASS_THROUGH + LISTEN)
    with daemon.logged_in(address=daemon.tcp):
        found = {row["listener"]: row for row in ask(admin(daemon), "/listeners")["listeners"]}
    assert found[daemon.sock]["sessions"] == 0 and found["%s:%d" % daemon.tcp]["sessions"] == 1


def test_the_sockets_rights(perilune):
    daemon = perilune(SCRIPT + LISTEN)
    assert Path(admin(daemon)).stat().st_mode & 0o777 == 0o660


LOGS = """
local lines = log_file(FOLDER .. '/lines', { on_full = 'block' })
local full = log_file('/dev/full', { format = 'json', max_statement = 64, buffer = 4096 })
mysql_listen(SOCK, { on_login = function(client, login) return client:connect(SERVER, login) end },
             { log = { lines, full } })
"""


def logs(daemon):
    return {row["log"]: row for row in ask(admin(daemon), "/logs")["logs"]}


@pytest.mark.no_reload
def test_logs_and_reopening_them(perilune):
    daemon = perilune(LOGS + LISTEN)
    path, old = daemon.folder / "lines", daemon.folder / "old"
    with daemon.logged_in() as client:
        client.query("SELECT 1")
        until(lambda: logs(daemon)[str(path)]["written"] == 1)
        path.rename(old)
        assert ask(admin(daemon), "/reopen", "POST", status=202) == {"reopening": 2}
        until(path.exists)
        client.query("SELECT 2")
        lines = until(lambda: (row := logs(daemon)[str(path)])["written"] == 2 and row)
        assert (lines["kind"], lines["format"], lines["on_full"], lines["buffer"]) == ("file", "text", "block", 4 << 20)
        assert (lines["dropped"], lines["errors"], lines["waiting"]) == (0, 0, 0)
        assert lines["bytes"] == path.stat().st_size + old.stat().st_size and lines["high_water"] > 0
        assert old.read_text().endswith(" SELECT 1\n") and path.read_text().endswith(" SELECT 2\n")
        full = until(lambda: (row := logs(daemon)["/dev/full"])["errors"] and row)
        assert (full["format"], full["on_full"], full["written"]) == ("json", "drop", 0) and full["waiting"] > 0
    ask(admin(daemon), "/reopen?log=x", "POST", status=400)
    ask(admin(daemon), "/reopen", "GET", status=405)
    daemon.log.wait('admin action.*action="?reopen')


def open_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


TOKEN = "a token of a good length"


@pytest.fixture
def token(folder):
    path = folder / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


def test_on_tcp_only_who_knows_the_token(perilune, token):
    address = ("127.0.0.1", open_port())
    daemon = perilune(SCRIPT + f"admin_listen('127.0.0.1:{address[1]}', {{ token_file = '{token}' }})")
    for given in (None, "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "x" * 5000):
        status, headers, body = request(address, "/status", headers={"Authorization": given} if given else {})
        assert status == 401 and headers["WWW-Authenticate"] == "Bearer" and TOKEN not in body
    for method, path in (("POST", "/shutdown"), ("GET", "/sessions"), ("GET", "/nothing")):
        assert request(address, path, method)[0] == 401
    assert ask(address, "/status", headers={"Authorization": f"Bearer {TOKEN}"})["pid"] == daemon.pid
    daemon.log.wait("admin request refused")
    assert TOKEN not in daemon.log.text()


@pytest.mark.no_reload
def test_a_reload_reads_the_token_again(perilune, token):
    address = ("127.0.0.1", open_port())
    daemon = perilune(SCRIPT + f"admin_listen('127.0.0.1:{address[1]}', {{ token_file = '{token}' }})")
    token.write_text("another token of that length")
    daemon.reload()
    assert request(address, "/status", headers={"Authorization": f"Bearer {TOKEN}"})[0] == 401
    ask(address, "/status", headers={"Authorization": "Bearer another token of that length"})
    token.write_text("short")
    daemon.reload()
    daemon.log.wait("reload failed.*")
    ask(address, "/status", headers={"Authorization": "Bearer another token of that length"})


@pytest.mark.no_reload
def test_tokens_that_others_may_read_are_no_tokens(daemons, token):
    token.chmod(0o644)
    daemon = daemons(SCRIPT + f"admin_listen('127.0.0.1:{open_port()}', {{ token_file = '{token}' }})", stop_code=78).spawn()
    assert daemon.wait() == 78
    assert "others may read" in daemon.log.text()


def test_unknown_paths(perilune):
    daemon = perilune(SCRIPT + LISTEN)
    assert "error" in ask(admin(daemon), "/nothing", status=404)
    assert "error" in ask(admin(daemon), "/", status=404)
    assert "error" in ask(admin(daemon), "/sessions", "POST", status=405)
    assert "error" in ask(admin(daemon), "/sessions", "DELETE", status=405)


STUCK = """
mysql_listen(SOCK, { on_login = function(client, login)
  if login.user == 'stuck' then event('stuck') while true do end end
  return client:connect(SERVER, login)
end })
settings{ callback_cpu_limit = 4 }
"""


@pytest.mark.no_reload
def test_a_worker_that_does_not_answer_is_named(perilune):
    daemon = perilune(STUCK + LISTEN)
    with daemon.logged_in(), daemon.raw() as stuck:
        stuck.send_login("stuck")
        daemon.events.wait("stuck")
        answer = ask(admin(daemon), "/sessions")
        assert len(answer["silent_workers"]) == 1
        until(lambda: ask(admin(daemon), "/status")["silent_workers"] == [], 30)


def test_many_ask_at_once(perilune):
    daemon = perilune(SCRIPT + LISTEN + "prometheus_listen(FOLDER .. '/metrics')\n")
    problems = []

    def look():
        try:
            for _ in range(10):
                ask(admin(daemon), "/sessions")
                ask(admin(daemon), "/clusters")
                scrape(f"{daemon.folder}/metrics")
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=look) for _ in range(8)]
    with daemon.logged_in() as client:
        for thread in threads:
            thread.start()
        for _ in range(200):
            client.query("SELECT 1")
        for thread in threads:
            thread.join()
    assert not problems


def test_the_end_does_not_wait_for_slow_clients(perilune):
    daemon = perilune(SCRIPT + LISTEN)
    with open_socket(admin(daemon)) as sock:
        sock.sendall(b"GET /status HT")
        began = time.monotonic()
        daemon.pause_reloads()
        os.kill(daemon.pid, 15)
        assert daemon.wait() == 0
        assert time.monotonic() - began < 20 * PATIENCE
