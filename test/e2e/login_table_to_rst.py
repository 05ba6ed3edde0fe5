"""Writes doc/logins.inc, the manual's table of logins, from what the tests expect; see support/login_rules.py."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "doc" / "logins.inc"

if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "tools" / "lib"), str(Path(__file__).parent)]

from support.drivers import DRIVERS  # noqa: E402
from support.login_cells import BACKS, CLIENT_PLUGINS, CLIENT_TRANSPORTS, SERVER_TRANSPORTS, WAYS, Cell  # noqa: E402
from support.login_rules import OK, OUTCOMES, expected  # noqa: E402
from support.login_table import ACCOUNTS  # noqa: E402

TITLES = {
    "pass_through": "Pass-through",
    "known": "Known credentials",
    "verify_clear": "``login:verify`` with the clear password",
    "verify_native": "``login:verify`` with ``*HEX40``, then what was learnt",
    "verify_sha2": "``login:verify`` with ``$A$…``, then what was learnt",
    "verify_ed25519": "``login:verify`` with an ed25519 key, then what was learnt",
    "verify_parsec": "``login:verify`` with parsec's text, then what was learnt",
    "verify_native_own": "``login:verify`` with ``*HEX40``, then credentials of the script's own",
    "verify_sha2_own": "``login:verify`` with ``$A$…``, then credentials of the script's own",
    "verify_ed25519_own": "``login:verify`` with an ed25519 key, then credentials of the script's own",
    "verify_parsec_own": "``login:verify`` with parsec's text, then credentials of the script's own",
    "read_password": "Reading ``login.password``",
}
TRANSPORTS = {
    "unix": "unix",
    "tcp": "TCP",
    "tls": "TLS",
    "tls_ca": "TLS, verified",
    "tls_no_ca": "TLS, verified without CA",
}
PLUGINS = list(dict.fromkeys(ACCOUNTS[back.account].plugin for back in BACKS))


def mark(driver, plugin, transport, way, server_plugin):
    """"yes", or the number of the footnote; the server and its transport make no difference."""
    backs = [back for back in BACKS if ACCOUNTS[back.account].plugin == server_plugin]
    outcomes = {back.account: expected(Cell(driver, plugin, transport, way, *back)) for back in backs}
    found = {expected(Cell(driver, plugin, transport, way, *back)) for back in backs}
    if len(found) != 1:
        raise ValueError(f"{driver} {plugin} {transport} {way} {server_plugin}: {outcomes} in one field")
    outcome = found.pop()
    return "yes" if outcome == OK else str(1 + list(OUTCOMES).index(outcome))


def rows(way):
    """(client, plugins, transports, marks), with plugins and transports of the same marks in one row."""
    for driver in DRIVERS:
        by_plugin = {}
        for plugin in CLIENT_PLUGINS[driver]:
            by_marks = {}
            for transport in CLIENT_TRANSPORTS:
                marks = tuple(mark(driver, plugin, transport, way, name) for name in PLUGINS)
                by_marks.setdefault(marks, []).append(transport)
            for marks, transports in by_marks.items():
                by_plugin.setdefault((marks, tuple(transports)), []).append(plugin)
        for (marks, transports), plugins in by_plugin.items():
            yield driver, names(plugins, CLIENT_PLUGINS[driver], str), names(transports, CLIENT_TRANSPORTS, TRANSPORTS.get), marks


def names(some, of_all, text):
    return "all" if len(some) == len(of_all) else "; ".join(text(name) for name in some)


def section(way):
    head = ["client", "plugin", "transport", *PLUGINS]
    lines = [f".. list-table:: {TITLES[way]} ({WAYS[way].number})", "   :header-rows: 1", ""]
    for row in (head, *((driver, plugins, transports, *marks) for driver, plugins, transports, marks in rows(way))):
        lines += [f"   {'* -' if at == 0 else '  -'} {field}" for at, field in enumerate(row)]
    return lines


def notes():
    for at, outcome in enumerate(OUTCOMES.values(), 1):
        yield f"{at}. {outcome.why}"


def text():
    lines = [".. Written by test/e2e/login_table_to_rst.py from what the tests expect.", ""]
    for way in WAYS:
        lines += [*section(way), ""]
    servers = "MariaDB 10.11 and 11.8, MySQL 9.7"
    transports = ", ".join(SERVER_TRANSPORTS[:-1]) + f" and {SERVER_TRANSPORTS[-1]}"
    lines += [f"Columns are the account's method at the server ({servers}; {transports} make no difference). Numbers:", ""]
    return "\n".join([*lines, *notes()]) + "\n"


if __name__ == "__main__":
    OUTPUT.write_text(text())
