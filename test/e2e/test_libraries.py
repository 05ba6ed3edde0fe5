"""Libraries across workers and reloads: shared, every, limits, sockets."""

import contextlib
import re
import socket
import threading
from types import SimpleNamespace

import pytest

from support.tcp import Target, connect, receive_all

WORKERS = 3


@pytest.fixture(scope="session")
def server():
    """These tests need no database."""
    return SimpleNamespace(address="127.0.0.1:1", socket="/nowhere")


def clients(daemon, count):
    """So many at the same time, so that every worker has some."""
    stack = contextlib.ExitStack()
    return stack, [stack.enter_context(connect(daemon.tcp)) for _ in range(count)]


def numbers(daemon, word):
    return [int(line.split()[1]) for line in daemon.events.matching(f"^{word} ")]


COUNT = """
local counts = shared('counts')
tcp_listen(TCP, {on_connect = function(client)
  event('count ' .. counts:incr('clients'))
  return client:err()
end})
"""


def test_shared_is_one_for_all_workers_and_stays_in_reloads(perilune):
    daemon = perilune(COUNT)
    for _ in range(5):
        stack, _sockets = clients(daemon, 12)
        stack.close()
    daemon.events.wait("^count 60$")
    assert sorted(numbers(daemon, "count")) == list(range(1, 61))


@pytest.mark.no_reload
def test_shared_with_other_options_fails_the_reload(perilune):
    daemon = perilune(COUNT)
    daemon.write_config(COUNT.replace("'counts')", "'counts', {capacity = '1M'})"))
    daemon.reload()
    daemon.log.wait("shared: 'counts' exists with capacity = 16777216 and evict = false")
    daemon.write_config(COUNT)
    daemon.reload()
    with connect(daemon.tcp) as client:
        assert receive_all(client) == b""
    daemon.events.wait("^count 1$")


TICK = """
every(0.05, function() event('tick GENERATION') end, {once = ONCE})
tcp_listen(TCP, {on_connect = function(client) return client:connect(TARGET) end})
"""


def ticking(generation, once="true"):
    return TICK.replace("GENERATION", str(generation)).replace("ONCE", once)


def test_every_goes_on_through_reloads(perilune, target):
    daemon = perilune(ticking(1), {"TARGET": target.address})
    daemon.events.wait("^tick 1$", count=10)


@pytest.mark.no_reload
def test_every_runs_as_long_as_its_generation(perilune, target):
    daemon = perilune(ticking(1), {"TARGET": target.address})
    daemon.events.wait("^tick 1$")
    sessions = [connect(daemon.tcp) for _ in range(WORKERS)]
    servers = [target.accept() for _ in sessions]
    daemon.write_config(ticking(2))
    daemon.reload()
    # Sessions keep the script that they began with, and it keeps its timers.
    daemon.events.wait("^tick 2$", count=3)
    before = len(numbers(daemon, "tick"))
    daemon.events.wait("^tick 1$", after=before)
    for sock in (*sessions, *servers):
        sock.close()
    # The old script is gone when it falls silent while the new one ticks on.
    for _ in range(100):
        mark = daemon.events.mark()
        daemon.events.wait("^tick 2$", count=3, after=mark)
        if "tick 1" not in daemon.events.snapshot()[mark:]:
            return
    raise AssertionError("the old timer still runs")


@pytest.mark.no_reload
def test_every_once_is_for_one_worker(perilune):
    script = """
    local runs = shared('runs')
    every(0.05, function() runs:incr('once') end, {once = true})
    local me = runs:incr('workers')
    every(0.05, function()
      runs:set('worker ' .. me, true)
      local all = runs:get('worker 1') and runs:get('worker 2') and runs:get('worker 3')
      if all then event('all ' .. me) end
    end)
    first_worker(function() event('first') end)
    tcp_listen(TCP, {on_connect = function(client) return client:err() end})
    """
    daemon = perilune(script)
    for worker in range(1, WORKERS + 1):
        daemon.events.wait(f"^all {worker}$")
    assert len(daemon.events.matching("^first$")) == 1


