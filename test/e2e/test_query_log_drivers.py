"""Logs of statements against the server's own log: the same statements, session by session and in order."""

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

import drivers
from support.c_client import CClient
from support.query_log import PLAIN, by_session, lines_of, records, run_together, wait_for

SESSIONS = 5


class Witness:
    """The server's general log of one account."""

    def __init__(self, server):
        self._server = server
        self.user = "log_%d" % os.getpid()

    def __enter__(self):
        # One test at a time: it is the server's only one.
        self._lock = open(f"{tempfile.gettempdir()}/general_log-{self._server.port}", "w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._server.sql(
            f"CREATE USER {self.user}@'%' IDENTIFIED BY 'secret';"
            " SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = ON"
        )
        return self

    def __exit__(self, *_):
        self._server.sql("SET GLOBAL general_log = OFF; SET GLOBAL log_output = 'FILE'; TRUNCATE mysql.general_log")
        self._server.sql(f"DROP USER {self.user}@'%'")
        self._lock.close()

    def sessions(self):
        """Lists of texts."""
        answer = self._server.sql(
            "SELECT thread_id, argument FROM mysql.general_log"
            f" WHERE user_host LIKE '{self.user}[%' AND command_type IN ('Query', 'Prepare', 'Execute') ORDER BY event_time"
        )
        found = {}
        for line in str(answer).splitlines():
            thread, _, text = line.partition("\t")
            if thread.isdigit():
                found.setdefault(thread, []).append(text.strip())
        return sorted(found.values())


def as_servers_log_it(record):
    """With the values in their places."""
    text = record["sql"]
    for value in record.get("parameters", []):
        text = text.replace("?", "NULL" if value is None else str(value) if isinstance(value, (int, float)) else f"'{value}'", 1)
    return text.strip()


def of_user(daemon, user):
    return [r for r in records(daemon) if r["user"] == user]


def run_pymysql(daemon, user, number, count):
    """Texts alone."""
    with daemon.pymysql(user) as connection, connection.cursor() as cursor:
        for i in range(count // 4 + 1):
            cursor.execute("SET @a = %s", (i,))
            cursor.execute("SELECT %s, %s", (f"session {number}", i))
            cursor.execute(f"SELECT @a /* {i} */")
            connection.commit()


def run_c(daemon, user, number, count):
    """MariaDB's C library: statements are prepared and closed, and their numbers come again."""
    with CClient(daemon.sock, user, "secret") as client:
        for i in range(count // 9 + 1):
            client.value(f"SELECT 'session {number}', {i}")
            with client.prepare(f"SELECT ? + {i}") as statement:
                for value in range(4):
                    statement.execute(value)
            with client.prepare(f"SELECT ?, ? /* {i} */") as statement:
                statement.execute("text", i)
                statement.execute("", -i)


def run_mysql2(daemon, user, number, count):
    script = Path(__file__).parent / "support" / "many_statements.js"
    done = subprocess.run(
        ["node", script, daemon.sock, user, "secret", str(number), str(count)],
        env={**os.environ, "NODE_PATH": str(drivers.root_of("driver-node") / "node_modules")},
        capture_output=True, text=True, timeout=1200,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("run", [run_pymysql, run_c, run_mysql2], ids=["pymysql", "mariadb", "mysql2"])
def test_the_log_holds_what_the_servers_own_log_holds(perilune, server, fetched, request, run):
    fetched("driver-node")
    count = (100_000 if request.config.getoption("--thorough") else 5_000) // SESSIONS
    daemon = perilune(PLAIN)
    with Witness(server) as witness:
        run_together(lambda number: run(daemon, witness.user, number, count), SESSIONS)
        expected = witness.sessions()
    assert len(expected) == SESSIONS and all(len(texts) >= count for texts in expected)
    total = sum(len(texts) for texts in expected)
    wait_for(lambda: sum(f'"{witness.user}"' in line for line in lines_of(daemon.folder / "statements")) >= total)
    mine = by_session(of_user(daemon, witness.user)).values()
    assert sorted([as_servers_log_it(r) for r in session] for session in mine) == expected
