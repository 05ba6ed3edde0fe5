"""Reloading: sessions survive, all or nothing takes over, failures change nothing."""

import os
import signal
import threading

import pytest

from support import programs
from support.daemon import PASS_THROUGH
from support.wire import Err

pytestmark = pytest.mark.no_reload


def version_script(number, more=""):
    return f"""
        mysql_listen(SOCK, {{ on_connect = function(client) client.server_version = 'v{number}' end,
          on_login = function(client, login) return client:connect(SERVER, login) end }})
        {more}"""


def announced(daemon, address=None):
    with daemon.raw(address) as client:
        return client.receive_greeting().server_version


@pytest.mark.threads
def test_reloads_under_load_lose_no_session(perilune, database, request):
    """A thousand, or three hundred in the short run, while sysbench keeps sixteen sessions busy."""
    reloads = 1000 if request.config.getoption("--thorough") else 300
    daemon = perilune(PASS_THROUGH)
    bench = programs.Sysbench(daemon.sock, database)
    bench.prepare()
    process = bench.start(seconds=600)
    output = []
    reader = threading.Thread(target=lambda: output.append(process.stdout.read()))
    reader.start()
    try:
        for _ in range(reloads):
            daemon.reload()
            assert process.poll() is None
        with daemon.logged_in() as client:
            assert client.value("SELECT 1") == "1"
    finally:
        # sysbench prints its report when its time is up; SIGTERM would lose it. The sessions are judged by its being alive.
        alive = process.poll() is None
        process.kill()
        reader.join()
        process.wait()
    assert alive and "FATAL" not in output[0], output[0]
    assert not daemon.log.matching("reload failed")


@pytest.mark.threads
def test_short_sessions_during_reloads(perilune):
    daemon = perilune(PASS_THROUGH)
    failures = []

    def come_and_go():
        try:
            for _ in range(150):
                with daemon.logged_in() as client:
                    assert client.value("SELECT 1") == "1"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        daemon.reload()
    for thread in threads:
        thread.join()
    assert not failures


def test_new_sessions_meet_the_new_script_and_old_ones_keep_theirs(perilune):
    script = """
        mysql_listen(SOCK, { on_login = function(client, login) return client:connect(SERVER, login) end,
          on_disconnect = function() event('left %s') end })"""
    daemon = perilune(script % "old")
    with daemon.logged_in() as old:
        daemon.write_config(script % "new")
        daemon.reload()
        daemon.logged_in().close()
        daemon.events.wait("^left new$")
        assert old.value("SELECT 1") == "1"
    daemon.events.wait("^left old$")


def test_every_worker_takes_over(perilune):
    daemon = perilune(version_script(1))
    assert {announced(daemon) for _ in range(6)} == {"v1"}
    daemon.write_config(version_script(2))
    daemon.reload()
    clients = [daemon.raw() for _ in range(9)]
    assert {client.receive_greeting().server_version for client in clients} == {"v2"}
    for client in clients:
        client.close()


def test_listeners_come_and_go(perilune):
    daemon = perilune(version_script(1))
    inode = os.stat(daemon.sock).st_ino
    daemon.write_config(version_script(2) + "mysql_listen(SOCK2, { on_login = function(c, l) return c:connect(SERVER, l) end })")
    daemon.reload()
    daemon.logged_in(address=daemon.sock2).close()
    assert os.stat(daemon.sock).st_ino == inode
    daemon.write_config(version_script(3))
    daemon.reload()
    assert not os.path.exists(daemon.sock2)
    assert announced(daemon) == "v3"


def test_changed_options_apply_in_place(perilune):
    script = "mysql_listen(SOCK, { on_login = function(c, l) return c:connect(SERVER, l) end }, { server_version = '%s' })"
    daemon = perilune(script % "8.0.1-one")
    inode = os.stat(daemon.sock).st_ino
    assert announced(daemon) == "8.0.1-one"
    daemon.write_config(script % "8.0.2-two")
    daemon.reload()
    assert announced(daemon) == "8.0.2-two"
    assert os.stat(daemon.sock).st_ino == inode


