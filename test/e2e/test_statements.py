"""on_query and on_init_db: every return value, whatever the client negotiated and however it sends."""

import struct
import time

import pymysql
import pytest

from support import wire
from support.drivers import DRIVERS, Login, log_in
from support.raw_client import execute_body
from support.wire import Cap, Err

# What each text is answered with; everything else passes.
RULES = """
local answers = {
  ['refuse'] = function(client) return client:err('not today') end,
  ['refuse with code'] = function(client) return client:err('mine', { code = 4711, sqlstate = 'XY123' }) end,
  ['refuse silently'] = function(client) return client:err() end,
  ['ok'] = function(client) return client:ok() end,
  ['ok 42'] = function(client) return client:ok(42) end,
  ['replace'] = function(client) return client:query('SELECT 7 AS seven') end,
  ['replace by much'] = function(client) return client:query('SELECT ' .. string.rep(' ', 300000) .. '8') end,
  ['table'] = function(client)
    return client:result {
      columns = { 'i', 'f', 's', 'b', 'n', 'mixed' },
      rows = { { 1, 1.5, 'text', true, nil, 'a' }, { -9007199254740992, -2, 'ü', false, nil, 2 }, { 3, 0.1, '', true } },
    }
  end,
  ['bytes'] = function(client) return client:result { columns = { 'b' }, rows = { { '\\255\\0x' } } } end,
  ['no rows'] = function(client) return client:result { columns = { 'a', 'b' }, rows = {} } end,
  ['many rows'] = function(client)
    local rows = {}
    for i = 1, 20000 do rows[i] = { i, string.rep('x', 100) } end
    return client:result { columns = { 'i', 'x' }, rows = rows }
  end,
  ['big value'] = function(client) return client:result { columns = { 'x' }, rows = { { string.rep('y', 16777300) } } } end,
  ['with ? and ?'] = function(client) return client:result { columns = { 'p' }, rows = { { 'bound' } } } end,
  ['raise'] = function() error('boom') end,
  ['nonsense'] = function() return 'nonsense' end,
  ['two values'] = function(client) return client:ok(), client:ok() end,
  ['wrong action'] = function(client) return client:init_db('x') end,
  ['slowly refuse'] = function(client) sleep(0.05) return client:err('slow') end,
  ['slowly pass'] = function() sleep(0.05) end,
  ['slowly replace'] = function(client) sleep(0.05) return client:query('SELECT 9') end,
  ['slowly table'] = function(client) sleep(0.05) return client:result { columns = { 'a' }, rows = { { 'slow' } } } end,
}
local function on_query(client, sql, kind)
  local answer = answers[sql]
  if sql:find('SELECT SLEEPY') then sleep(0.05) return client:query('SELECT 10') end
  if answer then return answer(client) end
end
local handler = {
  on_login = function(client, login) return client:connect(SERVER, login) end,
  on_query = on_query,
}
mysql_listen(SOCK, handler)
mysql_listen(TCP, handler, { like = SERVER })
"""

COM_CREATE_DB, COM_DROP_DB, COM_REFRESH = 5, 6, 7

FLAG_SETS = {
    "eof": wire.PLAIN_CLIENT,
    "deprecate_eof": wire.PLAIN_CLIENT | Cap.DEPRECATE_EOF,
    "session_track": wire.PLAIN_CLIENT | Cap.DEPRECATE_EOF | Cap.SESSION_TRACK,
}


@pytest.fixture(params=FLAG_SETS)
def client(request, perilune):
    daemon = perilune(RULES)
    with daemon.logged_in(flags=FLAG_SETS[request.param]) as client:
        client.daemon = daemon
        yield client


def error_of(client, sql):
    with pytest.raises(Err) as info:
        client.query(sql)
    return info.value


def test_refusals(client):
    assert error_of(client, "refuse") == Err(1148, "42000", "not today")
    assert error_of(client, "refuse with code") == Err(4711, "XY123", "mine")
    assert error_of(client, "refuse silently").code == 1148
    assert error_of(client, "slowly refuse").message == "slow"
    assert client.value("SELECT 1") == "1"


