"""perilunectl, as an administrator uses it."""

import contextlib
import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from support.admin import ctl, ctl_binary
from support.daemon import PASS_THROUGH, PATIENCE, binary
from support.wire import Closed, Err

ROOT = Path(__file__).resolve().parents[2]
LISTEN = "admin_listen(FOLDER .. '/admin')\n"
SCRIPT = """
local cluster = mysql_cluster({{SERVER, name = 'one'}}, { name = 'shop', monitoring = true, interval = 0.2 })
mysql_listen(SOCK, { on_login = function(client, login)
  client.account = 'account-' .. login.user
  return client:connect(cluster, login, { connect_timeout = 1 })
end })
"""


@pytest.fixture
def daemon(perilune):
    return perilune(SCRIPT + LISTEN)


def run(daemon, *arguments, **options):
    return ctl(*arguments, socket_path=f"{daemon.folder}/admin", **options)


def test_status(daemon):
    with daemon.logged_in() as client:
        client.query("SELECT 1")
        text = run(daemon, "status")
        assert f"pid          {daemon.pid}" in text and "statements   1" in text
        assert json.loads(run(daemon, "status", "--json"))["sessions"] == 1


def test_sessions(daemon):
    with daemon.logged_in() as client, daemon.logged_in() as second:
        client.query("SELECT 'hello'")
        lines = run(daemon, "sessions", "--sort", "statements").splitlines()
        assert lines[0].split()[:3] == ["ID", "USER", "ACCOUNT"]
        assert len(lines) == 3 and "SELECT 'hello'" in lines[1] and "account-plain" in lines[2]
        one = json.loads(run(daemon, "sessions", "--json", "--limit", "1"))
        assert one["total"] == 2 and len(one["sessions"]) == 1
        assert len(run(daemon, "sessions", "--filter", "account=account-plain", "--filter", "user=plain").splitlines()) == 3
        assert len(run(daemon, "sessions", "--filter", "account=nobody").splitlines()) == 1
        assert "unknown argument" in run(daemon, "sessions", "--filter", "colour=red", status=1)
        assert "FIELD=VALUE" in run(daemon, "sessions", "--filter", "red", status=1)
        run(daemon, "sessions", "--sort", "colour", status=64)
        second.query("SELECT 1")


def test_names_cannot_move_the_terminals_cursor(daemon):
    with daemon.logged_in() as client:
        client.query("SELECT '\x1b[2J\x1b]0;title\x07'")
        text = run(daemon, "sessions")
        assert "\x1b" not in text and "\x07" not in text and "SELECT '?[2J" in text


def test_nodes_drain_and_enable(daemon):
    def state():
        return run(daemon, "nodes").splitlines()[1].split()[2]

    deadline = time.monotonic() + 20 * PATIENCE
    while state() != "available":
        assert time.monotonic() < deadline
    assert run(daemon, "drain", "one") == "shop one: draining\n"
    assert state() == "draining"
    assert run(daemon, "enable", "one", "--cluster", "shop") == "shop one: available\n"
    assert "draining" in run(daemon, "nodes", "--history")
    assert json.loads(run(daemon, "nodes", "--json"))["clusters"][0]["cluster"] == "shop"
    assert "there is no node" in run(daemon, "drain", "two", status=1)
    run(daemon, "drain", status=64)


def test_kill(daemon):
    with daemon.logged_in() as client, daemon.logged_in() as second:
        assert run(daemon, "kill", str(client.greeting.connection_id)) == "closed 1\n"
        with pytest.raises((Err, Closed, ConnectionError)):
            client.query("SELECT 1")
        second.query("SELECT 1")
        assert run(daemon, "kill", "--account", "account-plain") == "closed 1\n"
    assert "there is no session" in run(daemon, "kill", "1", status=1)
    assert "needed" in run(daemon, "kill", status=1)


