"""The big table: every client driver, plugin and transport by every way of logging in to every server.

support/login_cells.py has the axes, support/login_rules.py what comes of each cell. A wrong password fails wherever
the right one works. A sixth of the cells runs by default, all of them with --thorough.
"""

import os
import re

import pytest

from throwaway import ReservedPort

from support.daemon import Perilune
from support.drivers import DRIVERS, Login, Logins
from support.login_cells import (
    CLIENT_TRANSPORTS,
    FRONTS,
    PASSWORD,
    SERVER_ACCOUNTS,
    WAYS,
    account_name,
    accounts_sql,
    cells_of,
    few_of,
    forget_sql,
    script,
    verifiers,
)
from support.login_rules import OK, error_of, expected

SUFFIX = str(os.getpid())


class Table:
    """The daemon and servers of all cells."""

    def __init__(self, daemon, ports, servers, certificates):
        self._servers, self._ca = servers, certificates.ca
        self._addresses = {"unix": daemon.sock, "plain": daemon.tcp, "tls": daemon.tcp2, "self_signed": ports}
        self.daemon = daemon

    def log_in(self, logins, cell, is_wrong=False):
        if cell.account == "sha2_full":
            self._servers[cell.server].sql(forget_sql(cell, SUFFIX))
        transport = CLIENT_TRANSPORTS[cell.transport]
        return logins.log_in(
            Login(
                self._addresses[transport.listener],
                cell.user(is_wrong),
                "wrong" if is_wrong else PASSWORD,
                tls=transport.tls,
                ca=self._ca if transport.has_ca else None,
                plugin=cell.plugin if cell.asks_for_plugin else "",
                query="SELECT USER()",
            )
        )


@pytest.fixture(scope="module")
def table(mariadb, mariadb118, mysql9, certificates, tmp_path_factory):
    servers = {"mariadb": mariadb, "mariadb118": mariadb118, "mysql9": mysql9}
    targets = {n: {"unix": s.socket, "tcp": s.address, "tls": s.address} for n, s in servers.items()}
    port = ReservedPort()
    define = {"CERT": certificates.server, "KEY": certificates.server_key, "CA": certificates.ca, "TCP3": f"127.0.0.1:{port.port}"}
    folder = tmp_path_factory.mktemp("t")
    daemon = Perilune(folder, script(targets, verifiers(mysql9, mariadb118), SUFFIX), define=define)
    for name, server in servers.items():
        server.sql(accounts_sql(name, SUFFIX)[0])
    try:
        daemon.start()
        yield Table(daemon, ("127.0.0.1", port.port), servers, certificates)
        daemon.finish()
    finally:
        daemon.kill()
        for name, server in servers.items():
            server.sql(accounts_sql(name, SUFFIX)[1])
        port.close()


def problem(table, logins, cell):
    """What is not as the rules say; empty: nothing."""
    outcome = table.log_in(logins, cell)
    reason = expected(cell)
    if reason != OK:
        number, pattern = error_of(cell, reason)
        fits = number is None or outcome.number == number and re.search(pattern, outcome.message)
        return "" if outcome.value is None and fits else f"{outcome}, not {reason}"
    host = "localhost" if cell.server_transport == "unix" else "127.0.0.1"
    if outcome.value != f"{account_name(cell, SUFFIX)}@{host}":
        return str(outcome)
    wrong = table.log_in(logins, cell, is_wrong=True)
    return "" if wrong.number == 1045 else f"with a wrong password: {wrong}"


@pytest.mark.parametrize("driver, transport, way", FRONTS, ids=["-".join(front) for front in FRONTS])
def test_logins(request, fetched, table, driver, transport, way):
    for name in DRIVERS[driver].needs:
        fetched(name)
    choose = cells_of if request.config.getoption("--thorough") else few_of
    with Logins(driver) as logins:
        problems = [(cell, problem(table, logins, cell)) for cell in choose(driver, transport, way)]
    failed = [f"{' '.join(cell)}: {text}" for cell, text in problems if text]
    assert not failed, "\n".join(failed)
    assert table.daemon.process.poll() is None, table.daemon.log.text()[-8000:]
