"""Servers of a cluster: plain ones that say who they are, and how a test talks to the script about its cluster."""

import contextlib
import hashlib
import ipaddress
import socket
import threading

from .tcp import connect

# The first argument of each statement is Lua; what it returns comes back as an event.
ADMIN = """
mysql_listen(SOCK2, {
  on_login = function(client) return client:serve{ unchecked = true } end,
  on_query = function(client, text)
    local answer = assert(loadstring(text))()
    event('answer ' .. tostring(answer))
    return client:ok()
  end })
function state_of(node)
  for _, row in ipairs(cluster:nodes()) do
    if row.address == node or row.name == node then return row.state end
  end
end
"""


class Node:
    """Says its name to every client and holds the connection."""

    def __init__(self, host="127.0.0.1", name=None, port=0):
        self._lock = threading.Lock()
        self._held = []
        self._listener = None
        self.host, self.port = host, port
        self.start()
        self.address = f"{host}:{self.port}"
        self.name = name or self.address

    def start(self):
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((self.host, self.port))
        self._listener.listen(512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._held.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        """Ends when the client does."""
        with contextlib.suppress(OSError):
            sock.sendall(self.name.encode() + b"\n")
            while sock.recv(1 << 12):
                pass
            sock.shutdown(socket.SHUT_RDWR)

    def stop(self):
        """As a process that dies: nothing listens, and all connections end."""
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            held, self._held = self._held, []
        for sock in held:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@contextlib.contextmanager
def plain_nodes(*hosts):
    nodes = [Node(host) for host in hosts]
    try:
        yield nodes
    finally:
        for node in nodes:
            node.stop()


def lua_list(nodes):
    return "{" + ", ".join(f"'{node.address}'" for node in nodes) + "}"


def read_line(sock):
    line = b""
    while not line.endswith(b"\n"):
        part = sock.recv(1)
        if not part:
            return None
        line += part
    return line[:-1].decode()


def visit(address):
    """A connection to a cluster and the name of the node that answered; None if nobody did."""
    sock = connect(address)
    return sock, read_line(sock)


def chosen(hosts, key):
    """The host that myproxy's rule prefers."""

    def rank(host):
        data = ipaddress.ip_address(host).packed + key.encode()
        return int.from_bytes(hashlib.blake2b(data, digest_size=16).digest()[:8], "little")

    return min(hosts, key=rank)


class Admin:
    """Runs Lua in a worker of a daemon whose script has ADMIN."""

    def __init__(self, daemon):
        self._daemon = daemon

    def __call__(self, lua):
        mark = self._daemon.events.mark()
        with self._daemon.logged_in(address=self._daemon.sock2) as client:
            client.query(lua)
        return self._daemon.events.wait("^answer ", after=mark)[len("answer ") :]