@pytest.mark.threads
def test_a_connection_meets_its_own_listener_whatever_the_order(perilune):
    """One worker, which accepts for itself; every reload changes the listeners' order and number."""
    one, two, three = (
        f"mysql_listen({where}, {{ on_connect = function(c) return c:err('{where}') end, on_login = print }})\n"
        for where in ("SOCK", "SOCK2", "TCP")
    )
    daemon = perilune(one + two, workers=1)
    stop, wrong, answers = threading.Event(), [], [0]

    def hammer():
        while not stop.is_set():
            try:
                answer = announced(daemon, daemon.sock2)
            except Err as error:
                answer = error.message
            except BaseException as error:
                answer = repr(error)
            answers[0] += 1
            if answer != "SOCK2":
                wrong.append(answer)

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(300):
        daemon.write_config([two, three + one + two, two + one][number % 3])
        daemon.reload()
    stop.set()
    for thread in threads:
        thread.join()
    assert answers[0] > 0
    assert not wrong, wrong[:5]


BLOCK = "os.execute('while [ ! -e ' .. FOLDER .. '/go ]; do sleep 0.05; done')"


def test_a_load_that_is_stuck_fails_and_what_comes_of_it_late_is_dropped(perilune):
    daemon = perilune("settings{ load_timeout = 0.5 }" + version_script(1))
    daemon.write_config(BLOCK + version_script(2) + "event('late')")
    daemon.reload()
    daemon.log.wait("reload failed, nothing was changed.*stuck")
    daemon.write_config("settings{ load_timeout = 0.5 }" + version_script(3))
    mark = daemon.log.mark()
    daemon.open_gate("go")
    daemon.events.wait("late")
    assert {announced(daemon) for _ in range(6)} == {"v1"}
    daemon.reload()
    assert not daemon.log.matching("reload failed")[1:], daemon.log.snapshot()[mark:]
    assert {announced(daemon) for _ in range(6)} == {"v3"}


def test_a_worker_stuck_in_a_callback_fails_the_reload(perilune):
    """The others go on by the old script; the end of the daemon does not wait either."""
    endless = "local i = 0 while true do i = i + 1 end"
    daemon = perilune(
        f"""settings{{ load_timeout = 0.5, drain_timeout = 0.5 }}
        local endless = compiled(function() {endless} end)
        mysql_listen(SOCK2, {{ on_login = function() event('in') endless() end }})"""
        + version_script(1)
    )
    with daemon.raw(daemon.sock2) as client:
        client.send_login("plain", "secret")
        daemon.events.wait("in")
        daemon.write_config(version_script(2))
        daemon.reload()
        daemon.log.wait("reload failed, nothing was changed.*stuck")
        assert {announced(daemon) for _ in range(6)} == {"v1"}
        daemon.signal(signal.SIGTERM)
        assert daemon.wait(20) == 0


BROKEN = {
    "syntax": "this is not lua",
    "an error": "error('not today')",
    "a misspelt key": "mysql_listen(SOCK, { on_lgoin = print })",
    "no listener": "local x = 1",
    "an address in use": "mysql_listen(SOCK, { on_login = print }) mysql_listen(TAKEN, { on_login = print })",
    "a missing module": "require 'not_there'",
    "an endless loop": "settings{ load_timeout = 0.3 } while true do end",
    "too much memory": "settings{ script_memory = '16M' } local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end",
}


@pytest.mark.parametrize("mistake", BROKEN, ids=str)
def test_a_reload_that_fails_changes_nothing(perilune, folder, mistake):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        daemon = perilune(version_script(1), {"TAKEN": "127.0.0.1:%d" % taken.getsockname()[1]})
        inode = os.stat(daemon.sock).st_ino
        with daemon.logged_in() as client:
            daemon.write_config(BROKEN[mistake])
            daemon.reload(60)
            assert client.value("SELECT 1") == "1"
        assert announced(daemon) == "v1"
        assert os.stat(daemon.sock).st_ino == inode
        daemon.log.wait("reload failed, nothing was changed")
        daemon.write_config(version_script(2))
        daemon.reload()
        assert announced(daemon) == "v2"


# The number of runs of the script so far, counted in a file: worker k's run of a reload is the k-th.
COUNTED = """
local counter = assert(io.open(FOLDER .. '/runs', 'a+'))
counter:write('x') counter:flush()
local run = counter:seek('end')
counter:close()
"""


