#!/usr/bin/env python3
"""Makes the seeds of the fuzz targets: from the recorded sessions; for logins, statements and the PROXY protocol by hand.

usage: make_corpus.py SESSIONS POSTGRES_SESSIONS CORPUS

A seed is named after its contents' digest, as libFuzzer does.
"""

import hashlib
import os
import struct
import sys

DEPRECATE_EOF, CACHE_METADATA = 1 << 24, 1 << 36


def sessions(directory):
    """Yields the login and the commands of each session as lists of (direction, bytes)."""
    for name in sorted(os.listdir(directory)):
        if not name.endswith(".txt"):
            continue
        login, commands = [], []
        with open(os.path.join(directory, name), encoding="ascii") as lines:
            for line in lines:
                word, *data = line.split()
                if word == "login":
                    target = login
                elif word in ("command", "pipelined"):
                    target = commands
                else:
                    target.append((word, bytes.fromhex(data[0])))
        yield login, commands


def payloads(data):
    while data:
        end = 4 + int.from_bytes(data[:3], "little")
        yield data[4:end]
        data = data[end:]


def flags(login):
    """As fuzz_mysql_exchange wants the capabilities."""
    response = next(payloads(login[1][1]))
    capabilities = int.from_bytes(response[:4], "little")
    if not capabilities & 1:
        capabilities |= int.from_bytes(response[28:32], "little") << 32
    return bool(capabilities & DEPRECATE_EOF) | bool(capabilities & CACHE_METADATA) << 2


def streams(login, commands, extra):
    data = bytes([flags(login) | extra, 2])
    for direction, part in commands:
        for at in range(0, len(part), 0xFFFF):
            piece = part[at:at + 0xFFFF]
            data += bytes([direction == "C"]) + len(piece).to_bytes(2, "little") + piece
    return data


def phase_seeds(login, commands):
    """For fuzz_mysql_command_phase: a recorded session that the script lets pass or answers, at once and after waiting."""
    for script in (0, 25, 50, 55):
        data = bytes([flags(login) | 16])
        for direction, part in commands:
            piece = part[:4096]
            data += bytes([script + (direction == "S")]) + len(piece).to_bytes(2, "little") + piece + bytes([script + 2])
        yield data


def phase_scripts():
    """Whole statements under every decision."""
    for script in range(0, 60, 5):
        yield bytes([16]) + bytes([script + 3, 17, script + 3, 6, script + 2, script + 3, 29, script + 4, script + 3, 0, script + 2]) * 3


def login_seeds(login):
    """For fuzz_mysql_login: a recorded login in every way, over a unix socket and over TCP."""
    pieces = b"".join(bytes([d == "C"]) + len(part).to_bytes(2, "little") + part for d, part in login)
    return (bytes([way, tcp]) + pieces for way in range(4) for tcp in range(2))


def proxy_headers():
    """Each kind of header, whole, with something behind it, and with something wrong."""
    ipv4 = bytes.fromhex("c0a80001c0a8000bdc0401bb")
    ipv6 = bytes.fromhex("20010db8" + "00" * 11 + "01" + "ff" * 16 + "ffff0000")
    unix = b"\0abstract".ljust(108, b"\0") + b"/run/x.sock".ljust(108, b"\0")
    tlvs = bytes.fromhex("0400010003000401020304ea0000")

    def binary(command, family, block):
        return b"\r\n\r\n\0\r\nQUIT\n" + bytes([command, family]) + len(block).to_bytes(2, "big") + block

    yield from (binary(0x20, 0, b""), binary(0x20, 0x11, ipv4), binary(0x21, 0, b""), binary(0x21, 0x12, ipv4))
    yield from (binary(0x21, family, block + tlvs) + b"rest" for family, block in ((0x11, ipv4), (0x21, ipv6), (0x31, unix)))
    yield from (binary(0x21, 0x11, ipv4 + b"\x04\xff\xff"), binary(0x21, 0x21, ipv4), binary(0x21, 0x11, ipv4 * 400))
    for line in ("TCP4 192.168.0.1 192.168.0.11 56324 443", "TCP6 2001:db8::1 ::ffff:1.2.3.4 65535 0", "UNKNOWN",
                 "UNKNOWN " + "x" * 80, "TCP4 1.2.3.04 5.6.7.8 1 2", "TCP4 1.2.3.4 5.6.7.8 1 65536", "TCP6  ::1 ::1 1 2"):
        yield f"PROXY {line}\r\n".encode()
    yield b"PROXY UNKNOWN\n"


