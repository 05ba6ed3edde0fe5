"""Every driver against every server without Perilune: what the tests through it may expect.

A server's account demands TLS where the route has it, so that a login proves it.
"""

import itertools
import os

import pytest

from support import wire
from support.drivers import CLEAR, DRIVERS, Login, log_in
from support.login_table import ACCOUNTS, ROUTES, SERVERS, TABLE, works

pytestmark = pytest.mark.direct
_numbers = itertools.count()
all_drivers = pytest.mark.parametrize("driver", DRIVERS)


@pytest.fixture
def ready(fetched):
    """Call it with a driver's name before using it."""

    def check(driver):
        for name in DRIVERS[driver].needs:
            fetched(name)

    return check


@pytest.fixture
def create_account():
    """Makes accounts by a row of ACCOUNTS; returns their names."""
    made = []

    def create(server, account, require="NONE"):
        name = "d%d_%d" % (os.getpid(), next(_numbers))
        server.sql(f"CREATE USER {name}@'%' {account.identified} REQUIRE {require}")
        made.append((server, name))
        return name

    yield create
    for server, name in made:
        server.sql(f"DROP USER {name}@'%'")


def login_by(route, server, user, account, certificates, **more):
    ca = certificates.ca if route.tls == "verify" else None
    return Login(server.socket if route.is_unix else server.tcp, user, account.password, tls=route.tls, ca=ca, **more)


def fill_cache(server, user, account, certificates):
    """A login that everybody can do: PyMySQL's over TLS."""
    assert log_in("pymysql", login_by(ROUTES["tls"], server, user, account, certificates)).value == f"{user}@%"


@pytest.mark.parametrize("row", TABLE, ids="-".join)
def test_logins(request, ready, create_account, certificates, row):
    ready(row.driver)
    server, account, route = request.getfixturevalue(row.server), ACCOUNTS[row.account], ROUTES[row.route]
    user = create_account(server, account, "NONE" if route.tls == "off" else "SSL")
    if account.is_cached:
        fill_cache(server, user, account, certificates)
    outcome = log_in(row.driver, login_by(route, server, user, account, certificates))
    if works(row):
        assert outcome.value == f"{user}@%", outcome
    else:
        assert outcome.number is not None, outcome


@all_drivers
@pytest.mark.parametrize("server_name", SERVERS)
def test_a_wrong_password(request, ready, create_account, driver, server_name):
    ready(driver)
    server, account = request.getfixturevalue(server_name), ACCOUNTS[SERVERS[server_name][0]]
    user = create_account(server, account)
    outcome = log_in(driver, Login(server.tcp, user, "wrong"))
    assert outcome.number == 1045 and f"'{user}'@" in outcome.message, outcome


@all_drivers
def test_a_database_and_a_text_of_all_kinds_of_characters(ready, mariadb, database, driver):
    ready(driver)
    login = Login(mariadb.tcp, "plain", "secret", database=database, query="SELECT CONCAT(DATABASE(), ' ü€ \"$x\"')")
    assert log_in(driver, login).value == f"{database} ü€ \"$x\""


@all_drivers
def test_an_authority_that_did_not_sign_is_refused(ready, mariadb, certificates, driver):
    ready(driver)
    for ca, is_trusted in ((certificates.ca, True), (certificates.client, False)):
        outcome = log_in(driver, Login(mariadb.tcp, "plain", "secret", tls="verify", ca=ca))
        assert outcome.value == "plain@%" if is_trusted else outcome.number is not None, outcome


# Connector/J has no such method without TLS.
@pytest.mark.parametrize("driver", [name for name, driver in DRIVERS.items() if CLEAR in driver.methods and name != "connector-j"])
def test_the_clear_password(ready, fake, driver):
    """A driver sends it to whoever asks, if the method is named to it."""
    ready(driver)
    answers = []

    def on_login(peer, response):
        peer.packets.write(b"\xfe" + CLEAR.encode() + b"\0")
        answers.append(peer.packets.read())
        peer.packets.write(wire.Err(1234, "28000", "seen").encode())
        return False

    server = fake(on_login=on_login)
    outcome = log_in(driver, Login(("127.0.0.1", int(server.address.rpartition(":")[2])), "who", "secret", plugin=CLEAR))
    assert (outcome.number, answers) == (1234, [b"secret\0"]), outcome
