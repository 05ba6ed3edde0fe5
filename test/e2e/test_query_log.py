"""Logs of statements: what they hold."""

import re
import signal
import struct

import pytest

from support import wire
from support.c_client import CClient
from support.query_log import PLAIN, by_session, lines_of, records, run_together, wait_for, wait_for_records
from support.raw_client import LONG_DATA, execute_body


def test_records_are_complete(perilune, database):
    daemon = perilune(PLAIN)
    with daemon.logged_in() as client:
        client.query(f"CREATE TABLE {database}.t (a INT, b TEXT)")
        client.query(f"INSERT INTO {database}.t VALUES (1, 'x'), (2, NULL)")
        client.query(f"SELECT * FROM {database}.t")
        with pytest.raises(wire.Err):
            client.query("SELEC\n1")
        statement, *_ = client.prepare(f"SELECT a FROM {database}.t WHERE a < ? AND 'é' = ?")
        client.command(wire.COM_STMT_EXECUTE, execute_body(statement, [2, "é".encode()]))
        client.result(binary=True)
    found = wait_for_records(daemon, 6)
    assert [r["kind"] for r in found] == ["query", "query", "query", "query", "prepare", "execute"]
    assert found[0]["affected"] == 0 and found[1]["affected"] == 2 and found[2]["rows"] == 2
    assert found[3]["error"]["code"] == 1064 and found[3]["error"]["sqlstate"] == "42000"
    assert found[5]["sql"] == found[4]["sql"] and found[5]["parameters"] == [2, "é"] and found[5]["rows"] == 1
    assert {r["user"] for r in found} == {"plain"} and len({r["session"] for r in found}) == 1
    assert all(r["answered"] and 0 <= r["first"] <= r["duration"] for r in found)
    assert [r["time"] for r in found] == sorted(r["time"] for r in found)
    lines = lines_of(daemon.folder / "lines")
    assert len(lines) == 6 and " SELEC\\n1\terror=1064 (42000) " in lines[3]


def test_passwords_are_masked(perilune):
    daemon = perilune(PLAIN)
    with daemon.logged_in() as client:
        with pytest.raises(wire.Err):
            client.query("ALTER USER nobody IDENTIFIED BY 'geheim'")
        with pytest.raises(wire.Err):
            client.query("SET PASSWORD FOR nobody@x = 'geheim' nonsense")
    wait_for_records(daemon, 2)
    assert "geheim" not in (daemon.folder / "statements").read_text() + (daemon.folder / "lines").read_text()


def test_long_data(perilune, database):
    """As MariaDB's C library sends them."""
    daemon = perilune(PLAIN)
    with CClient(daemon.sock, "plain", "secret", database=database) as client:
        client.value("SELECT 1")
        with client.prepare("CREATE TABLE t (a BIGINT)") as statement:
            statement.execute()
        with client.prepare("SELECT LENGTH(?)") as statement:
            statement.execute_with_long_data("ab", "c")
            statement.execute("x")
        with client.prepare("INSERT INTO t VALUES (?)") as statement:
            statement.execute(-6)
    executed = [r for r in wait_for_records(daemon, 8) if r["kind"] == "execute"]
    assert [r["sql"] for r in executed] == [
        "CREATE TABLE t (a BIGINT)", "SELECT LENGTH(?)", "SELECT LENGTH(?)", "INSERT INTO t VALUES (?)"
    ]
    assert [r.get("parameters") for r in executed] == [None, ["abc"], ["x"], [-6]]
    assert executed[3]["affected"] == 1


def test_long_data_is_cut_like_texts(perilune):
    daemon = perilune(PLAIN.replace("parameters = true", "parameters = true, max_statement = 1000"))
    with daemon.logged_in() as client:
        statement, *_ = client.prepare("SELECT LENGTH(?)")
        for _ in range(3):
            client.command(wire.COM_STMT_SEND_LONG_DATA, struct.pack("<IH", statement, 0) + b"x" * 400_000)
        client.command(wire.COM_STMT_EXECUTE, execute_body(statement, [LONG_DATA]))
        assert client.result(binary=True).rows[0][0][2:] == struct.pack("<I", 1_200_000)
        client.query("SELECT LENGTH('%s')" % ("y" * 500_000))
    found = wait_for_records(daemon, 3)
    assert found[1]["parameters_cut"] and 900 < len(found[1]["parameters"][0]) <= 1000
    assert found[2]["sql_bytes"] == 500_017 and len(found[2]["sql"]) == 1000


def test_statements_without_an_answer_are_logged_at_the_end(perilune, server):
    daemon = perilune(PLAIN)
    client = daemon.logged_in()
    client.send_query("SELECT SLEEP(30)")
    client.send_query("SELECT 'behind it'")
    wait_for(lambda: "SLEEP(30)" in str(server.sql("SHOW PROCESSLIST")))
    client.close()
    found = wait_for_records(daemon, 2)
    assert [(r["sql"], r["answered"]) for r in found] == [("SELECT SLEEP(30)", False), ("SELECT 'behind it'", False)]
    assert all("first" not in r for r in found)
    lines = wait_for(lambda: lines_of(daemon.folder / "lines"))
    assert all(line.endswith("\tunanswered") for line in lines)


@pytest.mark.no_reload
def test_what_is_under_way_at_the_daemons_end_is_logged(daemons, server):
    daemon = daemons(PLAIN)
    daemon.start()
    with daemon.logged_in() as client, daemon.logged_in() as other:
        other.query("SELECT 'before'")
        client.send_query("SELECT SLEEP(1), 'at the end'")
        wait_for(lambda: "at the end" in str(server.sql("SHOW PROCESSLIST")))
        daemon.signal(signal.SIGTERM)
        assert client.result().rows
    assert daemon.wait() == 0
    assert [r["sql"] for r in records(daemon)] == ["SELECT 'before'", "SELECT SLEEP(1), 'at the end'"]


