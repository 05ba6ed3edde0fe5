"""Functions that wait suspend only their own coroutine, wherever they are called from."""

import pytest

from support.daemon import PASS_THROUGH
from support.wire import Closed, Err


def on_login(body):
    return f"""
        mysql_listen(SOCK, {{ on_login = function(client, login)
          {body}
          return client:connect(SERVER, login)
        end, on_disconnect = function(client) event('gone ' .. tostring(client.user)) end }})"""


def test_a_waiting_callback_stalls_nobody(perilune):
    daemon = perilune(on_login("if login.database == 'shared_db' then event('slow') wait_for_gate('go') end"), workers=1)
    with daemon.raw() as slow:
        slow.send_login("plain", "secret", "shared_db")
        daemon.events.wait("^slow$")
        for _ in range(20):
            with daemon.logged_in() as quick:
                assert quick.value("SELECT 1") == "1"
        daemon.open_gate("go")
        slow.finish_login("secret")
        assert slow.value("SELECT DATABASE()") == "shared_db"


def test_many_callbacks_wait_at_once(perilune):
    daemon = perilune(on_login("event('waiting') wait_for_gate('go')"))
    clients = [daemon.raw() for _ in range(100)]
    for client in clients:
        client.send_login("plain", "secret")
    daemon.events.wait("waiting", count=100)
    daemon.open_gate("go")
    for client in clients:
        client.finish_login("secret")
        assert client.value("SELECT 1") == "1"
        client.close()


WAYS = {
    "pcall": "local ok = pcall(sleep, 0.01) event(tostring(ok))",
    "xpcall": "local ok = xpcall(function() sleep(0.01) error('x') end, function() return 1 end) event(tostring(not ok))",
    "coroutine.wrap": "local f = coroutine.wrap(function(a) sleep(0.01) local b = coroutine.yield(a + 1) sleep(0.01) return b end)"
    " event(tostring(f(1) == 2 and f(7) == 7))",
    "coroutine.resume": "local c = coroutine.create(function() sleep(0.01) coroutine.yield(5) sleep(0.01) return 6 end)"
    " local _, a = coroutine.resume(c) local _, b = coroutine.resume(c)"
    " event(tostring(a == 5 and b == 6 and coroutine.status(c) == 'dead'))",
    "nested coroutines": "local outer = coroutine.wrap(function() local inner = coroutine.wrap(function() sleep(0.01) return 3 end)"
    " return inner() end) event(tostring(outer() == 3))",
    "an error after waiting in a coroutine": "local c = coroutine.create(function() sleep(0.01) error('late') end)"
    " local ok, e = coroutine.resume(c) event(tostring(not ok and e:find('late') ~= nil))",
    "an iterator": "local n = 0 for i in function(_, i) sleep(0.001) i = (i or 0) + 1 if i < 4 then return i end end do n = n + i end event(tostring(n == 6))",
    "a metamethod": "local t = setmetatable({}, { __index = function(_, k) sleep(0.01) return k end }) event(tostring(t.x == 'x'))",
    "another metamethod": "local m = {} m.__add = function() sleep(0.01) return 9 end event(tostring(setmetatable({}, m) + 1 == 9))",
    "dofile": "event(tostring(dofile(FOLDER .. '/waits.lua') == 'done'))",
    "require": "package.loaded.waits = nil package.path = FOLDER .. '/?.lua;' .. package.path event(tostring(require('waits') == 'done'))",
    "loadstring": "event(tostring(loadstring('sleep(0.01) return 4')() == 4))",
}


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_waiting_through(daemons, way):
    daemon = daemons(on_login(WAYS[way]))
    daemon.write_file("waits.lua", "sleep(0.01) return 'done'\n")
    daemon.start()
    with daemon.logged_in() as client:
        assert client.value("SELECT 1") == "1"
    assert daemon.events.wait("true|false") == "true"


@pytest.mark.parametrize(
    "call, name",
    [
        ("table.sort({ 3, 2, 1 }, function() sleep(0) end)", "table.sort"),
        ("('abc'):gsub('b', function() sleep(0) end)", "gsub"),
    ],
)
def test_waiting_inside_c_functions_raises_before_it_starts(perilune, call, name):
    daemon = perilune(on_login(f"event(select(2, pcall(function() {call} end)))"))
    with daemon.logged_in() as client:
        assert client.value("SELECT 1") == "1"
    assert daemon.events.wait("sleep").endswith(f"sleep cannot wait inside {name}") or name == "gsub"
    assert "sleep cannot wait inside" in daemon.events.wait("sleep")


def test_the_main_chunk_waits_too(perilune):
    daemon = perilune("""
        sleep(0.01)
        local f = coroutine.wrap(function() sleep(0.01) return mysql_resolve(SERVER) end)
        local server = f()
        mysql_listen(SOCK, { on_login = function(client, login) return client:connect(server, login) end })""")
    with daemon.logged_in() as client:
        assert client.value("SELECT 1") == "1"


