"""The demonstration behind tools/demo: starts the servers and Perilune, runs the show, cleans up."""

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from postgres import Postgres
from throwaway import (
    Mariadb,
    NotifySocket,
    ReservedPort,
    ServerError,
    plain_environment,
    stop_process,
    temporary_folder,
    unprivileged,
    wait_until_ready,
)

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "lua" / "examples" / "demo.lua"

ACCOUNTS = """
CREATE DATABASE shop;
CREATE TABLE shop.here (server TEXT) SELECT '{name}' AS server;
CREATE USER '{name}'@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('{name}-secret');
CREATE USER '{name}_guest'@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('');
GRANT ALL ON shop.* TO '{name}'@'%', '{name}_guest'@'%';
"""
POSTGRES_ACCOUNTS = """
CREATE ROLE red LOGIN PASSWORD 'red-secret';
CREATE TABLE here (server text);
INSERT INTO here VALUES ('PostgreSQL');
GRANT ALL ON here TO red;
"""
SHOW_POSTGRES = 'SELECT current_user AS account, server AS "answered by", inet_server_port() AS port FROM here'
SHOW = "SELECT CURRENT_USER() AS account, server AS `answered by`, @@port AS port FROM here"


@dataclass
class Step:
    """One command of the show. `expect` is a regular expression for its output."""

    title: str
    user: str
    password: str
    sql: str
    expect: str
    succeeds: bool = True
    unix: bool = False
    postgres: bool = False


STEPS = (
    Step("An account with a password; its name decides the server", "red", "red-secret", SHOW, r"red@%\s+red"),
    Step("Another account, another server", "blue", "blue-secret", SHOW, r"blue@%\s+blue"),
    Step("An account without a password", "blue_guest", "", SHOW, r"blue_guest@%\s+blue"),
    Step("Over the unix socket", "red", "red-secret", SHOW, r"red@%\s+red", unix=True),
    Step("A wrong password: the server's own answer", "red", "guess", SHOW, r"ERROR 1045 .*Access denied", succeeds=False),
    Step("An account nobody serves: the script's answer", "green", "", SHOW, r'No server for account "green"', succeeds=False),
    Step("PostgreSQL: the same, by its own clients", "red", "red-secret", SHOW_POSTGRES, r"red\s+PostgreSQL", postgres=True),
    Step("A statement that the script refuses", "red", "red-secret", "DROP TABLE here", r"The script lets nobody", succeeds=False, postgres=True),
)


class Daemon:
    """Perilune with the example script, as an unprivileged user."""

    def __init__(self, binary, folder, red, blue, postgres):
        self._reserved = ReservedPort()
        self.port = self._reserved.port
        self._reserved_postgres = ReservedPort()
        self.postgres_port = self._reserved_postgres.port
        self.socket = str(folder / "perilune.sock")
        self._log_path = folder / "perilune.log"
        notify = NotifySocket(folder)
        as_user, owner = unprivileged("mysql")
        os.chown(folder, *owner)
        # The user may not be able to read the source tree; the binary and the script are all it needs.
        self._script = Path(shutil.copy(SCRIPT, folder))
        program = Path(shutil.copy(binary, folder / "perilune"))
        for path in (self._script, program):
            os.chown(path, *owner)
        environment = {
            **plain_environment(),
            "NOTIFY_SOCKET": notify.path,
            "DEMO_LISTEN": f"127.0.0.1:{self.port}",
            "DEMO_LISTEN_UNIX": self.socket,
            "DEMO_LISTEN_POSTGRES": f"127.0.0.1:{self.postgres_port}",
            "DEMO_POSTGRES": postgres.address,
            "DEMO_RED": red.address,
            "DEMO_BLUE": blue.address,
        }
        with open(self._log_path, "wb") as log:
            self._process = subprocess.Popen(
                [program, "--config", self._script],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=environment,
                **as_user,
            )
        try:
            if not wait_until_ready(self._process, notify, 30):
                self.stop()
                raise ServerError(f"Perilune did not start:\n{self.log()}")
        finally:
            notify.close()

    def log(self):
        return self._log_path.read_text(errors="replace")

    def stop(self):
        stop_process(self._process, signal.SIGTERM, 40)
        self._reserved.close()
        self._reserved_postgres.close()
        return self._process.returncode