def control_datagrams():
    """Datagrams of no, one and several commands, and with something wrong."""
    magic = bytes.fromhex("63046101")

    def command(number, payload, padding=b"\0"):
        return len(payload).to_bytes(2, "big") + number.to_bytes(2, "big") + payload + padding * (-len(payload) % 4)

    yield from (magic, magic + command(20, b"anna"), magic + command(20, b"anna", b" ") + command(0, b"") + command(25, b"p\0j"))
    yield from (magic + command(999, b"x" * 300), magic + command(20, b"")[:2], magic + command(20, b"a")[:4], b"\0" * 8)


def change_requests():
    """COM_CHANGE_USER with and without a password, with all that may follow, and cut where old clients end."""
    whole = b"\x11anna\0\x14" + b"n" * 20 + b"shop\0\x2d\0mysql_native_password\0\x05\x02os\x01x"
    bare = b"\x11nopass\0\0\0"
    return whole, whole[:34], whole[:-6], bare, bare + b"\x08\0caching_sha2_password\0\0"


SHA2 = bytes.fromhex(
    "24412430303524031A69251C34295C4B35167C7F1E5A7B63091349503974624D34504B5A424679354856336868"
    "686F52485A736E4A733368786E427575516C73446469496537")
ED25519 = b"ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY"
VERIFIERS = [b"*6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4", SHA2, b"0x" + SHA2.hex().encode(),
             ED25519, b"P0:paWlpaWlpaWlpaWlpaWlpaWlpaWl:" + ED25519]

# By the number that fuzz_mysql_auth gives the method: the answers of a client; challenge and data
# of a server.
METHODS = [([b"a" * 32, b"\x02", b"c" * 255], [b"A" * 20 + b"\0", b"\x04", b"-----BEGIN"]),
           ([b"s" * 64], [b"A" * 32]),
           ([b"secret\0"], [b""]),
           ([b"n" * 20], [b"A" * 20 + b"\0"]),
           ([b"", b"s" * 96], [b"A" * 32, b"P\0" + b"\xa5" * 18]),
           ([b"\x01", b"c" * 255], [b"A" * 21, b"-----BEGIN"])]


def auth_seeds():
    """For fuzz_mysql_auth: every method with every kind of verifier, over a plain connection."""
    def seed(method, kind, pieces):
        return bytes([method, kind]) + b"".join(bytes([len(p)]) + p for p in pieces)

    for method, (answers, server) in enumerate(METHODS):
        for kind in range(3):
            yield seed(method, kind, [b""] + answers)
        for verifier in VERIFIERS:
            yield seed(method, 3, [verifier] + answers)
        yield seed(method, 0, server)


STATEMENTS = """USE `a``b`;|/*!50000 use x */ -- end|use x; select 1|KILL 12|/* a */ kill soft query 0012 ;;|# a\nkill /*!50000 8 */
kill 'x|select ?, '?', "\\"?", `?`, /* ? */ ? # ?|SET NAMES utf8mb4|set @@session.a = 1.5e-3, @b := 'c\\'d'|begin work|START TRANSACTION READ ONLY
commit and no chain|rollback|select @@session.a as b, @@`c`, database ( ), 'it''s' 'x', 0x1F, 12, .5 limit 1|select current_user, version() v
/*M!100000 select connection_id() */|show session variables like 'a\\_%'|show full tables from x|SHOW CHARACTER SET|show warnings limit 1"""


def statements():
    """For fuzz_mysql_sql: what is recognised and what nearly is, and the commands that have a text."""
    yield from (text.encode() for line in STATEMENTS.splitlines() for text in line.split("|"))
    yield from (bytes([command]) + fields for command in (2, 4, 5, 6, 7, 12, 23, 27, 33) for fields in (b"", b"a`b\0c'", b"\4\0\0\0"))


