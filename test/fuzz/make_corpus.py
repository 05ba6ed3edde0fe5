#!/usr/bin/env python3
"""Makes the seeds of the fuzz targets from the recorded sessions, and some headers of the PROXY protocol.

usage: make_corpus.py SESSIONS CORPUS

A seed is named after its contents' digest, as libFuzzer does.
"""

import hashlib
import os
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


def main():
    source, corpus = sys.argv[1:]
    seeds = {"fuzz_mysql_client_packets": set(), "fuzz_mysql_server_packets": set(),
             "fuzz_mysql_exchange": set(), "fuzz_proxy_protocol": set(proxy_headers())}
    for login, commands in sessions(source):
        for direction, data in login:
            target = "client" if direction == "C" else "server"
            seeds[f"fuzz_mysql_{target}_packets"].update(payloads(data))
        for direction, data in commands:
            if direction == "S":
                seeds["fuzz_mysql_server_packets"].update(
                    p for p in payloads(data) if len(p) < 100 and p[0] in (0x00, 0xFE, 0xFF))
        if commands:
            seeds["fuzz_mysql_exchange"].update(streams(login, commands, e) for e in (0, 8))
    for target, contents in seeds.items():
        os.makedirs(os.path.join(corpus, target), exist_ok=True)
        for content in contents:
            name = hashlib.sha1(content).hexdigest()
            with open(os.path.join(corpus, target, name), "wb") as out:
                out.write(content)


if __name__ == "__main__":
    main()
