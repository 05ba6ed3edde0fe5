"""The listener option `like`: clients see the version and the capabilities of a server."""

import subprocess
import time

import pytest

from support import programs
from support.fake_server import FakeServer
from support.raw_client import RawClient
from support.wire import PLAIN_SERVER, Cap, Err, Greeting

LIKE = """
local handler = { on_login = function(client, login) return client:connect(SERVER, login) end }
mysql_listen(SOCK, handler, { like = %s })
mysql_listen(TCP, handler, { like = %s, server_version = '1.2.3-mine' })
mysql_listen(TCP2, { on_connect = function(client) client.server_version = '4.5.6-script' end,
                     on_login = handler.on_login }, { like = %s })
"""
DEFAULT_VERSION = "5.7.30"


def like(servers="SERVER"):
    return LIKE % ((servers,) * 3)


def greeting_of(address):
    with RawClient(address) as client:
        return client.receive_greeting()


def wait_for_version(address, version, seconds=20):
    deadline = time.monotonic() + seconds
    while (seen := greeting_of(address).server_version) != version:
        assert time.monotonic() < deadline, f"{seen} is announced, not {version}"
        time.sleep(0.05)


def older(**fields):
    """A server that lacks what changes the form of packets."""
    return Greeting(capabilities=PLAIN_SERVER & ~(Cap.DEPRECATE_EOF | Cap.SESSION_TRACK | Cap.MULTI_STATEMENTS), **fields)


def test_from_the_first_client_on(perilune, fake):
    """The server is looked at before the first client is let in."""
    server = fake(older(server_version="6.6.6-fake"))
    greeting = greeting_of(perilune(like(), {"SERVER": server.address}).sock)
    assert greeting.server_version == "6.6.6-fake"


def test_no_flag_that_the_server_lacks_and_none_that_we_cannot_follow(perilune, fake):
    server = fake(Greeting(server_version="6.6.6", capabilities=0xFFFFFFFF & ~Cap.DEPRECATE_EOF & ~Cap.LOCAL_FILES & ~Cap.SSL))
    daemon = perilune(like(), {"SERVER": server.address})
    with daemon.raw() as client:
        announced = client.receive_greeting().capabilities
    with perilune("mysql_listen(SOCK, { on_login = function() end })").raw() as client:
        usual = client.receive_greeting().capabilities
    assert usual & Cap.DEPRECATE_EOF and usual & Cap.LOCAL_FILES
    assert announced == usual & ~Cap.DEPRECATE_EOF & ~Cap.LOCAL_FILES
    assert not announced & Cap.COMPRESS


def test_a_server_with_fewer_flags_can_be_used(perilune, fake):
    """A client that takes what it is offered could not get through otherwise: see test_login.py."""
    server = fake(older())
    daemon = perilune(like(), {"SERVER": server.address})
    with daemon.raw() as client:
        flags = client.receive_greeting().capabilities
        assert not flags & Cap.DEPRECATE_EOF
        client.login("plain", "secret", flags=int(PLAIN_SERVER))
        client.command(14)
        client.ok()
    server.wait_for(lambda s: len(s.commands) == 1)


def test_the_script_and_the_option_server_version_win(perilune, fake):
    daemon = perilune(like(), {"SERVER": fake(older(server_version="6.6.6")).address})
    assert greeting_of(daemon.tcp).server_version == "1.2.3-mine"
    assert greeting_of(daemon.tcp2).server_version == "4.5.6-script"
    for address in (daemon.tcp, daemon.tcp2):
        assert not greeting_of(address).capabilities & Cap.DEPRECATE_EOF


def test_what_all_of_a_list_can_under_the_first_ones_version(perilune, fake):
    first = fake(Greeting(server_version="6.6.6", capabilities=PLAIN_SERVER & ~Cap.SESSION_TRACK))
    second = fake(Greeting(server_version="7.7.7", capabilities=PLAIN_SERVER & ~Cap.DEPRECATE_EOF))
    daemon = perilune(like("{ONE, mysql_resolve(TWO)}"), {"ONE": first.address, "TWO": second.address})
    greeting = greeting_of(daemon.sock)
    assert greeting.server_version == "6.6.6"
    assert not greeting.capabilities & (Cap.SESSION_TRACK | Cap.DEPRECATE_EOF)
    assert greeting.capabilities & Cap.MULTI_STATEMENTS


@pytest.mark.parametrize("workers", [1, 3])
def test_a_server_that_comes_later(perilune, folder, workers):
    path = f"{folder}/later.sock"
    daemon = perilune(like(), {"SERVER": path}, workers=workers)
    assert greeting_of(daemon.sock).server_version == DEFAULT_VERSION
    daemon.log.wait(r"a server to look like is away.*later\.sock")
    server = FakeServer(older(server_version="6.6.6-late"), unix_path=path)
    try:
        wait_for_version(daemon.sock, "6.6.6-late")
        daemon.log.wait(r"a server to look like is back")
        assert len(daemon.log.matching("look like is away")) == 1
    finally:
        server.close()


def test_what_is_known_stays_known(perilune, fake):
    server = fake(older(server_version="6.6.6"))
    daemon = perilune(like(), {"SERVER": server.address})
    assert greeting_of(daemon.sock).server_version == "6.6.6"
    server.close()
    daemon.reload()
    assert greeting_of(daemon.sock).server_version == "6.6.6"


@pytest.mark.parametrize("greeting", [None, Err(1129, "", "Host is blocked"), b"\x05\0\0\0hello"], ids=["silent", "error", "nonsense"])
def test_a_server_that_does_not_greet_changes_nothing(perilune, fake, greeting):
    daemon = perilune(like(), {"SERVER": fake(greeting).address})
    assert greeting_of(daemon.sock).server_version == DEFAULT_VERSION
    daemon.log.wait("a server to look like is away")


@pytest.mark.threads
def test_reloads_do_not_ask_again_and_no_handshake_is_left_unanswered(perilune, fake):
    server = fake(older(server_version="6.6.6"), password="nobody knows")
    daemon = perilune(like(), {"SERVER": server.address}, reloading=False)
    for _ in range(5):
        daemon.reload()
    server.wait_for(lambda s: s.open_connections == 0)
    assert server.connections == 1
    assert server.broken_handshakes == 0
    assert [response.user for response in server.responses] == [""]


def test_a_reload_brings_another_server(perilune, fake):
    first, second = (fake(older(server_version=v)) for v in ("6.6.6", "7.7.7"))
    daemon = perilune(like(), {"SERVER": first.address}, reloading=False)
    daemon.define["SERVER"] = second.address
    daemon.write_config(like())
    daemon.reload()
    assert greeting_of(daemon.sock).server_version == "7.7.7"


@pytest.mark.parametrize("name", ["mysql9", "mariadb118"])
def test_an_ordinary_client_shows_the_servers_version(perilune, request, name):
    server = request.getfixturevalue(name)
    daemon = perilune(like(), {"SERVER": server.address})
    direct = programs.run("mariadb", server.tcp, "--execute=status", "--skip-ssl").stdout
    proxied = programs.run("mariadb", daemon.sock, "--execute=status").stdout
    version = [line for line in direct.splitlines() if line.startswith("Server version")]
    assert version and version == [line for line in proxied.splitlines() if line.startswith("Server version")]


def test_check_looks_at_no_server(daemons, fake):
    server = fake()
    done = subprocess.run(daemons(like(), {"SERVER": server.address}).command("--check"), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert server.connections == 0
