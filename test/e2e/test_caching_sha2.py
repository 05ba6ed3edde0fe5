"""Logins by caching_sha2_password at a real MySQL, the full exchange and the fast one."""

import itertools
import os

import pymysql
import pytest

from support import programs
from support.daemon import PASS_THROUGH
from support.raw_client import RawClient
from support.shared_servers import own_server
from support.wire import Err

KNOWN = """
local function on_login(client, login)
  return client:connect(%s, {user='%s', password='%s'}, {unchecked=true})
end
mysql_listen(SOCK, { on_login = on_login })
mysql_listen(TCP, { on_login = on_login })
"""
PASS_THROUGH_TO_SOCKET = PASS_THROUGH.replace("SERVER", "SERVER_SOCK")
# How the client comes and where the proxy goes. A client that asks for a key, as most do over TCP, gets none from a
# server on a unix socket.
ROUTES = [("sock", PASS_THROUGH), ("sock", PASS_THROUGH_TO_SOCKET), ("tcp", PASS_THROUGH)]
routes = pytest.mark.parametrize("where, config", ROUTES, ids=["unix-tcp", "unix-unix", "tcp-tcp"])
targets = pytest.mark.parametrize("target", ["SERVER", "SERVER_SOCK"])
_numbers = itertools.count()


@pytest.fixture(scope="module")
def server(mysql9):
    return mysql9


@pytest.fixture
def account(server):
    """The name of a new account, whose first login must be a full exchange."""
    name = "a%d_%d" % (os.getpid(), next(_numbers))
    server.sql(f"CREATE USER {name}@'%' IDENTIFIED WITH caching_sha2_password BY 'secret'")
    yield name
    server.sql(f"DROP USER {name}@'%'")


def log_in(address, user, password="secret"):
    """Whether the login took the full exchange."""
    with RawClient(address) as client:
        client.login(user, password)
        assert client.value("SELECT CURRENT_USER()") == f"{user}@%"
        return client.full_exchange


def login_error(address, user, password):
    with RawClient(address) as client, pytest.raises(Err) as caught:
        client.login(user, password)
    return caught.value


@routes
def test_pass_through_first_full_then_fast(perilune, account, where, config):
    address = getattr(perilune(config), where)
    assert [log_in(address, account) for _ in range(3)] == [True, False, False]


@routes
@pytest.mark.parametrize("program", ["mysql-9", "mariadb"])
def test_pass_through_with_the_ordinary_clients(perilune, account, where, config, program):
    address = getattr(perilune(config), where)
    for _ in "full", "fast":
        assert programs.mariadb(address, "SELECT CURRENT_USER()", name=program, user=account).stdout == f"{account}@%\n"


@routes
def test_pass_through_with_pymysql(perilune, account, where, config):
    daemon = perilune(config)
    reach = {"unix_socket": daemon.sock} if where == "sock" else {"host": daemon.tcp[0], "port": daemon.tcp[1]}
    for _ in "full", "fast":
        with pymysql.connect(user=account, password="secret", **reach) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT CURRENT_USER(), %s", ("ü€😀",))
            assert cursor.fetchall() == ((f"{account}@%", "ü€😀"),)


def test_a_client_over_tcp_that_sends_its_password_in_clear(perilune, account):
    """MariaDB's of 10.11; a server on a unix socket takes it as it comes."""
    daemon = perilune(PASS_THROUGH_TO_SOCKET)
    for _ in "full", "fast":
        assert programs.mariadb(daemon.tcp, "SELECT CURRENT_USER()", user=account).stdout == f"{account}@%\n"


def test_a_key_that_a_server_on_a_unix_socket_does_not_give(perilune, account):
    """It is the proxy's own: what the client encrypts with it goes to the server as it is."""
    daemon = perilune(PASS_THROUGH_TO_SOCKET)
    assert login_error(daemon.tcp, account, "wrong").code == 1045
    assert log_in(daemon.tcp, account)
    assert not log_in(daemon.tcp, account)


@targets
def test_known_credentials(perilune, account, target):
    daemon = perilune(KNOWN % (target, account, "secret"))
    for address in (daemon.sock, daemon.tcp):
        with daemon.logged_in("somebody", "else", address=address) as client:
            assert client.value("SELECT CURRENT_USER()") == f"{account}@%"


