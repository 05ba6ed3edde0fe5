"""Real replicas that follow their primary through Perilune, semi-synchronously."""

import shutil
import signal
import threading

import pytest

from support import wire
from support.daemon import PASS_THROUGH
from support.replication import own_pair, until
from support.wire import Err
from throwaway import temporary_folder

pytestmark = pytest.mark.streams


@pytest.fixture(scope="module", params=["mariadb", "mysql-9"])
def pair(request, certificates, fetched):
    if request.param != "mariadb":
        fetched(request.param)
    folder = temporary_folder("pl-pair-")
    try:
        with own_pair(request.param, folder, certificates) as pair:
            yield pair
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def server(pair):
    """What the daemons connect to."""
    return pair.primary


@pytest.fixture
def place(pair):
    """Where the primary's log ended before the test."""
    return pair.place()


@pytest.fixture
def database(place, database):
    return database


@pytest.fixture
def following(pair):
    """pair.follow; the replica forgets its primary at the test's end."""
    yield pair.follow
    pair.leave()
    until(lambda: not pair.streams())


@pytest.fixture
def followed(perilune, pair, database, following):
    """A daemon through which the replica follows, and acknowledges."""
    daemon = perilune(PASS_THROUGH)
    following(daemon.tcp)
    pair.wait_for_acknowledgements()
    pair.primary.sql("CREATE TABLE t (a INT PRIMARY KEY, b LONGBLOB) ENGINE=InnoDB", database)
    return daemon


def fingerprint(server, database):
    return server.sql("SELECT a, LENGTH(b), SHA2(b, 256) FROM t ORDER BY a", database)


def same(pair, database):
    """Whether the replica has what the primary has, when it has caught up."""
    pair.wait()
    rows = fingerprint(pair.primary, database)
    return rows and rows == fingerprint(pair.replica, database)


@pytest.mark.parametrize("by_gtid, tls", [(True, True), (False, False)], ids=["gtid-tls", "position-clear"])
def test_a_replica_follows(perilune, pair, place, database, following, by_gtid, tls):
    daemon = perilune(PASS_THROUGH)
    following(daemon.tcp, None if by_gtid else place, tls)
    pair.wait_for_acknowledgements()
    before = int(pair.semi_sync("yes_tx"))
    pair.primary.sql("CREATE TABLE t (a INT PRIMARY KEY, b LONGBLOB) ENGINE=InnoDB; INSERT INTO t VALUES (1, 'one'), (2, NULL)", database)
    pair.primary.sql("UPDATE t SET b = x'00ff0aef' WHERE a = 2; DELETE FROM t WHERE a = 1; INSERT INTO t VALUES (3, '')", database)
    assert same(pair, database)
    assert int(pair.semi_sync("yes_tx")) >= before + 4
    assert pair.replica_says()[1:4] == [daemon.tcp[0], "plain", str(daemon.tcp[1])]


def test_a_commit_waits_for_the_acknowledgement(followed, pair, database):
    """While Perilune stands still no acknowledgement arrives, and the commit does not return."""
    unanswered = int(pair.semi_sync("no_tx"))
    followed.signal(signal.SIGSTOP)
    try:
        writer = threading.Thread(target=pair.primary.sql, args=("INSERT INTO t VALUES (1, 'x')", database))
        writer.start()
        until(lambda: pair.semi_sync("wait_sessions") == "1")
        assert writer.is_alive()
    finally:
        followed.signal(signal.SIGCONT)
    writer.join(20)
    assert not writer.is_alive()
    assert int(pair.semi_sync("no_tx")) == unanswered
    assert same(pair, database)