@pytest.mark.parametrize("sql", ["raise", "nonsense", "two values", "wrong action"])
def test_a_callback_that_fails_refuses(client, sql):
    assert error_of(client, sql).message == "Lua error"
    client.daemon.log.wait("callback failed.*on_query")
    assert client.value("SELECT 1") == "1"


def test_other_texts(client):
    assert client.query("replace").rows == [(b"7",)]
    assert client.value("replace by much") == "8"
    assert client.value("slowly replace") == "9"
    assert client.value("SELECT SLEEPY") == "10"


def test_success(client):
    assert client.query("ok 42").affected == 42
    assert client.query("ok").affected == 0


def test_a_table_of_every_type(client):
    assert client.query("table").rows == [
        (b"1", b"1.5", b"text", b"1", None, b"a"),
        (b"-9007199254740992", b"-2", "ü".encode(), b"0", None, b"2"),
        (b"3", b"0.1", b"", b"1", None, None),
    ]


def test_tables_of_every_size(client):
    assert client.query("no rows").rows == []
    assert client.query("bytes").rows == [(b"\xff\0x",)]
    assert len(client.query("many rows").rows) == 20000
    assert len(client.query("big value").rows[0][0]) == 16777300
    assert client.value("slowly table") == "slow"
    assert client.value("SELECT 5") == "5"


def test_the_session_stays_in_its_transaction(client):
    client.query("BEGIN")
    assert client.query("ok").status & wire.STATUS_IN_TRANSACTION
    assert client.query("table").status & wire.STATUS_IN_TRANSACTION
    client.query("COMMIT")
    assert not client.query("ok").status & wire.STATUS_IN_TRANSACTION


def test_prepared_statements(client):
    """Each return value at the preparation; executions follow it."""
    statement, _, _ = client.prepare("replace")
    assert len(client.execute(statement).rows) == 1
    with pytest.raises(Err, match="not today"):
        client.prepare("refuse")
    own, columns, parameters = client.prepare("with ? and ?")
    assert own >> 31 and (columns, parameters) == (1, 2)
    theirs, _, _ = client.prepare("SELECT ?")
    assert not theirs >> 31
    for _ in range(3):
        assert b"bound" in client.execute(own, (1, b"two")).rows[0][0]
        assert len(client.execute(theirs, (1,)).rows) == 1
    accepted, _, _ = client.prepare("ok 42")
    assert client.execute(accepted).affected == 42


def test_the_life_of_a_prepared_statement_of_ours(client):
    own, _, _ = client.prepare("with ? and ?")
    client.command(wire.COM_STMT_SEND_LONG_DATA, struct.pack("<IH", own, 0) + b"x" * 70000)
    client.command(wire.COM_STMT_RESET, struct.pack("<I", own))
    client.ok()
    client.command(wire.COM_STMT_CLOSE, struct.pack("<I", own))
    with pytest.raises(Err, match="Unknown prepared statement"):
        client.execute(own, (1, 2))
    another, _, _ = client.prepare("ok 42")
    client.command(wire.COM_RESET_CONNECTION)
    client.ok()
    with pytest.raises(Err, match="Unknown prepared statement"):
        client.execute(another)
    assert client.value("SELECT 1") == "1"