def postgres_sessions(directory):
    """Yields the login of each session and its commands, some thousand bytes together that begin and end between
    transactions, as lists of (direction, bytes)."""
    for name in sorted(os.listdir(directory)):
        if not name.endswith(".txt"):
            continue
        login, commands = [], [[]]
        with open(os.path.join(directory, name), encoding="ascii") as lines:
            for line in lines:
                word, *data = line.split()
                if word in ("login", "commands"):
                    target = login if word == "login" else commands[-1]
                elif word in "CS":
                    target.append((word, bytes.fromhex(data[0])))
                elif data == ["I"] and sum(len(part) for _, part in target) > 1500:
                    target = []
                    commands.append(target)
        yield login, commands


def postgres_streams(commands, flags):
    """For fuzz_postgres_exchange."""
    data = bytes([flags, 2])
    for direction, part in commands:
        data += bytes([direction == "C"]) + len(part).to_bytes(2, "little") + part
    return data


def startup_packets():
    """The forms that no recording has."""
    def packet(body):
        return (len(body) + 4).to_bytes(4, "big") + body

    yield from (packet(bytes.fromhex(code)) for code in ("04d2162f", "04d21630"))
    yield from (packet(bytes.fromhex("04d2162e00000001") + b"k" * size) for size in (4, 32, 256, 257))
    yield packet(b"\0\3\0\2user\0anna\0replication\0database\0_pq_.x\0y\0\0")
    yield packet(b"\0\2\0\0\0")


SCRAM_VERIFIER = b"SCRAM-SHA-256$3:c2FsdA==$" + b"A" * 43 + b"=:" + b"A" * 43 + b"="
PROOF = b"p=" + b"A" * 43 + b"="


def scram_seeds():
    """For fuzz_scram: by number of method and of verifier, a verifier's text and a client's answers or a server's data."""
    def seed(method, kind, pieces):
        return bytes([method, kind]) + b"".join(bytes([len(p)]) + p for p in pieces)

    dialogues = ([b"n,,n=,r=abc", b"c=biws,r=abc," + PROOF], [b"p=tls-server-end-point,,n=,r=abc", b"c=,r=abc," + PROOF],
                 [b"md5" + b"0" * 32], [b"password"], [b"r=@x,s=c2FsdA==,i=3", b"v=" + b"A" * 43 + b"="])
    for kind in range(5):
        for method, pieces in enumerate(dialogues):
            yield seed(method % 4, kind, [SCRAM_VERIFIER if kind == 4 else b""] + pieces)
    yield seed(2, 4, [b"md5" + b"0" * 32, b"md5" + b"f" * 32])
    yield seed(2, 0, [b"salt"])


def postgres_seeds(directory):
    seeds = {"fuzz_postgres_exchange": set(), "fuzz_postgres_framing": set(),
             "fuzz_postgres_startup": set(startup_packets()), "fuzz_scram": set(scram_seeds())}
    for login, commands in postgres_sessions(directory):
        seeds["fuzz_postgres_startup"].add(login[0][1])
        seeds["fuzz_postgres_framing"].update(b"\2" + part[:2048] for _, part in login[1:])
        seeds["fuzz_postgres_framing"].update(b"\2" + part[:512] for _, part in commands[0][:12])
        for number, some in enumerate(commands):
            seeds["fuzz_postgres_exchange"].add(postgres_streams(some, (0, 1, 3)[number % 3]))
    return seeds


