"""What the script knows about a client and may change."""

import os
import re

import pytest

from support.daemon import PASS_THROUGH
from support.wire import Closed, Err, Greeting


def on_login(body):
    return f"""
        mysql_listen(SOCK, {{ on_login = function(client, login)
          {body}
          return client:connect(SERVER, login)
        end }})"""


def test_connection_ids_have_bit_31_and_differ(perilune):
    daemon = perilune(PASS_THROUGH)
    ids = []
    for _ in range(10):
        with daemon.logged_in() as client:
            ids.append(client.greeting.connection_id)
            assert client.value("SELECT CONNECTION_ID()") != str(client.greeting.connection_id)
    assert all(i >= 1 << 31 for i in ids)
    assert len(set(ids)) == len(ids)


def test_scrambles_are_random_and_printable(perilune):
    daemon = perilune(PASS_THROUGH)
    nonces = set()
    for _ in range(20):
        with daemon.raw() as client:
            nonce = client.receive_greeting().nonce
        assert len(nonce) == 20 and 0 not in nonce and ord("$") not in nonce
        nonces.add(nonce)
    assert len(nonces) == 20


def test_the_script_sets_the_announced_version(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_connect = function(client) client.server_version = '9.9.9-scripted' end,
          on_login = function(client, login) return client:connect(SERVER, login) end,
        })""")
    with daemon.logged_in() as client:
        assert client.greeting.server_version == "9.9.9-scripted"


def test_the_listeners_option_sets_the_announced_version(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, { on_login = function(client, login) return client:connect(SERVER, login) end },
          { server_version = '5.7.99-option' })""")
    with daemon.logged_in() as client:
        assert client.greeting.server_version == "5.7.99-option"


def test_server_version_after_login_is_the_servers(perilune, mariadb):
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_login = function(client, login) return client:connect(SERVER, login) end,
          on_command_phase = function(client) event(client.server_version) end,
        })""")
    with daemon.logged_in() as client:
        version = client.value("SELECT @@version")
    assert version in daemon.events.wait(re.escape(version))


def test_account_names_the_session_in_the_log(perilune):
    daemon = perilune(on_login("client.account = 'tenant-7' event(client.account) error('boom')"))
    with daemon.raw() as client, pytest.raises((Err, Closed, ConnectionError)):
        client.login("plain", "secret")
    daemon.events.wait("^tenant-7$")
    daemon.log.wait("tenant-7.*boom|tenant-7")


def test_account_is_nil_at_first_and_rejects_the_empty_string(perilune):
    daemon = perilune(on_login("""
        event(tostring(client.account))
        event(tostring(pcall(function() client.account = '' end)))
        client.account = 5
        event(client.account)
        client.account = nil
        event(tostring(client.account))"""))
    daemon.logged_in().close()
    daemon.events.wait("^nil$", count=2)
    assert daemon.events.snapshot() == ["nil", "false", "5", "nil"]


def test_notes_are_one_table_in_all_callbacks(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_connect = function(client) client.notes.steps = 'connect' end,
          on_login = function(client, login)
            client.notes.steps = client.notes.steps .. ' login ' .. login.user
            return client:connect(SERVER, login)
          end,
          on_command_phase = function(client) client.notes.steps = client.notes.steps .. ' commands' end,
          on_disconnect = function(client) event(client.notes.steps .. ' disconnect') end,
        })""")
    with daemon.logged_in() as client:
        assert client.value("SELECT 1") == "1"
        assert daemon.events.snapshot() == []
    assert daemon.events.wait("disconnect") == "connect login plain commands disconnect"


def test_notes_belong_to_one_session(perilune):
    daemon = perilune(on_login("event(tostring(client.notes.seen)) client.notes.seen = true"))
    for _ in range(5):
        daemon.logged_in().close()
    daemon.events.wait("nil", count=5)
    assert set(daemon.events.snapshot()) == {"nil"}


def test_unix_peers_have_credentials(perilune):
    daemon = perilune(on_login("event(client.pid .. ' ' .. client.uid .. ' ' .. client.gid)"))
    daemon.logged_in().close()
    daemon.events.wait(f"^{os.getpid()} {os.getuid()} {os.getgid()}$")


def test_tcp_peers_have_an_address_and_no_credentials(perilune):
    daemon = perilune("""
        mysql_listen(TCP, { on_login = function(client, login)
          event(tostring(client.address) .. ' ' .. tostring(client.local_address) .. ' ' .. tostring(client.pid)
            .. ' ' .. tostring(client.uid) .. ' ' .. tostring(client.gid) .. ' ' .. tostring(client.cgroup))
          return client:connect(SERVER, login)
        end })""")
    with daemon.logged_in(address=daemon.tcp) as client:
        host, port = client.socket.getsockname()
    daemon.events.wait(f"^{host}:{port} {daemon.tcp[0]}:{daemon.tcp[1]} nil nil nil nil$")


