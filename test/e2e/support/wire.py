"""The MySQL wire format as far as the scripted peers need it.

Written from the protocol's description and independent of the C++ codecs on purpose: a mistake there must
not be repeated here.
"""

import hashlib
import struct
from dataclasses import dataclass, field
from enum import IntFlag

MAX_PACKET = 0xFFFFFF


class Cap(IntFlag):
    LONG_PASSWORD = 1
    FOUND_ROWS = 1 << 1
    LONG_FLAG = 1 << 2
    CONNECT_WITH_DB = 1 << 3
    COMPRESS = 1 << 5
    LOCAL_FILES = 1 << 7
    IGNORE_SPACE = 1 << 8
    PROTOCOL_41 = 1 << 9
    SSL = 1 << 11
    TRANSACTIONS = 1 << 13
    SECURE_CONNECTION = 1 << 15
    MULTI_STATEMENTS = 1 << 16
    MULTI_RESULTS = 1 << 17
    PS_MULTI_RESULTS = 1 << 18
    PLUGIN_AUTH = 1 << 19
    CONNECT_ATTRS = 1 << 20
    LENENC_AUTH = 1 << 21
    SESSION_TRACK = 1 << 23
    DEPRECATE_EOF = 1 << 24


PLAIN_CLIENT = (
    Cap.LONG_PASSWORD
    | Cap.LONG_FLAG
    | Cap.LOCAL_FILES
    | Cap.PROTOCOL_41
    | Cap.TRANSACTIONS
    | Cap.SECURE_CONNECTION
    | Cap.MULTI_STATEMENTS
    | Cap.MULTI_RESULTS
    | Cap.PS_MULTI_RESULTS
    | Cap.PLUGIN_AUTH
    | Cap.LENENC_AUTH
)
PLAIN_SERVER = PLAIN_CLIENT | Cap.CONNECT_WITH_DB | Cap.CONNECT_ATTRS | Cap.SESSION_TRACK | Cap.DEPRECATE_EOF | Cap.FOUND_ROWS

COM_QUIT, COM_INIT_DB, COM_QUERY, COM_FIELD_LIST = 1, 2, 3, 4
COM_STATISTICS, COM_PROCESS_INFO, COM_PING, COM_CHANGE_USER = 9, 10, 14, 17
COM_STMT_PREPARE, COM_STMT_EXECUTE, COM_STMT_SEND_LONG_DATA, COM_STMT_CLOSE = 22, 23, 24, 25
COM_STMT_RESET, COM_SET_OPTION, COM_STMT_FETCH, COM_RESET_CONNECTION = 26, 27, 28, 31

STATUS_IN_TRANSACTION, STATUS_AUTOCOMMIT, STATUS_MORE_RESULTS = 1, 2, 8
STATUS_CURSOR_EXISTS, STATUS_LAST_ROW_SENT, STATUS_PS_OUT_PARAMS = 64, 128, 4096

# caching_sha2_password's messages: the whole packets of the server, the client's question
SHA2_FAST, SHA2_FULL, SHA2_ASK_KEY = b"\x01\x03", b"\x01\x04", b"\x02"


class Closed(Exception):
    """The peer closed the connection; `rest` is what came of an unfinished packet."""

    def __init__(self, rest=b""):
        super().__init__("closed by the peer" + (f" within a packet: {rest[:40]!r}" if rest else ""))
        self.rest = rest


def lenenc(number):
    if number < 251:
        return bytes([number])
    if number < 1 << 16:
        return b"\xfc" + struct.pack("<H", number)
    if number < 1 << 24:
        return b"\xfd" + struct.pack("<I", number)[:3]
    return b"\xfe" + struct.pack("<Q", number)


def lenenc_text(data):
    return lenenc(len(data)) + data


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise ValueError(f"short packet: {self.data[:80]!r}")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def lenenc(self):
        first = self.number(1)
        sizes = {0xFC: 2, 0xFD: 3, 0xFE: 8}
        if first in sizes:
            return self.number(sizes[first])
        if first > 0xFA:
            raise ValueError(f"not a length: {first:#x}")
        return first

    def lenenc_text(self):
        return self.take(self.lenenc())

    def text_until_nul(self):
        end = self.data.index(b"\0", self.at)
        text = self.data[self.at : end]
        self.at = end + 1
        return text

    def rest(self):
        return self.take(len(self.data) - self.at)

    def left(self):
        return len(self.data) - self.at