def bound_values():
    """For fuzz_bound_values: whose, types, and a Bind or a COM_STMT_EXECUTE."""
    def seed(whose, types, message):
        return bytes([whose, len(types)]) + b"".join(struct.pack("<I", t) for t in types) + message

    def bind(code, values):
        head = struct.pack(">HHH", 1, code, len(values))
        return b"p\0s\0" + head + b"".join(struct.pack(">I", len(v)) + v for v in values) + b"\0\0"

    yield seed(0, [23, 25, 16], bind(1, [b"\0\0\0\5", b"text", b"\1"]))
    yield seed(0, [1082, 1114, 1184, 1083], bind(1, [b"\0\0\0\5", b"\0" * 7 + b"\1", b"\xff" * 8, b"\0" * 8]))
    yield seed(0, [1700, 2950, 3802, 701], bind(1, [struct.pack(">HhHHHH", 2, 0, 0, 2, 12, 3450), b"u" * 16, b"\1{}", b"\0" * 8]))
    yield seed(0, [], bind(0, [b"1", b"two"]))
    yield seed(1, [8, 253], b"\x17" + b"\7\0\0\0" + b"\0" + b"\1\0\0\0" + b"\0" + b"\1" + b"\x08\0\xfd\0" + b"\5" + b"\0" * 7 + b"\2ab")
    yield seed(1, [12, 11], b"\x17" + b"\7\0\0\0" + b"\0" + b"\1\0\0\0" + b"\0" + b"\1" + b"\x0c\0\x0b\0" + b"\4\xe8\7\1\2" + b"\0")
    yield seed(2, [3], b"\xfa" + b"\7\0\0\0" + b"\x40\0" + b"\3\0" + b"\0\1\0\0\0" + b"\1")


TREES = [
    [b'{"a": [1, -2.5e3, true, null, "\\u00e4\\n"], "b": {}}', b"[[[[1]]]]", b'"x"', b"1e400"],
    [b"a: &x [1, 0x1F, .inf, ~, yes]\nb: *x\n", b"- |\n  text\n- 'a': !!int '3'\n", b"? [a]\n: 1\n", b"--- a\n--- b\n", b"a: &a [*a]"],
    [b"a.b = 1\n[c]\nd = [1979-05-27, 07:32:00]\n[[e]]\nf = {g = 'h'}\n", b'a = \'\'\'.\n\'\'\'\nb = """\\\n."""\n', b"a = 0x10 # x"],
]
TOKENS = [
    b"eyJhbGciOiJub25lIn0.e30.",
    b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhIjoxfQ.57TF7smP9XDhIexBqPC-F1toZReYZLWb_YRU5tv0sxM",
    b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    b"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    b'{"sub":"anna","aud":["us"]}',
    b'{"exp":1,"nbf":2}',
]


def main():
    source, postgres_source, corpus = sys.argv[1:]
    seeds = {"fuzz_bound_values": set(bound_values()), "fuzz_data": {bytes([number]) + text for number, texts in enumerate(TREES) for text in texts},
             "fuzz_jwt": set(TOKENS),
             "fuzz_mysql_client_packets": set(change_requests()), "fuzz_mysql_server_packets": set(),
             "fuzz_mysql_exchange": set(), "fuzz_proxy_protocol": set(proxy_headers()),
             "fuzz_control": set(control_datagrams()),
             "fuzz_mysql_auth": set(auth_seeds()), "fuzz_mysql_login": set(),
             "fuzz_mysql_command_phase": set(phase_scripts()), "fuzz_mysql_sql": set(statements()),
             **postgres_seeds(postgres_source)}
    for login, commands in sessions(source):
        for direction, data in login:
            target = "client" if direction == "C" else "server"
            seeds[f"fuzz_mysql_{target}_packets"].update(payloads(data))
        for direction, data in commands:
            if direction == "S":
                seeds["fuzz_mysql_server_packets"].update(
                    p for p in payloads(data) if len(p) < 100 and p[0] in (0x00, 0xFE, 0xFF))
        seeds["fuzz_mysql_login"].update(login_seeds(login))
        if commands:
            seeds["fuzz_mysql_exchange"].update(streams(login, commands, e) for e in (0, 8))
            seeds["fuzz_mysql_command_phase"].update(phase_seeds(login, commands))
    for target, contents in seeds.items():
        os.makedirs(os.path.join(corpus, target), exist_ok=True)
        for content in contents:
            name = hashlib.sha1(content).hexdigest()
            with open(os.path.join(corpus, target, name), "wb") as out:
                out.write(content)


if __name__ == "__main__":
    main()
