"""What comes of each cell of the big table, and why.

A cell is decided by the first rule that applies; there is none for the rest, so that a cell which nobody thought of
fails. `OUTCOMES` has the client's error for each reason, in the words of each driver where it is the driver's own.
"""

from dataclasses import dataclass
from typing import Callable

from .drivers import CLEAR, DRIVERS, ED25519, NATIVE, PARSEC, SHA2, SHA256
from .login_cells import WAYS
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
    return cell.plugin


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


# Drivers that refuse such a certificate during the handshake, without a word to the server.
NO_PROOF = ("pymysql", "mysql2", "go-sql-driver", "mariadb-10.11", "mysql-9")


def is_proven(cell):
    """Whether Perilune can show that it knows the password's hash, which is by these methods only. A client of MariaDB
    that was told to begin with one of the newer two takes the proof of mysql_native_password alone."""
    way = WAYS[cell.way]
    if cell.plugin in (ED25519, PARSEC):
        return way.number == 3 and asked(cell) == NATIVE
    known = cell.plugin if way.number == 2 else asked(cell)
    return way.number != 1 and known in (NATIVE, ED25519, PARSEC)


def is_untrusted(cell):
    """Those that take a proof see the server's refusal before they miss it."""
    if cell.transport != "tls_no_ca":
        return False
    return cell.driver in NO_PROOF or (has_secret_for_server(cell) and not is_proven(cell))


RULES = [
    Rule("untrusted", is_untrusted),
    Rule("unknown_plugin", lambda cell: not knows(cell)),
    Rule("missing_secret", lambda cell: not has_secret_for_server(cell)),
    Rule(OK, lambda cell: knows(cell) and has_secret_for_server(cell) and not is_untrusted(cell)),
]


def expected(cell):
    return next(rule for rule in RULES if rule.applies(cell)).outcome


@dataclass(frozen=True)
class Failure:
    """`why` is for the manual. `seen` has the error's number and a pattern for its text, by driver or for all."""

    why: str
    seen: dict


_LIBMARIADB_PLUGIN = (1045, "^Plugin (client_ed25519|parsec) could not be loaded: ")

OUTCOMES = {
    "untrusted": Failure(
        "The client trusts no certificate that nobody signed. Connector/J and MariaDB's from 11.4 on do if Perilune "
        "proves that it knows the password; in pass-through it does not, and only ``mysql_native_password``, "
        "``client_ed25519`` and ``parsec`` have such a proof.",
        {
            "pymysql": (2003, "certificate verify failed: self-signed certificate"),
            "mysql2": (0, "^self-signed certificate$"),
            "go-sql-driver": (0, "^tls: failed to verify certificate: "),
            "connector-j": (0, "Self signed certificates"),
            "mariadb-10.11": (2026, "^TLS/SSL error: self-signed certificate$"),
            "mariadb-11.8": (2026, "^TLS/SSL error: (self-signed certificate$|Certificate verification failure: )"),
            "mysql-9": (2026, "^SSL connection error: CA certificate is required"),
            # This plugin of MariaDB's client library takes every error for its own.
            ("mariadb-10.11", ED25519): (2012, "^Error in server handshake$"),
        },
    ),
    "unknown_plugin": Failure(
        "The client does not have the method by which it is asked: in pass-through the account's, else the one that "
        "can judge by this secret. Its error is its own.",
        {
            "pymysql": (2059, "^Authentication plugin 'b'parsec'' not configured"),
            "mysql2": (0, "^Server requests authentication using unknown plugin (client_ed25519|parsec)\\."),
            "go-sql-driver": (0, "^this authentication plugin is not supported$"),
            "connector-j": (1251, "^Client does not support authentication protocol .* 'sha256_password'$"),
            "mariadb-10.11": _LIBMARIADB_PLUGIN,
            "mariadb-11.8": _LIBMARIADB_PLUGIN,
            "mysql-9": (2059, "^Authentication plugin '(client_ed25519|parsec)' cannot be loaded: "),
        },
    ),
    "missing_secret": Failure(
        "1043, \"The proxy cannot log in to the server\": the client has shown that it knows the password, but has not "
        "given it away. ``mysql_native_password`` gives SHA1(password), which is enough for an account of that method; "
        "``client_ed25519`` and ``parsec`` give nothing. The script needs credentials of its own.",
        {None: (1043, "The proxy cannot log in to the server$")},
    ),
}

ACCESS_DENIED = (1045, "Access denied for user '")
# Knows no error before the challenge, and there is none where nobody asks the client.
_SWALLOWED = (2012, "^Error in server handshake$")


def error_of(cell):
    """What the client says where the login does not work."""
    seen = OUTCOMES[expected(cell)].seen
    return seen.get((cell.driver, cell.plugin)) or seen.get(cell.driver) or seen[None]


def error_of_wrong_password(cell):
    """What the client says with a wrong password where the right one works."""
    is_swallowed = cell.way == "known" and cell.plugin in (ED25519, PARSEC)
    return _SWALLOWED if is_swallowed else ACCESS_DENIED
