"""The process and its surroundings: arguments, sockets, systemd, descriptors."""

import os
import re
import resource
import signal
import socket
import subprocess
import time

import pytest

from support.daemon import PASS_THROUGH, binary
from support.raw_client import open_socket
from support.wire import Closed, Err


def run(*arguments):
    return subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=30)


# command line


def test_version():
    done = run("--version")
    assert done.returncode == 0
    assert re.search(r"\d+\.\d+\.\d+", done.stdout)


def test_help_names_every_option():
    done = run("--help")
    assert done.returncode == 0
    for option in ("--config", "--check", "--workers", "--version", "--help"):
        assert option in done.stdout


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["stray"], ["--workers", "many"], ["--workers", "257"], ["--config"]])
def test_usage_errors(arguments):
    done = run(*arguments)
    assert done.returncode == 64
    assert done.stderr


def test_a_missing_configuration():
    done = run("--config", "/nonexistent/config.lua")
    assert done.returncode == 78
    assert "/nonexistent/config.lua" in done.stderr


def test_a_relative_configuration_path(daemons):
    daemon = daemons(PASS_THROUGH)
    done = subprocess.run(
        [binary(), "--config", f"{daemon.folder.name}/config.lua", "--check"],
        cwd=daemon.folder.parent,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr


def test_check_ends_whatever_the_script_does(daemons):
    daemon = daemons("table.sort({ 1, 2, 3 }, function() while true do end end)")
    done = subprocess.run(daemon.command("--check"), capture_output=True, text=True, timeout=30)
    assert done.returncode == 78
    assert "callback_cpu_limit" in done.stderr


# sockets


@pytest.mark.no_reload
def test_a_stale_socket_is_replaced(daemons):
    daemon = daemons(PASS_THROUGH)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(daemon.sock)
    assert os.path.exists(daemon.sock)
    daemon.start()
    daemon.logged_in().close()


@pytest.mark.no_reload
def test_a_socket_in_use_is_refused_and_left_alone(daemons):
    daemon = daemons(PASS_THROUGH, stop_code=78)
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(daemon.sock)
        live.listen(1)
        inode = os.stat(daemon.sock).st_ino
        daemon.spawn()
        assert daemon.wait() == 78
        assert "in use by another process" in daemon.log.text()
        assert os.stat(daemon.sock).st_ino == inode
    os.unlink(daemon.sock)


@pytest.mark.no_reload
def test_somebody_elses_file_is_left_alone(daemons):
    daemon = daemons(PASS_THROUGH, stop_code=78)
    with open(daemon.sock, "w", encoding="ascii") as file:
        file.write("precious")
    daemon.spawn()
    assert daemon.wait() == 78
    with open(daemon.sock, encoding="ascii") as file:
        assert file.read() == "precious"


@pytest.mark.no_reload
def test_a_socket_taken_over_by_another_is_not_unlinked(perilune):
    daemon = perilune(PASS_THROUGH)
    os.unlink(daemon.sock)
    with socket.socket(socket.AF_UNIX) as successor:
        successor.bind(daemon.sock)
        successor.listen(1)
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert os.path.exists(daemon.sock)
    os.unlink(daemon.sock)


@pytest.mark.no_reload
def test_a_tcp_port_in_use(daemons):
    daemon = daemons(PASS_THROUGH, stop_code=78)
    with socket.socket() as live:
        live.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        live.bind(daemon.tcp)
        live.listen(1)
        daemon.spawn()
        assert daemon.wait() == 78
        assert "%s:%d" % daemon.tcp in daemon.log.text()
    assert not os.path.exists(daemon.sock)


def test_the_mode_of_a_unix_socket(perilune):
    daemon = perilune("""
        local handler = { on_login = function(client, login) return client:connect(SERVER, login) end }
        mysql_listen(SOCK, handler)
        mysql_listen(SOCK2, handler, { mode = 0600 })""")
    assert os.stat(daemon.sock).st_mode & 0o777 == 0o666
    assert os.stat(daemon.sock2).st_mode & 0o777 == 0o600


def test_abstract_sockets(perilune):
    name = f"@perilune-e2e-{os.getpid()}"
    daemon = perilune(PASS_THROUGH + f"mysql_listen('{name}', handler)")
    with daemon.logged_in(address=name) as client:
        assert client.value("SELECT 1") == "1"


def test_ipv6_and_the_wildcard(perilune):
    daemon = perilune(PASS_THROUGH + "mysql_listen('*:' .. TCP2:match(':(%d+)$'), handler)")
    for host in ("127.0.0.1", "::1"):
        with daemon.logged_in(address=(host, daemon.tcp2[1])) as client:
            assert client.value("SELECT 1") == "1"


def test_sessions_are_spread_over_the_workers(perilune):
    daemon = perilune("""
        local here = 0
        mysql_listen(SOCK, {
          on_login = function(client, login) here = here + 1 event('here ' .. here) return client:connect(SERVER, login) end })""",
        reloading=False)
    clients = [daemon.logged_in() for _ in range(9)]
    daemon.events.wait("here", count=9)
    assert sorted(daemon.events.snapshot()) == ["here 1"] * 3 + ["here 2"] * 3 + ["here 3"] * 3
    for client in clients:
        client.close()


# systemd

SYSTEMD = "mysql_listen(%s, { on_login = function(client, login) return client:connect(SERVER, login) end })"


def pass_sockets(*sockets):
    """popen arguments that put these at descriptors 3 and up, as systemd does, and name the process in LISTEN_PID."""

    def prepare():
        copies = [os.dup2(s.fileno(), 100 + index) for index, s in enumerate(sockets)]
        for index, copy in enumerate(copies):
            os.dup2(copy, 3 + index, inheritable=True)
            os.close(copy)

    wrapper = ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh"]
    return {"preexec_fn": prepare, "close_fds": False, "wrapper": wrapper}


@pytest.mark.parametrize("where, names", [("systemd", None), ("systemd.mysql", "mysql:mysql"), ("systemd.mysql", "other:mysql")])
def test_socket_activation(daemons, folder, where, names):
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        unix.bind(f"{folder}/activated.sock")
        for listener in (tcp, unix):
            listener.listen(64)
        environment = {"LISTEN_FDS": "2", **({"LISTEN_FDNAMES": names} if names else {})}
        daemon = daemons(SYSTEMD % where, environment=environment, **pass_sockets(tcp, unix))
        daemon.start()
        addresses = [f"{folder}/activated.sock"] + ([tcp.getsockname()] if names != "other:mysql" else [])
        for address in addresses:
            with daemon.logged_in(address=address) as client:
                assert client.value("SELECT 1") == "1"
        daemon.pause_reloads()
        daemon.reload()
        daemon.logged_in(address=addresses[0]).close()
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert os.path.exists(f"{folder}/activated.sock"), "systemd's socket is not ours to unlink"


@pytest.mark.no_reload
def test_no_socket_was_passed(daemons):
    daemon = daemons(SYSTEMD % "systemd", stop_code=78)
    daemon.spawn()
    assert daemon.wait() == 78
    assert "systemd" in daemon.log.text()


@pytest.mark.no_reload
def test_what_systemd_is_told(perilune):
    daemon = perilune(PASS_THROUGH, environment={"WATCHDOG_USEC": "400000"})
    daemon.notifications.wait(3, WATCHDOG="1")
    daemon.reload()
    assert daemon.notifications.count(RELOADING="1") == 1
    with daemon.notifications._changed:
        (reloading,) = [m for m in daemon.notifications.messages if m.get("RELOADING") == "1"]
        assert int(reloading["MONOTONIC_USEC"]) > 0
        assert any("STATUS" in m for m in daemon.notifications.messages)
    daemon.signal(signal.SIGTERM)
    daemon.notifications.wait(1, STOPPING="1")
    assert daemon.wait() == 0


@pytest.mark.no_reload
def test_the_watchdog_is_not_fed_for_a_worker_that_never_comes_back(perilune):
    """For ten rounds it is, so that the others can drain; and from then on not, though they are well."""
    endless = "local endless = compiled(function() local i = 0 while true do i = i + 1 end end)"
    daemon = perilune(
        f"settings{{ drain_timeout = 0.5 }} {endless} mysql_listen(SOCK2, {{ on_login = function() event('in') endless() end }}) {PASS_THROUGH}",
        environment={"WATCHDOG_USEC": "200000"},
    )
    with daemon.raw(daemon.sock2) as client:
        client.send_login("plain", "secret")
        daemon.events.wait("in")
        stuck = daemon.notifications.count(WATCHDOG="1")
        daemon.notifications.wait(stuck + 5, WATCHDOG="1")
        daemon.log.wait("a worker is stuck in a script that cannot be aborted")
        deadline = time.monotonic() + 30
        while True:
            fed = daemon.notifications.count(WATCHDOG="1")
            time.sleep(1)  # ten periods in which nothing comes
            if daemon.notifications.count(WATCHDOG="1") == fed:
                break
            assert time.monotonic() < deadline
        assert fed - stuck < 15
        for _ in range(6):
            with daemon.logged_in() as other:
                assert other.value("SELECT 1") == "1"


@pytest.mark.no_reload
def test_a_process_that_is_not_systemds_child_says_nothing(daemons):
    daemon = daemons(PASS_THROUGH)
    environment = {"PATH": os.environ["PATH"]}
    process = subprocess.Popen(daemon.command(), stderr=subprocess.PIPE, text=True, env=environment)
    try:
        for line in process.stderr:
            if re.search("(?i)ready|listening", line):
                break
        else:
            pytest.fail("it ended")
        assert re.match(r"\d{4}-\d\d-\d\d|\d\d:\d\d", line), f"no time in: {line}"
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


# descriptors


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def limit_descriptors(count):
    def apply():
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))

    return {"preexec_fn": apply}


