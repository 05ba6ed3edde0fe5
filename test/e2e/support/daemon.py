"""Runs the daemon under test and watches everything it says."""

import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pymysql

from throwaway import NotifySocket, ReservedPort, die_with_parent, wait_until_ready

from .raw_client import RawClient

ROOT = Path(__file__).resolve().parents[3]
RELOAD_EVERY = 0.2  # seconds, in the background of every test that does not opt out
PATIENCE = float(os.environ.get("PERILUNE_E2E_PATIENCE", "1"))  # factor on deadlines, for sanitizers
_SANITIZERS = re.compile(r"ERROR: AddressSanitizer|runtime error:|WARNING: ThreadSanitizer|ERROR: LeakSanitizer")

PASS_THROUGH = """
local handler = { on_login = function(client, login) return client:connect(SERVER, login) end }
mysql_listen(SOCK, handler)
mysql_listen(TCP, handler)
"""

# First of all in every config.lua: where to listen, where the servers are, and event(text), which tells the test
# that something happened. A line shorter than PIPE_BUF reaches the pipe whole.
_HARNESS = """
local pipe = assert(io.open(EVENTS, 'a'))
pipe:setvbuf('line')
function event(text) pipe:write(text, '\\n') end
function wait_for_gate(name)
  while true do
    local gate = io.open(FOLDER .. '/' .. name)
    if gate then gate:close() return end
    sleep(0.01)
  end
end
"""


def binary():
    path = Path(os.environ.get("PERILUNE_BINARY", ROOT / "build/src/daemon/perilune"))
    assert path.exists(), f"{path} is missing: build it, or set PERILUNE_BINARY"
    return str(path)


def sanitizer_environment():
    """Symbolised reports; anything found ends in the log, which stop() searches."""
    symbolizer = next(iter(sorted(Path("/usr/bin").glob("llvm-symbolizer*"))), None)
    common = f"external_symbolizer_path={symbolizer}:" if symbolizer else ""
    return {
        "ASAN_OPTIONS": common + "detect_leaks=1:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": common + "print_stacktrace=1",
        "TSAN_OPTIONS": common + "second_deadlock_stack=1",
    }


class Lines:
    """Lines from a pipe, collected by a thread; a test waits for them instead of sleeping."""

    def __init__(self, stream):
        self._changed = threading.Condition()
        self._lines = []
        self._ended = False
        self._thread = threading.Thread(target=self._collect, args=(stream,), daemon=True)
        self._thread.start()

    def _collect(self, stream):
        with stream:
            for line in stream:
                with self._changed:
                    self._lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def snapshot(self):
        with self._changed:
            return list(self._lines)

    def text(self):
        return "\n".join(self.snapshot())

    def matching(self, pattern):
        return [line for line in self.snapshot() if re.search(pattern, line)]

    def wait(self, pattern, seconds=20, count=1, after=0):
        """The count-th line that matches, of those after the first `after` lines."""
        deadline = time.monotonic() + seconds * PATIENCE
        with self._changed:
            while True:
                found = [line for line in self._lines[after:] if re.search(pattern, line)]
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                if left <= 0 or self._ended:
                    raise AssertionError(f"no line {count} like /{pattern}/ in:\n" + "\n".join(self._lines[-60:]))
                self._changed.wait(left)

    def mark(self):
        return len(self.snapshot())

    def join(self):
        self._thread.join()


class Notifications:
    """Messages on NOTIFY_SOCKET after the first READY=1."""

    def __init__(self, notify):
        self._notify = notify
        self._changed = threading.Condition()
        self.messages = []
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        while True:
            try:
                message = self._notify.receive()
            except OSError:
                return
            with self._changed:
                self.messages.append(message)
                self._changed.notify_all()

    def count(self, **wanted):
        with self._changed:
            return self._count(wanted)

    def _count(self, wanted):
        return sum(1 for m in self.messages if all(m.get(k) == v for k, v in wanted.items()))

    def wait(self, count, seconds=30, **wanted):
        with self._changed:
            if not self._changed.wait_for(lambda: self._count(wanted) >= count, seconds * PATIENCE):
                raise AssertionError(f"no {count} messages with {wanted} in {self.messages[-20:]}")


