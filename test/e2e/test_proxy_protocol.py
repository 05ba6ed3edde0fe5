"""The PROXY protocol: read from the proxies of a listener, sent to servers, through a chain of both."""

import re

import pytest

from support import wire
from support.proxy_protocol import LOCAL, TCP6, UNIX, Haproxy, block, version_1, version_2
from support.raw_client import RawClient
from support.wire import Err

CLIENT, ENTRY = ("192.0.2.7", 4711), ("198.51.100.1", 3306)
CLIENT6, ENTRY6 = ("2001:db8::7", 4711), ("2001:db8::1", 3306)

V1 = version_1(CLIENT, ENTRY)
V2 = version_2(block(CLIENT, ENTRY))
TLVS = b"\x04\0\1\0" + b"\xea\0\3abc"

TELL = """
local function on_login(client, login)
  event('login ' .. tostring(client.address) .. ' to ' .. tostring(client.local_address))
  return client:connect(SERVER, login)
end
"""
FROM_LOOPBACK = TELL + "mysql_listen(TCP, { on_login = on_login }, { proxy_protocol = { from = { '127.0.0.1' } } })"


def log_in(address, first=b"", source=None, user="plain", password="secret"):
    client = RawClient(address, source=source)
    try:
        client.socket.sendall(first)
        client.login(user, password)
    except BaseException:
        client.close()
        raise
    return client


def text_of(address):
    return "%s:%d" % address


# in


@pytest.mark.parametrize(
    "header, told",
    [
        (V1, "192.0.2.7:4711 to 198.51.100.1:3306"),
        (V2, "192.0.2.7:4711 to 198.51.100.1:3306"),
        (version_2(block(CLIENT, ENTRY) + TLVS), "192.0.2.7:4711 to 198.51.100.1:3306"),
        (version_2(block(CLIENT, ENTRY) + b"\x04\x0f\xe1" + bytes(4065)), "192.0.2.7:4711 to 198.51.100.1:3306"),
        (version_1(CLIENT6, ENTRY6), "[2001:db8::7]:4711 to [2001:db8::1]:3306"),
        (version_2(block(CLIENT6, ENTRY6), TCP6), "[2001:db8::7]:4711 to [2001:db8::1]:3306"),
        (version_2(b"/client".ljust(108, b"\0") + b"/entry".ljust(108, b"\0"), UNIX), "/client to /entry"),
    ],
    ids=["v1", "v2", "v2-tlvs", "v2-longest", "v1-ipv6", "v2-ipv6", "v2-unix"],
)
def test_the_client_is_who_the_header_says(perilune, header, told):
    daemon = perilune(FROM_LOOPBACK)
    with log_in(daemon.tcp, header) as client:
        assert client.value("SELECT 1") == "1"
    daemon.events.wait(f"^login {re.escape(told)}$")


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_log_lines_have_the_announced_address(perilune, header):
    daemon = perilune(FROM_LOOPBACK)
    with log_in(daemon.tcp, header):
        daemon.log.wait(r"\[192\.0\.2\.7:4711\] login user=\"plain\"")


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_a_header_in_single_bytes(perilune, header):
    daemon = perilune(FROM_LOOPBACK)
    with RawClient(daemon.tcp) as client:
        for byte in header:
            client.socket.sendall(bytes([byte]))
        client.login("plain", "secret")
    daemon.events.wait(r"^login 192\.0\.2\.7:4711 ")


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN 192.0.2.7 198.51.100.1 4711 3306\r\n",
        version_2(command=LOCAL, family=0),
        version_2(block(CLIENT, ENTRY), command=LOCAL),
        version_2(block(CLIENT, ENTRY), family=0),
        version_2(block(CLIENT, ENTRY), family=0x12),
    ],
    ids=["unknown", "unknown-with-more", "local", "local-with-more", "unspecified", "datagram"],
)
def test_without_addresses_the_sockets_own_count(perilune, header):
    daemon = perilune(FROM_LOOPBACK)
    with log_in(daemon.tcp, header) as client:
        own = text_of(client.socket.getsockname())
    daemon.events.wait(f"^login {re.escape(own)} to {re.escape(text_of(daemon.tcp))}$")


