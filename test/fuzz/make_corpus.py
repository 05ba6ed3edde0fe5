#!/usr/bin/env python3
"""Makes the seeds of the fuzz targets from the recorded sessions.

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


def main():
    source, corpus = sys.argv[1:]
    seeds = {"fuzz_mysql_client_packets": set(), "fuzz_mysql_server_packets": set(),
             "fuzz_mysql_exchange": set()}
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
