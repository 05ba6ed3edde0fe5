"""Plain sockets for tests of tcp_listen: a server whose connections the test holds, clients, resets."""

import contextlib
import hashlib
import socket
import struct
import threading

PATIENCE = 30  # seconds that a socket waits at most


class Target:
    """A listening socket; accept() gives the test its next connection."""

    def __init__(self, unix_path=None, host="127.0.0.1"):
        self._listener = socket.socket(socket.AF_UNIX if unix_path else socket.AF_INET)
        self._listener.bind(unix_path or (host, 0))
        self._listener.listen(1024)
        self._listener.settimeout(PATIENCE)
        self.port = None if unix_path else self._listener.getsockname()[1]
        self.address = unix_path or "%s:%d" % (host, self.port)
        self._accepted = []

    def accept(self):
        sock, _ = self._listener.accept()
        sock.settimeout(PATIENCE)
        self._accepted.append(sock)
        return sock

    def close(self):
        for sock in (*self._accepted, self._listener):
            sock.close()


def connect(address):
    """To (host, port), or to the path of a unix socket."""
    sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    sock.settimeout(PATIENCE)
    sock.connect(address)
    return sock


def reset(sock):
    """Closes the connection with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def receive_exactly(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        assert part, f"ended after {data!r}"
        data += part
    return data


def receive_all(sock):
    """Everything until the other side's end."""
    return b"".join(iter(lambda: sock.recv(1 << 16), b""))


class Digest:
    """Hashes what a socket receives until its end, in a thread of its own; result() is (bytes, digest)."""

    def __init__(self, sock):
        self._sock, self._hash, self._size, self._error = sock, hashlib.sha256(), 0, None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            while part := self._sock.recv(1 << 16):
                self._hash.update(part)
                self._size += len(part)
        except OSError as error:
            self._error = error

    def result(self):
        self._thread.join(120)
        assert not self._thread.is_alive(), "no end came"
        if self._error:
            raise self._error
        return self._size, self._hash.hexdigest()


def forward(connect="", listen=""):
    """Options of client:connect and of tcp_listen."""
    return f"""
local handler = {{ on_connect = function(client) return client:connect(TARGET, {{ {connect} }}) end }}
for _, where in ipairs {{ SOCK, TCP }} do tcp_listen(where, handler, {{ {listen} }}) end
"""


@contextlib.contextmanager
def session(daemon, target, address=None):
    """Both ends of a session."""
    with connect(address or daemon.tcp) as client:
        client.sendall(b"!")
        with target.accept() as server:
            assert receive_exactly(server, 1) == b"!"
            yield client, server


def assert_closed(daemon, why):
    with connect(daemon.tcp) as client:
        assert receive_all(client) == b""
    daemon.log.wait(why)


def pattern(size):
    return hashlib.shake_256(b"pattern").digest(1 << 16) * (size >> 16)
