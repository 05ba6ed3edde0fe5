"""A throw-away PostgreSQL: what scripts ask about accounts, and what stands behind pgsql_listen."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from throwaway import NotifySocket, ReservedPort, ServerError, fetched, plain_environment, stop_process, temporary_folder, unprivileged, wait_until_ready

PASSWORD = "lookup-secret"  # of the role "web", which comes over TCP; "postgres" comes over the unix socket

_OPTIONS = (
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "shared_buffers=16MB",
    "max_connections=120",
    "max_wal_senders=0",
    "wal_level=minimal",
    "autovacuum=off",
    "jit=off",  # tools/servers leaves LLVM out
    "listen_addresses=127.0.0.1",
    "unix_socket_permissions=0777",
)


def program(name, release=None):
    """Of the newest that is installed, or of one of tools/servers'. Debian keeps them in a folder for each version."""
    if release is not None:
        return str(next(fetched(release).glob(f"usr/lib/postgresql/*/bin/{name}")))
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    if not found:
        raise ServerError(f"PostgreSQL's {name} is not installed; run tools/deps")
    return str(found[-1])


class Postgres:
    """`options` of the server; `access`: lines of pg_hba.conf that come first; `certificates`: with TLS by these;
    `release`: a name that tools/servers knows."""

    def __init__(self, folder, options=(), access=(), certificates=None, release=None):
        self.folder = Path(folder)
        self._options = [*_OPTIONS, *options]
        self._access = access
        self._certificates = certificates
        self._release = release
        self._reserved = ReservedPort()
        self.port = self._reserved.port
        self.process = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def conninfo(self):
        return f"host=127.0.0.1 port={self.port} dbname=hosting user=web password={PASSWORD}"

    @property
    def local_conninfo(self):
        return f"host={self.folder} port={self.port} dbname=hosting user=postgres"

    def install(self):
        self._as_user, owner = unprivileged("postgres")
        os.chown(self.folder, *owner)
        command = [program("initdb", self._release), "-D", f"{self.folder}/data", "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256"]
        command += ["--encoding=UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env=plain_environment(), **self._as_user)
        if done.returncode != 0:
            raise ServerError(f"PostgreSQL cannot make its tables:\n{done.stdout}{done.stderr}")
        if self._certificates is not None:
            self._take_certificates(owner)
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text("".join(f"{line}\n" for line in self._access) + rules.read_text())
        self.start()
        self.sql("CREATE DATABASE hosting", database="postgres")
        self.sql(f"CREATE ROLE web LOGIN PASSWORD '{PASSWORD}'")

    def _take_certificates(self, owner):
        """The server takes no key that others may read."""
        key = self.folder / "server.key"
        shutil.copy(self._certificates.server_key, key)
        os.chown(key, *owner)
        key.chmod(0o600)
        self._options += ["ssl=on", f"ssl_key_file={key}", f"ssl_cert_file={self._certificates.server}"]

    def start(self, seconds=60):
        notify = NotifySocket(self.folder)
        try:
            with open(self.folder / "server.log", "ab") as log:
                self.process = subprocess.Popen(
                    [program("postgres", self._release), "-D", f"{self.folder}/data", "-k", str(self.folder), "-p", str(self.port)]
                    + [f"--{option}" for option in self._options],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    env={**plain_environment(), "NOTIFY_SOCKET": notify.path},
                    **self._as_user,
                )
            if not wait_until_ready(self.process, notify, seconds):
                self.stop()
                raise ServerError("PostgreSQL did not start:\n" + (self.folder / "server.log").read_text()[-3000:])
        finally:
            notify.close()
        return self

    def stop(self):
        """At once, whoever is connected; what was committed stays."""
        if self.process is not None:
            stop_process(self.process, signal.SIGINT, 30)
            self.process = None

    def crash(self):
        """What was committed stays, if commits wait for the disk."""
        if self.process is not None:
            stop_process(self.process, signal.SIGQUIT, 30)
            self.process = None

    def start_again(self):
        """If it has ended."""
        if self.process is None:
            self.start()

    def close(self):
        self.stop()
        self._reserved.close()

    def sql(self, statements, database="hosting"):
        """What the superuser gets: rows of texts."""
        done = subprocess.run(
            ["psql", "-X", "-At", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-p", str(self.port), "-U", "postgres", "-d", database],
            input=statements,
            capture_output=True,
            text=True,
            timeout=60,
            env=plain_environment(),
        )
        if done.returncode != 0:
            raise ServerError(done.stderr.strip())
        return [tuple(line.split("\t")) for line in done.stdout.splitlines() if line]

    def running(self, text):
        """How many connections run a statement like this just now."""
        condition = f"state = 'active' AND query LIKE '{text}' AND pid <> pg_backend_pid()"
        return int(self.sql(f"SELECT count(*) FROM pg_stat_activity WHERE {condition}")[0][0])

    def connections(self, name="perilune"):
        return int(self.sql(f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}'")[0][0])


@contextlib.contextmanager
def own_postgres(**options):
    folder = temporary_folder("pg-")
    server = Postgres(folder, **options)
    try:
        server.install()
        yield server
    finally:
        server.close()
        shutil.rmtree(folder)
