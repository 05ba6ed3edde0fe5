"""pg: lookups in PostgreSQL from callbacks, with a real server."""

import signal
import statistics
import subprocess
import threading
import time
from pathlib import Path

import pytest

from postgres import PASSWORD, own_postgres
from support.daemon import PATIENCE
from support.nodes import ADMIN, Admin
from support.tcp import connect, receive_all
from support.wire import COM_PING, Closed, Err

# What the tests use to tell what a script found.
TELL = """
local function tell(...)
  local parts = {}
  for i = 1, select('#', ...) do parts[i] = tostring((select(i, ...))):gsub('%s+', ' ') end
  event(table.concat(parts, '|'))
end
"""
IDLE = "mysql_listen(SOCK, { on_login = function(client) return client:err('no') end })"


@pytest.fixture(scope="module")
def postgres():
    with own_postgres() as server:
        server.sql(
            """
            CREATE TABLE account (name text PRIMARY KEY, password text, disabled boolean DEFAULT false, limits int[]);
            INSERT INTO account VALUES ('plain', 'secret', false, '{1,2,NULL}'), ('gone', NULL, true, NULL);
            GRANT ALL ON account TO web;
            CREATE SCHEMA "we""ird"; CREATE TABLE "we""ird".here (what text); INSERT INTO "we""ird".here VALUES ('found');
            GRANT ALL ON SCHEMA "we""ird" TO web; GRANT ALL ON "we""ird".here TO web;
            """
        )
        yield server


@pytest.fixture
def script(daemons, postgres):
    """Starts a daemon whose script knows the server."""

    def start(text, **options):
        define = {"PG": postgres.conninfo, "PG_LOCAL": postgres.local_conninfo, "PORT": postgres.port, **options.pop("define", {})}
        return daemons(TELL + text, define, **options).start()

    return start


def ask(script, postgres, expression):
    """What a main chunk finds: the values of an expression."""
    daemon = script(f"local db = pg:new(PG)\n tell({expression})\n" + IDLE, workers=1)
    return daemon.events.wait(".").split("|")


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def refusal(daemon, user):
    with daemon.raw() as client, pytest.raises(Err) as caught:
        client.login(user)
    return caught.value.message


# --- what a query gives


@pytest.mark.no_reload
@pytest.mark.parametrize(
    "expression, found",
    [
        ("db:execute('SELECT 1 AS a, 2 AS b'):fetch().b", ["2"]),
        ("db:execute('SELECT 1 AS a, 2 AS a'):fetch({}, 'a').a", ["2"]),
        ("unpack(db:execute('SELECT 1, 2'):fetch({}, 'n'))", ["1", "2"]),
        ("db:execute('SELECT NULL AS a'):fetch({ a = 'old' }).a", ["nil"]),
        ("(function() local t = {} return db:execute('SELECT 1'):fetch(t) == t end)()", ["true"]),
        ("(function() local r = db:execute('SELECT 1') r:fetch() return r:fetch() end)()", ["nil"]),
        ("db:execute('SELECT 1; SELECT 2 AS a'):fetch().a", ["2"]),
        ("db:execute('UPDATE account SET disabled = disabled'):fetch()", ["nil"]),
        ("db:execute('')", ["pg.result"]),
        ("db:execute('SELECT $1::text || $2::text AS a', { 'x', 7 }):fetch().a", ["x7"]),
        ("db:execute('SELECT $1::text AS a', { 1e15 }):fetch().a", ["1000000000000000"]),
        ("db:execute('SELECT $1::text AS a', { 0.5 }):fetch().a", ["0.5"]),
        ("db:execute('SELECT $1::boolean AS a, $2::boolean AS b', { true, false }):fetch({}, 'n')[2]", ["f"]),
        ("unpack(db:execute('SELECT $1::text, $2::text, $3::text', { nil, 'x', nil, n = 3 }):fetch({}, 'n'), 1, 3)", ["nil", "x", "nil"]),
        ("db:execute('SELECT length($1) AS n', { ('x'):rep(5000000) }):fetch().n", ["5000000"]),
        ("#db:execute([[SELECT repeat('x', 5000000) AS a]]):fetch().a", ["5000000"]),
        ("pg:decode_array(db:execute([[SELECT limits FROM account WHERE name = 'plain']]):fetch().limits)[3]", ["NULL"]),
        ("db:execute('SELECT $1::text[] AS a', { pg:encode_array{ 'a\"b', [[c\\d]], 5 } }):fetch().a", ['{"a\\"b","c\\\\d",5}']),
    ],
)
def test_values(script, postgres, expression, found):
    if found == ["pg.result"]:
        expression = f"getmetatable({expression})"
    assert ask(script, postgres, expression) == found


