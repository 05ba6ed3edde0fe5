"""Programs that people use every day, at length."""

import re

import pytest

from support import programs
from support.daemon import PASS_THROUGH
from support.wire import Closed


@pytest.mark.parametrize("prepared", ["auto", "disable"])
@pytest.mark.parametrize("where", ["sock", "tcp"])
def test_sysbench(perilune, mariadb, database, where, prepared):
    daemon = perilune(PASS_THROUGH)
    bench = programs.Sysbench(getattr(daemon, where), database)
    bench.prepare()
    output = bench.run(threads=16, seconds=3, options=[f"--db-ps-mode={prepared}"])
    assert int(re.search(r"transactions: +(\d+)", output)[1]) > 16


def checksums(mariadb, database):
    tables = mariadb.sql(f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{database}'").split()
    assert tables
    return {table: mariadb.sql(f"CHECKSUM TABLE {table}", database).split()[1] for table in tables}


def test_dump_and_restore(perilune, mariadb, database):
    daemon = perilune(PASS_THROUGH)
    programs.Sysbench(daemon.sock, database, rows=5000).prepare()
    mariadb.sql("CREATE TABLE odd (a LONGBLOB, b TEXT); INSERT INTO odd VALUES (REPEAT(x'00ff27', 100000), '\\'ü')", database)
    dump = programs.run("mariadb-dump", daemon.tcp, "--hex-blob", "--routines", database).stdout
    assert len(dump) > 1000000
    before = checksums(mariadb, database)
    mariadb.sql(f"DROP DATABASE {database}; CREATE DATABASE {database}")
    programs.run("mariadb", daemon.sock, database, stdin=dump)
    assert checksums(mariadb, database) == before


def test_a_killed_session_ends_at_the_client_too(perilune, mariadb):
    """KILL takes the server's number, which the greeting's is not."""
    daemon = perilune(PASS_THROUGH)
    with daemon.logged_in() as client:
        own = client.value("SELECT CONNECTION_ID()")
        with daemon.logged_in() as killer:
            killer.query(f"KILL {own}")
        client.packets.sequence = 0  # an error nobody asked for, then the end
        with pytest.raises(Closed) as caught:
            while True:
                assert client.packets.read()[:1] == b"\xff"
                client.packets.sequence = 0
        assert caught.value.rest == b""
