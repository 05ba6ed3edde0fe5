"""Throw-away database servers for tests and the demonstration.

Everything a server writes lies in one temporary folder. Servers never run as root, listen on loopback
and on a unix socket only, take their ports from the kernel, say themselves when they are ready
(sd_notify) and die with the process that started them.
"""

import ctypes
import os
import pwd
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import servers

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class ServerError(Exception):
    """A server could not be installed, started or stopped; the text ends with its own last words."""


def die_with_parent():
    """For preexec_fn: after setuid, which would clear it."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def temporary_folder(prefix):
    """A short path (unix sockets allow 107 bytes), in memory if there is enough of it."""
    shm = "/dev/shm"
    roomy = os.access(shm, os.W_OK) and shutil.disk_usage(shm).free > 2 << 30
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=shm if roomy else "/tmp"))
    folder.chmod(0o755)
    return folder


class ReservedPort:
    """A TCP port nobody else gets while this object lives.

    The socket stays bound but never listens; a server that sets SO_REUSEADDR, as they all do, may
    listen there all the same, and the kernel gives the port to nobody who asks for any.
    """

    def __init__(self, host="127.0.0.1"):
        self.host = host
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, 0))
        self.port = self._socket.getsockname()[1]

    def close(self):
        self._socket.close()


class NotifySocket:
    """The listening end of NOTIFY_SOCKET."""

    def __init__(self, folder):
        self.path = str(Path(folder) / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)

    def receive(self):
        """The assignments of one message, as a dict."""
        text = self.socket.recv(65536).decode()
        return dict(line.partition("=")[::2] for line in text.splitlines() if line)

    def close(self):
        self.socket.close()
        os.unlink(self.path)


def wait_until_ready(process, notify, seconds):
    """True once the process said READY=1, False if it ended or was silent for too long."""
    deadline = time.monotonic() + seconds
    pidfd = os.pidfd_open(process.pid)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(notify.socket, selectors.EVENT_READ, "notify")
            selector.register(pidfd, selectors.EVENT_READ, "end")
            while True:
                events = selector.select(max(0, deadline - time.monotonic()))
                happened = {key.data for key, _ in events}
                if "notify" in happened:
                    if notify.receive().get("READY") == "1":
                        return True
                elif not happened or "end" in happened:
                    return False
    finally:
        os.close(pidfd)


def unprivileged(*names):
    """Keyword arguments for subprocess that give up root, and the user's (uid, gid)."""
    if os.geteuid() != 0:
        return {"preexec_fn": die_with_parent}, (os.geteuid(), os.getegid())
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next(known[name] for name in (*names, "nobody") if name in known)
    arguments = {
        "user": entry.pw_uid,
        "group": entry.pw_gid,
        "extra_groups": [],
        "preexec_fn": die_with_parent,
    }
    return arguments, (entry.pw_uid, entry.pw_gid)