def test_what_follows_the_header_at_once_is_the_clients(perilune):
    daemon = perilune(FROM_LOOPBACK)
    with RawClient(daemon.tcp) as client:
        response = wire.HandshakeResponse("nopass")
        client.packets.sequence = 1
        client.socket.sendall(V2 + client.packets.encode(response.encode()))
        client.packets.sequence = 0
        client.receive_greeting()
        client.packets.sequence = 2
        client.finish_login()
    daemon.events.wait(r"^login 192\.0\.2\.7:4711 ")


def test_on_connect_knows_the_announced_address(perilune):
    daemon = perilune("""
        mysql_listen(TCP, {
          on_connect = function(client) return client:err('hello ' .. tostring(client.address)) end,
          on_login = function(client) end,
        }, { proxy_protocol = { from = { '127.0.0.1' } } })""")
    with RawClient(daemon.tcp) as client:
        client.socket.sendall(V1)
        with pytest.raises(Err, match="hello 192.0.2.7:4711"):
            client.receive_greeting()


@pytest.mark.parametrize(
    "sent, why",
    [
        (b"GET / HTTP/1.1\r\n\r\n", "missing"),
        (b"\x20\0\0\1" + bytes(32), "missing"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n", "destination port"),
        (b"PROXY TCP4 192.0.2.07 198.51.100.1 4711 3306\r\n", "source address"),
        (b"PROXY UNKNOWN\n", "line not ended by CR LF"),
        (b"PROXY UNKNOWN " + b"x" * 200, "line too long"),
        (version_2(bytes(4081)), "too long"),
        (version_2(block(CLIENT, ENTRY), command=0x22), "version or command"),
        (version_2(block(CLIENT, ENTRY), family=0x41), "address family"),
        (version_2(block(CLIENT, ENTRY), family=TCP6), "too short"),
        (version_2(block(CLIENT, ENTRY) + b"\x04\xff\xff"), "too short"),
    ],
)
def test_anything_else_ends_the_connection_with_a_line_in_the_log(perilune, sent, why):
    daemon = perilune(FROM_LOOPBACK)
    with RawClient(daemon.tcp) as client:
        own = text_of(client.socket.getsockname())
        client.socket.sendall(sent)
        assert client.at_end()
    daemon.log.wait(rf"warning \[{re.escape(own)}\] .*PROXY header: {why}\"")
    assert len(daemon.log.matching(re.escape(own))) == 1
    assert not daemon.events.snapshot()


@pytest.mark.parametrize("begin", [b"", V1[:20], V2[:20]], ids=["none", "v1", "v2"])
def test_a_header_is_waited_for_no_longer_than_a_login(perilune, begin):
    daemon = perilune(FROM_LOOPBACK.replace("{ proxy_", "{ handshake_timeout = 0.3, proxy_"))
    with RawClient(daemon.tcp) as client:
        own = text_of(client.socket.getsockname())
        client.socket.sendall(begin)
        assert client.at_end()
    daemon.log.wait(rf"warning \[{re.escape(own)}\] .*PROXY header: not received within handshake_timeout")


def test_a_header_and_a_login_share_the_time(perilune):
    daemon = perilune(FROM_LOOPBACK.replace("{ proxy_", "{ handshake_timeout = 0.3, proxy_"))
    with RawClient(daemon.tcp) as client:
        client.socket.sendall(V1)
        client.receive_greeting()
        with pytest.raises(Err, match="Login took too long"):
            client.reply()
    daemon.log.wait(r"\[192\.0\.2\.7:4711\] login took too long")


def test_a_connection_that_ends_in_the_middle_of_a_header(perilune):
    daemon = perilune(FROM_LOOPBACK)
    with RawClient(daemon.tcp) as client:
        own = text_of(client.socket.getsockname())
        client.socket.sendall(V2[:20])
    daemon.log.wait(rf"warning \[{re.escape(own)}\] .*PROXY header: the connection was closed in the middle of it")


def test_who_only_looks_whether_the_port_answers_fills_no_log(perilune):
    daemon = perilune(FROM_LOOPBACK, arguments=["--verbose"])
    with RawClient(daemon.tcp) as client:
        own = text_of(client.socket.getsockname())
    daemon.log.wait(rf"debug \[{re.escape(own)}\] client went away")
    assert not daemon.log.matching("warning")


def test_a_bad_header_is_no_session_for_the_script(perilune):
    daemon = perilune("""
        local function note(name) return function(client) event(name .. ' ' .. tostring(client.address)) end end
        mysql_listen(TCP, {
          on_connect = note('connect'), on_disconnect = note('disconnect'),
          on_login = function(client) return client:err('no') end,
        }, { proxy_protocol = { from = { '127.0.0.1' } } })""")
    with RawClient(daemon.tcp) as client:
        client.socket.sendall(b"nonsense")
        assert client.at_end()
    with RawClient(daemon.tcp) as client, pytest.raises(Err):
        client.socket.sendall(V1)
        client.login("plain")
    daemon.events.wait("^disconnect")
    assert daemon.events.snapshot() == ["connect 192.0.2.7:4711", "disconnect 192.0.2.7:4711"]


def test_others_connect_without_a_header(perilune):
    daemon = perilune(FROM_LOOPBACK)
    with log_in(daemon.tcp, source="127.0.0.2") as client:
        own = text_of(client.socket.getsockname())
    daemon.events.wait(f"^login {re.escape(own)} ")


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_a_header_from_others_is_a_broken_packet(perilune, header):
    daemon = perilune(FROM_LOOPBACK)
    with RawClient(daemon.tcp, source="127.0.0.2") as client:
        client.receive_greeting()
        client.socket.sendall(header)
        with pytest.raises(Err) as caught:
            client.reply()
        assert caught.value.code == 1043
        assert client.at_end()
    daemon.log.wait(r"warning \[127\.0\.0\.2:\d+\] session failed reason=\"Client sent packets out of order\"")
    assert not daemon.events.snapshot()


def test_a_listener_of_both_families_knows_its_ipv4_proxies(perilune):
    daemon = perilune(FROM_LOOPBACK.replace("TCP,", "'*:' .. TCP:match('%d+$'),"))
    with log_in(daemon.tcp, V2):
        daemon.events.wait(r"^login 192\.0\.2\.7:4711 ")
    with log_in(daemon.tcp, source="127.0.0.2"):
        daemon.events.wait(r"^login 127\.0\.0\.2:")


@pytest.mark.no_reload
def test_a_reload_changes_who_is_a_proxy(perilune):
    daemon = perilune(FROM_LOOPBACK)
    with log_in(daemon.tcp, V1) as before:
        daemon.write_config(FROM_LOOPBACK.replace("'127.0.0.1'", "'127.0.0.2/31'"))
        daemon.reload()
        with log_in(daemon.tcp), log_in(daemon.tcp, V2, source="127.0.0.3"):
            assert before.value("SELECT 1") == "1"


# unix sockets

FROM_UNIX = """
local function on_login(client, login)
  event(table.concat({tostring(client.address), tostring(client.pid), tostring(client.cgroup == nil)}, ' '))
  return client:connect(SERVER, %s)
end
mysql_listen(SOCK, { on_login = on_login }, { proxy_protocol = { from = { 'unix' } } })
"""


def test_a_proxy_on_a_unix_socket(perilune):
    daemon = perilune(FROM_UNIX % "login")
    with log_in(daemon.sock, V1):
        daemon.events.wait(r"^192\.0\.2\.7:4711 nil true$")
    with RawClient(daemon.sock) as client:
        client.socket.sendall(b"no header")
        assert client.at_end()
    daemon.log.wait(r"warning \[pid=\d+ uid=\d+\] .*PROXY header: missing")


@pytest.mark.parametrize("header", [V1, b"PROXY UNKNOWN\r\n", version_2(command=LOCAL)], ids=["v1", "unknown", "local"])
def test_the_kernel_vouches_for_the_proxy_only(perilune, header):
    daemon = perilune(FROM_UNIX % "{ user = 'plain', password = 'secret' }")
    with pytest.raises(Err, match="Lua error"):
        log_in(daemon.sock, header)
    daemon.log.wait("nothing has checked this client's password")


# out


def sending(version, listener="mysql_listen(TCP, handler)"):
    return f"""
        local handler = {{ on_login = function(client, login)
          return client:connect(SERVER, login, {{ send_proxy = '{version}' }})
        end }}
        {listener}"""


VERSIONS = pytest.mark.parametrize("version", ["v1", "v2"])
BEHIND_A_PROXY = "mysql_listen(TCP, handler, { proxy_protocol = { from = { '127.0.0.1' } } })"


def hosts(client):
    """What the server thinks: the host of USER(), and host and port in the process list."""
    user = client.value("SELECT USER()")
    listed = client.value("SELECT HOST FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()")
    return user.partition("@")[2], listed


@VERSIONS
def test_the_server_learns_the_clients_address(perilune, version):
    daemon = perilune(sending(version))
    with log_in(daemon.tcp, source="127.0.0.2") as client:
        assert hosts(client) == ("127.0.0.2", text_of(client.socket.getsockname()))


@VERSIONS
def test_the_server_learns_the_clients_address_over_a_unix_socket(perilune, mariadb, version):
    daemon = perilune(sending(version), {"SERVER": mariadb.socket})
    with log_in(daemon.tcp, source="127.0.0.2") as client:
        assert hosts(client) == ("127.0.0.2", text_of(client.socket.getsockname()))


@VERSIONS
@pytest.mark.parametrize("header, host", [(V1, CLIENT), (version_1(CLIENT6, ENTRY6), CLIENT6)], ids=["ipv4", "ipv6"])
def test_an_announced_address_is_passed_on(perilune, version, header, host):
    daemon = perilune(sending(version, BEHIND_A_PROXY))
    with log_in(daemon.tcp, header) as client:
        assert hosts(client) == (host[0], text_of(host))


@VERSIONS
def test_a_client_on_a_unix_socket_is_not_announced(perilune, version):
    daemon = perilune(sending(version, "mysql_listen(SOCK, handler)"))
    with log_in(daemon.sock) as client:
        assert hosts(client)[0] == "127.0.0.1"


@VERSIONS
def test_the_servers_refusal_names_the_client(perilune, version):
    daemon = perilune(sending(version, BEHIND_A_PROXY))
    with pytest.raises(Err, match=r"'plain'@'192\.0\.2\.7'"):
        log_in(daemon.tcp, V2, password="wrong")


def test_without_send_proxy_the_server_sees_the_proxy(perilune):
    daemon = perilune(FROM_LOOPBACK)
    with log_in(daemon.tcp, V1) as client:
        assert hosts(client)[0] == "127.0.0.1"


# together


@VERSIONS
def test_a_chain(perilune, version):
    behind = perilune(sending("v1", BEHIND_A_PROXY))
    before = perilune(sending(version), {"SERVER": text_of(behind.tcp)})
    with log_in(before.tcp, source="127.0.0.2") as client:
        own = text_of(client.socket.getsockname())
        assert hosts(client) == ("127.0.0.2", own)
        behind.log.wait(rf"\[{re.escape(own)}\] login ")


def test_a_chain_whose_second_part_expects_no_header(perilune):
    behind = perilune(sending("v1"))
    before = perilune(sending("v2"), {"SERVER": text_of(behind.tcp)})
    with pytest.raises(Err):
        log_in(before.tcp)
    behind.log.wait(r"session failed reason=\"Client sent packets out of order")


@pytest.mark.parametrize("option", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"])
def test_haproxy_in_front(perilune, folder, option):
    daemon = perilune(FROM_LOOPBACK)
    with Haproxy(folder, text_of(daemon.tcp), f"{option} check inter 100ms") as haproxy:
        with log_in(haproxy.address, source="127.0.0.3") as client:
            own = text_of(client.socket.getsockname())
            assert client.value("SELECT 1") == "1"
        daemon.events.wait(f"^login {re.escape(own)} to {re.escape(text_of(haproxy.address))}$")
    assert not daemon.log.matching("PROXY header")
