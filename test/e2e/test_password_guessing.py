"""lua/examples/password_guessing.lua, with real clients at a real server."""

import time

import pymysql
import pytest

from support.daemon import PATIENCE, ROOT
from support.wire import Err

LIMIT, LIMIT_OF_ADDRESS = 10, 50


@pytest.fixture
def guarded(daemons):
    """The example with this test's addresses and a shorter wait."""
    text = (ROOT / "lua/examples/password_guessing.lua").read_text()
    for ours, theirs in (("'127.0.0.1:3307'", "SERVER"), ("'127.0.0.1:3306'", "TCP"), ("anna =", "plain ="), ("tarpit = 5", "tarpit = 1")):
        assert text.count(ours) == 1
        text = text.replace(ours, theirs)
    return daemons("require 'harness'\n" + text).start()


def log_in(daemon, password, source="127.0.0.1", user="plain"):
    host, port = daemon.tcp
    try:
        pymysql.connect(host=host, port=port, user=user, password=password, bind_address=source, connect_timeout=30).close()
    except pymysql.MySQLError as error:
        return error.args[1]
    return "in"


def test_who_guesses_waits_and_learns_nothing_more(guarded):
    assert log_in(guarded, "secret") == "in"
    for number in range(LIMIT):
        assert "Access denied" in log_in(guarded, f"guess {number}")
    began = time.monotonic()
    assert log_in(guarded, "secret") == "Too many failed logins"  # right or wrong
    assert 1 <= time.monotonic() - began < 20 * PATIENCE
    assert log_in(guarded, "secret", source="127.0.0.5") == "in"
    assert "Access denied" in log_in(guarded, "secret", user="dumper")


def test_who_logs_in_begins_anew(guarded):
    for _ in range(3):
        for number in range(LIMIT - 1):
            assert "Access denied" in log_in(guarded, f"guess {number}")
        assert log_in(guarded, "secret") == "in"


def test_an_address_that_tries_many_accounts_waits(guarded):
    for _ in range(LIMIT_OF_ADDRESS // 4):
        assert log_in(guarded, "secret") == "in"  # costs nothing
    accounts = 0
    while "Access denied" in (answer := log_in(guarded, "secret", user=f"account{accounts}")):
        accounts += 1
    assert answer == "Too many failed logins"
    assert LIMIT_OF_ADDRESS <= accounts < 2 * LIMIT_OF_ADDRESS  # some come back meanwhile
    assert log_in(guarded, "secret", source="127.0.0.5") == "in"


def test_guesses_at_the_same_time_are_counted_too(guarded):
    """All are asked for a password before the first one answers."""
    clients = [guarded.raw(guarded.tcp) for _ in range(4 * LIMIT)]
    told = []
    for client in clients:
        client.send_login("plain", "wrong", plugin="caching_sha2_password")
    for client in clients:
        with client, pytest.raises(Err) as caught:
            client.finish_login("wrong")
        told.append(caught.value.code)
    assert told.count(1045) <= LIMIT, f"{told.count(1045)} guesses"
