"""What comes of each cell of the big table, and why.

A cell is decided by the first rule that applies; there is none for the rest, so that a cell which nobody thought of
fails. `OUTCOMES` has the client's error for each reason, in the words of each driver where it is the driver's own.
"""

from dataclasses import dataclass
from typing import Callable

from .drivers import CLEAR, DRIVERS, ED25519, NATIVE, PARSEC, SHA2, SHA256
from .login_cells import CLIENT_PLUGINS, WAYS
from .login_table import ACCOUNTS

OK = "works"


@dataclass(frozen=True)
class Rule:
    outcome: str
    applies: Callable


# Methods that can judge by a verifier, best first (auth/mysql_challenge.cc). The clear password only where it is safe.
JUDGES = {
    "clear": (SHA2, NATIVE, ED25519, PARSEC, SHA256, CLEAR),
    "native": (NATIVE, SHA2, SHA256, CLEAR),
    "sha2": (SHA2, SHA256, CLEAR),
    "ed25519": (ED25519, SHA2, SHA256, CLEAR),
    "parsec": (PARSEC, SHA2, SHA256, CLEAR),
    None: (SHA2, SHA256, CLEAR),
}
# Methods that bring the password itself, or a part that is as good for some servers.
BRING_PASSWORD = (SHA2, SHA256, CLEAR)


def announced(cell):
    """The plugin that the client names in its first packet."""
    has_choice = cell.driver in ("mariadb-10.11", "mariadb-11.8", "mysql-9")
    return cell.plugin if has_choice else CLIENT_PLUGINS[cell.driver][0]


def asked(cell):
    """The plugin by which the client is asked in the end."""
    way = WAYS[cell.way]
    if way.number == 1:
        return ACCOUNTS[cell.account].plugin
    own = announced(cell)
    if way.number == 2:
        return own if own in (NATIVE, SHA2, CLEAR) else NATIVE
    judges = JUDGES[way.secret]
    if cell.transport == "tcp":
        judges = judges[:-1]
    return own if own in judges else judges[0]


def learnt(cell):
    """What the challenge gave away: "password", "sha1" or nothing."""
    way = WAYS[cell.way]
    if asked(cell) in BRING_PASSWORD or way.secret == "clear":
        return "password"
    return "sha1" if asked(cell) == NATIVE else None


def has_secret_for_server(cell):
    way = WAYS[cell.way]
    if way.number == 1 or way.has_own:
        return True
    return learnt(cell) == "password" or (learnt(cell) == "sha1" and ACCOUNTS[cell.account].plugin == NATIVE)


def knows(cell):
    return asked(cell) in DRIVERS[cell.driver].methods


RULES = [
    Rule("unknown_plugin", lambda cell: not knows(cell)),
    Rule("missing_secret", lambda cell: not has_secret_for_server(cell)),
    Rule(OK, lambda cell: has_secret_for_server(cell) and knows(cell)),
]


def expected(cell):
    return next(rule for rule in RULES if rule.applies(cell)).outcome


OUTCOMES = {
    "missing_secret": {None: (1043, "^The proxy cannot log in to the server$")},
    "unknown_plugin": {None: (None, ".")},
}


def error_of(cell, outcome):
    of = OUTCOMES[outcome]
    return of.get(cell.driver, of.get(None))
