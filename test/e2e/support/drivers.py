"""Clients of all languages, each reduced to one login and one statement.

The programs in test/e2e/drivers have one contract:

    DRIVER --host HOST --port PORT | --socket PATH --user NAME --password TEXT --database NAME
           --tls off|required|verify [--ca FILE] [--plugin NAME] --query SQL

print the first value of the first row and exit with 0, or print `ERROR <number> <message>` and exit with 1; the number
is 0 if the error is not a server's. `required` is TLS with whatever certificate, `verify` checks it, the server's name
included. The plugin is what the client may use besides its usual ones. The clients that are programs of their own have
the same contract by way of `log_in`.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import drivers

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

    `methods` are the plugins it knows, by the names that go over the wire.
    """

    command: Callable
    methods: frozenset
    needs: tuple = ()


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


def _pymysql(login):
    return [sys.executable, str(PROGRAMS / "python" / "driver.py"), *contract_options(login)]


def _built(name):
    return lambda login: [*drivers.command(name), *contract_options(login)]


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
    "pymysql": Driver(_pymysql, frozenset({NATIVE, SHA2, SHA256, ED25519})),
    "mysql2": Driver(_built("driver-node"), frozenset({NATIVE, SHA2, SHA256, CLEAR}), ("driver-node",)),
    "go-sql-driver": Driver(_built("driver-go"), frozenset({NATIVE, SHA2, SHA256, ED25519, CLEAR}), ("driver-go",)),
    "connector-j": Driver(_built("driver-java"), frozenset({NATIVE, SHA2, ED25519, PARSEC, CLEAR}), ("driver-java",)),
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
    output = done.stdout + done.stderr
    error = re.search(r"^ERROR (\d+)(?: \(\w+\))?:? (.*)", output, re.MULTILINE)
    if error is None:
        raise AssertionError(f"{name} broke the contract: exit status {done.returncode}\n{output}")
    return Outcome(number=int(error[1]), message=error[2])
