"""Headers of the PROXY protocol, and HAProxy as the one who sends them."""

import ipaddress
import os
import shutil
import socket
import struct
import subprocess
import time

from throwaway import ReservedPort, die_with_parent

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PROXY, LOCAL = 0x21, 0x20
TCP4, TCP6, UNIX = 0x11, 0x21, 0x31


def version_1(source, destination):
    """Both are (host, port)."""
    family = "TCP6" if ":" in source[0] else "TCP4"
    return f"PROXY {family} {source[0]} {destination[0]} {source[1]} {destination[1]}\r\n".encode()


def version_2(block=b"", family=TCP4, command=PROXY):
    return SIGNATURE + struct.pack(">BBH", command, family, len(block)) + block


def block(source, destination):
    hosts = b"".join(ipaddress.ip_address(end[0]).packed for end in (source, destination))
    return hosts + struct.pack(">HH", source[1], destination[1])


# Debian keeps it where not everybody's PATH leads.
PROGRAM = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")

HAPROXY = """
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
listen mysql
  bind 127.0.0.1:{port}
  server perilune {target} {options}
"""


class Haproxy:
    """HAProxy before one target, to which it speaks with these `options` of its server line."""

    def __init__(self, folder, target, options):
        self._reserved = ReservedPort()
        self.address = ("127.0.0.1", self._reserved.port)
        config = folder / "haproxy.cfg"
        config.write_text(HAPROXY.format(port=self._reserved.port, target=target, options=options))
        self._process = subprocess.Popen(
            [PROGRAM or "haproxy", "-db", "-f", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )

    def __enter__(self):
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(self.address).close()
                return self
            except ConnectionRefusedError:
                assert self._process.poll() is None and time.monotonic() < deadline, "HAProxy does not start"
                time.sleep(0.02)

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(20)
        self._reserved.close()
