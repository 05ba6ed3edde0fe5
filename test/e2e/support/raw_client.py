"""A MySQL client that does exactly what a test tells it, malformed packets included."""

import socket
import ssl
import struct

from pymysql._auth import sha2_rsa_encrypt

from . import wire
from .wire import Cap, Err, Ok, Packets, Reader, Rows


def open_socket(address, seconds=30, source=None):
    """`address`: a path, '@abstract', or (host, port); `source`: the host to come from."""
    if isinstance(address, str):
        sock = socket.socket(socket.AF_UNIX)
        target = "\0" + address[1:] if address.startswith("@") else address
    else:
        sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        target = address
    sock.settimeout(seconds)
    try:
        if source:
            sock.bind((source, 0))
        sock.connect(target)
    except BaseException:
        sock.close()
        raise
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class RawClient:
    """Every wait ends after `seconds`. Use as a context manager: leaving it just closes the socket."""

    def __init__(self, address, seconds=30, source=None):
        self.socket = open_socket(address, seconds, source)
        self.packets = Packets(self.socket)
        self.greeting = None
        self.capabilities = Cap(0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    # login

    def receive_greeting(self):
        payload = self.packets.read()
        if payload[:1] == b"\xff":
            raise Err.decode(payload)
        self.greeting = wire.Greeting.decode(payload)
        return self.greeting

    def send_login(self, user, password="", database="", flags=wire.PLAIN_CLIENT, attributes=None, plugin=None, charset=45, mask=True):
        """Answers the greeting; only what was offered is asked for, unless mask is False."""
        greeting = self.greeting or self.receive_greeting()
        flags |= Cap.CONNECT_WITH_DB if database else 0
        flags |= Cap.CONNECT_ATTRS if attributes else 0
        self.capabilities = Cap(flags & greeting.capabilities if mask else flags)
        plugin = plugin or greeting.plugin
        self.packets.write(
            wire.HandshakeResponse(
                user,
                wire.answer_for(plugin, password, greeting.nonce),
                database,
                self.capabilities,
                charset=charset,
                plugin=plugin,
                attributes=attributes or {},
            ).encode()
        )

    def send_change(self, user, password="", database="", attributes=None, plugin="mysql_native_password", charset=45):
        """COM_CHANGE_USER, answering the greeting's challenge as clients do."""
        self.full_exchange = False
        self.command(
            wire.COM_CHANGE_USER,
            wire.change_user_body(
                user, wire.answer_for(plugin, password, self.greeting.nonce), database, self.capabilities, plugin, attributes or {}, charset
            ),
        )

    def change_user(self, user, password="", database="", **options):
        self.send_change(user, password, database, **options)
        return self.finish_login(password)

    def finish_login(self, password=""):
        """Answers what the server asks, up to OK (returned) or ERR (raised).

        Counts the switches; `full_exchange` tells whether caching_sha2_password asked for the whole password, which
        goes in clear over a unix socket and encrypted by the server's key over TCP, as most clients do it.
        """
        self.switches = 0
        self.full_exchange = False
        nonce = self.greeting.nonce
        while True:
            payload = self.packets.read()
            if payload[0] == 0xFF:
                raise Err.decode(payload)
            if payload[0] == 0x00:
                self.packets.sequence = 0
                return Ok.decode(payload)
            if payload[0] == 0xFE:
                self.switches += 1
                r = Reader(payload[1:])
                plugin, nonce = r.text_until_nul().decode(), r.rest().rstrip(b"\0")
                self.packets.write(wire.answer_for(plugin, password, nonce))
            elif payload == wire.SHA2_FULL:
                self.full_exchange = True
                safe = self.socket.family == socket.AF_UNIX or isinstance(self.socket, ssl.SSLSocket)
                self.packets.write(password.encode() + b"\0" if safe else wire.SHA2_ASK_KEY)
            elif payload.startswith(b"\x01-----BEGIN"):
                self.packets.write(sha2_rsa_encrypt(password.encode(), nonce, payload[1:]))
            elif payload != wire.SHA2_FAST:
                raise AssertionError(f"unexpected during login: {payload!r}")

    def login(self, user, password="", database="", **options):
        self.send_login(user, password, database, **options)
        return self.finish_login(password)

    # commands

    def command(self, number, body=b""):
        self.packets.sequence = 0
        self.packets.write(bytes([number]) + body)

    def send_query(self, sql):
        self.command(wire.COM_QUERY, sql.encode() if isinstance(sql, str) else sql)

    def query(self, sql):
        """The first result; an error raises."""
        self.send_query(sql)
        return self.result()

    def value(self, sql):
        return self.query(sql).rows[0][0].decode()

    def results(self, sql):
        """All results of a statement text with several statements or a procedure call."""
        self.send_query(sql)
        found = [self.result()]
        while found[-1].status & wire.STATUS_MORE_RESULTS:
            found.append(self.result())
        return found

    def reply(self):
        """One payload of a reply; an error raises."""
        payload = self.packets.read()
        if payload[:1] == b"\xff":
            raise Err.decode(payload)
        return payload

    def ok(self):
        payload = self.reply()
        if payload[0] != 0:
            raise AssertionError(f"not OK: {payload[:40]!r}")
        return Ok.decode(payload)

    def result(self, binary=False):
        payload = self.reply()
        if payload[0] == 0:
            return Ok.decode(payload)
        if payload[0] == 0xFB:
            raise AssertionError(f"the server wants the file {payload[1:]!r}")
        columns = [self.reply() for _ in range(Reader(payload).lenenc())]
        if self.has_deprecate_eof():
            return self.rows(columns, binary)
        status = Reader(self.expect_eof()[3:]).number(2)
        if binary and status & wire.STATUS_CURSOR_EXISTS:
            return Rows(columns, [], status)
        result = self.rows(columns, binary)
        if status & wire.STATUS_PS_OUT_PARAMS:  # at their end MySQL does not say again that more follows
            result.status |= status & wire.STATUS_MORE_RESULTS
        return result

    def rows(self, columns, binary=False):
        rows = []
        while True:
            payload = self.reply()
            if payload[0] == 0xFE and len(payload) < (wire.MAX_PACKET if self.has_deprecate_eof() else 9):
                end = Ok.decode(payload) if self.has_deprecate_eof() else None
                status = end.status if end else Reader(payload[3:]).number(2)
                return Rows(columns, rows, status)
            rows.append((payload,) if binary else wire.decode_text_row(payload, len(columns)))

    def expect_eof(self):
        payload = self.reply()
        if payload[0] != 0xFE or len(payload) >= 9:
            raise AssertionError(f"not EOF: {payload[:40]!r}")
        return payload

    def has_deprecate_eof(self):
        return bool(self.capabilities & Cap.DEPRECATE_EOF)

    def prepare(self, sql):
        """(statement id, number of columns, number of parameters)"""
        self.command(wire.COM_STMT_PREPARE, sql.encode())
        return self.prepared()

    def prepared(self):
        r = Reader(self.reply())
        if r.number(1) != 0:
            raise AssertionError("not the answer to COM_STMT_PREPARE")
        statement, columns, parameters = r.number(4), r.number(2), r.number(2)
        for count in (parameters, columns):
            for _ in range(count):
                self.reply()
            if count and not self.has_deprecate_eof():
                self.expect_eof()
        return statement, columns, parameters

    def execute(self, statement, parameters=(), cursor=False):
        self.command(wire.COM_STMT_EXECUTE, execute_body(statement, parameters, cursor))
        return self.result(binary=True)

    def fetch(self, statement, count):
        self.command(wire.COM_STMT_FETCH, struct.pack("<II", statement, count))
        return self.rows([], binary=True)

    def at_end(self):
        return self.packets.at_end()


LONG_DATA = object()  # a parameter whose value goes ahead by COM_STMT_SEND_LONG_DATA


def execute_body(statement, parameters=(), cursor=False):
    """Integers, byte strings, None and LONG_DATA as parameters."""
    body = struct.pack("<IBI", statement, 1 if cursor else 0, 1)
    if not parameters:
        return body
    nulls = bytearray((len(parameters) + 7) // 8)
    types = values = b""
    for index, value in enumerate(parameters):
        if value is None:
            nulls[index // 8] |= 1 << index % 8
            types += b"\x06\x00"
        elif value is LONG_DATA:
            types += b"\xfc\x00"
        elif isinstance(value, int):
            types += b"\x08\x00"
            values += struct.pack("<q", value)
        else:
            types += b"\xfd\x00"
            values += wire.lenenc_text(value)
    return body + bytes(nulls) + b"\x01" + types + values