@pytest.mark.no_reload
@pytest.mark.parametrize(
    "expression, message",
    [
        ("db:execute('SELECT nonsense')", 'ERROR: column "nonsense" does not exist'),
        ("db:execute('SELECT 1; SELECT nonsense')", "ERROR: column"),
        ("db:execute('SELECT $1::int', { 'x' })", "ERROR: invalid input syntax for type integer"),
        ("db:execute('SELECT $1::text', { {} })", "Unsupported query parameter type: table"),
        ("db:execute('COPY account TO STDOUT')", "COPY from or to the client is not supported"),
        ("db:execute('COPY account FROM STDIN')", "COPY from or to the client is not supported"),
        ("nil, select(2, pcall(function() db:execute('SELECT 1'):fetch({}, 'x') end))", "Bad mode"),
        ("nil, select(2, pcall(function() db:execute('SELECT 1'):fetch(7) end))", "table expected, got number"),
    ],
)
def test_a_query_that_fails_returns_the_servers_words(script, postgres, expression, message):
    nothing, said = ask(script, postgres, expression)
    assert nothing == "nil" and message in said


def test_a_connection_is_used_again_after_an_error(script, postgres):
    script("local db = pg:new(PG) for i = 1, 5 do db:execute('nonsense') db:execute('COPY account TO STDOUT') end\n"
           "tell(db:execute('SELECT 7 AS a'):fetch().a)" + IDLE).events.wait("^7$")  # fmt: skip


@pytest.mark.no_reload
def test_schema(script, postgres):
    daemon = script("""local db = pg:new(PG, 'we"ird') tell(db:execute('SELECT what FROM here'):fetch().what)""" + IDLE, workers=1)
    daemon.events.wait("^found$")
    daemon = script("local db = pg:new(PG_LOCAL, 'public') tell(db:execute('SHOW search_path'):fetch().search_path)" + IDLE, workers=1)
    daemon.events.wait("^public$")


@pytest.mark.no_reload
def test_a_host_name_is_looked_up_and_several_hosts_are_tried(script, postgres):
    conninfo = f"postgresql://web:{PASSWORD}@no-such-host.invalid:1,localhost:{postgres.port}/hosting"
    script(f"tell(pg:new('{conninfo}'):execute('SELECT 7 AS a'):fetch().a)" + IDLE, workers=1).events.wait("^7$")


@pytest.mark.parametrize(
    "text, hint",
    [
        ("hots=db password=geheim", "did you mean 'host'"),
        ("password=geheim geheim2 host=x", "cannot be understood"),
        ("postgresql://web:geheim@[::1", "cannot be understood"),
        ("service=geheim", "'service' is not supported"),
    ],
)
def test_a_bad_connection_string_stops_the_load_and_is_not_shown(daemons, text, hint):
    daemon = daemons(f"pg:new('{text}')" + IDLE, workers=None, stop_code=78)
    done = subprocess.run(daemon.command("--check"), capture_output=True, text=True, timeout=60)
    assert done.returncode == 78
    assert hint in done.stderr and "geheim" not in done.stdout + done.stderr


# --- waiting

LOOKUP = """
local db = pg:new(PG, nil, { connections = CONNECTIONS or 1 })
mysql_listen(SOCK, {
  on_login = function(client, login)
    local seconds = login.user:match('^sleep (%S+)$')
    if seconds then
      event('sleeping')
      local result, message = db:execute('SELECT pg_sleep($1)', { seconds })
      return client:err(result and 'slept' or message)
    end
    return client:connect(SERVER, login)
  end,
})
"""


def test_a_lookup_stalls_no_other_session(script, postgres):
    daemon = script(LOOKUP, workers=1)
    with daemon.logged_in() as quick, daemon.raw() as slow:
        slow.send_login("sleep 4")
        daemon.events.wait("sleeping")
        wait_until(lambda: postgres.running("%pg_sleep%"))
        times = []
        while len(times) < 400:
            begin = time.monotonic()
            assert quick.value("SELECT 1") == "1"
            times.append(time.monotonic() - begin)
        with daemon.logged_in() as another:
            assert another.value("SELECT 2") == "2"
        assert postgres.running("%pg_sleep%") == 1  # all that in the meantime
        assert statistics.quantiles(times, n=100)[98] < 0.5 * PATIENCE
        with pytest.raises(Err, match="slept"):
            slow.finish_login()