def postgres_command(daemon, step):
    return ["psql", "-X", f"host=127.0.0.1 port={daemon.postgres_port} dbname=hosting user={step.user} password={step.password}", "-c", step.sql]


def client_command(daemon, step):
    if step.postgres:
        return postgres_command(daemon, step)
    reach = [f"--socket={daemon.socket}"] if step.unix else ["--protocol=tcp", "--host=127.0.0.1", f"--port={daemon.port}"]
    password = [f"--password={step.password}"] if step.password else ["--skip-password"]
    return ["mariadb", "--no-defaults", *reach, f"--user={step.user}", *password, "--table", "shop", f"--execute={step.sql}"]


def show(number, step, daemon):
    """Runs one step and says what happened; false if it was not what is promised."""
    command = client_command(daemon, step)
    print(f"\n== {number}. {step.title}\n$ {' '.join(quoted(word) for word in command)}", flush=True)
    before = len(daemon.log())
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=plain_environment())
    output = done.stdout + done.stderr
    print(output.rstrip())
    for line in daemon.log()[before:].splitlines():
        if "route:" in line:
            print(f"  Perilune: {line}")
    plain = re.sub(r"[|+-]+", " ", output)
    right = (done.returncode == 0) == step.succeeds and re.search(step.expect, plain)
    if not right:
        print(f"  *** expected: {step.expect}")
    return bool(right)


def quoted(word):
    return word if re.fullmatch(r"[\w@%+=:,./-]+", word) else "'" + word.replace("'", "'\\''") + "'"


def wait_for_interrupt(daemon):
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    print(f"""
Perilune stays up until Ctrl-C. Try:

  mariadb --protocol=tcp --host=127.0.0.1 --port={daemon.port} --user=red --password=red-secret shop
  mariadb --socket={daemon.socket} --user=blue --password=blue-secret shop
  psql 'host=127.0.0.1 port={daemon.postgres_port} dbname=hosting user=red password=red-secret'
""", flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})


def temporary_postgres_folder(folder):
    made = folder / "postgres"
    made.mkdir()
    return made


def demonstrate(binary, folder, once, started):
    servers = {}
    for name in ("red", "blue"):
        print(f"Starting MariaDB \"{name}\" ...", flush=True)
        servers[name] = Mariadb(folder / name)
        started.append(servers[name])
        servers[name].start()
        servers[name].sql(ACCOUNTS.format(name=name))
        print(f"  listens on {servers[name].address}")
    print("Starting PostgreSQL ...", flush=True)
    postgres = servers["postgres"] = Postgres(temporary_postgres_folder(folder))
    started.append(postgres)
    postgres.install()
    postgres.sql(POSTGRES_ACCOUNTS)
    print(f"  listens on {postgres.address}")
    print(f"Starting Perilune with {SCRIPT.relative_to(ROOT)} ...", flush=True)
    daemon = Daemon(binary, folder, **servers)
    started.append(daemon)
    print(f"  listens on 127.0.0.1:{daemon.port} and {daemon.socket}, for PostgreSQL's clients on 127.0.0.1:{daemon.postgres_port}")
    right = [show(number, step, daemon) for number, step in enumerate(STEPS, 1)]
    print(f"\n{sum(right)} of {len(right)} steps went as expected.", flush=True)
    if not once:
        wait_for_interrupt(daemon)
    started.remove(daemon)
    code = daemon.stop()
    if code != 0:
        print(f"*** Perilune ended with status {code}:\n{daemon.log()[-4000:]}")
    return all(right) and code == 0


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    binary, once = sys.argv[1], "--once" in sys.argv[2:]
    folder = temporary_folder("perilune-demo-")
    started = []
    try:
        return 0 if demonstrate(binary, folder, once, started) else 1
    except (ServerError, subprocess.TimeoutExpired) as error:
        print(f"*** {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    finally:
        for server in reversed(started):
            server.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
