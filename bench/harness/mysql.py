"""A minimal MySQL client: mysql_native_password and text queries, nothing else.

For sessions that are counted exactly or held by the thousand; loads are made by sysbench.
"""

import hashlib
import socket
import struct

LONG_PASSWORD, PROTOCOL_41, TRANSACTIONS = 1, 1 << 9, 1 << 13
SECURE_CONNECTION, PLUGIN_AUTH = 1 << 15, 1 << 19
CAPABILITIES = LONG_PASSWORD | PROTOCOL_41 | TRANSACTIONS | SECURE_CONNECTION | PLUGIN_AUTH
UTF8MB4 = 45
MAX_PACKET = 1 << 24
NATIVE = b'mysql_native_password'
COM_QUIT, COM_QUERY = b'\x01', b'\x03'
OK, AUTH_SWITCH, END, ERROR = 0x00, 0xFE, 0xFE, 0xFF


class MySQLError(Exception):
    pass


class Connection:
    def __init__(self, port: int, user: str, password: str, timeout: float = 30.0):
        self.socket = socket.create_connection(('127.0.0.1', port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = b''
        self.sequence = 0
        try:
            self._log_in(user.encode(), password.encode())
        except BaseException:
            self.socket.close()
            raise

    def query(self, sql: str):
        """Waits for the whole reply and throws it away."""
        self.sequence = 0
        self._send(COM_QUERY + sql.encode())
        if self._receive()[0] == OK:
            return
        for _ in ('columns', 'rows'):
            while not is_end(self._receive()):
                pass

    def quit(self):
        self.sequence = 0
        self._send(COM_QUIT)
        self.socket.close()

    def _log_in(self, user: bytes, password: bytes):
        challenge = challenge_of(self._receive())
        answer = native_answer(password, challenge)
        self._send(struct.pack('<IIB23x', CAPABILITIES, MAX_PACKET, UTF8MB4) + user + b'\0'
                   + bytes([len(answer)]) + answer + NATIVE + b'\0')
        reply = self._receive()
        if reply[0] == AUTH_SWITCH:
            plugin, challenge = reply[1:].split(b'\0', 1)
            if plugin != NATIVE:
                raise MySQLError(f'cannot answer {plugin!r}')
            self._send(native_answer(password, challenge[:20]))
            reply = self._receive()
        if reply[0] != OK:
            raise MySQLError(f'unexpected login reply {reply[:40]!r}')

    def _send(self, payload: bytes):
        header = struct.pack('<I', len(payload))[:3] + bytes([self.sequence])
        self.socket.sendall(header + payload)
        self.sequence += 1

    def _receive(self) -> bytes:
        header = self._take(4)
        self.sequence = header[3] + 1
        payload = self._take(int.from_bytes(header[:3], 'little'))
        if payload[:1] == bytes([ERROR]):
            raise MySQLError(payload[3:].decode(errors='replace'))
        return payload

    def _take(self, count: int) -> bytes:
        while len(self.input) < count:
            more = self.socket.recv(65536)
            if not more:
                raise MySQLError('the connection was closed')
            self.input += more
        taken, self.input = self.input[:count], self.input[count:]
        return taken


def is_end(payload: bytes) -> bool:
    return payload[0] == END and len(payload) < 9


def challenge_of(greeting: bytes) -> bytes:
    """Eight bytes after version and connection id, twelve more after the fixed fields."""
    rest = greeting[1:].split(b'\0', 1)[1]
    return rest[4:12] + rest[31:43]


def native_answer(password: bytes, challenge: bytes) -> bytes:
    if not password:
        return b''
    once = hashlib.sha1(password).digest()
    proof = hashlib.sha1(challenge + hashlib.sha1(once).digest()).digest()
    return bytes(a ^ b for a, b in zip(once, proof))