def test_a_change_of_user_keeps_the_log(perilune):
    daemon = perilune(PLAIN)
    with daemon.logged_in() as client:
        statement, *_ = client.prepare("SELECT ?")
        client.change_user("dumper", "secret")
        client.query("SELECT 1")
        client.command(wire.COM_STMT_EXECUTE, execute_body(statement, [1]))
        with pytest.raises(wire.Err):  # the server has forgotten it
            client.result(binary=True)
        assert client.prepare("SELECT 2, ?")[0]
    found = wait_for_records(daemon, 4)
    assert len(by_session(found)) == 1
    assert [r["user"] for r in found] == ["plain", "dumper", "dumper", "dumper"]
    assert found[2]["sql"].startswith("(prepared before") and found[2]["error"]["code"] == 1243


SERVED = """
local statements = log_file(FOLDER .. '/statements', { format = 'json', parameters = true })
mysql_listen(SOCK, {
  on_login = function(client, login) return client:serve { unchecked = true } end,
  on_query = function(client, sql)
    if sql == 'rows' then return client:result { columns = { 'a' }, rows = { { 1 }, { 2 } } } end
    if sql == 'ok' then return client:ok(3) end
    if sql == 'slow' then sleep(0.05) return client:err('slowly') end
  end,
}, { log = statements })
"""


def test_served_sessions_are_logged_too(perilune):
    daemon = perilune(SERVED)
    with daemon.logged_in("anybody", "anything", database="start") as client:
        client.query("rows")
        client.query("ok")
        for sql in ("slow", "unknown"):
            with pytest.raises(wire.Err):
                client.query(sql)
        statement, *_ = client.prepare("rows")
        client.command(wire.COM_STMT_EXECUTE, execute_body(statement))
        client.result(binary=True)
    found = wait_for_records(daemon, 6)
    assert [(r["kind"], r["sql"]) for r in found] == [
        ("query", "rows"), ("query", "ok"), ("query", "slow"), ("query", "unknown"), ("prepare", "rows"), ("execute", "rows")
    ]
    assert (found[0]["rows"], found[1]["affected"], found[5]["rows"]) == (2, 3, 2)
    assert found[2]["error"]["message"] == "slowly" and found[3]["error"]["sqlstate"] == "42000"
    assert all(r["user"] == "anybody" and r["database"] == "start" and "server" not in r for r in found)


SCRIPTED = """
local all = log_file(FOLDER .. '/statements', { format = 'json' })
local other = log_file(FOLDER .. '/other', { format = 'json' })
mysql_listen(SOCK, {
  on_login = function(client, login) return client:connect(SERVER, login) end,
  on_command_phase = function(client)
    client.log = all
    assert(client.log == all)
  end,
  on_query = function(client, sql)
    if sql == 'old' then return client:query('SELECT 1') end
    if sql == 'no' then return client:err('never') end
    if sql == 'rows' then return client:result { columns = { 'a' }, rows = { { 1 }, { 2 } } } end
    if sql == 'SELECT 2' then client.log = { all, other } end
    if sql == 'SELECT 3' then client.log = nil end
  end,
  on_log = function(client, record)
    if record.sql == 'SELECT 4' then return false end
    if record.sql == 'SELECT 5' then return other end
    if record.sql == 'SELECT 6' then error('boom') end
    if record.sql == 'SELECT 7' then sleep(1) end
  end,
})
"""


def test_the_script_decides(perilune):
    daemon = perilune(SCRIPTED)
    with daemon.logged_in() as client:
        client.query("old")
        with pytest.raises(wire.Err):
            client.query("no")
        client.query("rows")
        for i in (4, 5, 6, 7, 2, 3):
            client.query(f"SELECT {i}")
    found = wait_for_records(daemon, 6)
    assert [r["sql"] for r in found] == ["SELECT 1", "no", "rows", "SELECT 6", "SELECT 7", "SELECT 2"]
    assert found[0]["original"] == "old" and found[1]["error"]["message"] == "never" and found[2]["rows"] == 2
    assert [r["sql"] for r in wait_for_records(daemon, 2, "other")] == ["SELECT 5", "SELECT 2"]


@pytest.mark.parametrize(
    "line, error",
    [
        ("log_file('/no/such/folder/log')", "cannot open /no/such/folder/log"),
        ("log_file(FOLDER .. '/x', { format = 'raw' })", "only for log_socket"),
        ("log_file(FOLDER .. '/x', { formt = 'json' })", "format"),
        ("log_file(FOLDER .. '/x', { buffer = '64K' })", "buffer"),
        ("log_socket('localhost:99')", ""),
    ],
)
def test_mistakes_fail_the_load(daemons, line, error):
    daemon = daemons(PLAIN + line, stop_code=78)
    daemon.spawn()
    assert daemon.wait() == 78
    assert error in daemon.log.text()


def test_many_clients(perilune):
    daemon = perilune(PLAIN)
    clients, each = 150, 20

    def run(number):
        with daemon.pymysql() as connection, connection.cursor() as cursor:
            for i in range(each):
                cursor.execute(f"SELECT {number}, {i}")

    run_together(run, clients)
    wait_for(lambda: sum(" SELECT " in line for line in lines_of(daemon.folder / "lines")) >= clients * each)
    orders = []
    for mine in by_session(records(daemon)).values():
        texts = [re.fullmatch(r"SELECT (\d+), (\d+)", r["sql"]) for r in mine]
        orders.append([(int(text[1]), int(text[2])) for text in texts if text])
    assert sorted(orders) == [[(number, i) for i in range(each)] for number in range(clients)]