class DatabaseServer:
    """One server of some kind. `root` has no password and comes in over the unix socket."""

    TITLE = ""
    OPTIONS = ()

    def __init__(self, folder, options=()):
        self.folder = Path(folder)
        self.options = tuple(options)
        self.socket = str(self.folder / "server.sock")
        self._reserved = ReservedPort()
        self.port = self._reserved.port
        self.address = f"127.0.0.1:{self.port}"
        self.process = None

    def _command(self):
        """The daemon and its first options."""
        raise NotImplementedError

    def _install(self):
        """Makes the system tables, if they are not there."""
        raise NotImplementedError

    def start(self, seconds=60):
        self.folder.mkdir(parents=True, exist_ok=True)
        self._as_user, self._owner = unprivileged("mysql")
        os.chown(self.folder, *self._owner)
        if not (self.folder / "data" / "mysql").exists():  # one server's folder may be copied from another's
            self._install()
        notify = NotifySocket(self.folder)
        try:
            with open(self.folder / "server.log", "ab") as log:
                self.process = subprocess.Popen(
                    [
                        *self._command(),
                        f"--datadir={self.folder}/data",
                        f"--tmpdir={self.folder}",
                        f"--socket={self.socket}",
                        f"--pid-file={self.folder}/server.pid",
                        "--bind-address=127.0.0.1",
                        f"--port={self.port}",
                        *self.OPTIONS,
                        *self.options,
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    env={**plain_environment(), "NOTIFY_SOCKET": notify.path},
                    **self._as_user,
                )
            if not wait_until_ready(self.process, notify, seconds):
                self.stop()
                raise ServerError(f"{self.TITLE} did not start:\n{self._last_words()}")
        finally:
            notify.close()
        return self

    def _run_install(self, *command, **options):
        done = subprocess.run(
            command,
            **{"stdin": subprocess.DEVNULL, **options},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=self.folder,
            env=plain_environment(),
            **self._as_user,
        )
        if done.returncode != 0:
            raise ServerError(f"{self.TITLE} cannot make its tables:\n{done.stdout}")

    def sql(self, statements, database=None):
        return run_sql(self.socket, statements, database)

    def stop(self):
        if self.process is not None:
            stop_process(self.process, signal.SIGTERM, 30)
            self.process = None
        self._reserved.close()

    def _last_words(self):
        return "\n".join((self.folder / "server.log").read_text(errors="replace").splitlines()[-20:])


class Mariadb(DatabaseServer):
    """The MariaDB that is installed."""

    TITLE = "MariaDB"
    OPTIONS = (
        "--skip-name-resolve",
        "--performance-schema=OFF",
        "--innodb-buffer-pool-size=64M",
        "--innodb-log-file-size=32M",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-flush-method=fsync",
        "--innodb-doublewrite=OFF",
        "--key-buffer-size=1M",
        "--aria-pagecache-buffer-size=8M",
        "--max-connections=600",
        "--max-allowed-packet=256M",
        "--max-connect-errors=1000000",
        "--local-infile=ON",
        "--thread-cache-size=64",
        "--server-id=1",
    )

    def _command(self):
        return [_program("mariadbd"), "--no-defaults"]

    def _install(self):
        self._run_install(
            _program("mariadb-install-db"),
            "--no-defaults",
            f"--datadir={self.folder}/data",
            f"--tmpdir={self.folder}",  # a server that starts removes the temporary tables of others that share it
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
            "--innodb-log-file-size=32M",
        )


class Mariadb118(Mariadb):
    """MariaDB 11.8 as tools/servers unpacks it."""

    TITLE = "MariaDB 11.8"
    NAME = "mariadb-11.8"
    TABLES = (
        "mariadb_system_tables.sql",
        "mariadb_performance_tables.sql",
        "mariadb_system_tables_data.sql",
        "fill_help_tables.sql",
        "maria_add_gis_sp_bootstrap.sql",
        "mariadb_sys_schema.sql",
    )

    def _command(self):
        root = fetched(self.NAME)
        return [
            *servers.command(self.NAME, "usr/sbin/mariadbd"),
            "--no-defaults",
            f"--basedir={root}/usr",
            f"--lc-messages-dir={root}/usr/share/mariadb",
            f"--character-sets-dir={root}/usr/share/mariadb/charsets",
            f"--plugin-dir={root}/usr/lib/mysql/plugin",
        ]

    def _install(self):
        """What mariadb-install-db does, which would run the system's programs."""
        share = fetched(self.NAME) / "usr/share/mariadb"
        begin = "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n"
        (self.folder / "data").mkdir(mode=0o700)
        os.chown(self.folder / "data", *self._owner)
        (self.folder / "tables.sql").write_text(begin + "".join((share / name).read_text() for name in self.TABLES))
        with open(self.folder / "tables.sql") as tables:
            self._run_install(
                *self._command(),
                "--bootstrap",
                f"--datadir={self.folder}/data",
                f"--tmpdir={self.folder}",
                "--innodb-log-file-size=32M",
                "--enforce-storage-engine=",
                "--max-allowed-packet=8M",
                stdin=tables,
            )


class Mysql9(DatabaseServer):
    """MySQL 9 as tools/servers unpacks it."""

    TITLE = "MySQL 9"
    NAME = "mysql-9"
    OPTIONS = (
        "--skip-name-resolve",
        "--performance-schema=OFF",
        "--innodb-buffer-pool-size=64M",
        "--innodb-redo-log-capacity=32M",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-flush-method=fsync",
        "--innodb-doublewrite=OFF",
        "--key-buffer-size=1M",
        "--max-connections=600",
        "--max-allowed-packet=256M",
        "--max-connect-errors=1000000",
        "--local-infile=ON",
        "--thread-cache-size=64",
        "--server-id=1",
        "--disable-log-bin",
        "--mysqlx=OFF",
    )

    def _command(self):
        root = fetched(self.NAME)
        return [
            *servers.command(self.NAME, "usr/sbin/mysqld"),
            "--no-defaults",
            f"--basedir={root}/usr",
            f"--lc-messages-dir={root}/usr/share/mysql",
            f"--character-sets-dir={root}/usr/share/mysql/charsets",
            f"--plugin-dir={root}/usr/lib/mysql/plugin",
            "--secure-file-priv=",
        ]

    def _install(self):
        self._run_install(*self._command(), "--initialize-insecure", f"--datadir={self.folder}/data")


def fetched(name):
    """The folder of a server that tools/servers fetches."""
    if not servers.is_fetched(name):
        raise ServerError(f"{name} is missing; run tools/servers")
    return servers.root_of(name)


def run_sql(socket_path, statements, database=None):
    """What the client prints for statements that root runs; an error raises."""
    done = subprocess.run(
        [
            _program("mariadb"),
            "--no-defaults",
            "--batch",
            "--skip-column-names",
            "--user=root",
            f"--socket={socket_path}",
            *([database] if database else []),
        ],
        input=statements,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode != 0:
        raise ServerError(done.stderr.strip())
    return done.stdout


def stop_process(process, first_signal, seconds):
    """Ends a child, by force if it does not listen."""
    if process.poll() is None:
        process.send_signal(first_signal)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _program(name):
    """Debian keeps servers in folders that are not in everybody's PATH."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        raise ServerError(f"{name} is not installed; run tools/deps")
    return found


def plain_environment():
    """Nothing of the caller's systemd, sanitizers or locale."""
    path = os.pathsep.join(["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"])
    return {"PATH": path, "LC_ALL": "C", "HOME": "/nonexistent", "TZ": "UTC"}