class Packets:
    """Packets over a connected socket; `sequence` is the number the next packet must have."""

    def __init__(self, sock):
        self.socket = sock
        self.sequence = 0
        self._buffer = bytearray()

    def _exactly(self, count):
        while len(self._buffer) < count:
            try:
                data = self.socket.recv(max(65536, count - len(self._buffer)))
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed(bytes(self._buffer))
            self._buffer += data
        out = bytes(self._buffer[:count])
        del self._buffer[:count]
        return out

    def read(self):
        """One payload, put together from all its packets; a wrong sequence number is an error."""
        parts = []
        while True:
            header = self._exactly(4)
            length = int.from_bytes(header[:3], "little")
            if header[3] != self.sequence:
                raise AssertionError(f"sequence number {header[3]}, expected {self.sequence}")
            self.sequence = (self.sequence + 1) & 0xFF
            parts.append(self._exactly(length))
            if length < MAX_PACKET:
                return b"".join(parts)

    def encode(self, payload):
        """The payload as packets with the next sequence numbers."""
        out = bytearray()
        at = 0
        while True:
            chunk = payload[at : at + MAX_PACKET]
            out += struct.pack("<I", len(chunk))[:3] + bytes([self.sequence]) + chunk
            self.sequence = (self.sequence + 1) & 0xFF
            at += len(chunk)
            if len(chunk) < MAX_PACKET:
                return bytes(out)

    def write(self, payload):
        self.socket.sendall(self.encode(payload))

    def at_end(self):
        """True if the peer has closed and sent nothing more; waits for it."""
        if self._buffer:
            return False
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


@dataclass
class Greeting:
    server_version: str = "8.0.99-fake"
    connection_id: int = 7
    nonce: bytes = b"0123456789abcdefghij"
    capabilities: Cap = PLAIN_SERVER
    charset: int = 45
    status: int = STATUS_AUTOCOMMIT
    plugin: str = "mysql_native_password"

    def encode(self):
        low, high = self.capabilities & 0xFFFF, self.capabilities >> 16
        return (
            b"\x0a"
            + self.server_version.encode()
            + b"\0"
            + struct.pack("<I", self.connection_id)
            + self.nonce[:8]
            + b"\0"
            + struct.pack("<HBHHB", low, self.charset, self.status, high, 21)
            + bytes(10)
            + self.nonce[8:]
            + b"\0"
            + self.plugin.encode()
            + b"\0"
        )

    @classmethod
    def decode(cls, payload):
        r = Reader(payload)
        if r.number(1) != 10:
            raise ValueError(f"not a greeting: {payload!r}")
        version = r.text_until_nul().decode()
        connection_id = r.number(4)
        nonce = r.take(8)
        r.take(1)
        low, charset, status, high = r.number(2), r.number(1), r.number(2), r.number(2)
        length = r.number(1)
        r.take(10)
        nonce += r.take(max(12, length - 9))
        r.take(1)
        plugin = r.text_until_nul().decode() if r.left() else ""
        return cls(version, connection_id, nonce, Cap(low | high << 16), charset, status, plugin)


@dataclass
class HandshakeResponse:
    user: str
    answer: bytes = b""
    database: str = ""
    capabilities: Cap = PLAIN_CLIENT
    max_packet: int = 1 << 24
    charset: int = 45
    plugin: str = "mysql_native_password"
    attributes: dict = field(default_factory=dict)

    def encode(self):
        caps = self.capabilities
        out = struct.pack("<IIB", caps, self.max_packet, self.charset) + bytes(23) + self.user.encode() + b"\0"
        out += lenenc_text(self.answer) if caps & Cap.LENENC_AUTH else bytes([len(self.answer)]) + self.answer
        if caps & Cap.CONNECT_WITH_DB:
            out += self.database.encode() + b"\0"
        if caps & Cap.PLUGIN_AUTH:
            out += self.plugin.encode() + b"\0"
        if caps & Cap.CONNECT_ATTRS:
            pairs = b"".join(lenenc_text(t.encode()) for pair in self.attributes.items() for t in pair)
            out += lenenc_text(pairs)
        return out

    @classmethod
    def decode(cls, payload):
        r = Reader(payload)
        caps, max_packet, charset = Cap(r.number(4)), r.number(4), r.number(1)
        r.take(23)
        user = r.text_until_nul().decode()
        answer = r.lenenc_text() if caps & Cap.LENENC_AUTH else r.take(r.number(1))
        database = r.text_until_nul().decode() if caps & Cap.CONNECT_WITH_DB else ""
        plugin = r.text_until_nul().decode() if caps & Cap.PLUGIN_AUTH else ""
        attributes = {}
        if caps & Cap.CONNECT_ATTRS and r.left():
            pairs = Reader(r.lenenc_text())
            while pairs.left():
                name = pairs.lenenc_text().decode()
                attributes[name] = pairs.lenenc_text().decode()
        if r.left():
            raise ValueError(f"{r.left()} bytes too many in a handshake response")
        return cls(user, answer, database, caps, max_packet, charset, plugin, attributes)


