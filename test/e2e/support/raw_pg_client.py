"""A PostgreSQL client that does exactly what a test tells it, and counts what goes through its socket behind the login."""

import struct

from .raw_client import open_socket


def message(tag, body=b""):
    return tag + struct.pack("!I", 4 + len(body)) + body


def query(text):
    return message(b"Q", text.encode() + b"\0")


def parse(text, name=""):
    return message(b"P", name.encode() + b"\0" + text.encode() + b"\0" + b"\0\0")


def bind(name=""):
    return message(b"B", b"\0" + name.encode() + b"\0" + 6 * b"\0")


EXECUTE = message(b"E", b"\0" + 4 * b"\0")
SYNC = message(b"S")


class RawPgClient:
    """Use as a context manager: leaving it just closes the socket. Its login is for targets with known credentials."""

    def __init__(self, address, user="web", version=(3, 0), **parameters):
        self.socket = open_socket(address)
        self.sent = self.received = self.id = 0
        self.key = b""
        pairs = {"user": user, **parameters}
        body = b"".join(f"{name}\0{value}\0".encode() for name, value in pairs.items())
        self._startup = struct.pack("!IHH", 9 + len(body), *version) + body + b"\0"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send_login(self):
        self.socket.sendall(self._startup)

    def log_in(self):
        self.send_login()
        for tag, body in self.until_ready():
            if tag == b"K":
                (self.id,), self.key = struct.unpack("!I", body[:4]), body[4:]
        self.received = 0
        return self

    def send(self, data):
        self.socket.sendall(data)
        self.sent += len(data)

    def run(self, data):
        """The tags of the answers, with ReadyForQuery the last."""
        self.send(data)
        return b"".join(tag for tag, _ in self.until_ready())

    def until_ready(self):
        messages = [self.receive()]
        while messages[-1][0] != b"Z":
            messages.append(self.receive())
        return messages

    def receive(self):
        tag, size = struct.unpack("!cI", self._exactly(5))
        return tag, self._exactly(size - 4)

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionError("the other side has closed the connection")
            data += more
        self.received += size
        return data
