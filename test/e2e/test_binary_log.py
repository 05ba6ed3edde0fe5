"""Programs that read a server's binary log through Perilune, MariaDB's and MySQL's."""

import shutil
import subprocess

import pytest

import servers
from support import programs
from support.daemon import PASS_THROUGH
from support.replication import PAIRS, until
from support.shared_servers import start_server
from throwaway import temporary_folder

pytestmark = pytest.mark.streams

FIRST, LAST = "binlog.000001", "binlog.000002"
# An event of more than one packet, and a second file.
HISTORY = """
CREATE TABLE t (a INT PRIMARY KEY, b LONGBLOB) ENGINE=InnoDB;
INSERT INTO t VALUES (1, 'one'), (2, REPEAT(x'00ff', 10000000));
FLUSH BINARY LOGS;
INSERT INTO t VALUES (4, 'in the second file');
"""


ways = pytest.mark.parametrize("server, by_gtid", [("mariadb", False), ("mysql-9", False), ("mysql-9", True)], indirect=["server"])


@pytest.fixture(scope="module")
def server(request, certificates, fetched):
    """Its log has a closed file and an open one."""
    if request.param != "mariadb":
        fetched(request.param)
    folder = temporary_folder("pl-binlog-")
    kind = PAIRS[request.param]
    server = start_server(request.param, folder / "s", certificates, kind.OPTIONS)
    server.kind = kind
    try:
        server.sql(kind.RESET)
        server.sql(HISTORY, "shared_db")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def command(server, address, *options, by_gtid=False):
    if server.kind.SERVER == "mariadb":
        program = ["mariadb-binlog", "--no-defaults", "--read-from-remote-server"]
    else:
        program = [*servers.command("mysql-9", "usr/bin/mysqlbinlog"), "--no-defaults", "--get-server-public-key"]
        program.append("--read-from-remote-source=BINLOG-DUMP-" + ("GTIDS" if by_gtid else "NON-GTIDS"))
    return [*program, *programs.address_options(address), "--user=plain", "--password=secret", *options]


def read(*arguments, **options):
    done = subprocess.run(command(*arguments, **options), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@ways
def test_the_same_with_and_without(perilune, server, by_gtid):
    through = read(server, perilune(PASS_THROUGH).tcp, "--to-last-log", FIRST, by_gtid=by_gtid)
    assert len(through) > 20000000
    assert through == read(server, ("127.0.0.1", server.port), "--to-last-log", FIRST, by_gtid=by_gtid)


@ways
def test_raw_files_are_the_servers(perilune, server, folder, by_gtid):
    read(server, perilune(PASS_THROUGH).tcp, "--raw", f"--result-file={folder}/", "--to-last-log", FIRST, by_gtid=by_gtid)
    copied, original = (folder / FIRST).read_bytes(), (server.folder / "data" / FIRST).read_bytes()
    assert len(copied) > 20000000 and copied == original
    assert b"in the second file" in (folder / LAST).read_bytes()


@ways
def test_raw_files_as_they_grow(perilune, server, folder, by_gtid):
    """The stream ends only with its reader."""
    options = ["--raw", f"--result-file={folder}/", "--stop-never", LAST]
    reader = subprocess.Popen(command(server, perilune(PASS_THROUGH).tcp, *options, by_gtid=by_gtid), stderr=subprocess.DEVNULL)
    try:
        until(lambda: (folder / LAST).exists())
        number = 10 + by_gtid
        server.sql(f"INSERT INTO t VALUES ({number}, 'written later {number}')", "shared_db")
        until(lambda: b"written later %d" % number in (folder / LAST).read_bytes())
        assert reader.poll() is None
    finally:
        reader.kill()
        reader.wait()