class Perilune:
    """A running daemon. `sock`, `sock2` and `tcp`, `tcp2` are what SOCK, TCP and so on mean in its script."""

    def __init__(self, folder, config, *, define=None, workers=3, reloading=True, arguments=(), environment=None, wrapper=(), stop_code=0, **popen):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = self.folder / "config.lua"  # or another file that a test wants to run as it is
        self.workers, self.arguments, self.wrapper = workers, tuple(arguments), tuple(wrapper)
        self.environment, self.popen, self.stop_code = environment or {}, popen, stop_code
        self.sock, self.sock2 = f"{self.folder}/p.sock", f"{self.folder}/q.sock"
        self._reserved = [ReservedPort(), ReservedPort()]
        self.tcp, self.tcp2 = (("127.0.0.1", r.port) for r in self._reserved)
        self.define = define or {}
        self.process = self.notify = self.notifications = None
        self._pipes()
        self.write_config(config)
        self._reloader = Reloader(self) if reloading else None

    def _pipes(self):
        fifo = self.folder / "events"
        os.mkfifo(fifo)
        # Held open for reading and writing: a script that opens it never waits, and it never ends.
        self._event_fd = os.open(fifo, os.O_RDWR)
        self.events = Lines(os.fdopen(os.dup(self._event_fd), "r"))

    def write_config(self, config, name="config.lua"):
        values = {
            "SOCK": self.sock,
            "SOCK2": self.sock2,
            "TCP": "%s:%d" % self.tcp,
            "TCP2": "%s:%d" % self.tcp2,
            "FOLDER": self.folder,
            "EVENTS": self.folder / "events",
            **self.define,
        }
        harness = "".join(f"{name} = '{value}'\n" for name, value in values.items()) + _HARNESS
        self.write_file("harness.lua", harness)
        self.write_file(name, "require 'harness' " + config.lstrip("\n"))

    def write_file(self, name, text):
        """Replaced at one stroke: a reload in the background never reads half of it."""
        temporary = self.folder / (name + ".new")
        temporary.write_text(text)
        temporary.rename(self.folder / name)

    def open_gate(self, name):
        (self.folder / name).touch()

    def command(self, *more):
        workers = ("--workers", str(self.workers)) if self.workers else ()
        return [*self.wrapper, binary(), "--config", str(self.config), *workers, *self.arguments, *more]

    def spawn(self):
        """Starts the process and no more: for tests of what happens before it is ready."""
        self.notify = NotifySocket(self.folder)
        environment = {
            "PATH": os.environ["PATH"],
            "TZ": "UTC",
            **sanitizer_environment(),
            "NOTIFY_SOCKET": self.notify.path,
            **self.environment,
        }
        self.process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            env=environment,
            **{"preexec_fn": die_with_parent, **self.popen},
        )
        self.log = Lines(self.process.stdout)
        return self

    def start(self, seconds=30):
        self.spawn()
        if not wait_until_ready(self.process, self.notify, seconds * PATIENCE):
            self.kill()
            raise AssertionError(f"not ready; it said:\n{self.log.text()}")
        self.notifications = Notifications(self.notify)
        if self._reloader:
            self._reloader.start()
        return self

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self, seconds=30):
        """One reload from beginning to end."""
        done = self.notifications.count(READY="1")
        self.signal(signal.SIGHUP)
        self.notifications.wait(done + 1, seconds, READY="1")

    def pause_reloads(self):
        if self._reloader:
            self._reloader.stop()
            self._reloader = None

    def wait(self, seconds=30):
        """The exit status."""
        code = self.process.wait(seconds * PATIENCE)
        self.log.join()
        return code

    def kill(self):
        if self._reloader:
            self._reloader.stop()
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self.process:
            self.log.join()

    def finish(self):
        """Ends the daemon as systemd would; whatever is wrong about its end fails the test."""
        try:
            if self.process is not None:
                self._finish()
        finally:
            self.kill()
            for reserved in self._reserved:
                reserved.close()
            os.close(self._event_fd)
            if self.notify:
                self.notify.close()

    def _finish(self):
        if self._reloader:
            self._reloader.stop()
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            code = self.wait(40)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running 40 s after SIGTERM:\n{self.log.text()[-8000:]}") from None
        log = self.log.text()
        assert not _SANITIZERS.search(log), log[-20000:]
        assert code == self.stop_code, f"exit status {code}:\n{log[-8000:]}"
        assert not group_exists(self.process.pid), "a process is left over"
        sockets = [path.name for path in self.folder.iterdir() if path.is_socket() and path.name != "notify"]
        assert not sockets, f"sockets are left over: {sockets}"

    # clients

    def raw(self, address=None, **options):
        return RawClient(address or self.sock, **options)

    def pymysql(self, user="plain", password="secret", **options):
        return pymysql.connect(unix_socket=self.sock, user=user, password=password, **{"connect_timeout": 30, "read_timeout": 60, **options})

    def logged_in(self, user="plain", password="secret", address=None, **options):
        client = self.raw(address)
        try:
            client.login(user, password, **options)
        except BaseException:
            client.close()
            raise
        return client


class Reloader:
    """SIGHUP at once, since most tests are short, and every 200 ms."""

    def __init__(self, daemon):
        self._daemon = daemon
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()

    def _run(self):
        while self._daemon.process.poll() is None:
            self._daemon.signal(signal.SIGHUP)
            if self._stopped.wait(RELOAD_EVERY):
                return

    def stop(self):
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()


def group_exists(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
