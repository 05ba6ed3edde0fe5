"""tcp_listen: TLS and the PROXY protocol, with clients and with servers."""

import contextlib
import socket
import ssl
import threading
from types import SimpleNamespace

import pytest

from support import proxy_protocol
from support.certificates import make_certificates
from support.tcp import assert_closed, connect, forward, pattern, receive_all, receive_exactly
from support.tls import client_context


@pytest.fixture(scope="session")
def server():
    """Most of these tests need no database."""
    return SimpleNamespace(address="127.0.0.1:1", socket="/nowhere")


@pytest.fixture
def start(perilune, target):
    def start(config=None, define=None, **options):
        return perilune(config or forward(), {"TARGET": target.address, **(define or {})}, **options)

    return start


# TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture
def names(certificates):
    return {
        "CA": certificates.ca,
        "CERT": certificates.server,
        "KEY": certificates.server_key,
        "CLIENT": certificates.client,
        "CLIENT_KEY": certificates.client_key,
    }


TERMINATE = """
local handler = { on_connect = function(client)
  local tls = client.tls
  event(table.concat({ 'tls', tls.version, tls.subject or '-', tls.server_name or '-' }, ' '))
  return client:connect(TARGET)
end }
tcp_listen(TCP, handler, { tls = { cert = CERT, key = KEY, client_ca = CA }, handshake_timeout = 3 })
"""


def wrap(sock, context, name="localhost"):
    return context.wrap_socket(sock, server_hostname=name, suppress_ragged_eofs=False)


def test_tls_is_terminated(start, target, names, certificates):
    daemon = start(TERMINATE, names)
    context = client_context(certificates.ca, certificates.client, certificates.client_key)
    with wrap(connect(daemon.tcp), context) as client, target.accept() as server:
        client.sendall(b"secret")
        assert receive_exactly(server, 6) == b"secret"
        server.sendall(pattern(1 << 20))
        server.shutdown(socket.SHUT_WR)
        assert receive_all(client) == pattern(1 << 20)  # up to a close_notify: ragged ends raise
    daemon.events.wait(r"^tls TLSv1\.3 CN=Perilune test client localhost$")


def test_the_end_of_a_tls_client_leaves_the_servers_answer(start, target, names, certificates):
    daemon = start(TERMINATE, names)
    context = client_context(certificates.ca)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with connect(daemon.tcp) as client:

        def until(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    client.sendall(outgoing.read())
                    incoming.write(client.recv(1 << 16))

        until(tls.do_handshake)
        tls.write(b"question")
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.unwrap()
        client.sendall(outgoing.read())  # the question and close_notify
        with target.accept() as server:
            assert receive_all(server) == b"question"
            server.sendall(b"answer")
            server.shutdown(socket.SHUT_WR)
        assert until(lambda: tls.read(100)) == b"answer"
    daemon.events.wait(r"^tls TLSv1\.3 - localhost$")


def test_a_strangers_certificate_is_refused(start, names, certificates, folder):
    strangers = make_certificates(folder / "strangers")
    daemon = start(TERMINATE, names)
    context = client_context(certificates.ca, strangers.client, strangers.client_key)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with wrap(connect(daemon.tcp), context) as client:
            client.recv(1)
    daemon.log.wait('session failed reason="TLS with the client failed: ')


def test_who_speaks_no_tls_is_refused(start, names):
    daemon = start(TERMINATE, names)
    with connect(daemon.tcp) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            receive_all(client)
    daemon.log.wait('session failed reason="TLS with the client failed: ')


def test_who_says_nothing_is_not_waited_for(start, names):
    daemon = start(TERMINATE.replace("timeout = 3", "timeout = 0.3"), names)
    with connect(daemon.tcp) as client:
        assert receive_all(client) == b""
    daemon.log.wait('reason="TLS with the client failed: not over within handshake_timeout"')


def tls_server(target, certificates, ends):
    """Speaks TLS on the next connection and tells what it received first."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=certificates.ca)
    context.load_cert_chain(certificates.server, certificates.server_key)
    context.verify_mode = ssl.CERT_OPTIONAL

    def run():
        sock = target.accept()
        header = sock.recv(108, socket.MSG_PEEK)
        if header.startswith(b"PROXY"):
            ends["header"] = sock.recv(header.index(b"\n") + 1)
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            with context.wrap_socket(sock, server_side=True) as tls:
                ends["subject"] = tls.getpeercert()
                tls.sendall(tls.recv(100).upper())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("proxy", ["", "send_proxy = 'v1', "])
def test_tls_to_the_server(start, target, names, certificates, proxy):
    options = proxy + "tls = { ca = CA, cert = CLIENT, key = CLIENT_KEY, server_name = 'localhost' }"
    daemon = start(forward(options), names)
    ends = {}
    thread = tls_server(target, certificates, ends)
    with connect(daemon.tcp) as client:
        client.sendall(b"question")
        assert receive_all(client) == b"QUESTION"
        if proxy:
            source = "%s %%s %d %d" % (client.getsockname()[0], client.getsockname()[1], daemon.tcp[1])
            assert ends["header"] == b"PROXY TCP4 %s\r\n" % (source % daemon.tcp[0]).encode()
    thread.join(30)
    assert ("commonName", "Perilune test client") in ends["subject"]["subject"][0]


@pytest.mark.parametrize("tls", ["{ ca = STRANGERS }", "{ ca = CA, server_name = 'other.example' }"])
def test_a_server_that_is_not_verified(start, target, names, certificates, folder, tls):
    strangers = make_certificates(folder / "strangers")
    daemon = start(forward(f"tls = {tls}"), {**names, "STRANGERS": strangers.ca})
    tls_server(target, certificates, {})
    assert_closed(daemon, 'TLS with the server failed: the server\'s certificate: ')


# the PROXY protocol

CLIENT, ENTRY = ("192.0.2.7", 4711), ("198.51.100.1", 3306)
V1 = proxy_protocol.version_1(CLIENT, ENTRY)
V2 = proxy_protocol.version_2(proxy_protocol.block(CLIENT, ENTRY))


@pytest.mark.parametrize("outgoing, wanted", [("v1", V1), ("v2", V2)], ids=["to-v1", "to-v2"])
@pytest.mark.parametrize("header", [V1, V2], ids=["from-v1", "from-v2"])
def test_proxy_headers_in_and_out(start, target, header, outgoing, wanted):
    daemon = start(forward(f"send_proxy = '{outgoing}'", "proxy_protocol = { from = { '127.0.0.1', 'unix' } }"))
    with connect(daemon.tcp) as client:
        client.sendall(header + b"behind it")
        with target.accept() as server:
            assert receive_exactly(server, len(wanted) + 9) == wanted + b"behind it"


def test_who_has_no_header_is_refused(start):
    daemon = start(forward(listen="proxy_protocol = { from = { '127.0.0.1', 'unix' } }"))
    with connect(daemon.tcp) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert receive_all(client) == b""
    daemon.log.wait("session failed reason=.*PROXY header")
