"""Fixtures of the end-to-end tests: database servers for all, a daemon of its own for each test."""

import itertools
import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools" / "lib"), str(Path(__file__).parent)]

import drivers  # noqa: E402
import servers  # noqa: E402
from support.daemon import Perilune  # noqa: E402
from support.fake_server import Backlogged, FakeServer  # noqa: E402
from support.shared_servers import SharedServers, ask  # noqa: E402
from support.tcp import Target  # noqa: E402
from throwaway import run_sql, temporary_folder  # noqa: E402


def shared_servers(config):
    """The address to ask for servers; the process that the user started makes it on first need."""
    given = getattr(config, "workerinput", {}).get("perilune_shared")
    if given is None and not hasattr(config, "perilune_shared"):
        config.perilune_shared = SharedServers()
    return given or config.perilune_shared.address


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["perilune_shared"] = shared_servers(node.config)


def pytest_unconfigure(config):
    if hasattr(config, "perilune_shared"):
        config.perilune_shared.close()


def pytest_addoption(parser):
    parser.addoption("--thorough", action="store_true", help="the long variants too")
    parser.addoption("--without", action="append", default=[], choices=sorted(drivers.RECIPES), help="skip what needs this driver")
    parser.addoption("--allow-missing", action="store_true", help="skip what needs something that tools/servers or tools/drivers has not made")


class Server:
    """A shared server as the tests see it."""

    def __init__(self, description):
        self.socket, self.port = description["socket"], description["port"]
        self.tcp = ("127.0.0.1", self.port)
        self.address = "127.0.0.1:%d" % self.port

    def sql(self, statements, database=None):
        return run_sql(self.socket, statements, database)


@pytest.fixture(scope="session")
def fetched(request):
    """Call it before using what tools/servers or tools/drivers makes: without it a test fails, or skips if that was allowed of all, or of this one."""

    def check(name):
        source = servers if name in servers.RECIPES else drivers
        if not source.root_of(name).exists():
            may_miss = request.config.getoption("--allow-missing") or name in request.config.getoption("--without")
            miss = pytest.skip if may_miss else pytest.fail
            miss(f"{name} is missing; run tools/{source.__name__}")

    return check


def shared_server(request, name):
    return Server(ask(shared_servers(request.config), name))


@pytest.fixture(scope="session")
def certificates(request):
    """What all shared servers use for TLS."""
    return ask(shared_servers(request.config), "certificates")


@pytest.fixture(scope="session")
def mariadb(request):
    return shared_server(request, "mariadb")


@pytest.fixture(scope="session")
def mariadb118(request, fetched):
    fetched("mariadb-11.8")
    return shared_server(request, "mariadb-11.8")


@pytest.fixture(scope="session")
def mysql9(request, fetched):
    fetched("mysql-9")
    return shared_server(request, "mysql-9")


@pytest.fixture(scope="session")
def server(mariadb):
    """What `database` and `daemons` use. A file that tests with another server overrides it."""
    return mariadb


_numbers = itertools.count()


@pytest.fixture
def database(server):
    """The name of an empty database of the test's own."""
    name = "t%d_%d" % (os.getpid(), next(_numbers))
    server.sql(f"CREATE DATABASE {name}")
    yield name
    server.sql(f"DROP DATABASE {name}")


@pytest.fixture
def folder():
    """A short temporary path, as unix sockets need it."""
    path = temporary_folder("pl-")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def daemons(request, folder, server):
    """Makes daemons that are not yet started; those that were are ended and judged at the end of the test."""
    made = request.node.perilune_daemons = []
    reloading = request.node.get_closest_marker("no_reload") is None

    def make(config, define=None, **options):
        define = {"SERVER": server.address, "SERVER_SOCK": server.socket, **(define or {})}
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
def target():
    """A listening TCP socket whose connections the test holds."""
    target = Target()
    yield target
    target.close()


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