def test_more_parameters_than_fit(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_login = function(client, login) return client:connect(SERVER, login) end,
          on_query = function(client) return client:ok() end,
        })""")
    with daemon.logged_in() as client:
        assert client.prepare("?," * 65534 + "?")[2] == 65535
        with pytest.raises(Err, match="1390"):
            client.prepare("?," * 65535 + "?")


PIPELINE = [
    "SELECT 1",
    "table",
    "SELECT 2",
    "refuse",
    "slowly table",
    "ok 42",
    "replace",
    "slowly pass",
    "SELECT SLEEPY",
    "many rows",
    "raise",
    "slowly replace",
    "SELECT 4",
]


def outcome(client):
    try:
        return client.result()
    except Err as error:
        return error


def packet(command, body):
    payload = bytes([command]) + body
    return len(payload).to_bytes(3, "little") + b"\0" + payload


@pytest.mark.parametrize("cut", [None, 1, 7])
def test_answers_keep_their_order_in_a_pipeline(client, cut):
    """All in one write, or in small pieces: the stream of answers is the one of asking one after the other."""
    expected = []
    for sql in PIPELINE:
        client.send_query(sql)
        expected.append(outcome(client))
    stream = b"".join(packet(wire.COM_QUERY, sql.encode()) for sql in PIPELINE)
    for at in range(0, len(stream), cut or len(stream)):
        client.socket.sendall(stream[at : at + (cut or len(stream))])
    for sql, answer in zip(PIPELINE, expected):
        client.packets.sequence = 1
        assert outcome(client) == answer, sql


def test_a_pipeline_of_a_preparation_and_its_execution(client):
    """MariaDB's connectors execute "the last one" before they know its number."""
    last = 0xFFFFFFFF
    client.prepare("SELECT 3")
    client.socket.sendall(packet(wire.COM_STMT_PREPARE, b"ok 42") + packet(wire.COM_STMT_EXECUTE, execute_body(last)))
    client.packets.sequence = 1
    assert client.prepared()[0] >> 31
    client.packets.sequence = 1
    assert client.result(binary=True).affected == 42


def test_commands_are_asked_about_by_documented_texts(perilune, database):
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_login = function(client, login) return client:connect(SERVER, login) end,
          on_query = function(client, sql, kind)
            if kind == 'command' then
              event(sql)
              if sql:find('DROP') then return client:err('never') end
              if sql:find('REFRESH') then return client:ok() end
            end
          end,
        })""")
    with daemon.logged_in(database=database) as client:
        client.command(COM_CREATE_DB, database.encode() + b"_2")
        with pytest.raises(Err, match="Unknown command"):  # of the server, which has it no longer
            client.ok()
        client.command(COM_DROP_DB, database.encode() + b"_2")
        with pytest.raises(Err, match="never"):
            client.ok()
        client.command(COM_REFRESH, b"\x04")
        with pytest.raises(Err, match="Lua error"):  # only forward or err
            client.ok()
        client.command(wire.COM_INIT_DB, database.encode())
        client.ok()
        client.command(0x21, b"?")
        with pytest.raises(Err):
            client.ok()
        client.command(wire.COM_PING)
        client.ok()
    for text in (f"CREATE DATABASE {database}_2", f"DROP DATABASE {database}_2", "REFRESH 4", f"USE {database}", "COMMAND 33"):
        daemon.events.wait(f"^{text}$")


def test_texts_longer_than_max_query(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_login = function(client, login) return client:connect(SERVER, login) end,
          on_query = function(client, sql) if #sql > 1000 then event('long ' .. #sql) end end,
        }, { max_query = '1M' })""")
    longest = "SELECT /*" + "x" * (1048576 - 13) + "*/ 1"
    with daemon.logged_in() as client:
        assert client.value(longest) == "1"
        for extra in (1, 1000, 20000000):
            error = error_of(client, longest + " " * extra)
            assert (error.code, error.sqlstate) == (1153, "08S01") and "max_query" in error.message
            assert client.value("SELECT 2") == "2"
    assert [line for line in daemon.events.snapshot() if line != "long 1048576"] == []