def change_user_body(user, answer, database, capabilities, plugin, attributes, charset):
    """COM_CHANGE_USER behind its first byte."""
    out = user.encode() + b"\0" + bytes([len(answer)]) + answer + database.encode() + b"\0" + struct.pack("<H", charset)
    if capabilities & Cap.PLUGIN_AUTH:
        out += plugin.encode() + b"\0"
    if capabilities & Cap.CONNECT_ATTRS:
        out += lenenc_text(b"".join(lenenc_text(t.encode()) for pair in attributes.items() for t in pair))
    return out


def native_answer(password, nonce):
    if not password:
        return b""
    stage1 = hashlib.sha1(password.encode()).digest()
    mask = hashlib.sha1(nonce[:20] + hashlib.sha1(stage1).digest()).digest()
    return bytes(a ^ b for a, b in zip(stage1, mask))


def sha2_answer(password, nonce):
    if not password:
        return b""
    stage1 = hashlib.sha256(password.encode()).digest()
    mask = hashlib.sha256(hashlib.sha256(stage1).digest() + nonce[:20]).digest()
    return bytes(a ^ b for a, b in zip(stage1, mask))


def clear_answer(password, _nonce):
    return password.encode() + b"\0"


def answer_for(plugin, password, nonce):
    known = {"mysql_native_password": native_answer, "caching_sha2_password": sha2_answer, "mysql_clear_password": clear_answer}
    if plugin not in known:
        raise ValueError(f"no such method here: {plugin}")
    return known[plugin](password, nonce)


@dataclass
class Ok:
    affected: int = 0
    insert_id: int = 0
    status: int = STATUS_AUTOCOMMIT
    warnings: int = 0
    info: bytes = b""

    def encode(self, header=0):
        return (
            bytes([header])
            + lenenc(self.affected)
            + lenenc(self.insert_id)
            + struct.pack("<HH", self.status, self.warnings)
            + self.info
        )

    @classmethod
    def decode(cls, payload):
        r = Reader(payload)
        r.take(1)
        return cls(r.lenenc(), r.lenenc(), r.number(2), r.number(2), r.rest())


@dataclass
class Err(Exception):
    code: int
    sqlstate: str
    message: str

    def encode(self, with_state=True):
        state = b"#" + self.sqlstate.encode() if with_state else b""
        return b"\xff" + struct.pack("<H", self.code) + state + self.message.encode()

    @classmethod
    def decode(cls, payload):
        r = Reader(payload)
        r.take(1)
        code = r.number(2)
        rest = r.rest()
        if rest[:1] == b"#":
            return cls(code, rest[1:6].decode(), rest[6:].decode())
        return cls(code, "", rest.decode())

    def __str__(self):
        return f"{self.code} ({self.sqlstate}): {self.message}"


@dataclass
class Rows:
    columns: list  # column definitions, as they came
    rows: list  # tuples of bytes or None; binary rows as they came
    status: int
    warnings: int = 0

    @property
    def values(self):
        return [value for row in self.rows for value in row]


def column_definition(name, column_type=0xFD, charset=45):
    text = [b"def", b"", b"", b"", name.encode(), b""]
    return b"".join(map(lenenc_text, text)) + b"\x0c" + struct.pack("<HIBHB", charset, 1024, column_type, 0, 0) + b"\0\0"


def eof(status=STATUS_AUTOCOMMIT, warnings=0):
    return b"\xfe" + struct.pack("<HH", warnings, status)


def text_row(values):
    return b"".join(b"\xfb" if v is None else lenenc_text(v) for v in values)


def decode_text_row(payload, columns):
    r = Reader(payload)
    row = []
    for _ in range(columns):
        if r.data[r.at] == 0xFB:
            r.take(1)
            row.append(None)
        else:
            row.append(r.lenenc_text())
    return tuple(row)
