"""What a server answers to a script, byte for byte."""

import re
import struct

from . import wire
from .raw_client import RawClient
from .wire import Err, Packets


class Recorder(Packets):
    """Remembers all that was read, headers included."""

    def __init__(self, sock):
        super().__init__(sock)
        self.record = bytearray()

    def _exactly(self, count):
        data = super()._exactly(count)
        self.record += data
        return data


class Scribe(RawClient):
    """A client whose `transcript` grows by each step; a step ends where its answers end."""

    def __init__(self, address):
        super().__init__(address)
        self.packets = Recorder(self.socket)
        self.transcript = []  # (the step's name, what the server sent)

    def login(self, *arguments, **options):
        answer = super().login(*arguments, **options)
        self.packets.record.clear()
        return answer

    def note(self, name, mask=bytes):
        """Ends a step. `mask` takes what it received and gives what shall be compared."""
        self.transcript.append((name, mask(self.packets.record)))
        self.packets.record.clear()

    def says(self, sql):
        """Statements that work, with all their results."""
        results = self.results(sql)
        self.note(sql)
        return results

    def refuses(self, sql):
        """Statements of which one is an error."""
        try:
            self.results(sql)
        except Err:
            return self.note(sql)
        raise AssertionError(f"no error: {sql}")

    def sends(self, command, body=b"", name="", mask=bytes):
        """A command that is answered with one packet, maybe an error."""
        self.command(command, body)
        self.packets.read()
        self.note(name or f"command {command} {body!r}", mask)

    def prepares(self, sql):
        """The statement's number, which MariaDB counts for all sessions, is left out."""
        statement, *_ = self.prepare(sql)
        self.note(f"prepare {sql}", lambda record: bytes(record[:5] + record[9:]))
        return statement

    def resets(self, statement):
        self.sends(wire.COM_STMT_RESET, struct.pack("<I", statement), "reset")

    def executes(self, statement, values=(), cursor=False, refused=False, mask=bytes):
        """With typed values, see `typed`; all results."""
        self.command(wire.COM_STMT_EXECUTE, typed_body(statement, values, cursor))
        try:
            result = self.result(binary=True)
            while result.status & wire.STATUS_MORE_RESULTS:
                result = self.result(binary=True)
        except Err:
            if not refused:
                raise
        self.note(f"execute {values!r:.80}", mask)

    def attempts(self, name, action, mask=bytes):
        """An answer that may be an error, as this server and these capabilities have it."""
        try:
            action()
        except Err:
            pass
        self.note(name, mask)


def without_numbers(packet):
    """One packet of text; its header's length, which counts their digits, is checked and left out."""
    assert int.from_bytes(packet[:3], "little") == len(packet) - 4
    return packet[3:4] + re.sub(rb"\d+(\.\d+)?", b"N", bytes(packet[4:]))


def typed(kind, data, unsigned=False):
    """A parameter's type code and its value in the binary form; None: NULL."""
    return kind | (0x8000 if unsigned else 0), data


def typed_body(statement, values=(), cursor=False):
    body = struct.pack("<IBI", statement, 1 if cursor else 0, 1)
    if not values:
        return body
    nulls = sum(1 << index for index, (_, data) in enumerate(values) if data is None)
    types = b"".join(struct.pack("<H", kind) for kind, _ in values)
    return body + nulls.to_bytes((len(values) + 7) // 8, "little") + b"\x01" + types + b"".join(data or b"" for _, data in values)


def first_difference(left, right):
    """None, or where two transcripts part, in words."""
    for (name, here), (other, there) in zip(left, right):
        if (name, here) != (other, there):
            at = next((at for at, pair in enumerate(zip(here, there)) if pair[0] != pair[1]), min(len(here), len(there)))
            return f"{name} / {other}: byte {at}: {here[max(0, at - 20) : at + 40]!r} {there[max(0, at - 20) : at + 40]!r}"
    return None if len(left) == len(right) else f"{len(left)} and {len(right)} steps"