def test_a_text_of_several_packets(perilune):
    """16 MiB and more, seen as a whole, passed on, refused and replaced by a short one: the numbers of packets fit."""
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_login = function(client, login) return client:connect(SERVER, login) end,
          on_query = function(client, sql)
            if sql:sub(1, 6) == 'refuse' then return client:err(tostring(#sql)) end
            if sql:sub(1, 7) == 'replace' then return client:query('SELECT 3') end
            if sql:sub(1, 4) == 'grow' then return client:query('SELECT 4' .. string.rep(' ', 16777300)) end
          end,
        }, { max_query = '40M' })""")
    with daemon.logged_in(user="root", password="") as client:
        client.query("SET GLOBAL max_allowed_packet = 67108864")
    with daemon.logged_in() as client:
        for size in (0xFFFFFF - 1, 0xFFFFFF, 17000000, 2 * 0xFFFFFF - 1):
            assert error_of(client, "refuse".ljust(size)).message == str(size)
            assert client.value("SELECT 1 ".ljust(size)) == "1"
            assert client.value("replace".ljust(size)) == "3"
        assert error_of(client, "grow").code == 1148
        daemon.log.wait("more packets")
        assert client.value("SELECT 5") == "5"


def test_memory_limit(perilune):
    """What does not fit is refused; what is given back can be used again."""
    daemon = perilune("""
        settings { memory_limit = '1M' }
        mysql_listen(SOCK, {
          on_login = function(client, login) return client:connect(SERVER, login) end,
          on_query = function() end,
        })""")
    with daemon.logged_in() as client, daemon.logged_in() as other:
        half = b"\x03SELECT 1" + b" " * 600000
        header = len(half).to_bytes(3, "little") + b"\0"
        client.socket.sendall(header + half[:500000])
        while True:  # until the first one holds its share
            error = pytest.raises(Err, other.query, "SELECT 2".ljust(600000)) if client_holds(other) else None
            if error:
                break
        assert error.value.code == 1041 and "memory_limit" in error.value.message
        client.socket.sendall(half[500000:])
        client.packets.sequence = 1
        assert client.result().rows == [(b"1",)]
        assert other.value("SELECT 2".ljust(600000)) == "2"


def client_holds(other):
    try:
        return other.value("SELECT 2".ljust(600000)) != "2"
    except Err as error:
        return error.code == 1041


def test_a_client_that_leaves_cancels_its_callback(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_login = function(client, login) return client:connect(SERVER, login) end,
          on_query = function(client, sql)
            if sql == 'wait' then event('waiting') wait_for_gate('never') event('went on') end
          end,
          on_disconnect = function(client) event('gone') end,
        })""")
    with daemon.logged_in() as client:
        client.send_query("wait")
        daemon.events.wait("waiting")
    daemon.events.wait("gone")
    daemon.open_gate("never")
    with daemon.logged_in() as client:
        assert client.value("SELECT 1") == "1"
    assert not daemon.events.matching("went on")


