"""Clients of all languages, each reduced to one login and one statement.

The programs in test/e2e/drivers have one contract:

    DRIVER --host HOST --port PORT | --socket PATH --user NAME --password TEXT --database NAME
           --tls off|required|verify [--ca FILE] [--plugin NAME] --query SQL

print the first value of the first row and exit with 0, or print `ERROR <number> <message>` and exit with 1; the number
is 0 if the error is not a server's. `required` is TLS with whatever certificate, `verify` checks it, the server's name
included. The plugin is what the client may use besides its usual ones. The clients that are programs of their own have
the same contract by way of `log_in`.

With `--batch` alone they log in by each line of their input, which has such words separated by tabs, and print one line
for each: the value or the error. `Logins` does so where a driver can.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import drivers
from throwaway import die_with_parent

from . import programs

PROGRAMS = Path(__file__).resolve().parents[1] / "drivers"


@dataclass(frozen=True)
class Login:
    """What a driver is told; `address` is a path or (host, port)."""

    address: object
    user: str
    password: str = ""
    database: str = ""
    tls: str = "off"
    ca: object = None
    plugin: str = ""
    query: str = "SELECT CURRENT_USER()"


@dataclass(frozen=True)
class Outcome:
    """`value` of a statement, or else the error's `number` and `message`."""

    value: str | None = None
    number: int | None = None
    message: str = ""


@dataclass(frozen=True)
class Driver:
    """`command(login)` is to be run; `needs` are names that tools/servers or tools/drivers makes.

    `methods` are the plugins it knows, by the names that go over the wire. `batch()` is to be run for many logins.
    """

    command: Callable
    methods: frozenset
    needs: tuple = ()
    batch: Callable | None = None


def contract_options(login):
    is_socket = isinstance(login.address, str)
    reach = {"socket": login.address} if is_socket else {"host": login.address[0], "port": login.address[1]}
    options = {
        **reach,
        "user": login.user,
        "password": login.password,
        "database": login.database,
        "tls": login.tls,
        "query": login.query,
    }
    if login.ca:
        options["ca"] = login.ca
    if login.plugin:
        options["plugin"] = login.plugin
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


def _python():
    return [sys.executable, str(PROGRAMS / "python" / "driver.py")]


def _by_contract(program, methods, needs=()):
    return Driver(
        lambda login: [*program(), *contract_options(login)], frozenset(methods), needs, lambda: [*program(), "--batch"]
    )


def _built(name, methods):
    return _by_contract(lambda: drivers.command(name), methods, (name,))


MARIADB_TLS = {"off": ["--skip-ssl"], "required": ["--ssl", "--skip-ssl-verify-server-cert"], "verify": ["--ssl-verify-server-cert"]}
MYSQL_TLS = {"off": ["--ssl-mode=DISABLED"], "required": ["--ssl-mode=REQUIRED"], "verify": ["--ssl-mode=VERIFY_IDENTITY"]}


def _program(name, tls):
    """One of the `mariadb` and `mysql` programs."""

    def command(login):
        options = [*tls[login.tls], f"--user={login.user}", f"--password={login.password}", f"--execute={login.query}"]
        options += [f"--ssl-ca={login.ca}"] if login.ca else []
        options += [f"--default-auth={login.plugin}"] if login.plugin else []
        options += ["--enable-cleartext-plugin"] if login.plugin == "mysql_clear_password" and tls is MYSQL_TLS else []
        options += [login.database] if login.database else []
        return [*programs.command_of(name), *programs.address_options(login.address), "--batch", "--skip-column-names", *options]

    return command


NATIVE, SHA2, SHA256 = "mysql_native_password", "caching_sha2_password", "sha256_password"
ED25519, PARSEC, CLEAR = "client_ed25519", "parsec", "mysql_clear_password"

DRIVERS = {
    "pymysql": _by_contract(_python, {NATIVE, SHA2, SHA256, ED25519}),
    "mysql2": _built("driver-node", {NATIVE, SHA2, SHA256, CLEAR}),
    "go-sql-driver": _built("driver-go", {NATIVE, SHA2, SHA256, ED25519, CLEAR}),
    "connector-j": _built("driver-java", {NATIVE, SHA2, ED25519, PARSEC, CLEAR}),
    "mariadb-10.11": Driver(_program("mariadb", MARIADB_TLS), frozenset({NATIVE, SHA2, SHA256, ED25519, CLEAR})),
    "mariadb-11.8": Driver(
        _program("mariadb-11.8", MARIADB_TLS), frozenset({NATIVE, SHA2, SHA256, ED25519, PARSEC, CLEAR}), ("mariadb-11.8",)
    ),
    "mysql-9": Driver(_program("mysql-9", MYSQL_TLS), frozenset({NATIVE, SHA2, SHA256, CLEAR}), ("mysql-9",)),
}


def log_in(name, login, seconds=60):
    done = subprocess.run(DRIVERS[name].command(login), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
    if done.returncode == 0:
        return Outcome(value=done.stdout.rstrip("\n"))
    outcome = _read_error(done.stdout + done.stderr)
    if outcome is None:
        raise AssertionError(f"{name} broke the contract: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return outcome


def _read_error(output):
    error = re.search(r"^ERROR (\d+)(?: \(\w+\))?:? (.*)", output, re.MULTILINE)
    return Outcome(number=int(error[1]), message=error[2]) if error else None


class Logins:
    """Many logins by one driver, from one process if it can. Its own time-outs end each of them."""

    def __init__(self, name):
        self._name, self._process = name, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait(60)
            self._process.stdout.close()

    def log_in(self, login):
        driver = DRIVERS[self._name]
        if driver.batch is None:
            return log_in(self._name, login)
        if self._process is None:
            pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "preexec_fn": die_with_parent}
            self._process = subprocess.Popen(driver.batch(), **pipe, text=True)
        print("\t".join(contract_options(login)), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"{self._name} broke the contract: no answer to {login}")
        return _read_error(line) or Outcome(value=line.rstrip("\n"))