def test_known_credentials_first_full_then_fast(perilune, server, account):
    """The proxy's own full exchange counts: after it the server knows the account."""
    daemon = perilune(KNOWN % ("SERVER", account, "secret"))
    with daemon.logged_in("somebody", "else"):
        assert not log_in(server.tcp, account)
    with daemon.logged_in("somebody", "else") as client:
        assert client.value("SELECT CURRENT_USER()") == f"{account}@%"


def test_known_credentials_that_are_wrong(perilune, server, account):
    daemon = perilune(KNOWN % ("SERVER", account, "wrong"))
    for _ in "full", "fast":
        assert login_error(daemon.sock, "somebody", "else") == login_error(server.tcp, account, "wrong")
        log_in(server.tcp, account)


@pytest.mark.parametrize("cached", [False, True], ids=["full", "fast"])
@routes
def test_a_wrong_password_gives_the_servers_own_error(perilune, server, account, where, config, cached):
    daemon = perilune(config)
    if cached:
        log_in(server.tcp, account)
    direct = server.tcp if config == PASS_THROUGH else server.socket
    expected = login_error(direct, account, "wrong")
    assert expected.code == 1045
    assert login_error(getattr(daemon, where), account, "wrong") == expected


@pytest.mark.parametrize("program", ["mysql-9", "mariadb"])
def test_a_wrong_password_with_the_ordinary_clients(perilune, account, program):
    daemon = perilune(PASS_THROUGH)
    for address in (daemon.sock, daemon.tcp):
        done = programs.mariadb(address, "SELECT 1", name=program, user=account, password="wrong", check=False)
        assert done.returncode == 1
        assert "ERROR 1045 (28000)" in done.stderr


@routes
def test_an_account_without_a_password(perilune, where, config):
    address = getattr(perilune(config), where)
    assert not log_in(address, "nopass", "")
    assert login_error(address, "nopass", "extra").code == 1045
    for program in ("mysql-9", "mariadb"):
        assert programs.mariadb(address, "SELECT 1", name=program, user="nopass", password=None).stdout == "1\n"


@targets
def test_known_credentials_without_a_password(perilune, target):
    daemon = perilune(KNOWN % (target, "nopass", ""))
    with daemon.logged_in("somebody", "else") as client:
        assert client.value("SELECT CURRENT_USER()") == "nopass@%"


def test_a_password_longer_than_the_challenge(perilune, server):
    """The RSA exchange repeats the challenge as often as it must."""
    password = "secret-" * 11
    name = "long%d" % os.getpid()
    server.sql(f"CREATE USER {name}@'%' IDENTIFIED WITH caching_sha2_password BY '{password}'")
    try:
        with perilune(KNOWN % ("SERVER", name, password)).logged_in("somebody", "else") as client:
            assert client.value("SELECT CURRENT_USER()") == f"{name}@%"
        server.sql(f"ALTER USER {name}@'%' IDENTIFIED BY '{password}'")
        assert log_in(perilune(PASS_THROUGH).tcp, name, password)
    finally:
        server.sql(f"DROP USER {name}@'%'")


def test_a_changed_password_takes_the_full_exchange_again(perilune, server, account):
    daemon = perilune(PASS_THROUGH)
    assert log_in(daemon.tcp, account)
    server.sql(f"ALTER USER {account}@'%' IDENTIFIED BY 'changed'")
    assert login_error(daemon.tcp, account, "secret").code == 1045
    assert log_in(daemon.tcp, account, "changed")
    assert not log_in(daemon.tcp, account, "changed")


def test_flushed_privileges_take_the_full_exchange_again(perilune, fetched, folder, certificates):
    """A server of its own: the flush is for all accounts."""
    fetched("mysql-9")
    with own_server("mysql-9", folder / "server", certificates) as server:
        daemon = perilune(PASS_THROUGH, {"SERVER": server.address})
        assert [log_in(daemon.tcp, "sha2"), log_in(daemon.tcp, "sha2")] == [True, False]
        server.sql("FLUSH PRIVILEGES")
        assert [log_in(daemon.tcp, "sha2"), log_in(daemon.tcp, "sha2")] == [True, False]
        server.sql("FLUSH PRIVILEGES")
        known = perilune(KNOWN % ("SERVER", "sha2", "secret"), {"SERVER": server.address})
        for _ in "full", "fast":
            with known.logged_in("somebody", "else") as client:
                assert client.value("SELECT CURRENT_USER()") == "sha2@%"