def sleepers(daemon, seconds, count):
    """How long it takes until that many clients have had their answer, and the answers."""
    clients = [daemon.raw() for _ in range(count)]
    begin = time.monotonic()
    for client in clients:
        client.send_login(f"sleep {seconds}")
    answers = []
    for client in clients:
        with client, pytest.raises(Err) as caught:
            client.finish_login()
        answers.append(caught.value.message)
    return time.monotonic() - begin, answers


@pytest.mark.no_reload  # each generation has connections of its own
def test_one_connection_runs_one_query_at_a_time(script, postgres):
    daemon = script(LOOKUP, workers=1)
    taken, answers = sleepers(daemon, 0.5, 4)
    assert answers == ["slept"] * 4 and taken >= 2


@pytest.mark.no_reload
def test_queries_are_taken_in_the_order_in_which_they_come(script, postgres):
    text = LOOKUP.replace("return client:err(result", "event('over ' .. seconds) return client:err(result")
    daemon = script(text, workers=1)
    order = [0.5, 0.004, 0.003, 0.002, 0.001]  # whoever came first takes longest
    clients = []
    for count, seconds in enumerate(order, 1):
        clients.append(daemon.raw())
        clients[-1].send_login(f"sleep {seconds}")
        daemon.events.wait("sleeping", count=count)
    daemon.events.wait("^over", count=len(order))
    assert daemon.events.matching("^over") == [f"over {seconds}" for seconds in order]
    for client in clients:
        client.close()


@pytest.mark.no_reload
def test_a_pool_runs_as_many_as_it_has_connections(script, postgres):
    daemon = script("CONNECTIONS = 4\n" + LOOKUP, workers=1)
    for client in [daemon.raw() for _ in range(4)]:
        with client:
            client.send_login("sleep 30")
            daemon.events.wait("sleeping")
            wait_until(lambda: postgres.running("%pg_sleep%") > 0)
    daemon = script("CONNECTIONS = 4\n" + LOOKUP, workers=1)
    clients = [daemon.raw() for _ in range(6)]
    for client in clients:
        client.send_login("sleep 60")
    wait_until(lambda: postgres.running("%pg_sleep%") == 4)
    for client in clients:
        client.close()
    wait_until(lambda: postgres.running("%pg_sleep%") == 0)


def test_who_goes_away_cancels_its_query(script, postgres):
    daemon = script(LOOKUP, workers=1)
    client = daemon.raw()
    client.send_login("sleep 600")
    wait_until(lambda: postgres.running("%pg_sleep%") == 1)
    with daemon.raw() as waiting, daemon.raw() as goner:
        waiting.send_login("sleep 0")
        goner.send_login("sleep 600")
        daemon.events.wait("sleeping", count=3)
        goner.close()  # still in the queue
        client.close()
        with pytest.raises(Err, match="slept"):  # on the same connection, once the other query has ended
            waiting.finish_login()
    assert postgres.running("%pg_sleep%") == 0


def test_a_callback_that_takes_too_long_cancels_its_query(script, postgres):
    daemon = script("settings{ callback_timeout = 1 }" + LOOKUP, workers=1)
    with daemon.raw() as client:
        with pytest.raises((Err, Closed)):
            client.login("sleep 600")
    daemon.log.wait("callback exceeded callback_timeout")
    wait_until(lambda: postgres.running("%pg_sleep%") == 0)
    assert refusal(daemon, "sleep 0") == "slept"


def test_the_end_of_the_daemon_cancels_what_runs(script, postgres):
    daemon = script("settings{ drain_timeout = 0 }" + LOOKUP, workers=1)
    with daemon.raw() as client:
        client.send_login("sleep 600")
        wait_until(lambda: postgres.running("%pg_sleep%") == 1)
        daemon.pause_reloads()
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        wait_until(lambda: postgres.running("%pg_sleep%") == 0)


@pytest.mark.no_reload
def test_the_connections_of_a_generation_end_with_its_last_session(script, postgres):
    text = "local db = pg:new(PG .. ' application_name=NAME') db:listen('news', function() end) db:execute('SELECT 1')"
    serve = "mysql_listen(SOCK, { on_login = function(client, login) return client:connect(SERVER, login) end })"
    daemon = script(text.replace("NAME", "first") + serve, workers=1)
    assert postgres.connections("first") == 1
    with daemon.logged_in():
        daemon.write_config(TELL + text.replace("NAME", "second") + serve)
        daemon.reload()
        assert postgres.connections("second") == 1 and postgres.connections("first") == 1
    wait_until(lambda: postgres.connections("first") == 0)
    assert postgres.connections("second") == 1