@pytest.mark.no_reload
def test_reload_and_generations(daemon):
    assert run(daemon, "reload") == "generation 2\n"
    assert run(daemon, "generations").splitlines()[-1].split()[::3] == ["2", "current"]
    daemon.write_config("nonsense(")
    assert "config.lua:1" in run(daemon, "reload", status=1)
    assert daemon.sock in run(daemon, "listeners")


def test_logs_and_reopen(perilune):
    script = "mysql_listen(SOCK, { on_login = function(client, login) return client:connect(SERVER, login) end },"
    daemon = perilune(script + " { log = log_file(FOLDER .. '/lines') })" + LISTEN)
    with daemon.logged_in() as client:
        client.query("SELECT 1")
    deadline = time.monotonic() + 20 * PATIENCE
    while (row := run(daemon, "logs").splitlines()[1].split())[:5] != [f"{daemon.folder}/lines", "file", "text", "1", "0"]:
        assert time.monotonic() < deadline, row
    assert json.loads(run(daemon, "logs", "--json"))["logs"][0]["written"] == 1
    assert run(daemon, "reopen") == "reopening 1\n"


@pytest.mark.no_reload
def test_shutdown(daemon):
    run(daemon, "shutdown")
    assert daemon.wait() == 0


def test_check(daemon):
    text = ctl("check", str(daemon.config), "--daemon", binary())
    assert "mysql_listen" in text and "admin_listen" in text
    bad = daemon.folder / "bad.lua"
    bad.write_text("mysql_listen(")
    assert "bad.lua:1" in ctl("check", str(bad), "--daemon", binary(), status=78)


def test_where_nobody_hears(folder):
    assert "none" in ctl("status", socket_path=str(folder / "none"), status=1)
    assert "127.0.0.1:1" in ctl("--url", "http://127.0.0.1:1", "status", status=1)


def test_usage():
    ctl(status=64)
    ctl("fly", status=64)
    assert "sessions" in ctl("--help") and "perilunectl" in ctl("--version")


def test_tcp_with_a_token_and_the_environment(perilune, folder):
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    token = folder / "token"
    token.write_text("0123456789abcdef\n")
    token.chmod(0o600)
    daemon = perilune(SCRIPT + f"admin_listen('127.0.0.1:{port}', {{ token_file = '{token}' }})")
    where = {"PERILUNE_ADMIN_URL": f"http://127.0.0.1:{port}", "http_proxy": "http://127.0.0.1:1"}
    assert "token is missing" in ctl("status", status=1, environment=where)
    assert str(daemon.pid) in ctl("status", environment={**where, "PERILUNE_ADMIN_TOKEN_FILE": str(token)})


class Terminal:
    """A program on a terminal of our own; `screen` is what a person would see."""

    def __init__(self, command, columns, lines):
        import pyte

        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self._fd, other = pty.openpty()
        self.resize(columns, lines)
        environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen(
            command, stdin=other, stdout=other, stderr=other, start_new_session=True, env=environment,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(other)

    def resize(self, columns, lines):
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)

    def press(self, keys):
        os.write(self._fd, keys.encode())

    def read(self, seconds):
        ready, _, _ = select.select([self._fd], [], [], seconds)
        with contextlib.suppress(OSError):
            if ready:
                self._stream.feed(os.read(self._fd, 1 << 16))

    def wait(self, condition, seconds=20):
        deadline = time.monotonic() + seconds * PATIENCE
        while not condition(self.screen.display):
            assert time.monotonic() < deadline, "\n".join(self.screen.display)
            self.read(0.1)
        return self.screen.display

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._fd)


@pytest.fixture
def top(daemon):
    terminals = []

    def start(columns=150, lines=20, interval="0.2"):
        command = [ctl_binary(), "--socket", f"{daemon.folder}/admin", "top", "--interval", interval]
        terminals.append(Terminal(command, columns, lines))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


def has(*words):
    return lambda display: all(any(word in line for line in display) for word in words)


