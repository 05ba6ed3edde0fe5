"""Scripts with mistakes in them: found at load where possible, harmless later."""

import re
import subprocess
from pathlib import Path

import pytest

from support.daemon import PASS_THROUGH
from support.wire import Closed, Err

REFUSALS = (Err, Closed)


def check(daemon, *arguments):
    """`perilune --check`: (exit status, what it printed)."""
    done = subprocess.run(daemon.command("--check", *arguments), capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "script, wrong, suggestion",
    [
        ("mysql_listen(SOCK, { on_lgoin = function() end })", "on_lgoin", "on_login"),
        ("mysql_listen(SOCK, { on_login = print, on_conect = print })", "on_conect", "on_connect"),
        ("mysql_listen(SOCK, { on_login = print }, { idle_timout = 3 })", "idle_timout", "idle_timeout"),
        ("settings{ worker = 3 } mysql_listen(SOCK, { on_login = print })", "worker", "workers"),
        ("settings{ callback_cpu_limits = 3 }", "callback_cpu_limits", "callback_cpu_limit"),
    ],
)
def test_a_misspelt_key_stops_the_start_and_names_the_right_one(daemons, script, wrong, suggestion):
    daemon = daemons("\n\n" + script.replace(") mysql", ")\nmysql"), workers=None, stop_code=78)
    # Two lines of the harness's own making come first.
    daemon.write_file("config.lua", "require 'harness'\n\n" + script + "\n")
    code, output = check(daemon)
    assert code == 78
    assert f"{wrong}" in output and f"{suggestion}" in output
    assert "config.lua:3:" in output
    daemon.spawn()
    assert daemon.wait() == 78
    assert f"{suggestion}" in daemon.log.text() and "config.lua:3:" in daemon.log.text()


@pytest.mark.parametrize(
    "script, message",
    [
        ("this is not lua", "config.lua:1:"),
        ("error('stop here')", "config.lua:1: stop here"),
        ("nothing.at.all()", "config.lua:1:"),
        ("require 'no_such_module'", "no_such_module"),
        ("", "(?i)no listener"),
        ("mysql_listen(SOCK, {})", "on_login"),
        ("mysql_listen(SOCK, { on_login = 5 })", "on_login"),
        ("mysql_listen(SOCK, { on_login = print, on_handshake_response = print })", "on_handshake_response"),
        ("mysql_listen('no port here', { on_login = print })", "no port here"),
        ("mysql_listen('127.0.0.1:99999', { on_login = print })", "99999"),
        ("mysql_listen(SOCK, { on_login = print }) mysql_listen(SOCK, { on_login = print })", "p.sock"),
        ("mysql_listen(SOCK, { on_login = print }, { backlog = 'many' })", "backlog"),
        ("settings{ workers = -1 } mysql_listen(SOCK, { on_login = print })", "workers"),
        ("settings{ script_memory = '12Q' } mysql_listen(SOCK, { on_login = print })", "script_memory"),
        ("mssql_listen(SOCK, { on_login = print })", "mssql_listen"),
    ],
)
def test_a_script_that_cannot_work_is_a_configuration_error(daemons, script, message):
    daemon = daemons(script, workers=None, stop_code=78)
    daemon.spawn()
    assert daemon.wait() == 78
    assert daemon.log.matching(message), daemon.log.text()
    code, output = check(daemon)
    assert code == 78 and daemon.log.matching(message)


def test_check_reports_what_a_script_declares(daemons):
    daemon = daemons("settings{ workers = 2 }" + PASS_THROUGH, workers=None)
    code, output = check(daemon)
    assert code == 0, output
    assert daemon.sock in output and "%s:%d" % daemon.tcp in output
    assert "on_login" in output


@pytest.mark.parametrize("uncommented", [False, True], ids=["as shipped", "with every example"])
def test_check_accepts_the_default_configuration(daemons, uncommented):
    """Prose stands one space from its dashes, the code of examples does not."""
    text = (Path(__file__).resolve().parents[2] / "lua" / "config.lua").read_text()
    if uncommented:
        text = re.sub(r"(?m)^--([^ -]|  |$)", r"\1", text)
    daemon = daemons(text, workers=None)
    code, output = check(daemon)
    assert code == 0, output
    assert "mysql_listen /run/perilune/mysql.sock" in output


