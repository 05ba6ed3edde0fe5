"""Fixtures of the end-to-end tests: one MariaDB for all, a daemon of its own for each test."""

import itertools
import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools" / "lib"), str(Path(__file__).parent)]

from support.daemon import Perilune  # noqa: E402
from support.fake_server import Backlogged, FakeServer  # noqa: E402
from throwaway import Mariadb, temporary_folder  # noqa: E402

ACCOUNTS = """
CREATE USER plain@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('secret');
CREATE USER nopass@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('');
CREATE USER dumper@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('secret');
GRANT ALL ON *.* TO plain@'%', dumper@'%';
GRANT USAGE ON *.* TO nopass@'%';
CREATE DATABASE shared_db;
"""

# A header of the PROXY protocol is taken from everybody and asked of nobody.
OPTIONS = ["--log-bin=binlog", "--binlog-format=ROW", "--proxy-protocol-networks=*"]


class Shared:
    """What all workers of one run share. Made by the process that the user started, on first need."""

    def __init__(self):
        self.folder = temporary_folder("perilune-e2e-")
        try:
            self.mariadb = Mariadb(self.folder / "mariadb", OPTIONS).start()
            self.mariadb.sql(ACCOUNTS)
        except BaseException:
            shutil.rmtree(self.folder)
            raise

    def describe(self):
        return {"folder": str(self.folder), "socket": self.mariadb.socket, "port": self.mariadb.port}

    def close(self):
        self.mariadb.stop()
        shutil.rmtree(self.folder)


def shared_servers(config):
    if not hasattr(config, "perilune_shared"):
        config.perilune_shared = Shared()
    return config.perilune_shared


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["perilune_shared"] = shared_servers(node.config).describe()


def pytest_unconfigure(config):
    if hasattr(config, "perilune_shared"):
        config.perilune_shared.close()


def pytest_addoption(parser):
    parser.addoption("--thorough", action="store_true", help="the long variants too")


class Server:
    """The shared MariaDB as the tests see it."""

    def __init__(self, description):
        self.socket, self.port = description["socket"], description["port"]
        self.tcp = ("127.0.0.1", self.port)
        self.address = "127.0.0.1:%d" % self.port

    def sql(self, statements, database=None):
        reach = Mariadb.__new__(Mariadb)
        reach.socket = self.socket
        return Mariadb.sql(reach, statements, database)


@pytest.fixture(scope="session")
def mariadb(request):
    given = getattr(request.config, "workerinput", {}).get("perilune_shared")
    return Server(given or shared_servers(request.config).describe())


_numbers = itertools.count()


@pytest.fixture
def database(mariadb):
    """The name of an empty database of the test's own."""
    name = "t%d_%d" % (os.getpid(), next(_numbers))
    mariadb.sql(f"CREATE DATABASE {name}")
    yield name
    mariadb.sql(f"DROP DATABASE {name}")


@pytest.fixture
def folder():
    """A short temporary path, as unix sockets need it."""
    path = temporary_folder("pl-")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def daemons(request, folder, mariadb):
    """Makes daemons that are not yet started; those that were are ended and judged at the end of the test."""
    made = request.node.perilune_daemons = []
    reloading = request.node.get_closest_marker("no_reload") is None

    def make(config, define=None, **options):
        define = {"SERVER": mariadb.address, "SERVER_SOCK": mariadb.socket, **(define or {})}
        made.append(
            Perilune(folder / f"d{len(made)}", config, define=define, **{"reloading": reloading, **options})
        )
        return made[-1]

    yield make
    errors = []
    for daemon in reversed(made):
        try:
            daemon.finish()
        except AssertionError as error:
            errors.append(error)
    if errors:
        raise errors[0]


@pytest.fixture
def perilune(daemons):
    """Starts a daemon with a script."""

    def start(config, define=None, **options):
        return daemons(config, define, **options).start()

    return start


@pytest.fixture
def fake(request):
    """Makes scripted servers."""
    made = []

    def make(*arguments, **options):
        made.append(FakeServer(*arguments, **options))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def backlogged():
    server = Backlogged()
    yield server
    server.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what its daemons said."""
    report = (yield).get_result()
    if report.failed:
        for daemon in getattr(item, "perilune_daemons", ()):
            if daemon.process is not None:
                report.sections.append((f"log of {daemon.folder.name}", daemon.log.text()[-12000:]))