@pytest.mark.threads
@pytest.mark.parametrize("failing", [1, 2, 3])
@pytest.mark.parametrize(
    "failure",
    ["error('this worker fails')", "mysql_listen(SOCK2, { on_login = print })", "while true do end"],
    ids=["raises", "declares something else", "never ends"],
)
def test_one_worker_that_fails_to_load_stops_the_reload(perilune, failing, failure):
    daemon = perilune(version_script(1))
    inode = os.stat(daemon.sock).st_ino
    with daemon.logged_in() as client:
        daemon.write_config(f"settings{{ load_timeout = 0.5 }} {COUNTED} if run == {failing} then {failure} end {version_script(2)}")
        mark = daemon.log.mark()
        daemon.reload(60)
        daemon.log.wait("(?i)reload|load|declare", after=mark)
        assert {announced(daemon) for _ in range(9)} == {"v1"}
        assert os.stat(daemon.sock).st_ino == inode
        assert not os.path.exists(daemon.sock2)
        assert client.value("SELECT 1") == "1"
        # The counter has gone on: the same file loads now, in all workers, as runs 4 and on.
        (daemon.folder / "runs").write_text("xxx")
        daemon.reload(60)
        assert {announced(daemon) for _ in range(9)} == {"v2"}


def test_reloads_that_fail_make_no_generation(perilune):
    daemon = perilune(version_script(1))
    daemon.write_config(f"{COUNTED} if run == 2 then error('this worker fails') end {version_script(2)}")
    for number in range(1, 11):
        (daemon.folder / "runs").write_text("")
        daemon.reload()
        daemon.log.wait("reload failed, nothing was changed.*this worker fails", count=number)
    daemon.write_config(version_script(3))
    daemon.reload()
    assert announced(daemon) == "v3"
    daemon.log.wait("reloaded generation=2$")


def test_a_global_function_reload_decides_what_a_reload_means(perilune):
    daemon = perilune(version_script(1, "local n = 0 function reload() n = n + 1 sleep(0.01) event('reloaded ' .. n) end"))
    for number in (1, 2):
        daemon.signal(signal.SIGHUP)
        daemon.events.wait(f"^reloaded {number}$", count=3)
    daemon.write_config(version_script(2))
    daemon.signal(signal.SIGHUP)
    daemon.events.wait("^reloaded 3$", count=3)
    assert announced(daemon) == "v1"


def test_an_error_in_the_function_reload_is_logged(perilune):
    daemon = perilune(version_script(1, "function reload() error('cannot') end"))
    daemon.signal(signal.SIGHUP)
    daemon.log.wait("cannot")
    assert announced(daemon) == "v1"


def test_signals_during_a_load_are_remembered_once(perilune):
    daemon = perilune(version_script(1))
    before = daemon.notifications.count(READY="1")
    daemon.write_config("event('loading') wait_for_gate('go')" + version_script(2))
    daemon.signal(signal.SIGHUP)
    daemon.events.wait("loading")
    for _ in range(20):
        daemon.signal(signal.SIGHUP)
    daemon.open_gate("go")
    daemon.events.wait("loading", count=6)
    daemon.notifications.wait(before + 2, READY="1")
    daemon.reload()
    daemon.events.wait("loading", count=9)
    assert len(daemon.events.matching("loading")) == 9
    assert announced(daemon) == "v2"


def test_a_changed_number_of_workers_waits_for_a_restart_and_says_so(perilune):
    daemon = perilune("settings{ workers = 2 }" + version_script(1), workers=None)
    daemon.write_config("settings{ workers = 3 }" + version_script(2))
    mark = daemon.log.mark()
    daemon.reload()
    daemon.log.wait("number of workers takes effect at the next start", after=mark)
    assert announced(daemon) == "v2"


@pytest.mark.budget
def test_old_generations_go_with_their_last_session(perilune):
    """Memory of ended generations is given back: a thousand reloads cost nothing that stays."""
    daemon = perilune(PASS_THROUGH)
    for _ in range(20):
        daemon.reload()
    before = resident_kib(daemon.pid)
    for _ in range(100):
        daemon.reload()
    assert resident_kib(daemon.pid) - before < 20000


def test_many_generations_alive_are_warned_of(perilune):
    daemon = perilune(PASS_THROUGH)
    kept = []
    for _ in range(9):
        kept.append(daemon.logged_in())
        daemon.reload()
    daemon.log.wait("(?i)generation")
    for client in kept:
        assert client.value("SELECT 1") == "1"
        client.close()


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