def test_top_lives(daemon, top):
    terminal = top()
    terminal.wait(has("perilune", "sessions 0", "STMT/S"))
    with daemon.logged_in() as client:
        deadline = time.monotonic() + 20 * PATIENCE
        while not has("sessions 1", "account-plain", "SELECT 'top'")(terminal.screen.display):
            assert time.monotonic() < deadline, "\n".join(terminal.screen.display)
            client.query("SELECT 'top'")
            terminal.read(0.05)
        client.send_query("SELECT SLEEP(20)")
        terminal.press("t")
        terminal.wait(has("SELECT SLEEP(20)", "server"))
    terminal.wait(has("sessions 0"))
    terminal.press("q")
    assert terminal.process.wait(20 * PATIENCE) == 0


def test_top_fits_the_terminal_that_changes(daemon, top):
    terminal = top(columns=200)
    with daemon.logged_in() as client:
        client.query("SELECT '" + "x" * 150 + "'")
        terminal.wait(has("STATEMENT", "account-plain", "SELECT 'xxx"))
        terminal.resize(60, 10)
        display = terminal.wait(lambda d: has("STMT/S")(d) and sum("account" in line or "acc" in line for line in d) <= 1)
        assert len(display) == 10


def test_top_says_when_the_daemon_goes_and_comes_back(daemon, top):
    terminal = top()
    terminal.wait(has("sessions 0"))
    daemon.pause_reloads()
    admin = Path(f"{daemon.folder}/admin")
    admin.rename(f"{admin}.away")
    terminal.wait(has(str(admin)))
    Path(f"{admin}.away").rename(admin)
    terminal.wait(has("sessions 0"))
    terminal.press("q")
    assert terminal.process.wait(20 * PATIENCE) == 0


def test_top_without_a_terminal(daemon):
    environment = {"PATH": os.environ["PATH"], "TERM": "nonsense"}
    done = subprocess.run(
        [ctl_binary(), "--socket", f"{daemon.folder}/admin", "top"], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, timeout=60
    )
    assert done.returncode == 1 and "terminal" in done.stderr


def test_tables_fit_the_terminal(daemon):
    command = [ctl_binary(), "--socket", f"{daemon.folder}/admin", "sessions"]
    with daemon.logged_in() as client:
        client.query("SELECT '" + "x" * 200 + "'")
        terminal = Terminal(command, 80, 10)
        try:
            display = terminal.wait(has("ID", str(client.greeting.connection_id)))
            assert sum(bool(line.strip()) for line in display) == 2, "a line was broken"
        finally:
            terminal.close()


def complete(line, environment=None):
    """What bash offers behind the line."""
    script = (
        f"source {ROOT}/src/ctl/perilunectl.bash; COMP_WORDS=({line}); [[ '{line}' == *' ' ]] && COMP_WORDS+=('');"
        " COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _perilunectl; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    path = f"{Path(ctl_binary()).parent}:{os.environ['PATH']}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, env={"PATH": path})
    assert done.returncode == 0 and not done.stderr, done
    return set(done.stdout.split())


def test_completion(daemon):
    socket = f"--socket {daemon.folder}/admin"
    assert {"status", "sessions", "top", "--socket"} <= complete("perilunectl ")
    assert complete("perilunectl se") == {"sessions"}
    assert complete("perilunectl sessions --s") == {"--sort"}
    assert complete("perilunectl sessions --sort b") == {"bytes", "busy"}
    assert "one" in complete(f"perilunectl {socket} drain ")
    with daemon.logged_in() as client:
        assert str(client.greeting.connection_id) in complete(f"perilunectl {socket} kill ")


def test_completion_knows_every_command():
    text = ctl("--help")
    commands = {line.split()[0] for line in text.partition("Subcommands:")[2].splitlines() if line.strip()}
    assert commands and commands <= complete("perilunectl ")


def test_a_script_without_admin_has_no_socket(perilune):
    daemon = perilune(PASS_THROUGH)
    assert not (daemon.folder / "admin").exists()