def test_check_binds_nothing(perilune):
    daemon = perilune(PASS_THROUGH)
    code, output = check(daemon)
    assert code == 0, output
    daemon.logged_in().close()


def test_functions_of_the_main_chunk_raise_later(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, { on_login = function(client, login)
          event('listen ' .. tostring(pcall(mysql_listen, SOCK2, { on_login = print })))
          event('settings ' .. tostring(pcall(settings, { workers = 2 })))
          return client:connect(SERVER, login)
        end })""")
    daemon.logged_in().close()
    daemon.events.wait("^listen false$")
    daemon.events.wait("^settings false$")


FAILING = """
mysql_listen(SOCK, { on_login = function(client, login)
  %s
end })
mysql_listen(SOCK2, { on_login = function(client, login) return client:connect(SERVER, login) end })
"""


@pytest.mark.parametrize(
    "body, logged",
    [
        ("client.account = 'acme' error('secret reason')", "secret reason"),
        ("local function deep() error('secret reason') end deep()", "secret reason"),
        ("error({})", "table"),
        ("error()", "nil"),
        ("return 5", "on_login"),
        ("return", "on_login"),
        ("return 'go on'", "on_login"),
        ("return setmetatable({}, { __tostring = error })", "on_login"),
        ("return nothing.field", "nothing"),
        ("return client:connect()", "connect|Invalid parameters"),
        ("return client:connect(SERVER, { usr = 'x' })", "usr"),
        ("return client:connect(SERVER, login, { conect_timeout = 1 })", "connect_timeout"),
        ("return client:connect('%%%', login)", "%%%"),
        ("return client:no_such_method()", "no_such_method"),
        ("coroutine.yield()", "(?i)on_login|yield"),
        ("local function forever() return forever() + 1 end return forever()", "stack overflow"),
        ("return ('x'):rep(1e9)", "memory"),
    ],
)
def test_a_failing_callback_refuses_and_is_logged(perilune, body, logged):
    daemon = perilune(FAILING.replace("%s", body), workers=1)
    with daemon.raw() as client, pytest.raises(REFUSALS) as caught:
        client.login("plain", "secret")
    if isinstance(caught.value, Err):
        assert "secret reason" not in caught.value.message
        assert len(caught.value.message) < 100
    daemon.log.wait(logged)
    with daemon.logged_in(address=daemon.sock2) as client:
        assert client.value("SELECT 1") == "1"


def test_a_failing_callback_leaves_a_traceback_with_the_sessions_name(perilune):
    daemon = perilune("""
        local function innermost() error('broken here') end
        mysql_listen(SOCK, { on_login = function(client, login)
          client.account = 'acme'
          innermost()
          return client:err('never')
        end })""")
    with daemon.raw() as client, pytest.raises(REFUSALS):
        client.login("plain", "secret")
    daemon.log.wait("acme.*broken here|broken here")
    daemon.log.wait("innermost|traceback")
    log = daemon.log.text()
    assert "config.lua:1" in log and "config.lua:4" in log and "acme" in log


@pytest.mark.parametrize("call", ["os.exit(3)", "os.execute('true')", "io.popen('true')"])
def test_functions_that_would_stop_a_worker_raise(perilune, call):
    daemon = perilune(f"""
        mysql_listen(SOCK, {{ on_login = function(client, login)
          event(tostring(pcall(function() return {call} end)))
          return client:connect(SERVER, login)
        end }})""")
    daemon.logged_in().close()
    assert daemon.events.wait("true|false") == "false"


ENDLESS = ["while true do end", "repeat until false", "for _ = 1, 1e15 do end", "local function f() return f() end f()",
           "while true do pcall(error, 'x') end", "while true do pcall(function() while true do end end) end",
           "while true do local t = {} t[1] = t end"]


@pytest.mark.parametrize("loop", ENDLESS)
def test_a_callback_that_never_ends_is_aborted(perilune, loop):
    daemon = perilune("settings{ callback_cpu_limit = 0.3 }" + FAILING.replace("%s", loop), workers=1)
    with daemon.logged_in(address=daemon.sock2) as bystander:
        with daemon.raw() as client, pytest.raises(REFUSALS):
            client.login("plain", "secret")
        assert bystander.value("SELECT 1") == "1"
    daemon.log.wait("callback_cpu_limit")
    daemon.logged_in(address=daemon.sock2).close()


def test_the_cpu_limit_does_not_count_waiting(perilune):
    daemon = perilune("""
        settings{ callback_cpu_limit = 0.2 }
        mysql_listen(SOCK, { on_login = function(client, login)
          for _ = 1, 10 do sleep(0.05) end
          return client:connect(SERVER, login)
        end })""", workers=1)
    daemon.logged_in().close()


def test_a_callback_that_waits_too_long_is_refused(perilune):
    daemon = perilune("settings{ callback_timeout = 0.3 }" + FAILING.replace("%s", "sleep(60)"))
    with daemon.raw() as client, pytest.raises(REFUSALS):
        client.login("plain", "secret")
    daemon.log.wait("callback_timeout")
    daemon.logged_in(address=daemon.sock2).close()


@pytest.mark.parametrize(
    "hoard",
    [
        "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} for i = 1, 1e9 do t[i] = {} end",
        "local t = {} for i = 1, 1e9 do t[i] = coroutine.create(print) end",
    ],
)
def test_a_script_that_takes_too_much_memory_refuses_one_login(perilune, hoard):
    daemon = perilune("settings{ script_memory = '16M', callback_cpu_limit = 20 }" + FAILING.replace("%s", hoard), workers=1)
    with daemon.logged_in(address=daemon.sock2) as bystander:
        with daemon.raw(seconds=60) as client, pytest.raises(REFUSALS):
            client.login("plain", "secret")
        assert bystander.value("SELECT 1") == "1"
    daemon.log.wait("memory")
    daemon.logged_in(address=daemon.sock2).close()


def test_too_much_memory_at_load_is_a_configuration_error(daemons):
    daemon = daemons("settings{ script_memory = '16M' } local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end", stop_code=78)
    daemon.spawn()
    assert daemon.wait(60) == 78
    assert daemon.log.matching("memory")


def test_a_script_that_never_finishes_loading(daemons):
    daemon = daemons("settings{ load_timeout = 0.5 } while true do end", stop_code=78)
    daemon.spawn()
    assert daemon.wait(60) == 78
    assert daemon.log.matching("load_timeout")


@pytest.mark.no_reload
def test_first_worker_runs_in_one_worker_only(perilune):
    daemon = perilune("first_worker(function() event('first') end) event('every')" + PASS_THROUGH)
    daemon.events.wait("every", count=3)
    daemon.events.wait("first")
    daemon.logged_in().close()
    assert len(daemon.events.matching("^first$")) == 1
    assert len(daemon.events.matching("^every$")) == 3


def test_compiled_marks_a_function(perilune):
    daemon = perilune("""
        local add = compiled(function(n) local sum = 0 for i = 1, n do sum = sum + i end return sum end)
        mysql_listen(SOCK, { on_login = function(client, login)
          event(tostring(add(1000)))
          return client:connect(SERVER, login)
        end })""")
    daemon.logged_in().close()
    daemon.events.wait("^500500$")


def test_the_interface_is_also_in_the_table_perilune(perilune):
    daemon = perilune("""
        perilune.mysql_listen(SOCK, { on_login = function(client, login)
          perilune.sleep(0)
          event(tostring(perilune.now() > 1e9) .. tostring(perilune.monotonic() > 0) .. tostring(perilune.sleep == sleep))
          return client:connect(SERVER, login)
        end })""")
    daemon.logged_in().close()
    daemon.events.wait("^truetruetrue$")


def test_wrong_argument_types_raise(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, { on_login = function(client, login)
          event('sleep ' .. select(2, pcall(sleep, 'long')))
          event('negative ' .. tostring(pcall(sleep, -1)))
          event('err ' .. tostring(pcall(client.err)))
          return client:connect(SERVER, login)
        end })""")
    daemon.logged_in().close()
    daemon.events.wait("^sleep .*number")
    daemon.events.wait("^negative false")
    daemon.events.wait("^err false")