@pytest.mark.no_reload
def test_every_is_logged_when_it_fails_and_goes_on(perilune):
    daemon = perilune("""
    local n = 0
    every(0.05, function() n = n + 1 event('run ' .. n) error('oops ' .. n) end, {once = true})
    tcp_listen(TCP, {on_connect = function(client) return client:err() end})
    """)
    daemon.events.wait("^run 3$")
    assert re.search("every.*oops 2", daemon.log.wait("oops 2"))


def test_an_endless_run_ends_with_the_daemon(perilune):
    daemon = perilune("""
    every(0.05, function() event('waits') sleep(1000) end)
    every(0.05, function() sessions() end)
    tcp_listen(TCP, {on_connect = function(client) return client:err() end})
    """)
    daemon.events.wait("^waits$")


LIMITED = """
local limits = require('perilune.limits')
local inside = limits.sessions('inside', {max = 4})
tcp_listen(TCP, {on_connect = function(client)
  if not inside:enter(client, 'all') then
    event('refused')
    return client:err('too many')
  end
  event('entered')
  return client:connect(TARGET)
end,
on_disconnect = function(client) event('left') end})
"""


@pytest.mark.threads
def test_sessions_are_limited_over_all_workers(perilune, target):
    daemon = perilune(LIMITED, {"TARGET": target.address})
    stack, _sockets = clients(daemon, 12)
    with stack:
        daemon.events.wait("^entered$", count=4)
        daemon.events.wait("^refused$", count=8)
        servers = [target.accept() for _ in range(4)]
    for sock in servers:
        sock.close()
    daemon.events.wait("^left$", count=12)
    stack, _sockets = clients(daemon, 4)
    with stack:
        daemon.events.wait("^entered$", count=8)
        for sock in [target.accept() for _ in range(4)]:
            sock.close()


@pytest.mark.threads
def test_a_bucket_is_one_for_all_workers(perilune):
    daemon = perilune("""
    local bucket = require('perilune.limits').bucket('x', {rate = 0.0001, burst = 5})
    tcp_listen(TCP, {on_connect = function(client)
      event(bucket:take('key') and 'taken' or 'refused')
      return client:err()
    end})
    """)
    stack, _sockets = clients(daemon, 15)
    with stack:
        daemon.events.wait("^refused$", count=10)
    assert len(daemon.events.matching("^taken$")) == 5


def test_a_script_asks_a_server_of_its_own(perilune, target):
    def answer():
        for _ in range(12):
            with target.accept() as asked:
                asked.sendall(asked.recv(100).upper())

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    daemon = perilune(
        """
        tcp_listen(TCP, {on_connect = function(client)
          local s = assert(socket:connect(ASKED, {timeout = 20}))
          s:send('hello')
          event('got ' .. s:receive())
          return client:err()
        end})
        """,
        {"ASKED": target.address},
    )
    stack, _sockets = clients(daemon, 12)
    with stack:
        daemon.events.wait("^got HELLO$", count=12)
    thread.join(30)


def test_a_socket_is_closed_when_its_session_ends(perilune, target):
    with contextlib.closing(Target()) as asked:
        daemon = perilune(
            """
            kept = {}
            tcp_listen(TCP, {on_connect = function(client)
              kept[client.id] = assert(socket:connect(ASKED))
              return client:connect(TARGET)
            end})
            """,
            {"ASKED": asked.address, "TARGET": target.address},
        )
        client = connect(daemon.tcp)
        question, session = asked.accept(), target.accept()
        client.close()
        session.close()
        assert receive_all(question) == b""


def test_a_name_is_resolved_for_a_socket(perilune):
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        daemon = perilune(
            """
            local s = assert(socket:connect('localhost:' .. PORT))
            s:send('from the main chunk')
            s:close()
            tcp_listen(TCP, {on_connect = function(client) return client:err() end})
            """,
            {"PORT": listener.getsockname()[1]},
            workers=1,
            reloading=False,
        )
        accepted, _ = listener.accept()
        with accepted:
            assert receive_all(accepted) == b"from the main chunk"
        assert daemon.process.poll() is None
