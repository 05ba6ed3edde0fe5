"""TLS for the raw client, and contexts for Python's own TLS."""

import ssl
import struct

from .raw_client import RawClient
from .wire import Cap


def client_context(ca=None, cert=None, key=None, version=None):
    """Checks the certificate only if an authority is given."""
    context = ssl.create_default_context(cafile=ca) if ca else ssl._create_unverified_context()
    if cert:
        context.load_cert_chain(cert, key)
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def ssl_request(flags, behind=b""):
    payload = struct.pack("<IIB", int(flags | Cap.SSL), 1 << 24, 45) + bytes(23)
    return len(payload).to_bytes(3, "little") + b"\x01" + payload + behind


class TlsClient(RawClient):
    """A raw client that begins TLS behind the greeting; `behind` is sent in one piece with its request for it."""

    def start_tls(self, context, server_name=None, behind=b"", flags=Cap.PROTOCOL_41 | Cap.SECURE_CONNECTION | Cap.PLUGIN_AUTH):
        greeting = self.greeting or self.receive_greeting()
        assert greeting.capabilities & Cap.SSL, "no TLS is offered"
        self.socket.sendall(ssl_request(flags, behind))
        self.socket = context.wrap_socket(self.socket, server_hostname=server_name)
        self.packets.socket = self.socket
        self.packets.sequence = 2
        return self