# --- a server that goes and comes

ACCOUNTS = """
local db = pg:new(PG)
mysql_listen(SOCK, {
  on_login = function(client, login)
    local result, message = db:execute('SELECT password FROM account WHERE name = $1', { login.user })
    if not result then return client:err('lookup failed: ' .. message) end
    local row = result:fetch()
    if not row then return client:err('no account') end
    return client:connect(SERVER, { user = login.user, password = row.password })
  end,
})
"""


def test_credentials_come_from_the_database(script, postgres):
    daemon = script(ACCOUNTS)
    with daemon.logged_in() as client:
        assert client.value("SELECT CURRENT_USER()").startswith("plain@")
    assert refusal(daemon, "nobody") == "no account"


@pytest.mark.threads
def test_a_restart_of_the_server_under_load(script, postgres):
    daemon = script(ACCOUNTS)
    stop, outcomes, broken = threading.Event(), [], []

    def log_in_again_and_again():
        while not stop.is_set():
            try:
                with daemon.raw() as client:
                    try:
                        client.login("plain", "secret")
                        outcomes.append("in")
                    except Err as error:
                        outcomes.append(error.message)
            except Exception as error:
                broken.append(error)
                return

    threads = [threading.Thread(target=log_in_again_and_again) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: outcomes.count("in") > 20)
        postgres.stop()
        wait_until(lambda: any("lookup failed" in outcome for outcome in list(outcomes)))
        postgres.start()
        mark = len(outcomes)
        wait_until(lambda: outcomes[mark:].count("in") > 20)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        if postgres.process is None:
            postgres.start()
    assert not broken
    assert set(outcome.split(":")[0] for outcome in outcomes) == {"in", "lookup failed"}
    assert daemon.log.matching("no connection to PostgreSQL")
    assert PASSWORD not in daemon.log.text()


def test_a_query_in_flight_fails_and_those_behind_it_wait_for_the_server(script, postgres):
    daemon = script("settings{ callback_timeout = 60 }" + LOOKUP, workers=1)
    with daemon.raw() as running, daemon.raw() as waiting:
        running.send_login("sleep 60")
        wait_until(lambda: postgres.running("%pg_sleep%") == 1)
        waiting.send_login("sleep 0")
        daemon.events.wait("sleeping", count=2)
        postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()")
        with pytest.raises(Err, match="terminating connection due to administrator command"):
            running.finish_login()
        with pytest.raises(Err, match="slept"):
            waiting.finish_login()


def test_a_server_that_is_away_fails_queries_until_it_is_there(script, postgres):
    postgres.stop()
    try:
        daemon = script(LOOKUP)
        assert "Connection refused" in refusal(daemon, "sleep 0")
        assert "Connection refused" in refusal(daemon, "sleep 0")
    finally:
        postgres.start()
    assert refusal(daemon, "sleep 0") == "slept"
    assert PASSWORD not in daemon.log.text()


def test_a_wrong_password_is_told_without_telling_it(script, postgres):
    daemon = script(LOOKUP, define={"PG": postgres.conninfo.replace(PASSWORD, "geheim")})
    assert "password authentication failed" in refusal(daemon, "sleep 0")
    assert "geheim" not in daemon.log.text()


def test_a_server_that_says_nothing_is_given_up(script, postgres, backlogged):
    conninfo = f"host=127.0.0.1 port={backlogged.address.split(':')[1]} dbname=x user=y connect_timeout=1"
    daemon = script(LOOKUP, define={"PG": conninfo})
    assert "timeout expired" in refusal(daemon, "sleep 0")


# --- notifications

LISTENER = """
local db = pg:new(PG)
db:listen('news', function() event('news ' .. db:execute('SELECT count(*) AS n FROM account'):fetch().n) end)
db:listen('Odd "name"', function() event('odd') end)
event('channels ' .. tostring(pcall(db.listen, db, 'news', print)))
db:execute('SELECT 1')
event('ready')
"""


@pytest.mark.no_reload
def test_notifications_call_a_function_in_every_worker(script, postgres):
    daemon = script(LISTENER + IDLE)
    daemon.events.wait("^channels false$", count=3)
    daemon.events.wait("^ready$", count=3)
    assert not daemon.events.matching("^news|^odd")
    postgres.sql("NOTIFY news")
    daemon.events.wait("^news 2$", count=3)
    postgres.sql('NOTIFY "Odd ""name"""')
    daemon.events.wait("^odd$", count=3)
    assert len(daemon.events.matching("^news")) == 3


