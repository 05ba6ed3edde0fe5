"""The big table: every client driver, plugin and transport by every way of logging in to every server.

support/login_cells.py has the axes, support/login_rules.py what comes of each cell. A wrong password fails wherever
the right one works. A part of the cells runs by default (`few_of` says which), all of them with --thorough.
"""

import contextlib
import itertools
import os
import re
import shutil

import login_table_to_rst
import pytest

from throwaway import ReservedPort, temporary_folder

from support.daemon import Perilune
from support.drivers import DRIVERS, Login, Logins
from support.login_cells import (
    BACKS,
    CLIENT_PLUGINS,
    CLIENT_TRANSPORTS,
    FRONTS,
    LISTENERS,
    PASSWORD,
    WAYS,
    account_name,
    accounts_sql,
    cells_of,
    few_of,
    forget_sql,
    script,
    verifiers,
)
from support.login_rules import OK, error_of, error_of_wrong_password, expected

pytestmark = pytest.mark.table

SUFFIX = str(os.getpid())


class Table:
    """The daemon and servers of all cells."""

    def __init__(self, daemon, addresses, servers, certificates):
        self.daemon, self._addresses, self._servers, self._ca = daemon, addresses, servers, certificates.ca

    def log_in(self, logins, cell, is_wrong=False):
        if cell.account == "sha2_full":
            self._servers[cell.server].sql(forget_sql(cell, SUFFIX))
        transport = CLIENT_TRANSPORTS[cell.transport]
        return logins.log_in(
            Login(
                self._addresses[cell.listener],
                cell.user(is_wrong),
                "wrong" if is_wrong else PASSWORD,
                tls=transport.tls,
                ca=self._ca if transport.has_ca else None,
                plugin=cell.plugin if cell.asks_for_plugin else "",
                query="SELECT USER()",
            )
        )


@contextlib.contextmanager
def listening_addresses(folder):
    """Of all that `Cell.listener` says: paths and (host, port)."""
    with contextlib.ExitStack() as stack:
        addresses = {}
        for name, is_mariadb in itertools.product(LISTENERS, (False, True)):
            if name == "unix":
                addresses[name, is_mariadb] = str(folder / f"l{is_mariadb:d}.sock")
                continue
            port = stack.enter_context(contextlib.closing(ReservedPort("127.0.0.2" if name == "self_signed" else "127.0.0.1")))
            addresses[name, is_mariadb] = (port.host, port.port)
        yield addresses


@contextlib.contextmanager
def accounts(servers):
    for name, server in servers.items():
        server.sql(accounts_sql(name, SUFFIX)[0])
    yield
    for name, server in servers.items():
        server.sql(accounts_sql(name, SUFFIX)[1])


@contextlib.contextmanager
def started(folder, config, define):
    daemon = Perilune(folder, config, define=define)
    try:
        yield daemon.start()
        daemon.finish()
    finally:
        daemon.kill()


@pytest.fixture(scope="module")
def table(mariadb, mariadb118, mysql9, certificates):
    servers = {"mariadb": mariadb, "mariadb118": mariadb118, "mysql9": mysql9}
    targets = {name: {"unix": server.socket, "tcp": server.address, "tls": server.address} for name, server in servers.items()}
    version = "5.5.5-" + mariadb.sql("SELECT VERSION()").strip()
    define = {"CERT": certificates.server, "KEY": certificates.server_key, "CA": certificates.ca}
    folder = temporary_folder("pl-")
    try:
        with listening_addresses(folder) as addresses, accounts(servers):
            texts = {key: "%s:%d" % address if isinstance(address, tuple) else address for key, address in addresses.items()}
            config = script(targets, verifiers(mysql9, mariadb118), texts, version, SUFFIX)
            with started(folder / "d", config, define) as daemon:
                yield Table(daemon, addresses, servers, certificates)
    finally:
        shutil.rmtree(folder)


def has(outcome, error):
    number, pattern = error
    return outcome.number == number and re.search(pattern, outcome.message) is not None


def problem(table, logins, cell):
    """What is not as the rules say; empty: nothing."""
    outcome = table.log_in(logins, cell)
    if expected(cell) != OK:
        return "" if has(outcome, error_of(cell)) else f"{outcome}, not {expected(cell)}"
    host = "localhost" if cell.server_transport == "unix" else "127.0.0.1"
    if outcome.value != f"{account_name(cell, SUFFIX)}@{host}":
        return str(outcome)
    wrong = table.log_in(logins, cell, is_wrong=True)
    return "" if has(wrong, error_of_wrong_password(cell)) else f"with a wrong password: {wrong}"


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


def test_every_cell_is_decided():
    cells = [cell for front in FRONTS for cell in cells_of(*front)]
    assert len(cells) == len(set(cells)) == sum(map(len, CLIENT_PLUGINS.values())) * len(CLIENT_TRANSPORTS) * len(WAYS) * len(BACKS)
    for cell in cells:
        assert expected(cell) == OK or error_of(cell), cell


def test_the_default_run_has_every_server_and_every_client():
    few = {cell for front in FRONTS for cell in few_of(*front)}
    assert {cell[:4] for cell in few} >= {(driver, plugin, transport, way) for driver, transport, way in FRONTS for plugin in CLIENT_PLUGINS[driver]}
    assert {cell[3:] for cell in few} == {(way, *back) for way in WAYS for back in BACKS}


def test_the_manual_has_this_table():
    assert login_table_to_rst.OUTPUT.read_text() == login_table_to_rst.text(), "run test/e2e/login_table_to_rst.py"