def test_a_module_waits_while_it_loads(daemons):
    daemon = daemons("""
        mysql_listen(SOCK, { on_login = function(client, login) return client:connect(require('servers').first, login) end })""")
    daemon.write_file("servers.lua", "sleep(0.01) return { first = SERVER }\n")
    daemon.start()
    daemon.logged_in().close()


@pytest.mark.parametrize("callback", ["on_connect", "on_login"])
def test_a_client_that_goes_away_cancels_its_callback(perilune, callback):
    daemon = perilune(f"""
        local function on_login(client, login) return client:connect(SERVER, login) end
        local handler = {{ on_login = on_login, on_disconnect = function() event('gone') end }}
        handler.{callback} = function() event('waiting') sleep(3) event('survived') end
        mysql_listen(SOCK, handler)""")
    with daemon.raw() as client:
        if callback == "on_login":
            client.send_login("plain", "secret")
        daemon.events.wait("waiting")
    daemon.events.wait("gone", seconds=2)
    assert "survived" not in daemon.events.text()


def test_cancelling_nested_coroutines(perilune):
    daemon = perilune(on_login("""
        local inner = coroutine.wrap(function() pcall(function() event('waiting') sleep(600) end) event('survived') end)
        inner()"""))
    for _ in range(20):
        with daemon.raw() as client:
            client.send_login("plain", "secret")
            daemon.events.wait("waiting")
    daemon.events.wait("gone", count=20)
    assert "survived" not in daemon.events.text()


def test_mysql_resolve(perilune):
    daemon = perilune(on_login("""
        event(tostring(mysql_resolve('localhost:4711')))
        event(tostring(mysql_resolve('127.0.0.1')))
        event(tostring(mysql_resolve('[::1]:1')))
        event(tostring(mysql_resolve('/run/x.sock')))
        event(tostring(mysql_resolve('@abstract')))"""))
    daemon.logged_in().close()
    for expected in (r"^(127\.0\.0\.1|\[::1\]):4711$", r"^127\.0\.0\.1:3306$", r"^\[::1\]:1$", "^/run/x.sock$", "^@abstract$"):
        daemon.events.wait(expected)


def test_a_name_that_does_not_resolve_gives_nil_and_a_message(perilune):
    daemon = perilune(on_login("""
        local address, message = mysql_resolve('no-such-host.invalid:3306')
        event(tostring(address) .. ' ' .. type(message) .. ' ' .. message)"""))
    daemon.logged_in().close()
    daemon.events.wait("^nil string .*no-such-host.invalid", seconds=30)


def test_a_host_name_as_target(perilune, mariadb):
    daemon = perilune(
        f"mysql_listen(SOCK, {{ on_login = function(client, login) return client:connect('localhost:{mariadb.port}', login) end }})"
    )
    with daemon.logged_in() as client:
        assert client.value("SELECT 1") == "1"


@pytest.mark.no_reload
def test_callbacks_of_one_session_never_overlap(perilune):
    daemon = perilune("""
        local inside = 0
        local function enter(name)
          inside = inside + 1 event(name .. inside) sleep(0.05) event(name .. inside) inside = inside - 1
        end
        mysql_listen(SOCK, {
          on_connect = function() enter('connect') end,
          on_login = function(client, login) enter('login') return client:connect(SERVER, login) end,
          on_command_phase = function() enter('commands') end,
          on_disconnect = function() event('disconnect') end })""", workers=1)
    with daemon.logged_in() as client:
        assert client.value("SELECT 1") == "1"
    daemon.events.wait("disconnect")
    assert daemon.events.snapshot() == ["connect1"] * 2 + ["login1"] * 2 + ["commands1"] * 2 + ["disconnect"]


def test_a_callback_that_lua_code_resumes_still_decides(perilune):
    """A bare yield hands the callback to whoever resumes it; its result counts all the same."""
    daemon = perilune("""
        local parked
        local function park() parked = coroutine.running() coroutine.yield() end
        mysql_listen(SOCK, { on_login = function(client, login)
          if login.user == 'waker' then
            if parked then local p = parked parked = nil coroutine.resume(p) end
            return client:err('woke it')
          end
          event('parked')
          park()
          return client:connect(SERVER, login)
        end })""", workers=1, reloading=False)
    with daemon.raw() as sleeper:
        sleeper.send_login("plain", "secret")
        daemon.events.wait("parked")
        with daemon.raw() as waker, pytest.raises((Err, Closed)):
            waker.login("waker", "")
        sleeper.finish_login("secret")
        assert sleeper.value("SELECT 1") == "1"