@pytest.mark.no_reload
def test_notifications_that_come_during_a_call_make_one_more(script, postgres):
    text = "local db = pg:new(PG) db:listen('news', function() event('begin') wait_for_gate('go') event('end') end) db:listen('fence', function() event('fence') end) db:execute('SELECT 1') event('ready')"
    daemon = script(text + IDLE, workers=1)
    daemon.events.wait("^ready$")
    postgres.sql("NOTIFY news")
    daemon.events.wait("^begin$")
    for _ in range(5):
        postgres.sql("NOTIFY news")
    postgres.sql("NOTIFY fence")
    daemon.events.wait("^fence$")  # behind which all the others are here
    daemon.open_gate("go")
    daemon.events.wait("^end$", count=2)
    postgres.sql("NOTIFY news")
    daemon.events.wait("^end$", count=3)
    assert len(daemon.events.matching("^begin$")) == 3


@pytest.mark.no_reload
def test_a_listener_is_called_after_a_restart(script, postgres):
    daemon = script(LISTENER + IDLE)
    daemon.events.wait("^ready$", count=3)
    postgres.stop()
    postgres.start()
    daemon.events.wait("^news 2$", seconds=60, count=3)
    daemon.events.wait("^odd$", seconds=60, count=3)
    postgres.sql("NOTIFY news")
    daemon.events.wait("^news 2$", count=6)


@pytest.mark.no_reload
def test_what_fails_in_a_listener_is_logged(script, postgres):
    text = "local db = pg:new(PG) db:listen('news', function() event('called') error('oh dear') end) db:execute('SELECT 1') event('ready')"
    daemon = script(text + IDLE, workers=1)
    daemon.events.wait("^ready$")
    for count in (1, 2):
        postgres.sql("NOTIFY news")
        daemon.log.wait("callback failed.*pg listener.*oh dear", count=count)


def test_listening_survives_reloads(script, postgres):
    """Every 200 ms a new generation listens; the old ones' connections go."""
    daemon = script(LISTENER + IDLE)
    daemon.events.wait("^ready$", count=9)
    wait_until(lambda: postgres.connections() <= 12)
    mark = daemon.events.mark()
    postgres.sql("NOTIFY news")
    daemon.events.wait("^news", after=mark)


# memory

LOOK_UP_AND_LEAVE = """
local db = pg:new(PG, nil, { connections = 4 })
cluster = tcp_cluster({ 'localhost:1' })
tcp_listen(TCP, { on_connect = function(client)
  local row = assert(db:execute("SELECT $1::text AS name, repeat('x', 1000) AS rest", { 'n' .. client.id })):fetch()
  client.notes.name = row.name
  return client:err('enough')
end })
"""
MEASURE = """
collectgarbage() collectgarbage()
local references = 0
for _ in pairs(debug.getregistry()) do references = references + 1 end
return references .. ' ' .. collectgarbage('count')
"""


def visit(daemon):
    with connect(daemon.tcp) as sock:
        receive_all(sock)


def log_in(daemon):
    with daemon.raw() as client:
        client.login("plain", "secret")
        client.command(COM_PING)
        client.ok()


def visit_often(daemon, count, visit=visit, clients=8):
    done = []

    def visit_again_and_again():
        for _ in range(count // clients):
            visit(daemon)
            done.append(1)

    threads = [threading.Thread(target=visit_again_and_again) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == count


def resident(daemon):
    """KiB."""
    lines = Path(f"/proc/{daemon.process.pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))


def check_for_leaks(daemon, visit, count):
    admin = Admin(daemon)

    def measure():
        references, kilobytes = admin(MEASURE).split()
        return int(references), float(kilobytes), resident(daemon)

    visit_often(daemon, 1000, visit)
    before = measure()
    visit_often(daemon, count, visit)
    after = measure()
    assert after[0] <= before[0] + 16
    assert after[1] <= before[1] + 100
    assert after[2] <= before[2] + 2048


@pytest.mark.budget
def test_ten_thousand_sessions_that_look_up_leak_nothing(script):
    check_for_leaks(script(LOOK_UP_AND_LEAVE + ADMIN, workers=1, reloading=False), visit, 10000)


@pytest.mark.budget
def test_ten_thousand_logins_that_look_up_leak_nothing(script, request):
    """Each goes to the server with the password that was looked up; two thousand in the short run."""
    count = 10000 if request.config.getoption("--thorough") else 2000
    check_for_leaks(script(ACCOUNTS + ADMIN, workers=1, reloading=False), log_in, count)