def test_events_of_more_than_one_packet(followed, pair, database):
    """A semi-synchronous primary writes three bytes ahead of an event: packets below, at and above 16 MiB - 1."""
    pair.primary.sql("INSERT INTO t VALUES (0, REPEAT('x', 1000))", database)
    overhead = biggest_event(pair) - 1000 + 3
    for number, size in enumerate([wire.MAX_PACKET - 1, wire.MAX_PACKET, wire.MAX_PACKET + 1, 20 << 20], 1):
        pair.primary.sql(f"INSERT INTO t VALUES ({number}, REPEAT('{number}', {size - overhead}))", database)
        assert biggest_event(pair) == size - 3
    assert same(pair, database)


def biggest_event(pair):
    """Its size, in the primary's newest file."""
    events = [line.split("\t") for line in pair.primary.sql(f"SHOW BINLOG EVENTS IN '{pair.place()[0]}'").splitlines()]
    return max(int(event[4]) - int(event[1]) for event in events)


def test_many_small_events(followed, pair, database):
    rows = ", ".join(f"({number}, REPEAT('x', {number % 700}))" for number in range(1000))
    pair.primary.sql("".join(f"INSERT INTO t VALUES ({number}, 'y'); " for number in range(1000, 1300)) + f"INSERT INTO t VALUES {rows}", database)
    assert same(pair, database)


def test_a_replica_stops_and_starts(followed, pair, database):
    pair.stop()
    until(lambda: pair.semi_sync("clients") == "0")
    pair.primary.sql("INSERT INTO t VALUES (1, 'meanwhile')", database)
    pair.start()
    assert same(pair, database)
    pair.wait_for_acknowledgements()


def test_the_primary_restarts(request, followed, pair, database):
    """In order, for which MySQL takes ten seconds, and by a crash."""
    slow = pair.SERVER == "mysql-9" and not request.config.getoption("--thorough")
    for number, how in enumerate([signal.SIGKILL] if slow else [signal.SIGTERM, signal.SIGKILL]):
        pair.restart_primary(how, meanwhile=lambda: until(lambda: not pair.is_connected()))
        pair.primary.sql(f"INSERT INTO t VALUES ({number}, 'after')", database)
        until(pair.is_connected)
        assert same(pair, database)
        pair.wait_for_acknowledgements()


@pytest.mark.no_reload
def test_a_reload_leaves_the_stream_alone(followed, pair, database):
    (stream,) = pair.streams()
    for number in range(3):
        followed.reload()
        pair.primary.sql(f"INSERT INTO t VALUES ({number}, 'reloaded')", database)
    assert same(pair, database)
    assert pair.streams() == [stream]


def test_a_drain_ends_the_stream_and_the_replica_comes_back(perilune, pair, database, following):
    """A stream has no quiet moment: it lasts until drain_timeout."""
    first = perilune("settings{ drain_timeout = 0.2 }" + PASS_THROUGH)
    following(first.tcp)
    pair.wait_for_acknowledgements()
    first.signal(signal.SIGTERM)
    assert first.wait() == 0
    until(lambda: not pair.is_connected())
    pair.primary.sql("CREATE TABLE t (a INT, b TEXT); INSERT INTO t VALUES (1, 'meanwhile')", database)
    perilune(PASS_THROUGH, {"TCP": "%s:%d" % first.tcp})
    until(pair.is_connected)
    assert same(pair, database)
    pair.wait_for_acknowledgements()


def test_a_stream_is_not_idle(perilune, pair, database, following):
    """However long the primary has nothing to say; a session that was logged in later is sent away meanwhile."""
    daemon = perilune(PASS_THROUGH.replace("handler)", "handler, { idle_timeout = 0.4 })"))
    following(daemon.tcp)
    until(pair.streams)
    (stream,) = pair.streams()
    with daemon.logged_in() as client, pytest.raises(Err) as caught:
        client.reply()
    assert caught.value.code == 4031
    assert pair.streams() == [stream]
    pair.primary.sql("CREATE TABLE t (a INT, b TEXT); INSERT INTO t VALUES (1, 'late')", database)
    assert same(pair, database)
    assert pair.streams() == [stream]
