"""Which client logs in where, by which method, over what: the servers' own answer, without Perilune between.

`TABLE` has a row for each combination, `works` says what comes of it. A method that a driver does not know is in it
over plain TCP alone.
"""

from dataclasses import dataclass
from typing import NamedTuple

from .drivers import DRIVERS, ED25519, NATIVE, PARSEC, SHA2, SHA256


@dataclass(frozen=True)
class Account:
    """`identified` is the end of CREATE USER; `is_cached` wants a login before, so that the fast exchange will do."""

    plugin: str
    identified: str
    password: str = "secret"
    is_cached: bool = False


ACCOUNTS = {
    "native": Account(NATIVE, "IDENTIFIED VIA mysql_native_password USING PASSWORD('secret')"),
    "native_empty": Account(NATIVE, "IDENTIFIED VIA mysql_native_password USING PASSWORD('')", password=""),
    "ed25519": Account(ED25519, "IDENTIFIED VIA ed25519 USING PASSWORD('secret')"),
    "parsec": Account(PARSEC, "IDENTIFIED VIA parsec USING PASSWORD('secret')"),
    "sha2_full": Account(SHA2, "IDENTIFIED WITH caching_sha2_password BY 'secret'"),
    "sha2_fast": Account(SHA2, "IDENTIFIED WITH caching_sha2_password BY 'secret'", is_cached=True),
    "sha2_empty": Account(SHA2, "IDENTIFIED WITH caching_sha2_password BY ''", password=""),
    "sha256": Account(SHA256, "IDENTIFIED WITH sha256_password BY 'secret'"),
}

# By the names of the fixtures.
SERVERS = {
    "mariadb": ("native", "native_empty", "ed25519"),
    "mariadb118": ("native", "native_empty", "ed25519", "parsec"),
    "mysql9": ("sha2_full", "sha2_fast", "sha2_empty", "sha256"),
}


@dataclass(frozen=True)
class Route:
    is_unix: bool
    tls: str


ROUTES = {
    "tcp": Route(False, "off"),
    "unix": Route(True, "off"),
    "tls": Route(False, "required"),
    "tls_verified": Route(False, "verify"),
}

# What a driver that knows the method cannot do all the same.
EXCEPTIONS = {
    ("connector-j", "sha2_full", "unix"),  # asks for the key, which a server gives over TCP only
    ("pymysql", "sha256", "unix"),  # sends the password in clear, which a server takes over TLS only
}


class Row(NamedTuple):
    driver: str
    server: str
    account: str
    route: str


def is_known(row):
    return ACCOUNTS[row.account].plugin in DRIVERS[row.driver].methods


def works(row):
    return is_known(row) and (row.driver, row.account, row.route) not in EXCEPTIONS


_COMBINATIONS = (
    Row(driver, server, account, route)
    for server, accounts in SERVERS.items()
    for account in accounts
    for driver in DRIVERS
    for route in ROUTES
)
TABLE = [row for row in _COMBINATIONS if is_known(row) or row.route == "tcp"]