def test_answers_arrive_while_a_callback_waits(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_login = function(client, login) return client:connect(SERVER, login) end,
          on_query = function(client, sql)
            if sql == 'wait' then wait_for_gate('open') return client:ok(5) end
          end,
        })""")
    with daemon.logged_in() as client:
        client.socket.sendall(packet(wire.COM_QUERY, b"SELECT SLEEP(0.2)") + packet(wire.COM_QUERY, b"wait") + packet(wire.COM_QUERY, b"SELECT 3"))
        client.packets.sequence = 1
        assert client.result().rows == [(b"0",)]
        daemon.open_gate("open")
        client.packets.sequence = 1
        assert client.result().affected == 5
        client.packets.sequence = 1
        assert client.result().rows == [(b"3",)]


def test_a_callback_that_waits_too_long(perilune):
    daemon = perilune("""
        settings { callback_timeout = 0.2 }
        mysql_listen(SOCK, {
          on_login = function(client, login) return client:connect(SERVER, login) end,
          on_query = function(client, sql) if sql == 'wait' then sleep(60) end end,
        })""")
    with daemon.logged_in() as client:
        assert error_of(client, "wait").message == "Lua error"
        daemon.log.wait("callback_timeout")
        assert client.value("SELECT 1") == "1"


# --- the database

DATABASES = """
    mysql_listen(SOCK, {
      on_login = function(client, login) return client:connect(SERVER, login) end,
      on_init_db = function(client, name)
        event('asked for ' .. name)
        if name == 'forbidden' then return client:err('no such luck') end
        if name == 'silent' then return client:err() end
        if name == 'alias' then return client:init_db('%s') end
        if name == 'slow alias' then sleep(0.05) return client:init_db('%s') end
        if name == 'missing' then return client:init_db('is_not_there') end
        if name == 'raise' then error('boom') end
      end,
      on_query = function(client, sql) if sql == 'which' then return client:result { columns = { 'd' }, rows = { { client.database } } } end end,
    })"""


@pytest.mark.parametrize("how", ["command", "text"])
def test_changes_of_the_database(perilune, database, how):
    daemon = perilune(DATABASES % (database, database))

    def use(client, name):
        if how == "text":
            client.query(f"/* first */ use `{name}` ;")
        else:
            client.command(wire.COM_INIT_DB, name.encode())
            client.ok()

    with daemon.logged_in() as client:
        for alias in ("alias", "slow alias"):
            use(client, alias)
            assert client.value("SELECT DATABASE()") == database
            assert client.value("which") == alias
        for name, code, message in (("forbidden", 1044, "no such luck"), ("silent", 1044, ""), ("raise", 1044, "Lua error"), ("missing", 1049, "")):
            with pytest.raises(Err) as info:
                use(client, name)
            assert info.value.code == code and message in info.value.message
            assert client.value("which") == "slow alias"
        use(client, "mysql")
        assert client.value("which") == client.value("SELECT DATABASE()") == "mysql"
        with pytest.raises(Err, match="1049"):
            use(client, "nowhere")
        assert client.value("which") == "mysql"


def test_a_pipeline_behind_a_change_of_the_database(perilune, database):
    daemon = perilune(DATABASES % (database, database))
    with daemon.logged_in() as client:
        client.socket.sendall(packet(wire.COM_INIT_DB, b"alias") + packet(wire.COM_QUERY, b"which") + packet(wire.COM_INIT_DB, b"missing") + packet(wire.COM_QUERY, b"which"))
        client.packets.sequence = 1
        client.ok()
        for _ in range(2):
            client.packets.sequence = 1
            assert client.result().rows == [(b"alias",)]
            if _ == 0:
                client.packets.sequence = 1
                with pytest.raises(Err, match="1049"):
                    client.ok()


def test_on_init_db_alone_gathers_nothing(perilune, database):
    """Long texts pass as if there were no callback."""
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_login = function(client, login) return client:connect(SERVER, login) end,
          on_init_db = function(client, name) event('asked for ' .. name) end,
        }, { max_query = 5000 })""")
    with daemon.logged_in() as client:
        assert client.value("/* x */ SELECT 1".ljust(1000000)) == "1"
        client.query(f"USE {database}")
    daemon.events.wait(f"asked for {database}")


# --- clients that people have


@pytest.mark.parametrize("driver", DRIVERS)
def test_drivers(perilune, fetched, driver):
    for name in DRIVERS[driver].needs:
        fetched(name)
    daemon = perilune(RULES)

    def ask(sql):
        return log_in(driver, Login(daemon.tcp, "plain", "secret", query=sql))

    assert ask("replace").value == "7"
    assert ask("slowly table").value == "slow"
    assert ask("refuse with code").number == 4711
    assert ask("SELECT 'unchanged'").value == "unchanged"


def test_pymysql(perilune):
    daemon = perilune(RULES)
    connection = daemon.pymysql(charset="utf8mb4")
    with connection, connection.cursor() as cursor:
        cursor.execute("table")
        assert cursor.fetchall()[0] == (1, 1.5, "text", 1, None, "a")
        assert cursor.execute("ok 42") == 42
        with pytest.raises(pymysql.err.Error, match="not today"):
            cursor.execute("refuse")
        cursor.execute("bytes")
        assert cursor.fetchall() == ((b"\xff\0x",),)


def test_idle_timeout_and_statements_that_the_script_answers(perilune):
    """They are a sign of life, and they count in bytes and commands."""
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_login = function(client, login) return client:connect(SERVER, login) end,
          on_query = function(client, sql)
            if sql == 'answer' then
              return client:result { columns = { 'q', 'i', 'o' }, rows = { { client.queries, client.bytes_in, client.bytes_out } } }
            end
          end,
        }, { idle_timeout = 0.5 })""")
    with daemon.logged_in() as client:
        begin = time.monotonic()
        before = (-1, -1, -1)
        while time.monotonic() - begin < 1.5:
            after = tuple(map(int, client.query("answer").rows[0]))
            assert all(a > b for a, b in zip(after, before))
            before = after
            time.sleep(0.05)
        client.packets.sequence = 0
        assert Err.decode(client.packets.read()).code == 4031
