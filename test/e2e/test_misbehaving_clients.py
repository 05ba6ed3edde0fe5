"""Clients that send without reading, or break off while they are held back."""

import socket
import struct
import threading

import pytest

from support import wire
from support.wire import Err

TO_FAKE = """
local handler = {
  on_login = function(client, login)
    if login.change then return client:err(('no'):rep(1000)) end
    return client:connect(FAKE, login)
  end,
  on_disconnect = function() event('gone') end,
}
mysql_listen(SOCK, handler)
mysql_listen(TCP, handler)
"""
ENOUGH = 16 << 20  # bytes that no queue of the proxy or the kernel takes
STILL = 2  # seconds without progress: the sender is held back


def packet(command):
    return struct.pack("<I", len(command)) + command


def send_until_held_back(client, data):
    """Sends copies of `data`, cut anywhere; how many bytes went."""
    client.socket.settimeout(STILL)
    data *= max(1, (1 << 16) // len(data))
    sent = 0
    try:
        while sent < ENOUGH:
            sent += client.socket.send(data[sent % len(data) :])
    except socket.timeout:
        pass
    client.socket.settimeout(30)
    return sent


@pytest.mark.parametrize("where", ["sock", "tcp"])
def test_who_has_commands_answered_by_the_proxy_must_read_the_answers(perilune, fake, where):
    server = fake()
    daemon = perilune(TO_FAKE, {"FAKE": server.address})
    with daemon.logged_in(address=getattr(daemon, where)) as client:
        body = wire.change_user_body("u", b"", "", client.capabilities, "mysql_native_password", {}, 45)
        request = packet(bytes([wire.COM_CHANGE_USER]) + body)
        sent = send_until_held_back(client, request)
        assert sent < ENOUGH
        for _ in range(sent // len(request)):
            client.packets.sequence = 1
            with pytest.raises(Err):
                client.reply()
        client.socket.sendall(request[sent % len(request) :])
        client.packets.sequence = 1
        with pytest.raises(Err):
            client.reply()
        client.command(wire.COM_PING)
        client.ok()


def test_a_client_that_breaks_off_while_it_is_held_back(perilune, fake):
    """It is by a command for the proxy itself, which waits for the answer to the one before."""
    go_on = threading.Event()
    server = fake(on_command=lambda peer, _: go_on.wait(60))
    daemon = perilune(TO_FAKE, {"FAKE": server.address}, workers=1)
    try:
        client = daemon.logged_in(address=daemon.tcp)
        client.send_query("SELECT 1")
        server.wait_for(lambda s: s.commands)
        client.command(wire.COM_CHANGE_USER, b"u\0\0\0")
        with daemon.raw(daemon.tcp) as other:  # the same worker: has seen what came before
            other.receive_greeting()
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        daemon.events.wait("gone", seconds=10, count=2)
    finally:
        go_on.set()
