"""A MySQL server that follows a script: refuses, stays silent, dies at a step, lacks capabilities."""

import socket
import threading

from . import wire
from .wire import Cap, Closed, Err, Greeting, HandshakeResponse, Ok, Packets


class Backlogged:
    """An address where connect() hangs: its queue of new connections is full and nobody accepts."""

    def __init__(self):
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        self._queued = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(self._listener.getsockname())
            self._queued.append(sock)

    def close(self):
        for sock in (*self._queued, self._listener):
            sock.close()


class FakeServer:
    """Accepts every login with `password` (any, if None) and answers every command with OK, unless told otherwise.

    `greeting`: a Greeting, an Err to send in its place, bytes to send as they are, or None to say nothing at all.
    `die_at`: 'accept', 'greeting' (before it), 'response' (after reading it), 'login' (after asking for
    more), or None.
    `on_login(peer, response)`, true if it let the client in, and `on_command(peer, command)` replace the
    usual answers.
    """

    def __init__(self, greeting=Greeting(), password=None, switch_to=None, die_at=None, on_login=None, on_command=None, unix_path=None):
        self.greeting, self.password, self.switch_to, self.die_at = greeting, password, switch_to, die_at
        self.on_login, self.on_command = on_login, on_command
        self._changed = threading.Condition()
        self.connections = 0
        self.open_connections = 0
        self.broken_handshakes = 0  # greetings that were never answered
        self.responses = []  # HandshakeResponse of each login tried
        self.commands = []  # payloads, in order of arrival
        self.failures = []  # exceptions in the script: a test that used this server fails
        self._sockets = set()
        self._listener = socket.socket(socket.AF_UNIX if unix_path else socket.AF_INET)
        self._listener.bind(unix_path or ("127.0.0.1", 0))
        self._listener.listen(256)
        self.address = unix_path or "127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    # what tests ask

    def wait_for(self, condition, seconds=20):
        """Waits until condition(server) holds."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), seconds):
                raise AssertionError(
                    f"not reached: {self.connections} connections, {self.open_connections} open, "
                    f"{len(self.responses)} logins, {self.broken_handshakes} broken off, commands {self.commands[-3:]}"
                )

    def close(self):
        self._listener.close()
        self.drop_all()
        assert not self.failures, self.failures

    def drop_all(self):
        """Closes every connection from this side."""
        with self._changed:
            for sock in self._sockets:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    # the script's run

    def note(self, **changes):
        with self._changed:
            for name, by in changes.items():
                value = getattr(self, name)
                setattr(self, name, value + by)
            self._changed.notify_all()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        self._sockets.add(sock)
        self.note(connections=1, open_connections=1)
        try:
            self._converse(Peer(self, sock))
        except (Closed, ConnectionError, OSError):
            pass
        except Exception as error:  # noqa: BLE001 - reported by close()
            self.failures.append(error)
        finally:
            with self._changed:
                self._sockets.discard(sock)
                sock.close()
            self.note(open_connections=-1)

    def _converse(self, peer):
        if self.die_at in ("accept", "greeting"):
            return
        if self.greeting is None:
            peer.wait_for_close()
            return
        if not isinstance(self.greeting, Greeting):
            raw = isinstance(self.greeting, bytes)
            peer.socket.sendall(self.greeting) if raw else peer.packets.write(self.greeting.encode(with_state=False))
            if raw:
                peer.wait_for_close()
            return
        peer.packets.write(self.greeting.encode())
        try:
            response = HandshakeResponse.decode(peer.packets.read())
        except (Closed, ConnectionError):
            self.note(broken_handshakes=1)
            raise
        self.note(responses=[response])
        if self.die_at == "response":
            return
        accepted = (self.on_login or self.check_login)(peer, response)
        if accepted:
            peer.serve_commands(response)

    def check_login(self, peer, response):
        """The server's side of login; False if it was refused."""
        plugin, answer, nonce = response.plugin, response.answer, self.greeting.nonce
        wanted = self.switch_to or (plugin if self.password is None else self.greeting.plugin)
        if self.die_at == "login" or wanted != plugin:
            nonce = b"abcdefghij0123456789"
            peer.packets.write(b"\xfe" + wanted.encode() + b"\0" + nonce + b"\0")
            if self.die_at == "login":
                peer.socket.shutdown(socket.SHUT_WR)
                return False
            answer = peer.packets.read()
        if self.password is not None and answer != wire.answer_for(wanted, self.password, nonce):
            peer.packets.write(Err(1045, "28000", f"Access denied for user '{response.user}'@'fake'").encode())
            return False
        if wanted == "caching_sha2_password" and answer:
            peer.packets.write(b"\x01\x03")
        peer.packets.write(Ok().encode())
        return True


class Peer:
    """One connection of a fake server."""

    def __init__(self, server, sock):
        self.server, self.socket = server, sock
        self.packets = Packets(sock)
        self.capabilities = Cap(0)

    def wait_for_close(self):
        while self.socket.recv(65536):
            pass

    def serve_commands(self, response):
        self.capabilities = response.capabilities & self.server.greeting.capabilities
        while True:
            self.packets.sequence = 0
            command = self.packets.read()
            self.server.note(commands=[command])
            if command[0] == wire.COM_QUIT:
                return
            if self.server.on_command:
                self.server.on_command(self, command)
            else:
                self.ok()

    def ok(self, **fields):
        self.packets.write(Ok(**fields).encode())

    def error(self, code, sqlstate, message):
        self.packets.write(Err(code, sqlstate, message).encode())

    def rows(self, names, rows, status=wire.STATUS_AUTOCOMMIT):
        """A result set in the form both sides agreed on."""
        payloads = [wire.lenenc(len(names)), *map(wire.column_definition, names)]
        modern = self.capabilities & Cap.DEPRECATE_EOF
        payloads += [] if modern else [wire.eof(status)]
        payloads += map(wire.text_row, rows)
        payloads += [Ok(status=status).encode(0xFE) if modern else wire.eof(status)]
        self.socket.sendall(b"".join(map(self.packets.encode, payloads)))

    def hang_up(self):
        self.socket.shutdown(socket.SHUT_RDWR)