@pytest.mark.no_reload
@pytest.mark.parametrize("workers", [1, 3])
def test_out_of_descriptors(perilune, workers):
    """Accepting pauses, says so once, does not spin, and goes on when descriptors come free."""
    daemon = perilune(PASS_THROUGH, workers=workers, **limit_descriptors(80))
    held = []
    try:
        for _ in range(120):
            held.append(open_socket(daemon.sock, 0.3))
        daemon.log.wait("(?i)descriptors|open files")
        before = cpu_seconds(daemon.pid)
        time.sleep(1)  # what is measured is that nothing happens
        assert cpu_seconds(daemon.pid) - before < 0.2
        assert len(daemon.log.matching("(?i)descriptors|open files")) == 1, daemon.log.text()
    finally:
        for client in held:
            client.close()
    deadline = time.monotonic() + 20
    while True:
        try:
            with daemon.logged_in() as client:
                assert client.value("SELECT 1") == "1"
            break
        except (Closed, ConnectionError):
            assert time.monotonic() < deadline


def test_the_soft_limit_is_raised(perilune):
    def lower():
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))

    daemon = perilune(PASS_THROUGH, preexec_fn=lower)
    with open(f"/proc/{daemon.pid}/limits", encoding="ascii") as lines:
        soft, hard = next(line.split()[3:5] for line in lines if line.startswith("Max open files"))
    assert soft == hard


def test_no_descriptor_stays_behind(perilune):
    daemon = perilune(PASS_THROUGH, reloading=False)

    def come_and_go():
        for _ in range(100):
            daemon.logged_in().close()
        for _ in range(10):
            daemon.reload()

    def descriptors():
        return len(os.listdir(f"/proc/{daemon.pid}/fd"))

    come_and_go()
    before = descriptors()
    for _ in range(3):
        come_and_go()
    deadline = time.monotonic() + 10
    # Each worker's loop may yet open the one it keeps for emergencies.
    while descriptors() > before + daemon.workers and time.monotonic() < deadline:
        time.sleep(0.05)
    assert descriptors() <= before + daemon.workers


def test_no_password_reaches_the_log(perilune):
    daemon = perilune(
        "mysql_listen(SOCK, { on_login = function(client, login)"
        " return client:connect(SERVER, {user='plain', password='very-secret-word'}) end })",
        arguments=["-v", "-v"],
    )
    for _ in range(3):
        with pytest.raises(Err):
            daemon.logged_in()
    assert "very-secret-word" not in daemon.log.text()