def own_cgroup():
    """The path in the unified hierarchy."""
    with open("/proc/self/cgroup", encoding="ascii") as lines:
        return next(line.rstrip("\n").removeprefix("0::") for line in lines if line.startswith("0::"))


def test_the_cgroup_of_a_unix_peer(perilune):
    daemon = perilune(on_login("event(client.cgroup.path)"))
    daemon.logged_in().close()
    daemon.events.wait(f"^{re.escape(own_cgroup())}$")


def test_an_attribute_that_a_cgroup_lacks_is_nil(perilune):
    daemon = perilune(on_login("""
        local ok, value = pcall(function() return client.cgroup.xattr.perilune_no_such end)
        event(ok and tostring(value) or 'raised')
        event(tostring(client.cgroup.no_such_key))"""))
    daemon.logged_in().close()
    daemon.events.wait("^nil$")
    # The root group has no folder of its own to ask.
    assert daemon.events.wait("^(nil|raised)$") == ("raised" if own_cgroup() == "/" else "nil")


def test_plain_facts(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_login = function(client, login)
            event(client.protocol .. ' ' .. type(client.id) .. ' ' .. login.user .. ' ' .. tostring(login.change))
            return client:connect(SERVER, login)
          end,
          on_disconnect = function(client)
            event('at the end ' .. client.user .. ' ' .. tostring(client.server))
          end })""")
    daemon.logged_in().close()
    daemon.events.wait("^mysql .* plain (false|nil)$")
    daemon.events.wait(f"^at the end plain {daemon.define['SERVER']}$")


def test_an_unknown_attribute_raises(perilune):
    daemon = perilune(on_login("""
        event('read ' .. tostring(pcall(function() return client.acount end)))
        event('write ' .. tostring(pcall(function() client.notes = {} end)))"""))
    daemon.logged_in().close()
    daemon.events.wait("^read false$")
    daemon.events.wait("^write false$")


@pytest.mark.no_reload
def test_a_client_kept_beyond_its_end_is_stale(perilune):
    daemon = perilune("""
        local kept
        mysql_listen(SOCK, {
          on_login = function(client, login)
            if kept then
              local function try(what) event(what .. ' ' .. tostring(select(2, pcall(function() return kept[what] end)))) end
              try('account') try('err') try('notes')
            end
            return client:connect(SERVER, login)
          end,
          on_disconnect = function(client) kept = client event('gone') end })""", workers=1)
    daemon.logged_in().close()
    daemon.events.wait("^gone$")
    # One round through the loop more: on_disconnect is the session's last word, not yet its end.
    daemon.logged_in().close()
    for what in ("account", "err", "notes"):
        daemon.events.wait(f"^{what} .*[Ss]tale object")


def test_client_disconnect_ends_the_session(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_login = function(client, login) return client:connect(SERVER, login) end,
          on_command_phase = function(client) client:disconnect() end,
          on_disconnect = function() event('gone') end })""")
    with daemon.raw() as client:
        client.login("plain", "secret")
        daemon.events.wait("^gone$")


def test_on_disconnect_runs_when_the_client_vanishes_before_it_says_a_word(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_login = function(client, login) return client:connect(SERVER, login) end,
          on_disconnect = function(client) event('gone ' .. tostring(client.user)) end })""")
    with daemon.raw() as client:
        client.receive_greeting()
    daemon.events.wait("^gone nil$")


def test_an_error_in_on_disconnect_is_only_logged(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_login = function(client, login) return client:connect(SERVER, login) end,
          on_disconnect = function(client) error('too late') end })""")
    daemon.logged_in().close()
    daemon.log.wait("too late")
    daemon.logged_in().close()


def test_on_command_phase_holds_the_first_command_back(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_login = function(client, login) return client:connect(SERVER, login) end,
          on_command_phase = function(client) event('deciding') wait_for_gate('go') end })""")
    with daemon.logged_in() as client:
        daemon.events.wait("deciding")
        client.send_query("SELECT 5")
        client.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        client.socket.settimeout(30)
        daemon.open_gate("go")
        assert client.result().values == [b"5"]


def test_an_error_in_on_command_phase_ends_the_session(perilune):
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_login = function(client, login) return client:connect(SERVER, login) end,
          on_command_phase = function(client) error('no further') end })""")
    with daemon.logged_in() as client:
        with pytest.raises((Err, Closed, ConnectionError)):
            client.query("SELECT 5")
    daemon.log.wait("no further")


def test_client_err_in_on_command_phase_ends_the_session(perilune, fake):
    server = fake(Greeting())
    daemon = perilune("""
        mysql_listen(SOCK, {
          on_login = function(client, login) return client:connect(FAKE, login) end,
          on_command_phase = function(client) return client:err('not you') end })""", {"FAKE": server.address})
    with daemon.logged_in() as client:
        with pytest.raises((Err, Closed, ConnectionError)):
            client.query("SELECT 5")
    server.wait_for(lambda s: s.open_connections == 0)
    assert not any(command[:1] == b"\3" for command in server.commands)
